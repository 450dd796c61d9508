"""Calls that last: decided again whenever other policies or another catalog come into force.

An agent may take minutes to answer, and a decision is only as good as its day. A call that would no longer be allowed
ends with the reason; one that still is goes on and notices nothing.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from gateway.facts import FactFinder
from gateway.live import Live
from registry.model import Call, Denied


@dataclass(slots=True, eq=False)
class _Lasting:
    """One call under way. Its time runs out when `refused` says why."""

    call: Call
    time: asyncio.Timeout
    refused: str = ""


class LongCalls:
    """Watches over calls while they last."""

    def __init__(self, *, live: Live, facts: FactFinder) -> None:
        self._live = live
        self._facts = facts
        self._lasting: set[_Lasting] = set()
        live.when_changed(self._decide_again)

    @asynccontextmanager
    async def watched(self, call: Call) -> AsyncGenerator[None]:
        """End what happens in here as soon as the call would no longer be allowed.

        Raises:
            Denied: it would not be, any more.
        """
        time = asyncio.timeout(None)
        lasting = _Lasting(call, time)
        self._lasting.add(lasting)
        try:
            async with time:
                yield
        except TimeoutError:
            if not lasting.refused:
                raise
            raise Denied(f"It was ended, because it is no longer allowed: {lasting.refused}") from None
        finally:
            self._lasting.discard(lasting)

    async def _decide_again(self) -> None:
        now = self._live.current()
        for lasting in list(self._lasting):
            decision = now.judge.decide(lasting.call, self._facts.about(lasting.call, now.catalog))
            if not decision.allowed and not lasting.refused:
                lasting.refused = decision.sentence
                lasting.time.reschedule(asyncio.get_running_loop().time())
