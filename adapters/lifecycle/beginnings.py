"""Beginnings: what is said becomes a turn of the log, or goes on with one that waits for it.

Where it belongs, what it may cost, what authority it keeps: all is settled before anything is written, and then written
in one step. Nobody is called here; that is for those who have the delivery in hand.
"""

import asyncio
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass, replace
from weakref import WeakValueDictionary

from adapters.lifecycle import shortcut
from adapters.lifecycle.conversations import Placing, find_place
from adapters.lifecycle.grants import Grant, digest_of, owner_of, seal_grant
from adapters.lifecycle.hands import Run
from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.views import TurnView, Views
from adapters.messaging.bodies import text_of, write_body
from adapters.messaging.errors import TurnOver
from adapters.messaging.log import WhichTurns
from adapters.messaging.messages import LOG, Kind, New, Opening, QuestionRef, To, TurnRef
from adapters.messaging.opening import OpenLog
from adapters.messaging.outcomes import ChangeTurn, Effect, Lease
from adapters.messaging.plan import Appended
from adapters.messaging.turns import Turn, TurnChange, TurnState
from adapters.sealing import Seal
from registry.messages import read_parts
from registry.model import (
    Action,
    Agent,
    AgentName,
    Attention,
    BadRequest,
    Call,
    ConversationId,
    Overloaded,
    Part,
    Refused,
    Sending,
    TurnId,
    Unknown,
    WhenBusy,
)


@dataclass(slots=True, kw_only=True)
class Taken:
    """A message that was logged for a turn. `view` is that turn, and `grant` its authority, where it was claimed with
    it; `run` the attempt at it, once it is in hand."""

    of: TurnRef
    appended: Appended
    view: TurnView | None = None
    run: Run | None = None

    @property
    def grant(self) -> Grant | None:
        return self.view.grant if self.view is not None else None


class Beginnings:
    """Logs what is said to agents. `clock` is the time of day in seconds."""

    def __init__(
        self, opened: OpenLog, *, views: Views, seal: Seal, rules: LifecycleRules, clock: Callable[[], float]
    ) -> None:
        self._log = opened.log
        self._history = opened.history
        self._views = views
        self._seal = seal
        self._rules = rules
        self._clock = clock
        self._nesting: MutableMapping[TurnId, asyncio.Lock] = WeakValueDictionary()

    async def take(self, call: Call, agent: Agent, lease: Lease | None) -> Taken:
        """Log what is said: to a turn that waits for it, or for one of its own. Who attends and has no word for turns
        answers the question that is open in the conversation, if there is one."""
        sending, owner = sending_of(call), owner_of(call.chain)
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
    ) -> Taken:
        """Log a message, and the turn that it opens."""
        sending, owner, root = sending_of(call), owner_of(call.chain), grant.root
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
        return Taken(of=of, appended=appended, view=shortcut.begun(delivery, grant) if delivery is not None else None)

    async def _gone_on(self, call: Call, agent: Agent, lease: Lease | None) -> Taken:
        """Log what is said to a turn that waits for its starter."""
        sending = sending_of(call)
        row = await self._views.row(sending.follows)
        if row is None or row.owner != owner_of(call.chain) or row.agent != agent.name:
            raise no_turn(sending.follows)
        grant = self._views.grant_of(row)
        if sending.context not in {"", grant.context, row.conversation}:
            raise BadRequest(f"The task {row.id} does not belong to the context that was named.")
        message, effects = _going_on(row, call)
        claim = lease if message.answers else None
        appended = await self._log.append(row.conversation, [message], claim=claim, effects=effects)
        return Taken(of=row.of, appended=appended)

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
        row = await self._views.row(parent)
        if row is None:
            return replace(grant, root=parent)
        granted_at = min(grant.granted_at, self._views.grant_of(row).granted_at)
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
        sending = sending_of(call)
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


def sending_of(call: Call) -> Sending:
    """How a call is to be sent, which is said of every one that becomes a turn."""
    if call.sending is None:
        raise RuntimeError("a call that says nothing of how it is to be sent became a turn")
    return call.sending


def _message(call: Call) -> New:
    """What is said, as the log takes it."""
    sending, caller = sending_of(call), call.chain.caller
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
    message, of = _message(call), row.of
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


def no_turn(turn: str) -> Unknown:
    """The one error where there is no turn, and where it is none of the caller's."""
    return Unknown(f"There is no task {turn[:64]!r}." if turn.isprintable() else "There is no such task.")
