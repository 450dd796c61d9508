"""Traces, where the agent's process has OpenTelemetry's API: a turn and its calls belong to the caller's trace.

This library does not require OpenTelemetry. Without it nothing is carried on, and nothing else changes.
"""

from collections.abc import Generator, Mapping
from contextlib import contextmanager

try:
    from opentelemetry import context, propagate
except ImportError:  # pragma: no cover
    context = propagate = None

_KEYS = ("traceparent", "tracestate", "baggage")


@contextmanager
def continued_trace(metadata: Mapping[str, str]) -> Generator[None]:
    """Let spans that begin in here, and calls to the gateway, belong to the trace that the metadata names."""
    if context is None or propagate is None or "traceparent" not in metadata:
        yield
        return
    carrier = {key: metadata[key] for key in _KEYS if key in metadata}
    token = context.attach(propagate.extract(carrier))
    try:
        yield
    finally:
        context.detach(token)


def trace_headers() -> Mapping[str, str]:
    """The headers that tell the gateway to which trace a call belongs."""
    carrier: dict[str, str] = {}
    if propagate is not None:
        propagate.inject(carrier)
    return carrier
