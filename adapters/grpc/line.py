"""A line: one target with its channel, and what keeps it from harming anybody else.

At most so many calls are in hand at a time and so many wait, and the same again for turns: an agent that answers many
may call skills to do so, and some of those may be its own. A breaker refuses calls while the target does not answer;
a line that is no longer wanted closes when its last call has ended. Above: `adapters.grpc.channels` opens and pools
lines, the adapter takes a seat on one for each attempt.
"""

import asyncio
import logging
from collections.abc import Awaitable
from types import TracebackType
from typing import Protocol, Self, cast

import grpc
from grpc.aio import Channel, Metadata

from adapters.grpc.breaker import Breaker, Circuit
from adapters.grpc.limits import Limits
from registry.model import FarSideError, FarSideFault, Overloaded

log = logging.getLogger(__name__)


class UnaryMethod(Protocol):
    """A method that takes and returns serialised messages."""

    def __call__(self, request: bytes, *, timeout: float, metadata: Metadata) -> Awaitable[bytes]: ...


class Answering(Protocol):
    """The answers of a streaming method, read one by one: messages, then gRPC's mark for the end. (Its iterator is the
    same through an async generator more, which costs and would have to be closed.)"""

    async def read(self) -> object: ...
    def cancel(self) -> bool: ...


class StreamMethod(Protocol):
    """A method that takes a serialised message and answers with several."""

    def __call__(self, request: bytes, *, timeout: float, metadata: Metadata) -> Answering: ...


class Methods(Protocol):
    """The part of a channel whose types its stubs leave open."""

    def unary_unary(self, method: str) -> UnaryMethod: ...
    def unary_stream(self, method: str) -> StreamMethod: ...


class Line:
    """One target."""

    def __init__(self, target: str, channel: Channel, *, breaker: Breaker, limits: Limits) -> None:
        self.target = target
        self.address, self.port = _split(target)
        self.breaker = breaker
        self.in_hand = 0
        self._channel = channel
        self._methods = cast("Methods", channel)
        self._calls = Places(limits.in_hand, waiting=limits.waiting)
        self._turns = Places(limits.turns, waiting=limits.waiting)
        self._unary: dict[str, UnaryMethod] = {}
        self._streams: dict[str, StreamMethod] = {}
        self._unwanted = False

    def unary(self, method: str) -> UnaryMethod:
        """The method `/package.Service/Method`, bytes in and bytes out."""
        found = self._unary.get(method)
        if found is None:
            found = self._unary[method] = self._methods.unary_unary(method)
        return found

    def stream(self, method: str) -> StreamMethod:
        """The server-streaming method `/package.Service/Method`, bytes in and bytes out."""
        found = self._streams.get(method)
        if found is None:
            found = self._streams[method] = self._methods.unary_stream(method)
        return found

    @property
    def ready(self) -> bool:
        """Whether a call would go out at once. Asking makes an idle channel connect."""
        return self.breaker.lets_through and self._state() is grpc.ChannelConnectivity.READY

    @property
    def connected_now(self) -> bool:
        """Whether there is a connection."""
        return self._state() is grpc.ChannelConnectivity.READY

    async def connected(self) -> bool:
        """Wait until the channel is connected, or has failed to."""
        while (state := self._state()) is not grpc.ChannelConnectivity.READY:
            if state in {grpc.ChannelConnectivity.TRANSIENT_FAILURE, grpc.ChannelConnectivity.SHUTDOWN}:
                return False
            await self._channel.wait_for_state_change(state)
        return True

    def seat(self, patience: float, asked: str) -> "Seat":
        """A place for one call of `asked`, entered as a context; waits at most `patience` seconds for it."""
        return Seat(self, self._calls, patience, asked)

    def turn_seat(self, patience: float, asked: str) -> "Seat":
        """A place for one turn, likewise."""
        return Seat(self, self._turns, patience, asked)

    async def leave(self) -> None:
        """Close when the last call in hand has ended, at once if there is none."""
        self._unwanted = True
        if self.in_hand == 0:
            await self.close()

    async def close(self) -> None:
        """Close now; calls in hand are cancelled."""
        self._unwanted = True
        await self._channel.close(None)

    async def enter(self, places: "Places", patience: float, asked: str) -> int:
        """Take a place and return the breaker's number; errors speak of `asked`.

        Raises:
            FarSideError: the breaker is open.
            Overloaded: no place became free.
        """
        self.in_hand += 1
        try:
            number = self._admitted(asked)
            await self._placed(places, patience, asked)
        except BaseException:
            await self._left()
            raise
        return number

    async def exit(self, places: "Places") -> None:
        """Give the place back."""
        places.release()
        await self._left()

    def answered(self, number: int) -> None:
        """Tell the breaker that the target answered."""
        before = self.breaker.circuit
        self.breaker.answered(number)
        if before is not self.breaker.circuit:
            log.info("A target answers again.", extra={"target": self.target})

    def failed(self, number: int) -> None:
        """Tell the breaker that the target did not answer."""
        self.breaker.failed(number)
        if self.breaker.circuit is Circuit.OPEN:
            log.warning("A target does not answer; calls to it are refused for now.", extra={"target": self.target})

    def _admitted(self, asked: str) -> int:
        number = self.breaker.admit()
        if number is None:
            message = (
                f"{asked} did not answer several times in a row, so it gets no calls for a moment; nothing was sent;"
                " try again later."
            )
            raise FarSideError(message, fault=FarSideFault.UNAVAILABLE, retryable=True, retry_after=1.0)
        return number

    async def _placed(self, places: "Places", patience: float, asked: str) -> None:
        if not await places.taken(patience):
            log.warning("A target has all the calls it may.", extra={"target": self.target, "in_hand": self.in_hand})
            raise Overloaded(f"{asked} has as many calls in hand as it may; try again in a moment.")

    async def _left(self) -> None:
        self.in_hand -= 1
        if self._unwanted and self.in_hand == 0:
            await self.close()

    def _state(self) -> grpc.ChannelConnectivity:
        return self._channel.get_state(try_to_connect=True)


class Places:
    """So many at a time, and so many that wait for one to leave."""

    def __init__(self, most: int, *, waiting: int) -> None:
        self._free = asyncio.Semaphore(most)
        self._may_wait = waiting
        self._waiting = 0

    async def taken(self, patience: float) -> bool:
        """Take a place, within `patience` seconds; say whether there was one."""
        if not self._free.locked():
            return await self._free.acquire()
        if self._waiting >= self._may_wait:
            return False
        self._waiting += 1
        try:
            async with asyncio.timeout(patience):
                return await self._free.acquire()
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1

    def release(self) -> None:
        self._free.release()


class Seat:
    """A place on a line for one call or turn. Who leaves without having told how it went tells the breaker nothing."""

    __slots__ = ("_asked", "_line", "_number", "_patience", "_places")

    def __init__(self, line: Line, places: Places, patience: float, asked: str) -> None:
        self._line = line
        self._places = places
        self._patience = patience
        self._asked = asked
        self._number = 0

    def answered(self) -> None:
        self._line.answered(self._number)

    def failed(self) -> None:
        self._line.failed(self._number)

    async def __aenter__(self) -> Self:
        self._number = await self._line.enter(self._places, self._patience, self._asked)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._line.exit(self._places)


def _split(target: str) -> tuple[str, int]:
    """`host:port` as two; port 0 where there is none."""
    host, colon, port = target.rpartition(":")
    return (host, int(port)) if colon and port.isdecimal() else (target, 0)
