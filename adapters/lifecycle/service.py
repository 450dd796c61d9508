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
from collections import Counter
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Collection,
    Coroutine,
    Generator,
    Mapping,
    MutableMapping,
    Sequence,
    Set,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, TypeAlias, TypeVar, cast
from weakref import WeakValueDictionary

from adapters.lifecycle import shortcut
from adapters.lifecycle.attempts import Attempts, Deliver, Ending, FindWork
from adapters.lifecycle.conversations import Placing, find_place
from adapters.lifecycle.feeds import Feeds, Hearing
from adapters.lifecycle.grants import Grant, Seal, digest_of, owner_of, seal_grant
from adapters.lifecycle.results import result_of, told
from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.views import Logged, News, Snapshot, TurnView, Views, is_over
from adapters.messaging.beside import beside
from adapters.messaging.bodies import text_of, write_body
from adapters.messaging.errors import LogUnavailable, TurnOver
from adapters.messaging.fabric import Fabric
from adapters.messaging.log import TurnMark, WhichTurns
from adapters.messaging.messages import LOG, Kind, New, Opening, QuestionRef, To, TurnRef
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import ChangeTurn, Deferred, Delivery, Effect, Lease
from adapters.messaging.plan import Appended
from adapters.messaging.turns import Turn, TurnChange, TurnState
from registry.messages import read_parts
from registry.model import (
    Action,
    Agent,
    AgentName,
    Attention,
    BadRequest,
    Call,
    Chain,
    ConversationId,
    Deadline,
    DeadlinePassed,
    Emit,
    Found,
    InterchangeError,
    Overloaded,
    Part,
    Refused,
    Result,
    Sending,
    TurnId,
    Unknown,
    WhenBusy,
    nowhere,
)

logger = logging.getLogger(__name__)

_T = TypeVar("_T")

DRAFTS: Final = 1.0
"""Seconds between two drafts of what is being said."""

IDLE_AT_ONCE: Final = 8
"""Turns of agents that have nothing to do that are taken at once when hands are scarce."""

BEFORE: Final = 0.5
"""Seconds before a deadline in which a caller is told how far it is, instead of nothing."""

Agents: TypeAlias = Callable[[], Set[AgentName]]
"""The agents that this gateway can reach whenever it wants."""

Seats: TypeAlias = Callable[[], Mapping[AgentName, int]]
"""How many turns each agent takes at a time that has come to this gateway by itself, those that it has included."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """Whom this gateway can have answer: `agents` by calling them, `seats` by what they have come to fetch."""

    agents: Agents
    seats: Seats


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnPage:
    """Turns, those that changed last first; `mark` is where the next page begins, None where there is none; `total` is
    how many there are on all pages."""

    views: tuple[TurnView, ...]
    mark: TurnMark | None
    total: int


@dataclass(slots=True, kw_only=True)
class _Taken:
    """A message that was logged for a turn: `view` is that turn, and `run` the attempt at it, where it is in hand here
    from its very begin."""

    of: TurnRef
    appended: Appended
    view: TurnView | None = None
    run: "_Run | None" = None


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


@dataclass(slots=True)
class _Run:
    """An attempt in the hands of this process."""

    delivery: Delivery
    ended: asyncio.Future[Ending] = field(default_factory=lambda: asyncio.get_running_loop().create_future())


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
        self._opened = opened
        self._beside = beside
        self._log = opened.log
        self._history = opened.history
        self._reach = reach
        self._seal = seal
        self._rules = rules
        self._clock = clock
        self._lease = Lease(owner=name, seconds=rules.lease)
        self._feeds = Feeds(fabric)
        self.views = Views(opened, feeds=self._feeds, seal=seal)
        self._attempts = Attempts(
            opened, deliver=deliver, find=find, seal=seal, feeds=self._feeds, rules=rules, clock=clock
        )
        self._runs: dict[TurnId, _Run] = {}
        self._busy: dict[AgentName, int] = {}
        self._promised: Counter[AgentName] = Counter()
        self._nesting: MutableMapping[TurnId, asyncio.Lock] = WeakValueDictionary()
        self._taking: set[asyncio.Task[Any]] = set()
        self._working: set[asyncio.Task[Any]] = set()
        self._waiting: set[asyncio.Timeout] = set()
        self._leave_at: float | None = None
        self._freed = asyncio.Event()
        self._starved = False
        self._waited_for: frozenset[AgentName] = frozenset()
        self._stopping = True

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Work while this lasts. Leaving it gives back what is in hand; `drain` lets it end before."""
        async with beside(self._dispatch()), beside(self._keep_drafts()):
            self._stopping = False
            try:
                yield
            finally:
                self._stopping = True
                await self._give_back()

    def drain(self, seconds: float) -> None:
        """Take nothing more in hand. What is in hand may end; whoever waits for so long is told how far it is."""
        self._stopping = True
        self._leave_at = asyncio.get_running_loop().time() + max(seconds - BEFORE, 0.0)
        for patience in self._waiting:
            if (when := patience.when()) is not None and when > self._leave_at and not patience.expired():
                patience.reschedule(self._leave_at)
        self._freed.set()

    def look(self) -> None:
        """Somebody has come, or has time again: see whether there is something to be done."""
        self._freed.set()

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
        sending = _sending(call)
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
            raise _no_turn(turn)
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
        of = _of(row)
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
        views = tuple([await self.views.view(row) for row in shown])
        last = shown[-1] if len(rows) > limit else None
        mark = TurnMark(last.changed_at, last.id) if last is not None else None
        return TurnPage(views=views, mark=mark, total=await self._history.count_turns(which))

    # ---- turns begin, and go on

    async def _taken_up(self, call: Call, agent: Agent, emit: Emit) -> _Taken:
        """Log what is said and begin with it, whether or not its sender stays to see that: nothing is claimed that
        nobody has in hand."""
        ready = await self._beside.admit(call)
        task = self._whole(self._take_up(call, agent, ready, emit))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if _is_bound_to_its_caller(call):
                task.add_done_callback(lambda done: self._left_alone(done, call.chain))
            raise

    def _left_alone(self, begun: "asyncio.Task[_Taken]", chain: Chain) -> None:
        """What nobody waits for any more was begun all the same: it is cancelled."""
        if begun.cancelled() or begun.exception() is not None:
            return
        task = asyncio.get_running_loop().create_task(self._withdraw(begun.result().of, chain))
        self._working.add(task)
        task.add_done_callback(self._working.discard)

    async def _take_up(self, call: Call, agent: Agent, ready: Ready, emit: Emit) -> _Taken:
        with self._seat(agent.name) as lease:
            taken = await self._taken(call, agent, lease)
            try:
                await ready(taken.of, taken.appended.seq - 1)
            finally:  # what was claimed is begun, whatever else cannot be had
                if taken.appended.delivery is not None:
                    attends = _sending(call).attention is Attention.ATTENDS
                    deadline, also = (call.deadline, emit) if attends else (None, nowhere)
                    taken.run = self._start(taken.appended.delivery, deadline=deadline, also=also)
        return taken

    async def _taken(self, call: Call, agent: Agent, lease: Lease | None) -> _Taken:
        """Log what is said: to a turn that waits for it, or for one of its own. Who attends and has no word for turns
        answers the question that is open in the conversation, if there is one."""
        sending, owner = _sending(call), owner_of(call.chain)
        if sending.follows:
            return await self._gone_on(call, agent, lease)
        placing = Placing(chain=call.chain, agent=agent.name, context=sending.context, message=sending.message)
        place = await find_place(placing, owner=owner, history=self._history)
        if sending.attention is Attention.ATTENDS and sending.context:
            which = WhichTurns(conversation=place, agents=(agent.name,), owner=owner, states=(TurnState.WAITING,))
            if waiting := await self._history.turns(which, limit=1):
                follows = replace(sending, follows=waiting[0].id, context="")
                return await self._gone_on(replace(call, sending=follows), agent, lease)
        if sending.background and call.action is not Action.MESSAGE:
            raise BadRequest("A skill cannot be invoked in the background; an agent can be asked to use it.")
        if lease is None:
            await self._check_waiting(owner, agent.name)
        grant = self._grant(call, context=sending.context or place)
        if not call.turn:
            return await self._begun(call, agent, place, grant=grant, lease=lease)
        grant = await self._within(call.turn, grant)
        async with self._nesting.setdefault(grant.root, asyncio.Lock()):  # those asked at once are counted, too
            await self._check_budget(grant.root)
            return await self._begun(call, agent, place, grant=grant, lease=lease)

    async def _begun(
        self, call: Call, agent: Agent, place: ConversationId, *, grant: Grant, lease: Lease | None
    ) -> _Taken:
        """Log a message, and the turn that it opens."""
        sending, owner, root = _sending(call), owner_of(call.chain), grant.root
        said = _message(call)
        grant = replace(grant, opening=digest_of(said.body))
        authority = seal_grant(grant, self._seal, place=place)
        to = To(agent=agent.name, turn=sending.turn, authority=authority, owner=owner, root=root)
        message = replace(said, to=(to,))
        lease = None if sending.background else lease
        caller = call.chain.caller
        opening = Opening(domain=agent.domain, started_by=str(caller), started_by_issuer=caller.issuer)
        appended = await self._log.append(place, [message], opening=opening, claim=lease)
        of = TurnRef(conversation=place, agent=agent.name, turn=appended.placed[0].turn)
        if lease is not None and appended.delivery is None and not appended.duplicate:
            await self._turn_away(of, agent)
        delivery = appended.delivery
        return _Taken(of=of, appended=appended, view=shortcut.begun(delivery, grant) if delivery is not None else None)

    async def _gone_on(self, call: Call, agent: Agent, lease: Lease | None) -> _Taken:
        """Log what is said to a turn that waits for its starter."""
        sending = _sending(call)
        row = await self.views.row(sending.follows)
        if row is None or row.owner != owner_of(call.chain) or row.agent != agent.name:
            raise _no_turn(sending.follows)
        grant = self.views.grant_of(row)
        if sending.context not in {"", grant.context, row.conversation}:
            raise BadRequest(f"The task {row.id} does not belong to the context that was named.")
        message, effects = _going_on(row, call)
        claim = lease if message.answers else None
        appended = await self._log.append(row.conversation, [message], claim=claim, effects=effects)
        return _Taken(of=_of(row), appended=appended)

    async def _turn_away(self, of: TurnRef, agent: Agent) -> None:
        """An agent that takes nothing while it is busy gets nothing.

        Raises:
            Overloaded: so it is.
        """
        if agent.turns.when_busy is WhenBusy.REJECT:
            await self._log.revoke(of, by=LOG, body=write_body([Part(text="The agent is busy.")]))
            raise Overloaded(f"{agent.name} is busy in this conversation, and takes one message at a time.")

    async def _within(self, parent: TurnId, grant: Grant) -> Grant:
        """A grant for what is asked within a turn: no younger than that turn's own, or authority would never age."""
        row = await self.views.row(parent)
        if row is None:
            return replace(grant, root=parent)
        granted_at = min(grant.granted_at, self.views.grant_of(row).granted_at)
        return replace(grant, root=row.root or parent, granted_at=granted_at)

    async def _check_waiting(self, owner: str, agent: AgentName) -> None:
        """See that nobody has so much waiting for an agent that others wait for that.

        Raises:
            Overloaded: they have.
        """
        waiting = WhichTurns(owner=owner, agents=(agent,), states=(TurnState.QUEUED,))
        if await self._history.count_turns(waiting) >= self._rules.waiting:
            raise Overloaded(f"{self._rules.waiting} of your messages wait for {agent}, the most that may.")

    async def _check_budget(self, root: TurnId) -> None:
        """See that one more turn may be opened within this outermost one.

        Raises:
            Overloaded: it may not.
        """
        if await self._history.count_turns(WhichTurns(root=root)) >= self._rules.nested:
            raise Overloaded(
                f"{self._rules.nested} turns were opened within one, the most there may be: its agents call each other"
                " in a circle, or too much."
            )

    def _grant(self, call: Call, *, context: str) -> Grant:
        sending = _sending(call)
        before = call.groups_before or (frozenset[str](),) * (call.chain.depth - 1)
        return Grant(
            chain=call.chain,
            groups=(*before, call.groups),
            scopes=call.scopes,
            granted_at=self._clock(),
            action=call.action,
            target=call.target,
            context=context,
            extensions=call.extensions,
            attended=sending.attention is Attention.ATTENDS,
            background=sending.background,
        )

    # ---- those who wait

    async def _stayed_for(self, call: Call, taken: _Taken, hearing: Hearing, *, emit: Emit) -> Result:
        """Attend, wait, listen or leave, as the sender does."""
        match _sending(call).attention:
            case Attention.ATTENDS:
                return await self._attended(call, taken)
            case Attention.LISTENS:
                return await self._listened(call, taken, hearing, emit=emit)
            case Attention.WAITS:
                return _shown(await self._waited(taken, call.deadline))
            case _:
                return _shown(taken.view or await self.view(taken.of.turn))

    async def _attended(self, call: Call, taken: _Taken) -> Result:
        """Wait for the end with somebody without whom there is no use in it.

        Raises:
            InterchangeError: what kept the turn from succeeding.
        """
        of = taken.of
        called = ConversationId(_sending(call).context) or of.conversation
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

    async def _listened(self, call: Call, taken: _Taken, hearing: Hearing, *, emit: Emit) -> Result:
        """Tell whoever listens, until the turn is over; or until their time is."""
        if taken.of.turn != (_sending(call).follows or _sending(call).turn):  # said before, for another turn
            with self._feeds.hearing(taken.of.turn) as other:
                return await self._tell(taken, other, emit)
        return await self._tell(taken, hearing, emit)

    async def _tell(self, taken: _Taken, hearing: Hearing, emit: Emit) -> Result:
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

    async def _waited(self, taken: _Taken, deadline: Deadline) -> TurnView:
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

    async def _ending(self, taken: _Taken) -> Ending | None:
        """What comes of an attempt at a turn, if it is in hand here."""
        run = taken.run or self._runs.get(taken.of.turn)
        return await asyncio.shield(run.ended) if run is not None else None

    # ---- the dispatcher

    @contextmanager
    def _seat(self, agent: AgentName) -> Generator[Lease | None]:
        """The right to begin a turn at once, and nobody else's meanwhile; None where it has to wait for its turn."""
        if self._stopping or not self._room(agent):
            yield None
            return
        with self._promising(agent):
            yield self._lease

    @contextmanager
    def _promising(self, agent: AgentName, turns: int = 1) -> Generator[None]:
        """Keep some of an agent's seats for what is on its way."""
        self._promised[agent] += turns
        try:
            yield
        finally:
            self._promised[agent] -= turns
            if not self._promised[agent]:
                del self._promised[agent]

    def _room(self, agent: AgentName) -> int:
        """How many turns of an agent could be taken in hand here."""
        in_hand = self._promised[agent] + self._busy.get(agent, 0)
        left = min(self._all_room() - (self._kept_free if in_hand else 0), self._rules.per_agent - in_hand)
        seats = self._reach.seats()
        if agent in seats:
            return max(min(left, seats[agent] - in_hand), 0)
        return max(left, 0) if agent in self._reach.agents() else 0

    @property
    def _kept_free(self) -> int:
        """Hands kept free for agents that have nothing to do: a few slow ones do not keep all others waiting."""
        return self._rules.in_hand // 8

    def _all_room(self) -> int:
        """How many turns could be taken in hand here, of whatever agents."""
        return self._rules.in_hand - len(self._runs) - self._promised.total()

    def _start(self, delivery: Delivery, *, deadline: Deadline | None = None, also: Emit = nowhere) -> _Run:
        """Take a delivery in hand, in a task of its own."""
        run = self._runs[delivery.turn] = _Run(delivery)
        self._busy[delivery.agent] = self._busy.get(delivery.agent, 0) + 1
        task = asyncio.get_running_loop().create_task(self._carry_out(run, deadline=deadline, also=also))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return run

    async def _carry_out(self, run: _Run, *, deadline: Deadline | None, also: Emit) -> None:
        delivery = run.delivery
        ending = Ending(outcome=None)
        try:
            ending = await self._attempts.run(delivery, deadline=deadline, also=also)
        finally:
            if self._runs.get(delivery.turn) is run:
                del self._runs[delivery.turn]
            left = self._busy[delivery.agent] - 1
            if left:
                self._busy[delivery.agent] = left
            else:
                del self._busy[delivery.agent]
            if not run.ended.done():
                run.ended.set_result(ending)
            if self._starved or delivery.agent in self._reach.seats():
                self._freed.set()

    async def _give_back(self) -> None:
        """End what is in hand: it goes back to its mailbox, and somebody else has it next."""
        if self._taking:  # what is claimed at this moment could not be given back
            await asyncio.wait(self._taking, timeout=self._rules.extend_every)
        await asyncio.sleep(0)  # nor could what has not even begun
        for task in tuple(self._working):
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)

    def _whole(self, work: Coroutine[Any, Any, _T]) -> asyncio.Task[_T]:
        """Do what is not to be left in the middle; to be shielded where it is waited for."""
        task = asyncio.get_running_loop().create_task(work)
        self._taking.add(task)
        task.add_done_callback(self._taking.discard)
        return task

    async def _dispatch(self) -> None:
        """Take what waits in the log, as long as there are hands for it."""
        of: Collection[AgentName] = ()
        while not self._stopping:
            self._freed.clear()
            try:
                taken = await asyncio.shield(self._whole(self._claim(of)))
            except InterchangeError as error:
                logger.warning("Nothing can be taken from the log at the moment.", extra={"error": error.message})
                taken = 0
                await asyncio.sleep(self._opened.wakes.poll)
            if not taken:
                of = await self._until_mail()

    async def _claim(self, of: Collection[AgentName]) -> int:
        """Take the next deliveries of these agents (none: of any) in hand, as far as they have time; how many it were.

        What was claimed is begun before anything else is claimed, which may fail.
        """
        taken = 0
        for agent, seats in self._reach.seats().items():
            if not of or agent in of:
                left = seats - self._promised[agent] - self._busy.get(agent, 0)
                taken += await self._claim_for(agent, at_most=left)
        agents = self._reach.agents()
        wanted = [name for name in of if name in agents] if of else agents
        few = max(self._rules.per_agent // 2, 1)
        # Those that have not room for a few more; they are not many, as each has half of what one may have.
        crowded = {name: left for name, busy in self._busy.items() if (left := self._rules.per_agent - busy) < few}
        for agent in [name for name in crowded if name in wanted]:
            taken += await self._claim_for(agent, at_most=crowded[agent] - self._promised[agent])
        others = [name for name in wanted if name not in crowded] if crowded else wanted
        taken += await self._claim_of(others, min(few, self._all_room() - self._kept_free))
        if 0 < self._all_room() <= self._kept_free:
            idle = [name for name in wanted if name not in self._busy and not self._promised[name]]
            taken += await self._claim_of(idle, min(IDLE_AT_ONCE, self._all_room()))
        full = any(busy >= self._rules.per_agent for busy in self._busy.values())
        self._starved = full or self._all_room() <= self._kept_free  # whoever is done then may let more be taken
        return taken

    async def _claim_for(self, agent: AgentName, at_most: int) -> int:
        limit = max(min(at_most, self._all_room() - (self._kept_free if self._busy.get(agent) else 0)), 0)
        with self._promising(agent, limit):
            return await self._claim_of([agent], limit)

    async def _claim_of(self, agents: Collection[AgentName], limit: int) -> int:
        if not agents or limit <= 0:
            return 0
        deliveries = await self._log.claim(agents, limit=limit, lease=self._lease)
        for delivery in deliveries:
            self._start(delivery)
        return len(deliveries)

    async def _until_mail(self) -> Collection[AgentName]:
        """Wait until there may be something to do, or hands to do it with: for these agents, or (none) for any."""
        agents, seats = self._reach.agents(), self._reach.seats()
        if not seats.keys() <= self._waited_for or not self._waited_for >= agents:
            self._waited_for = frozenset((*agents, *seats))  # the same one as long as it will do
        mail = asyncio.ensure_future(self._opened.wakes.mail(self._waited_for, seconds=self._opened.wakes.poll))
        freed = asyncio.ensure_future(self._freed.wait())
        try:
            await asyncio.wait((mail, freed), return_when=asyncio.FIRST_COMPLETED)
            return mail.result() if mail.done() and not freed.done() else ()
        finally:
            mail.cancel()
            freed.cancel()

    async def _keep_drafts(self) -> None:
        while True:
            await asyncio.sleep(DRAFTS)
            await self._attempts.keep_drafts()


def _is_bound_to_its_caller(call: Call) -> bool:
    """Whether a turn is to end once its caller does not wait any more: who attends it, or asks within a turn of their
    own, which may be over."""
    sending = _sending(call)
    return sending.attention is Attention.ATTENDS or (bool(call.turn) and sending.attention is not Attention.LEAVES)


def _sending(call: Call) -> Sending:
    if call.sending is None:
        raise RuntimeError("a call that says nothing of how it is to be sent became a turn")
    return call.sending


def _message(call: Call) -> New:
    """What is said, as the log takes it."""
    sending, caller = _sending(call), call.chain.caller
    parts = call.parts
    if call.action is Action.INVOKE:
        parts = (Part(data={"skill": call.target.name, "arguments": call.content}, media_type="application/json"),)
    elif not parts:
        parts = read_parts(call.content)
    return New(
        id=sending.message,
        sender=str(caller),
        issuer=caller.issuer,
        body=write_body(parts, metadata=sending.metadata),
        text=text_of(parts),
    )


def _going_on(row: Turn, call: Call) -> tuple[New, tuple[Effect, ...]]:
    """What is said to a turn, and what that does to it.

    Raises:
        TurnOver, Refused: it does not wait for anything.
    """
    message, of = _message(call), _of(row)
    match row.state:
        case TurnState.WAITING:
            answers = QuestionRef(of=of, question=row.question)
            return replace(message, kind=Kind.ANSWERED, answers=answers), ()
        case TurnState.REVIEW:
            change = TurnChange.ACCEPTED if _accepts(call.parts) else TurnChange.RETURNED
            return replace(message, turn=row.id), (ChangeTurn(of=of, change=change),)
        case TurnState.QUEUED | TurnState.WORKING | TurnState.DEFERRED:
            raise Refused(f"The task {row.id} is under way and asks nothing: wait for its end, or cancel it.")
        case _:
            raise TurnOver(f"The task {row.id} has ended ({row.state}): send a message without a task instead.")


def _accepts(parts: Sequence[Part]) -> bool:
    """Whether somebody accepts what was done in the background: one data part that says so."""
    data = parts[0].data if len(parts) == 1 else None
    return isinstance(data, Mapping) and data.get("accepted") is True


def _of(row: Turn) -> TurnRef:
    return TurnRef(conversation=row.conversation, agent=row.agent, turn=row.id)


def _shown(view: TurnView) -> Result:
    return Result(turn=view.turn.id, conversation=view.turn.conversation, found=view)


def _no_turn(turn: str) -> Unknown:
    return Unknown(f"There is no task {turn[:64]!r}." if turn.isprintable() else "There is no such task.")
