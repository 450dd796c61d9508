"""The agent lifecycle service: takes what is asked of agents, and sees to it that it is done.

A message becomes a turn of the conversation log in one step; where the agent has time it is claimed in the same one,
and answered at once, by a task of this service. Whoever asked may wait, or listen, or leave: but for those who attend,
that changes nothing for the turn. What nobody here could take at once waits in the log, where the dispatcher of any
gateway finds it: after a restart, after a failure, or because its agent was busy. So there is no state in here that
anybody would miss.
"""

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, Protocol, TypeAlias, cast

from adapters.lifecycle import shortcut
from adapters.lifecycle.attempts import Attempts, Deliver, Ending, FindWork
from adapters.lifecycle.beginnings import Beginnings, Taken, no_turn, sending_of
from adapters.lifecycle.conversations import Placing, find_place
from adapters.lifecycle.dispatcher import Dispatcher
from adapters.lifecycle.feeds import Feeds, Hearing
from adapters.lifecycle.grants import owner_of
from adapters.lifecycle.hands import Hands, Reach
from adapters.lifecycle.results import result_of, told
from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.views import Logged, News, Snapshot, TurnView, Views, is_over
from adapters.messaging.beside import beside
from adapters.messaging.bodies import write_body
from adapters.messaging.errors import LogUnavailable, TurnOver
from adapters.messaging.fabric import Fabric
from adapters.messaging.log import TurnMark, WhichTurns
from adapters.messaging.messages import TurnRef
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import Deferred, Lease
from adapters.messaging.turns import Turn, TurnState
from adapters.sealing import Seal
from registry.model import (
    Agent,
    AgentName,
    Attention,
    Call,
    Chain,
    ConversationId,
    Deadline,
    DeadlinePassed,
    Emit,
    Found,
    InterchangeError,
    Result,
    TurnId,
    nowhere,
)

logger = logging.getLogger(__name__)

DRAFTS: Final = 1.0
"""Seconds between two drafts of what is being said."""

BEFORE: Final = 0.5
"""Seconds before a deadline in which a caller is told how far it is, instead of nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPage:
    """Turns, those that changed last first; `mark` is where the next page begins, None where there is none; `total` is
    how many there are on all pages."""

    views: tuple[TurnView, ...]
    mark: TurnMark | None
    total: int


Ready: TypeAlias = Callable[[TurnRef, int], Awaitable[None]]
"""Does what was admitted, for a turn, of which everything behind a message number counts."""


class Beside(Protocol):
    """What senders may want of a turn beside its answer: to have it told to a webhook."""

    async def admit(self, call: Call) -> Ready:
        """See whether it can be had, before anything is written; and return what does it then.

        Raises:
            InterchangeError: it cannot.
        """
        ...


class Lifecycle:
    """See above. `name` is what leases are held under, for operators to read; `fabric` reaches other gateways."""

    def __init__(
        self,
        opened: OpenLog,
        *,
        deliver: Deliver,
        find: FindWork,
        reach: Reach,
        seal: Seal,
        rules: LifecycleRules,
        fabric: Fabric | None,
        name: str,
        beside: Beside,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._beside = beside
        self._log = opened.log
        self._history = opened.history
        self._lease = Lease(owner=name, seconds=rules.lease)
        self._feeds = Feeds(fabric)
        self.views = Views(opened, feeds=self._feeds, seal=seal)
        self._attempts = Attempts(
            opened, deliver=deliver, find=find, seal=seal, feeds=self._feeds, rules=rules, clock=clock
        )
        self._beginnings = Beginnings(opened, views=self.views, seal=seal, rules=rules, clock=clock)
        self._hands = Hands(self._attempts, reach=reach, rules=rules)
        self._dispatcher = Dispatcher(opened, self._hands, lease=self._lease, rules=rules)
        self._waiting: set[asyncio.Timeout] = set()
        self._leave_at: float | None = None

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this lasts. Leaving it gives back what is in hand; `drain` lets it end before."""
        self._hands.are_closed = False
        async with beside(self._dispatcher.run()), beside(self._keep_drafts()):
            try:
                yield
            finally:
                self._hands.are_closed = True
                await self._hands.give_back()

    def drain(self, seconds: float) -> None:
        """Take nothing more in hand. What is in hand may end; whoever waits for so long is told how far it is."""
        self._hands.are_closed = True
        self._leave_at = asyncio.get_running_loop().time() + max(seconds - BEFORE, 0.0)
        for patience in self._waiting:
            if (when := patience.when()) is not None and when > self._leave_at and not patience.expired():
                patience.reschedule(self._leave_at)
        self._hands.freed.set()

    def look(self) -> None:
        """Somebody has come, or has time again: see whether there is something to be done."""
        self._hands.freed.set()

    # ---- what is asked of agents

    async def take(self, call: Call, agent: Agent, *, emit: Emit) -> Result:
        """Make a turn of a permitted call, and wait for its end as far as its sender does.

        Whatever else the sender wants of the turn, `beside` sees to, before the agent is called.

        Raises:
            Unknown: there is no such turn to go on with, or it is somebody else's.
            TurnOver, Refused: there is nothing to be said to that turn now.
            Overloaded: the agent is busy and takes no messages then; or too many turns were opened within one.
            InterchangeError: where somebody attends, whatever kept the turn from succeeding.
            LogUnavailable: the log cannot be written now; nothing was done.
        """
        sending = sending_of(call)
        with self._feeds.hearing(sending.follows or sending.turn) as hearing:
            taken = await self._taken_up(call, agent, emit)
            try:
                return await self._stayed_for(call, taken, hearing, emit=emit)
            except asyncio.CancelledError:
                if _is_bound_to_its_caller(call):
                    await asyncio.shield(self._withdraw(taken.of, call.chain))
                raise

    async def view(self, turn: TurnId) -> TurnView:
        """A turn as it stands.

        Raises:
            Unknown: there is no such turn.
        """
        row = await self.views.row(turn)
        if row is None:
            raise no_turn(turn)
        return await self.views.view(row)

    async def follow(self, turn: TurnId, emit: Emit) -> None:
        """Emit the news of a turn until it is over."""
        with self._feeds.hearing(turn) as hearing:
            async for news in self.views.news(turn, hearing):
                await emit(Found(news))

    async def cancel(self, row: Turn, chain: Chain) -> TurnView:
        """Cancel a turn, wherever it is in hand.

        Raises:
            TurnOver: it had ended before.
        """
        of = row.of
        await self._log.revoke(of, by=str(chain.caller), issuer=chain.caller.issuer, body=write_body())
        return await self.view(row.id)

    async def listed(self, call: Call) -> TurnPage:
        """Some of the turns that a call's chain began with an agent, those that changed last first.

        The call's content says which: `context`, what they call the conversation; `states`; `changed_after`, a time of
        day in seconds; `mark`, where the page before ended; and how many, `limit`.
        """
        content, owner = call.content, owner_of(call.chain)
        agent, context = AgentName(call.target.name), str(content.get("context", ""))
        place = None
        if context:
            placing = Placing(chain=call.chain, agent=agent, context=context, message="")
            place = await find_place(placing, owner=owner, history=self._history)
        which = WhichTurns(
            conversation=place,
            agents=(agent,),
            owner=owner,
            states=tuple(TurnState(str(state)) for state in cast("Sequence[object]", content.get("states", ()))),
            changed_after=cast("float | None", content.get("changed_after")),
        )
        mark = cast("Sequence[object]", content.get("mark") or ())
        behind = TurnMark(float(str(mark[0])), TurnId(str(mark[1]))) if mark else None
        return await self._page(which, behind, int(str(content.get("limit", 50))))

    async def _page(self, which: WhichTurns, behind: TurnMark | None, limit: int) -> TurnPage:
        rows = await self._history.turns(which, behind=behind, limit=limit + 1)
        shown = rows[:limit]
        views = tuple([view for row in shown if (view := await self._listable(row)) is not None])
        last = shown[-1] if len(rows) > limit else None
        mark = TurnMark(last.changed_at, last.id) if last is not None else None
        return TurnPage(views=views, mark=mark, total=await self._history.count_turns(which))

    async def _listable(self, row: Turn) -> TurnView | None:
        """A turn, to be listed; None where what was granted cannot be read, which harms no other turn of its page."""
        try:
            return await self.views.view(row)
        except LogUnavailable:
            raise
        except InterchangeError as error:
            logger.warning("A turn cannot be listed.", extra={"turn": row.id, "error": error.message})
            return None

    # ---- what is said becomes a turn

    async def _taken_up(self, call: Call, agent: Agent, emit: Emit) -> Taken:
        """Log what is said and begin with it, whether or not its sender stays to see that: nothing is claimed that
        nobody has in hand."""
        ready = await self._beside.admit(call)
        task = self._hands.whole(self._take_up(call, agent, ready, emit))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if _is_bound_to_its_caller(call):
                task.add_done_callback(lambda done: self._left_alone(done, call.chain))
            raise

    def _left_alone(self, begun: "asyncio.Task[Taken]", chain: Chain) -> None:
        """What nobody waits for any more was begun all the same: it is cancelled."""
        if not begun.cancelled() and begun.exception() is None:
            self._hands.tend(self._withdraw(begun.result().of, chain))

    async def _take_up(self, call: Call, agent: Agent, ready: Ready, emit: Emit) -> Taken:
        with self._hands.seat(agent.name) as has_seat:
            taken = await self._beginnings.take(call, agent, self._lease if has_seat else None)
            try:
                await ready(taken.of, taken.appended.seq - 1)
            finally:  # what was claimed is begun, whatever else cannot be had
                if (delivery := taken.appended.delivery) is not None:
                    attends = sending_of(call).attention is Attention.ATTENDS
                    deadline, also = (call.deadline, emit) if attends else (None, nowhere)
                    taken.run = self._hands.start(delivery, grant=taken.grant, deadline=deadline, also=also)
        return taken

    # ---- those who wait

    async def _stayed_for(self, call: Call, taken: Taken, hearing: Hearing, *, emit: Emit) -> Result:
        """Attend, wait, listen or leave, as the sender does."""
        match sending_of(call).attention:
            case Attention.ATTENDS:
                return await self._attended(call, taken)
            case Attention.LISTENS:
                return await self._listened(call, taken, hearing, emit=emit)
            case Attention.WAITS:
                return _shown(await self._waited(taken, call.deadline))
            case _:
                return _shown(taken.view or await self.view(taken.of.turn))

    async def _attended(self, call: Call, taken: Taken) -> Result:
        """Wait for the end with somebody without whom there is no use in it.

        Raises:
            InterchangeError: what kept the turn from succeeding.
        """
        of = taken.of
        called = ConversationId(sending_of(call).context) or of.conversation
        try:
            ending = await self._ending(taken)
            if ending is not None and not ending.goes_on and not isinstance(ending.outcome, Deferred):
                return replace(told(ending, of), conversation=called)
            async with asyncio.timeout(max(call.deadline.remaining(), 0.0)):
                await self.views.ended(of, after=taken.appended.tail)
            return replace(result_of(await self.view(of.turn)), conversation=called)
        except TimeoutError:
            await self._withdraw(of, call.chain)
            raise DeadlinePassed(f"{of.agent} did not answer in time.") from None

    async def _withdraw(self, of: TurnRef, chain: Chain) -> None:
        """Cancel what nobody waits for any more; it is no harm if it has just ended."""
        try:
            await self._log.revoke(of, by=str(chain.caller), issuer=chain.caller.issuer, body=write_body())
        except TurnOver:
            return
        except InterchangeError as error:
            logger.warning("A turn that nobody waits for goes on.", extra={"turn": of.turn, "error": error.message})

    async def _listened(self, call: Call, taken: Taken, hearing: Hearing, *, emit: Emit) -> Result:
        """Tell whoever listens, until the turn is over; or until their time is."""
        if taken.of.turn != (sending_of(call).follows or sending_of(call).turn):  # said before, for another turn
            with self._feeds.hearing(taken.of.turn) as other:
                return await self._tell(taken, other, emit)
        return await self._tell(taken, hearing, emit)

    async def _tell(self, taken: Taken, hearing: Hearing, emit: Emit) -> Result:
        of = taken.of
        last: News | None = None
        async for news in self.views.news(of.turn, hearing, known=taken.view):
            await emit(Found(news))
            last = news
        match last:
            case Snapshot():
                return _shown(last.view)
            case Logged() if not is_over(last.turn):
                raise LogUnavailable("The turn goes on, and cannot be followed at the moment.")
            case _:
                return Result(turn=of.turn, conversation=of.conversation)

    async def _waited(self, taken: Taken, deadline: Deadline) -> TurnView:
        """The turn once it is over, or the caller's time nearly, or the gateway's."""
        patience = asyncio.timeout_at(self._patience(deadline))
        self._waiting.add(patience)
        try:
            async with patience:
                ending = await self._ending(taken)
                if ending is None or ending.goes_on or isinstance(ending.outcome, Deferred):
                    await self.views.ended(taken.of, after=taken.appended.tail)
                elif taken.view is not None and taken.run is not None:
                    known = shortcut.ended(taken.view, ending, taken.run.delivery)
                    if known is not None:
                        return known
        except TimeoutError:
            pass
        finally:
            self._waiting.discard(patience)
        return await self.view(taken.of.turn)

    def _patience(self, deadline: Deadline) -> float:
        """When somebody who waits is told how far it is, on the event loop's clock."""
        at = asyncio.get_running_loop().time() + max(deadline.remaining() - BEFORE, 0.0)
        return at if self._leave_at is None else min(at, self._leave_at)

    async def _ending(self, taken: Taken) -> Ending | None:
        """What comes of an attempt at a turn, if it is in hand here."""
        run = taken.run or self._hands.run_of(taken.of.turn)
        return await asyncio.shield(run.ended) if run is not None else None

    async def _keep_drafts(self) -> None:
        while True:
            await asyncio.sleep(DRAFTS)
            await self._attempts.keep_drafts()


def _is_bound_to_its_caller(call: Call) -> bool:
    """Whether a turn is to end once its caller does not wait any more: who attends it, or asks within a turn of their
    own, which may be over."""
    sending = sending_of(call)
    return sending.attention is Attention.ATTENDS or (bool(call.turn) and sending.attention is not Attention.LEAVES)


def _shown(view: TurnView) -> Result:
    return Result(turn=view.turn.id, conversation=view.turn.conversation, found=view)
