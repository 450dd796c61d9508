"""Sending: one order, once, to one target. What a call of a skill and a turn of an agent have in common.

Whoever has an order (`adapters.grpc.adapter`, `adapters.grpc.converse`) decides whether it is sent again. The line it
goes by is taken in turn, with a seat on it for as long as the answer lasts; what came of it is told to the breaker.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, TypeVar

from grpc import StatusCode
from grpc.aio import AioRpcError, BaseError
from opentelemetry.trace import Span

from adapters.grpc import spans
from adapters.grpc.channels import Channels
from adapters.grpc.line import Line, Seat
from adapters.grpc.metadata import Entries, write_metadata
from adapters.grpc.statuses import DOUBT, SILENCE, Asked, code_of, note_if_unsent, read_status
from adapters.grpc.streams import Heard
from registry.model import (
    AgentName,
    Binding,
    Call,
    Deadline,
    DeadlinePassed,
    FarSideError,
    FarSideFault,
    Result,
    TooLarge,
)

GRACE: Final = 0.25
"""Seconds by which gRPC may notice a stream's deadline before we do, so that its status is the one we see."""

T = TypeVar("T")
Read = Callable[[Heard], Awaitable[Result]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One request, ready to be sent. `fair_chance` is in seconds: who gave a target less cannot say that it hangs."""

    call: Call
    asked: Asked
    method: str
    binding: Binding
    request: bytes
    deadline: Deadline
    fair_chance: float
    entries: Entries
    fence: int = 0
    span: Span


class Sender:
    """Sends by the lines of `channels`; `seat` is what is taken on a line, a place for a call or one for a turn."""

    def __init__(self, channels: Channels, *, seat: Callable[[Line, float, str], Seat] = Line.seat) -> None:
        self._channels = channels
        self._seat = seat
        self._limits = channels.limits

    async def ask(self, order: Order, attempt: int) -> bytes:
        """Have a unary method answer.

        Raises:
            AioRpcError: it failed.
            DeadlinePassed, FarSideError, Overloaded: nothing was sent, or the gateway closed the connection.
        """
        return await self._seated(order, lambda line, seat: self._ask(order, attempt, line, seat))

    async def listen(self, order: Order, attempt: int, read: Read) -> Result:
        """Have a streaming method answer, and return what `read` makes of it. Leaving cancels what is not read yet.

        Raises:
            AioRpcError: it failed before anything was answered.
            FarSideError, DeadlinePassed, TooLarge: it failed after that, or `read` says so.
            DeadlinePassed, FarSideError, Overloaded: nothing was sent, or the gateway closed the connection.
        """
        return await self._seated(order, lambda line, seat: self._listen(order, attempt, read, line=line, seat=seat))

    def failure(self, order: Order, error: AioRpcError) -> DeadlinePassed | FarSideError | TooLarge:
        """What a status means to the caller."""
        return read_status(error, call=order.call, asked=order.asked, limit=self._limits.answer)

    async def _seated(self, order: Order, work: Callable[[Line, Seat], Awaitable[T]]) -> T:
        targets = await self._channels.targets(order.binding)
        line = await targets.next_line()
        spans.went_to(order.span, line)
        async with self._seat(line, min(self._limits.patience, _time_left(order)), order.asked.name) as seat:
            try:
                return await work(line, seat)
            except AioRpcError as error:
                note_if_unsent(error, connected=line.connected_now)
                raise
            except asyncio.CancelledError:
                if _cancelled():
                    raise
                raise _closed(order.asked) from None
            except BaseError as error:  # grpc refuses to call at all: the channel was closed under us
                raise _closed(order.asked) from error

    async def _ask(self, order: Order, attempt: int, line: Line, seat: Seat) -> bytes:
        given = _time_left(order)
        metadata = write_metadata(order.entries, attempt=attempt, fence=order.fence)
        try:
            data = await line.unary(order.method)(order.request, timeout=given, metadata=metadata)
        except AioRpcError as error:
            _report(seat, error, order, given)
            raise
        seat.answered()
        return data

    async def _listen(self, order: Order, attempt: int, read: Read, *, line: Line, seat: Seat) -> Result:
        given = _time_left(order)
        metadata = write_metadata(order.entries, attempt=attempt, fence=order.fence)
        answering = line.stream(order.method)(order.request, timeout=given, metadata=metadata)
        messages = Heard(answering, seat.answered)
        patience = asyncio.timeout(given + GRACE)
        try:
            async with patience:
                return await read(messages)
        except AioRpcError as error:
            if messages.any:  # part of it has been passed on, so it is not begun anew
                raise self.failure(order, error) from error
            _report(seat, error, order, given)
            raise
        except TimeoutError:
            if patience.expired():
                raise too_late(order.asked) from None
            raise
        finally:
            answering.cancel()


def bound(binding: Binding | None, agent: AgentName) -> Binding:
    """The binding, which is one.

    Raises:
        FarSideError: it is none, or has no targets.
    """
    if binding is not None and binding.targets:
        return binding
    message = f"The agent {agent} is not bound to an address; an operator does that with `interchange registry bind`."
    raise FarSideError(message, fault=FarSideFault.UNAVAILABLE)


def too_late(asked: Asked) -> DeadlinePassed:
    return DeadlinePassed(f"{asked.name} did not answer in time.")


def _time_left(order: Order) -> float:
    """Seconds until the order's deadline, more than none."""
    left = order.deadline.remaining()
    if left <= 0:
        raise too_late(order.asked)
    return left


def _report(seat: Seat, error: AioRpcError, order: Order, given: float) -> None:
    """Tell the breaker what an error says about the target; an impatient caller's deadline says nothing."""
    code = code_of(error)
    if code is StatusCode.DEADLINE_EXCEEDED and given < 0.9 * order.fair_chance:
        return
    if code in SILENCE:
        seat.failed()
    else:
        seat.answered()


def _cancelled() -> bool:
    """Whether this task was cancelled. If not, a CancelledError is gRPC's own: a channel closed under the call."""
    task = asyncio.current_task()
    return task is None or task.cancelling() > 0


def _closed(asked: Asked) -> FarSideError:
    why = "because the gateway is stopping or the agent was bound elsewhere"
    end = "." if asked.repeatable else DOUBT
    message = f"The connection to {asked.name} was closed, {why}{end}"
    return FarSideError(message, fault=FarSideFault.UNAVAILABLE, retryable=asked.repeatable)
