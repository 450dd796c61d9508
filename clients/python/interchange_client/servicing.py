"""Skills of an agent that has no address: ordinary gRPC servicers, called without a server.

    skills = mailbox_skills(add_CandidatesServicer_to_server, Candidates())

collects what the generated function would have registered. Methods whose request is a stream are no skills and are left
out. A method is called as a server would: with its request, and with a context that has the metadata, the time that is
left and the ways to end with a status. Functions that are not `async` run in a thread.
"""

import asyncio
import inspect
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, NoReturn, TypeAlias, cast

import grpc

logger = logging.getLogger(__name__)

SILENT: Final = "The skill failed."
"""What a caller learns of an exception that was not meant for it."""

Add: TypeAlias = Callable[[Any, Any], None]
Send: TypeAlias = Callable[[bytes], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """One method of a servicer, and how its messages are read and written."""

    name: str
    behaviour: Callable[[Any, Any], Any]
    read: Callable[[bytes], Any]
    write: Callable[[Any], bytes]
    streams: bool


Skills: TypeAlias = Mapping[str, Method]
"""Methods by their full names, `/package.Service/Method`. Those of several servicers are `{**one, **another}`."""


def mailbox_skills(add: Add, servicer: object) -> Skills:
    """The methods of a servicer, collected by the `add_…Servicer_to_server` that was generated for it.

    Raises:
        ValueError: the function registers nothing that can be collected.
    """
    collected = _Collected()
    add(servicer, collected)
    if not collected.methods:
        raise ValueError(f"{getattr(add, '__name__', add)} registers no method that can be a skill")
    return collected.methods


class _Collected:
    """Looks like a server to what registers a service."""

    def __init__(self) -> None:
        self.methods: dict[str, Method] = {}

    def add_generic_rpc_handlers(self, handlers: object) -> None:
        """The same as is registered by name."""

    def add_registered_method_handlers(self, service: str, handlers: Mapping[str, Any]) -> None:
        for short, handler in handlers.items():
            if handler.request_streaming:
                continue
            name = f"/{service}/{short}"
            self.methods[name] = Method(
                name=name,
                behaviour=handler.unary_stream if handler.response_streaming else handler.unary_unary,
                read=handler.request_deserializer or bytes,  # gRPC's way to say that bytes stay bytes
                write=handler.response_serializer or bytes,
                streams=handler.response_streaming,
            )


class SkillEnded(Exception):
    """A skill ended with a status that is not OK; `details` may be shown to the caller."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(details)
        self.code = code
        self.details = details


class Metadatum(NamedTuple):
    """One entry of a call's metadata."""

    key: str
    value: str | bytes


class CallContext:
    """What a method is given beside its request: the part of gRPC's context that makes sense without a connection.

    It is the same for methods that are `async` and those that are not; only `write` has to be awaited.
    """

    def __init__(self, method: Method, *, metadata: Sequence[Metadatum], ends_at: float, send: Send) -> None:
        self._method = method
        self._metadata = tuple(metadata)
        self._ends_at = ends_at
        self._send = send
        self._loop = asyncio.get_running_loop()
        self._code = grpc.StatusCode.OK
        self._details = ""

    def invocation_metadata(self) -> tuple[Metadatum, ...]:
        """All that the gateway says beside the request: `authorization`, `ix-call`, `ix-delivery`, …"""
        return self._metadata

    def time_remaining(self) -> float:
        """Seconds."""
        return max(self._ends_at - self._loop.time(), 0.0)

    def abort(self, code: grpc.StatusCode, details: str = "", *_: object) -> NoReturn:
        """End the call with a status."""
        raise SkillEnded(code, details)

    def set_code(self, code: grpc.StatusCode) -> None:
        """The status that the call is to end with."""
        self._code = code

    def set_details(self, details: str) -> None:
        """Words for that status."""
        self._details = details

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._details

    def peer(self) -> str:
        """There is no connection to name."""
        return "mailbox"

    def is_active(self) -> bool:
        return True

    def set_trailing_metadata(self, *_: object) -> None:
        """There is nobody to read it."""

    async def write(self, message: Any) -> None:
        """Say one message of the answer."""
        await self._send(self._method.write(message))

    def check(self) -> None:
        """End as was set.

        Raises:
            SkillEnded: with a status that is not OK.
        """
        if self._code is not grpc.StatusCode.OK:
            raise SkillEnded(self._code, self._details)


async def perform(method: Method, request: bytes, context: CallContext) -> None:
    """Call a method; its messages are written to the context.

    Raises:
        SkillEnded: it ended with a status that is not OK, or with an exception, which is in the log here.
    """
    try:
        await _perform(method, request, context)
        context.check()
    except SkillEnded:
        raise
    except Exception:
        context.check()  # a status that was set counts, as it does on a server
        logger.exception("the skill %s failed", method.name)
        raise SkillEnded(grpc.StatusCode.UNKNOWN, SILENT) from None


async def _perform(method: Method, data: bytes, context: CallContext) -> None:
    request, behaviour = method.read(data), method.behaviour
    if inspect.iscoroutinefunction(behaviour) or inspect.isasyncgenfunction(behaviour):
        found = behaviour(request, context)
    else:
        found = await asyncio.to_thread(behaviour, request, context)
    if inspect.isawaitable(found):
        found = await found
    if not method.streams:
        await context.write(found)
    elif hasattr(found, "__aiter__"):
        async for message in cast("AsyncIterator[Any]", found):
            await context.write(message)
    elif found is not None:  # else it has written everything itself
        await _write_all(iter(found), context)


async def _write_all(messages: Iterator[Any], context: CallContext) -> None:
    """What a generator that is not async yields, each taken in a thread."""
    over = object()
    while (message := await asyncio.to_thread(next, messages, over)) is not over:
        await context.write(message)
