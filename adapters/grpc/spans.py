"""One CLIENT span for each delivery, by the OpenTelemetry conventions for RPC; nothing of content, and next to nothing
at all where nobody records."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import TracebackType

from grpc.aio import AioRpcError
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer

from adapters.grpc import names
from adapters.grpc.line import Line
from adapters.grpc.statuses import code_of
from registry.model import InterchangeError


@dataclass(frozen=True, slots=True)
class Opening:
    """What is known of every call of a method before it is made, so that samplers see it."""

    name: str
    attributes: Mapping[str, str]


def opening(method: str) -> Opening:
    """The opening of `/package.Service/Method`."""
    name = method.removeprefix("/")
    service, _, short = name.partition("/")
    return Opening(name, {names.RPC_SYSTEM: "grpc", names.RPC_SERVICE: service, names.RPC_METHOD: short})


class Recorded:
    """A span for as long as the context lasts, which notes how it ended."""

    __slots__ = ("_span",)

    def __init__(self, tracer: Tracer, opening: Opening) -> None:
        self._span = tracer.start_span(opening.name, kind=SpanKind.CLIENT, attributes=opening.attributes)

    def __enter__(self) -> Span:
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            succeeded(self._span)
        else:
            failed(self._span, error)
        self._span.end()


def went_to(span: Span, line: Line) -> None:
    if span.is_recording():
        span.set_attribute(names.SERVER_ADDRESS, line.address)
        span.set_attribute(names.SERVER_PORT, line.port)


def succeeded(span: Span) -> None:
    if span.is_recording():
        span.set_attribute(names.RPC_STATUS, 0)


def failed(span: Span, error: BaseException) -> None:
    """Note the class of an error, never its words."""
    if not span.is_recording():
        return
    cause = error.__cause__
    if isinstance(cause, AioRpcError):
        code = code_of(cause)
        number, _ = code.value
        span.set_attribute(names.RPC_STATUS, number)
        span.set_attribute(names.ERROR_TYPE, code.name)
    else:
        span.set_attribute(
            names.ERROR_TYPE, error.code if isinstance(error, InterchangeError) else type(error).__name__
        )
    span.set_status(Status(StatusCode.ERROR))
