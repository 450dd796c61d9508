"""Hands: how many turns are answered from this process at once, and whose; and the tasks that they are answered in.

A seat is promised before anything is claimed for it, and given up when its attempt has ended. Some hands are kept free
for agents that have nothing to do, so that a few slow ones do not keep all others waiting.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Generator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from adapters.lifecycle.attempts import Attempts, Ending
from adapters.lifecycle.grants import Grant
from adapters.lifecycle.rules import LifecycleRules
from adapters.messaging.outcomes import Delivery
from registry.model import AgentName, Deadline, Emit, TurnId, nowhere

_T = TypeVar("_T")

Agents: TypeAlias = Callable[[], Set[AgentName]]
"""The agents that this gateway can reach whenever it wants."""

Seats: TypeAlias = Callable[[], Mapping[AgentName, int]]
"""How many turns each agent takes at a time that has come to this gateway by itself, those that it has included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom this gateway can have answer: `agents` by calling them, `seats` by what they have come to fetch."""

    agents: Agents
    seats: Seats


@dataclass(slots=True)
class Run:
    """An attempt in the hands of this process; `ended` is what came of it."""

    delivery: Delivery
    ended: asyncio.Future[Ending] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


class Hands:
    """What this process has in hand. `freed` is set whenever there may be something to do, or hands to do it with."""

    def __init__(self, attempts: Attempts, *, reach: Reach, rules: LifecycleRules) -> None:
        self.reach = reach
        self.freed = asyncio.Event()
        self.are_closed = True
        self._attempts = attempts
        self._rules = rules
        self._runs: dict[TurnId, Run] = {}
        self._busy: Counter[AgentName] = Counter()
        self._promised: Counter[AgentName] = Counter()
        self._taking: set[asyncio.Task[Any]] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._are_short = False

    def run_of(self, turn: TurnId) -> Run | None:
        """The attempt at a turn, if it is in hand here."""
        return self._runs.get(turn)

    @contextmanager
    def seat(self, agent: AgentName) -> Generator[bool]:
        """Keep a seat for an agent, if there is one: whether there is."""
        if self.are_closed or not self.room_for(agent):
            yield False
            return
        with self.promising(agent, 1):
            yield True

    @contextmanager
    def promising(self, agent: AgentName, turns: int) -> Generator[None]:
        """Keep some of an agent's seats for what is on its way."""
        self._promised[agent] += turns
        try:
            yield
        finally:
            self._promised[agent] -= turns
            if not self._promised[agent]:
                del self._promised[agent]

    def room_for(self, agent: AgentName) -> int:
        """How many turns more of an agent may be taken in hand; 0 for one that is not reached from here."""
        seats = self.reach.seats()
        if agent in seats:
            return max(min(self._room(agent), seats[agent] - self.busy(agent)), 0)
        return max(self._room(agent), 0) if agent in self.reach.agents() else 0

    def room(self) -> int:
        """How many turns more may be taken in hand, of agents that have some already."""
        return self._all() - self._kept_free

    def spare(self) -> int:
        """The hands that are left for agents that have nothing to do, once all others are busy; 0 before."""
        left = self._all()
        return left if left <= self._kept_free else 0

    def busy(self, agent: AgentName) -> int:
        """What an agent has in hand, or is promised."""
        return self._busy[agent] + self._promised[agent]

    def agents_at_work(self) -> list[AgentName]:
        """The agents that have something in hand."""
        return list(self._busy)

    def note_shortage(self) -> None:
        """Remember whether hands are short, so that something may have been left: then each that is freed counts."""
        self._are_short = self.room() <= 0 or any(busy >= self._rules.per_agent for busy in self._busy.values())

    def start(
        self,
        delivery: Delivery,
        *,
        grant: Grant | None = None,
        deadline: Deadline | None = None,
        also: Emit = nowhere,
    ) -> Run:
        """Take a delivery in hand, in a task of its own. `grant` is the one that was sealed into it, if it is known."""
        run = self._runs[delivery.turn] = Run(delivery)
        self._busy[delivery.agent] += 1
        self.tend(self._carry_out(run, self._attempts.run(delivery, grant=grant, deadline=deadline, also=also)))
        return run

    def tend(self, work: Coroutine[Any, Any, object]) -> None:
        """Do something that ends, at the latest, with the service."""
        task = asyncio.get_running_loop().create_task(work)
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    def whole(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Do what is not to be left in the middle; to be shielded where it is waited for."""
        task = asyncio.get_running_loop().create_task(work)
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        return task

    async def give_back(self) -> None:
        """End what is in hand: it goes back to its mailbox, and somebody else has it next."""
        if self._taking:  # what is claimed at this moment could not be given back
            await asyncio.wait(self._taking, timeout=self._rules.extend_every)
        await asyncio.sleep(0)  # nor could what has not even begun
        for task in tuple(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    async def _carry_out(self, run: Run, attempt: Coroutine[Any, Any, Ending]) -> None:
        agent, ending = run.delivery.agent, Ending(outcome=None)
        try:
            ending = await attempt
        finally:
            if self._runs.get(run.delivery.turn) is run:
                del self._runs[run.delivery.turn]
            self._busy[agent] -= 1
            if not self._busy[agent]:
                del self._busy[agent]
            if not run.ended.done():
                run.ended.set_result(ending)
            if self._are_short or agent in self.reach.seats():
                self.freed.set()

    def _room(self, agent: AgentName) -> int:
        """The same, wherever the agent is: one that has nothing to do may have the hands that are kept free."""
        busy = self.busy(agent)
        return min(self.room() if busy else self._all(), self._rules.per_agent - busy)

    def _all(self) -> int:
        return self._rules.in_hand - len(self._runs) - self._promised.total()

    @property
    def _kept_free(self) -> int:
        return self._rules.in_hand // 8
