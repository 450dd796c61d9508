"""What every RPC of this port has in common: how its request is read, how its errors go out, and when it ends.

Methods are registered as client-streaming ones, which is the same on the wire as unary but leaves it to us when the
message is read: gRPC hands over the metadata first, and until `only_message` is called no more of a request arrives
than a stream's first window (64 kB). So whoever may not call costs neither a message's memory nor a wait for it.

An answer may be a stream. Then each message waits until its reader has room for it, for some seconds: whoever does not
read is sent no more, and costs one message meanwhile.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from itertools import accumulate
from types import MappingProxyType
from typing import Any, NoReturn, TypeAlias, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from registry.model import BadRequest, Deadline, DeadlinePassed, InterchangeError, TooLarge

log = logging.getLogger(__name__)

Context: TypeAlias = grpc.aio.ServicerContext[bytes, Message]
Behaviour: TypeAlias = Callable[[Context, Deadline], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Streaming: TypeAlias = Callable[[Context, Deadline, Send], Awaitable[None]]
Answer = TypeVar("Answer")
GenericHandler: TypeAlias = "grpc.GenericRpcHandler[bytes, Message]"

SECONDS = 60.0
"""The longest an RPC may take, whatever its client allows."""

STREAMING_SECONDS = 540.0
"""The longest an answer may be streamed: a little less than a connection lives. Its client goes on in another one."""

READING_SECONDS = 10.0
"""For a request to arrive whole."""

WRITING_SECONDS = 30.0
"""For one message of a stream to be taken by its reader."""

SENTENCE = 6_000
"""Bytes of an error as gRPC sends it, percent-encoded in a header: of headers, clients accept 8 kB for certain."""

CODE = "ix-error"
"""The trailer that says which of our errors it was."""

STATUSES: Mapping[str, grpc.StatusCode] = MappingProxyType(
    {
        "bad_request": grpc.StatusCode.INVALID_ARGUMENT,
        "invalid_arguments": grpc.StatusCode.INVALID_ARGUMENT,
        "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
        "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
        "unknown": grpc.StatusCode.NOT_FOUND,
        "denied": grpc.StatusCode.PERMISSION_DENIED,
        "needs_approval": grpc.StatusCode.PERMISSION_DENIED,
        "needs_scope": grpc.StatusCode.PERMISSION_DENIED,
        "refused": grpc.StatusCode.FAILED_PRECONDITION,
        "overloaded": grpc.StatusCode.UNAVAILABLE,
        "audit_unavailable": grpc.StatusCode.UNAVAILABLE,
        "unavailable": grpc.StatusCode.UNAVAILABLE,  # the issuer's keys
        "deadline_passed": grpc.StatusCode.DEADLINE_EXCEEDED,
        "far_side": grpc.StatusCode.FAILED_PRECONDITION,
    }
)
"""Our errors as gRPC's; any other is INTERNAL, without its text."""


class Ended(Exception):
    """An RPC ends with a status in the words of its face's own protocol."""

    def __init__(
        self, status: grpc.StatusCode, sentence: str, trailers: tuple[tuple[str, str | bytes], ...] = ()
    ) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence
        self.trailers = trailers


def service(
    name: str,
    behaviours: Mapping[str, Behaviour],
    streams: Mapping[str, Streaming] = MappingProxyType({}),
    *,
    seconds: float = STREAMING_SECONDS,
    answered_within: float | None = None,
) -> GenericHandler:
    """A service by its methods' names, ready to be added to a server; `seconds` is the longest a stream may take, and
    an answer that is none is there within `answered_within`, which is `SECONDS` where nothing is said."""
    untyped = cast("Any", grpc)  # its stubs know only blocking handlers
    methods = {
        method: untyped.stream_unary_rpc_method_handler(
            _answering(f"{name}/{method}", behaviour, answered_within), response_serializer=_serialised
        )
        for method, behaviour in behaviours.items()
    }
    methods |= {
        method: untyped.stream_stream_rpc_method_handler(
            _streaming(f"{name}/{method}", streaming, seconds), response_serializer=_serialised
        )
        for method, streaming in streams.items()
    }
    return untyped.method_handlers_generic_handler(name, methods)


async def only_message(context: Context, *, most: int, seconds: float = READING_SECONDS) -> bytes:
    """Read the one message of a request.

    Raises:
        BadRequest: it has none, or several.
        TooLarge: the message has more than `most` bytes.
        DeadlinePassed: the request did not end in time.
    """
    try:
        async with asyncio.timeout(seconds):
            message = await next_message(context)
            if message is None:
                raise BadRequest("The request carried no message: send exactly one.")
            if len(message) > most:
                raise TooLarge(f"The request has {len(message)} bytes; this method takes at most {most}.")
            if await next_message(context) is not None:
                raise BadRequest("The request carried more than one message: send exactly one.")
            return message
    except TimeoutError:
        raise DeadlinePassed(f"The request did not arrive whole within {seconds:g} s.") from None


def when_done(context: Context, callback: Callable[[], None]) -> None:
    """Have `callback` called once the RPC is over, however it ends: its answer sent, refused or abandoned."""

    def done(_: object) -> None:
        callback()

    cast("Any", context).add_done_callback(done)


async def next_message(context: Context) -> bytes | None:
    """The next message of a request, or None at its end."""
    found = await cast("Awaitable[object]", context.read())
    return found if isinstance(found, bytes) else None


def _answering(
    name: str, behaviour: Behaviour, seconds: float | None
) -> Callable[[object, Context], Awaitable[Message]]:
    """A method that ends in time, and with our errors as statuses."""

    async def answer(_: object, context: Context) -> Message:
        most = SECONDS if seconds is None else seconds
        return await _in_time(name, context, most, lambda deadline: behaviour(context, deadline))

    return answer


def _streaming(name: str, behaviour: Streaming, seconds: float) -> Callable[[object, Context], Awaitable[None]]:
    """The same of a method whose answer is a stream."""

    async def send(context: Context, message: Message) -> None:
        try:
            async with asyncio.timeout(WRITING_SECONDS):
                await cast("Any", context).write(message)
        except TimeoutError:
            raise DeadlinePassed(f"Nothing of the answer was read for {WRITING_SECONDS:g} s.") from None

    async def answer(_: object, context: Context) -> None:
        await _in_time(
            name,
            context,
            seconds,
            lambda deadline: behaviour(context, deadline, lambda message: send(context, message)),
        )

    return answer


async def _in_time(
    name: str, context: Context, seconds: float, behaviour: Callable[[Deadline], Awaitable[Answer]]
) -> Answer:
    """What a method answers in at most so many seconds; the RPC ends with what goes wrong."""
    remaining = cast("float | None", context.time_remaining())
    deadline = Deadline.after(seconds if remaining is None else min(remaining, seconds))
    limit = asyncio.timeout(deadline.remaining())
    try:
        async with limit:
            return await behaviour(deadline)
    except Ended as ended:
        end: Ended | InterchangeError = ended.with_traceback(None)
    except InterchangeError as error:
        # Without the frames that it went through: they hold the request until the garbage is looked at.
        end = error.with_traceback(None)
    except Exception:
        if limit.expired():
            end = DeadlinePassed("The call took longer than it may.")
        else:
            log.exception("an RPC failed", extra={"method": name})
            end = InterchangeError("The gateway failed; its log says why.")
    if isinstance(end, Ended):
        await context.abort(end.status, end.sentence, end.trailers)
    return await _abort(context, end)


async def _abort(context: Context, error: InterchangeError) -> NoReturn:
    """End the RPC as the table says."""
    status = STATUSES.get(error.code)
    if status is None:
        log.error("an error without a status: %s", error.message, extra={"code": error.code})
        await context.abort(grpc.StatusCode.INTERNAL, "The gateway failed; its log says why.", ((CODE, "internal"),))
    await context.abort(status, cut(error.message), ((CODE, error.code),))


def cut(message: str, *, most: int = SENTENCE) -> str:
    """A sentence at a length that arrives: at most so many bytes as gRPC sends it."""
    kept = sum(length <= most for length in accumulate(map(_encoded, message[:most])))
    return message if kept == len(message) else f"{message[:kept]}… ({len(message) - kept} more characters)"


def _encoded(character: str) -> int:
    return sum(1 if 0x20 <= byte < 0x7F and byte != 0x25 else 3 for byte in character.encode(errors="replace"))


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()
