"""Turns in hand: which agents are answering what, here and now.

An attempt at a turn is opened when its agent is called and closed when the answer is there, however it ends. While it
is open, and only then, its agent may call back for those whose message it is: it presents its own credential and the
turn's token, and `acting` makes of the two the chain. A token outlives its attempt by nothing, and neither does a call
that was made with it. An agent that put its answer off keeps its token until it has finished. What another gateway has
in hand, or nobody while the answer is put off, is known by a look in the log (`gateway.elsewhere`).
"""

import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from policies.identity.tokens import Verified
from policies.identity.turn_tokens import TurnClaims, TurnTokens
from registry.catalog import AgentEntry
from registry.messages import read_parts
from registry.model import (
    AgentName,
    Attempt,
    Call,
    ConversationId,
    PrincipalKind,
    Turn,
    TurnId,
    Unauthenticated,
    new_turn_id,
)

Over = Callable[[], None]

PUT_OFF: Final = 86_400.0
"""Seconds for which an answer may be put off, and with it a token live on."""


class Elsewhere(Protocol):
    """What is known of turns that are not in hand here."""

    async def is_live(self, claims: TurnClaims) -> bool:
        """Whether the attempt that a token is of still has its turn."""
        ...

    def watching(self, turn: TurnId, fence: int, over: Over) -> AbstractContextManager[None]:
        """Have `over` called soon after that attempt has ended, while this lasts."""
        ...


@dataclass(slots=True)
class _Held:
    """An open turn, and who wants to know when it is over."""

    agent: AgentName
    attempt: int
    fence: int
    listeners: set[Over] = field(default_factory=set[Over])


class TurnsInHand:
    """The open turns of this process. `elsewhere` knows of the others; None: there are none."""

    def __init__(self, tokens: TurnTokens, *, elsewhere: Elsewhere | None = None) -> None:
        self._tokens = tokens
        self._elsewhere = elsewhere
        self._held: dict[TurnId, _Held] = {}

    @contextmanager
    def open(self, call: Call, entry: AgentEntry) -> Generator[Turn]:
        """Hold a turn for the agent to answer a call's message, and its token valid."""
        turn = self._turn(call, entry)
        held = self._held[turn.id] = _Held(turn.agent, turn.attempt, turn.fence)
        try:
            yield turn
        finally:
            if self._held.get(turn.id) is held:  # a later attempt may have it by now
                del self._held[turn.id]
            for over in list(held.listeners):
                over()

    @contextmanager
    def listening(self, call: Call, over: Over) -> Generator[None]:
        """Have `over` called when the turn that a call was made in ends meanwhile; at once, where it has already."""
        held = self._held.get(call.turn)
        if held is None and self._elsewhere is not None and call.fence:
            with self._elsewhere.watching(call.turn, call.fence, over):
                yield
            return
        if held is None:
            over()
            yield
            return
        held.listeners.add(over)
        try:
            yield
        finally:
            held.listeners.discard(over)

    async def acting(self, token: str, bearer: Verified) -> Verified:
        """What the bearer of a credential may say with a turn's token: that it acts for the chain of that turn.

        Raises:
            Unauthenticated: the token is not one, its turn is over, or it is another agent's.
        """
        claims = self._tokens.read(token)
        principal = bearer.principal
        if principal.kind is not PrincipalKind.AGENT or principal.name != claims.agent or bearer.behind:
            raise _refused(f"it is {claims.agent}'s, and {principal} presented it")
        if not await self._is_live(claims):
            raise _refused(f"turn {claims.turn} is over")
        return replace(
            bearer,
            behind=claims.chain.links,
            groups_behind=claims.groups,
            turn=claims.turn,
            fence=claims.fence,
            attempt=claims.attempt,
            expires_at=min(bearer.expires_at, claims.expires_at),
        )

    async def _is_live(self, claims: TurnClaims) -> bool:
        held = self._held.get(claims.turn)
        if held is not None and (held.agent, held.attempt, held.fence) == (claims.agent, claims.attempt, claims.fence):
            return True
        return self._elsewhere is not None and claims.fence > 0 and await self._elsewhere.is_live(claims)

    def _turn(self, call: Call, entry: AgentEntry) -> Turn:
        agent = entry.agent
        attempt = call.attempt or _unlogged(call)
        turn = Turn(
            id=attempt.turn,
            conversation=attempt.conversation,
            agent=agent.name,
            input=call.parts or read_parts(call.content),
            attempt=attempt.number,
            fence=attempt.fence,
            delivery=attempt.delivery,
            messages=attempt.input,
            history=attempt.history,
            extensions=call.extensions,
        )
        seconds = max(call.deadline.sooner(agent.turns.timeout).remaining(), 0.0)
        claims = TurnClaims(
            chain=call.chain,
            groups=(*(call.groups_before or (frozenset[str](),) * (call.chain.depth - 1)), call.groups),
            turn=turn.id,
            agent=turn.agent,
            attempt=turn.attempt,
            fence=turn.fence,
            # One that puts its answer off needs its token for as long; that it is live is asked with every use.
            expires_at=min(time.time() + (seconds + PUT_OFF if call.attempt else seconds), attempt.good_until),
        )
        return replace(turn, token=self._tokens.issue(claims))


def _unlogged(call: Call) -> Attempt:
    """An attempt at what no log knows of."""
    turn = new_turn_id()
    conversation = ConversationId(str(call.content.get("conversation", "")) or turn)
    return Attempt(turn=turn, conversation=conversation, delivery=turn, number=1, fence=0, input=())


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated("The turn token is invalid or has expired.", reason=f"the turn token: {reason}")
