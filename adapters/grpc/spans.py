"""One CLIENT span for each delivery, by the OpenTelemetry conventions for RPC; nothing of content, and next to nothing
at all where nobody records."""

from collections.abc import Mapping

from grpc.aio import AioRpcError
from opentelemetry.trace import Span, Status, StatusCode

from adapters.grpc import names
from adapters.grpc.line import Line
from adapters.grpc.statuses import code_of
from registry.model import InterchangeError, Skill


def opening(skill: Skill) -> Mapping[str, str]:
    """What is known of a call before it is made, so that samplers see it."""
    service, _, method = skill.method.removeprefix("/").partition("/")
    return {names.RPC_SYSTEM: "grpc", names.RPC_SERVICE: service, names.RPC_METHOD: method}


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
