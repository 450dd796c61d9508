"""Calls that last: decided again whenever another catalog, other policies or another directory come into force, and
ended when the gateway is. Calls of a turn, however short they mean to be: ended when the turn is.

An agent may take minutes to answer, and a decision is only as good as its day. A call that would no longer be allowed
ends with the reason; one that still is goes on and notices nothing. When the gateway stops, what does not end in time
is ended while its caller can still be told.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass

from gateway.facts import NOTHING, FactFinder, Found
from gateway.live import InForce, Live
from gateway.turns import TurnsInHand
from registry.model import Attention, Call, Denied, InterchangeError, TargetKind


class Stopping(InterchangeError):
    """The gateway stops, and this call did not end in time."""

    code = "unavailable"


@dataclass(slots=True, eq=False)
class _Lasting:
    """One call under way. When its time runs out, `ended` says why."""

    call: Call
    found: Found
    time: asyncio.Timeout
    ended: InterchangeError | None = None

    def end(self, error: InterchangeError, at: float) -> None:
        """Have it end then, unless it ends before."""
        before = self.time.when()
        if not self.time.expired() and (before is None or at < before):
            self.ended = error
            self.time.reschedule(at)


class LongCalls:
    """Watches over calls while they last."""

    def __init__(self, *, live: Live, facts: FactFinder, turns: TurnsInHand) -> None:
        self._live = live
        self._turns = turns
        self._facts = facts
        self._lasting: set[_Lasting] = set()
        self._until: float | None = None
        live.when_changed(self._decide_again)

    @asynccontextmanager
    async def watched(
        self, call: Call, found: Found = NOTHING, *, decided_by: InForce | None = None
    ) -> AsyncGenerator[None]:
        """End what happens in here as soon as the call would no longer be allowed, its turn is over, or the gateway has
        to stop. Something else may have come into force since what it was `decided_by`.

        Raises:
            Denied: it would not be, any more; or the turn in which it was made is over.
            Stopping: it has to.
        """
        lasting = _Lasting(call, found, asyncio.timeout(None))
        try:
            async with lasting.time:
                self._lasting.add(lasting)
                if self._until is not None:
                    lasting.end(_stopping(lasting.call), self._until)
                if decided_by is not None and decided_by is not self._live.current():
                    self._decide_on(lasting)
                with self._with_its_turn(lasting):
                    yield
        except TimeoutError:
            if lasting.ended is None or not lasting.time.expired():
                raise
            raise lasting.ended from None
        finally:
            self._lasting.discard(lasting)

    def _with_its_turn(self, lasting: _Lasting) -> AbstractContextManager[None]:
        if not lasting.call.turn:
            return nullcontext()
        loop = asyncio.get_running_loop()
        return self._turns.listening(lasting.call, lambda: lasting.end(_turn_over(), loop.time()))

    def drain(self, seconds: float) -> None:
        """End what has not ended by itself in so many seconds."""
        self._until = asyncio.get_running_loop().time() + seconds
        for lasting in self._lasting:
            lasting.end(_stopping(lasting.call), self._until)

    async def _decide_again(self) -> None:
        for lasting in list(self._lasting):
            self._decide_on(lasting)

    def _decide_on(self, lasting: _Lasting) -> None:
        now = self._live.current()
        decision = now.judge.decide(lasting.call, self._facts.about(lasting.call, now, lasting.found))
        if not decision.allowed:
            error = Denied(f"It was ended, because it is no longer allowed: {decision.sentence}")
            lasting.end(error, asyncio.get_running_loop().time())


def _stopping(call: Call) -> Stopping:
    if call.target.kind is TargetKind.CONVERSATION or _stays(call):
        return Stopping("The gateway is stopping; what was asked goes on: follow it again, here or at another gateway.")
    return Stopping("The gateway is stopping; what was asked may have been carried out all the same.")


def _stays(call: Call) -> bool:
    """Whether what a call asks for goes on without it."""
    return call.sending is not None and call.sending.attention is not Attention.ATTENDS


def _turn_over() -> Denied:
    return Denied("The turn in which it was asked is over; what was asked may have been carried out all the same.")
