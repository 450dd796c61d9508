"""Whose trace a request belongs to: the one its HTTP headers name, unless its protocol says otherwise further in."""

from collections.abc import Generator
from contextlib import contextmanager

from opentelemetry import context, propagate
from starlette.types import Scope


@contextmanager
def under_callers_trace(scope: Scope) -> Generator[None]:
    """Let spans that begin in here continue the caller's trace (W3C Trace Context in the headers)."""
    headers: list[tuple[bytes, bytes]] = scope["headers"]
    carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers if name.startswith(b"trace")}
    if not carrier:
        yield
        return
    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)
