"""The dispatcher: takes what waits in the log, as long as there are hands for it.

It looks when there is mail, when hands are free again that were short, and every second in any case: for what is due
to be tried again, and for what a gateway had that is gone.
"""

import asyncio
import logging
from collections.abc import Collection
from typing import Final

from adapters.lifecycle.hands import Hands
from adapters.lifecycle.rules import LifecycleRules
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import Lease
from registry.model import AgentName, InterchangeError

logger = logging.getLogger(__name__)

IDLE_AT_ONCE: Final = 8
"""Turns of agents that have nothing to do that are taken at once when hands are scarce."""


class Dispatcher:
    """Claims deliveries under `lease`, and has them answered."""

    def __init__(self, opened: OpenLog, hands: Hands, *, lease: Lease, rules: LifecycleRules) -> None:
        self._log = opened.log
        self._wakes = opened.wakes
        self._hands = hands
        self._lease = lease
        self._rules = rules
        self._waited_for: frozenset[AgentName] = frozenset()

    async def run(self) -> None:
        """Dispatch until the hands are closed."""
        of: Collection[AgentName] = ()
        while not self._hands.are_closed:
            self._hands.freed.clear()
            try:
                taken = await asyncio.shield(self._hands.whole(self._claim(of)))
            except InterchangeError as error:
                logger.warning("Nothing can be taken from the log at the moment.", extra={"error": error.message})
                taken = 0
                await asyncio.sleep(self._wakes.poll)
            if not taken:
                of = await self._until_mail()

    async def _claim(self, of: Collection[AgentName]) -> int:
        """Take the next deliveries of these agents (none: of any) in hand, as far as they have time; how many it were.

        What was claimed is begun before anything else is claimed, which may fail.
        """
        taken = 0
        reach, hands = self._hands.reach, self._hands
        for agent in reach.seats():
            if not of or agent in of:
                taken += await self._claim_for(agent)
        agents = reach.agents()
        wanted = [name for name in of if name in agents] if of else agents
        few = max(self._rules.per_agent // 2, 1)
        # Those that have not room for a few more; they are not many, as each has half of what one may have.
        crowded = [name for name in self._hands.agents_at_work() if self._rules.per_agent - hands.busy(name) < few]
        for agent in crowded:
            if agent in wanted:
                taken += await self._claim_for(agent)
        others = [name for name in wanted if name not in crowded] if crowded else wanted
        taken += await self._claim_of(others, min(few, hands.room()))
        if hands.spare():
            idle = [name for name in wanted if not hands.busy(name)]
            taken += await self._claim_of(idle, min(IDLE_AT_ONCE, hands.spare()))
        hands.note_shortage()
        return taken

    async def _claim_for(self, agent: AgentName) -> int:
        limit = self._hands.room_for(agent)
        with self._hands.promising(agent, limit):
            return await self._claim_of([agent], limit)

    async def _claim_of(self, agents: Collection[AgentName], limit: int) -> int:
        if not agents or limit <= 0:
            return 0
        deliveries = await self._log.claim(agents, limit=limit, lease=self._lease)
        for delivery in deliveries:
            self._hands.start(delivery)
        return len(deliveries)

    async def _until_mail(self) -> Collection[AgentName]:
        """Wait until there may be something to do, or hands to do it with: for these agents, or (none) for any."""
        agents, seats = self._hands.reach.agents(), self._hands.reach.seats()
        if not seats.keys() <= self._waited_for or not self._waited_for >= agents:
            self._waited_for = frozenset((*agents, *seats))  # the same one as long as it will do
        mail = asyncio.ensure_future(self._wakes.mail(self._waited_for, seconds=self._wakes.poll))
        freed = asyncio.ensure_future(self._hands.freed.wait())
        try:
            await asyncio.wait((mail, freed), return_when=asyncio.FIRST_COMPLETED)
            return mail.result() if mail.done() and not freed.done() else ()
        finally:
            mail.cancel()
            freed.cancel()
