"""Bringing: one assignment to an attached process, and what comes of it, as a call and a turn have it in common."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, TypeVar

from google.protobuf.duration_pb2 import Duration
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata
from interchange.v1 import work_pb2 as wire

from adapters.grpc.sending import too_late
from adapters.grpc.statuses import Asked, read_status
from adapters.mailbox.attachments import Attachments, Suits
from adapters.mailbox.hearing import Hearing
from registry.model import AgentName, Call, Deadline, DeadlinePassed, FarSideError, TooLarge

T = TypeVar("T")
_CODES: Final = MappingProxyType({code.value[0]: code for code in StatusCode})


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """An assignment for an agent, ready to be taken by an attachment that `suits`, and who asked for it."""

    call: Call
    asked: Asked
    agent: AgentName
    assignment: wire.Assignment
    deadline: Deadline
    suits: Suits


async def bring(errand: Errand, attachments: Attachments, read: Callable[[Hearing], Awaitable[T]]) -> T:
    """Have an attached process make the attempt, and return what `read` makes of what comes of it.

    Raises:
        FarSideError: no seat is free; or whatever `read` says.
        HandedBack: the process put it back, or is gone.
        TooLarge: the assignment is, or what comes of it.
        DeadlinePassed: there was no time left, or not enough.
    """
    left = errand.deadline.remaining()
    if left <= 0:
        raise too_late(errand.asked)
    assignment = errand.assignment
    assignment.time_left.CopyFrom(_duration(left))
    size, most = assignment.ByteSize(), attachments.limits.request
    if size > most:
        raise TooLarge(f"The message is {size} bytes; {errand.asked.name} can be sent {most}.")
    with attachments.taking(errand.agent, assignment, suits=errand.suits) as hearing:
        patience = asyncio.timeout(left)
        try:
            async with patience:
                return await read(hearing)
        except TimeoutError:
            if not patience.expired():
                raise
            raise too_late(errand.asked) from None


async def messages_of(hearing: Hearing, errand: Errand, *, limit: int) -> AsyncGenerator[bytes]:
    """The messages of a call's answer, as they come, each of at most `limit` bytes.

    Raises:
        FarSideError, DeadlinePassed, TooLarge: what it ended with, where that is no good end.
    """
    async for piece in hearing:
        if piece.WhichOneof("piece") == "message":
            if len(piece.message) > limit:
                raise TooLarge(f"The answer of {errand.asked.name} is over the limit of {limit} bytes.")
            yield piece.message
        if piece.ended.code:
            raise what_ended(piece.ended, errand, limit=limit)


def what_ended(ended: wire.Ended, errand: Errand, *, limit: int) -> DeadlinePassed | FarSideError | TooLarge:
    """The error that an end which is not good means to the caller."""
    code = _CODES.get(ended.code, StatusCode.UNKNOWN)
    error = AioRpcError(code, Metadata(), Metadata(), details=ended.message, debug_error_string="")
    return read_status(error, call=errand.call, asked=errand.asked, limit=limit)


def _duration(seconds: float) -> Duration:
    duration = Duration()
    duration.FromNanoseconds(int(seconds * 1e9))
    return duration
