"""Turns in hand: which agents are answering what, here and now.

A turn is opened when a message goes to its agent and closed when the answer is there, however it ends. While it is
open, and only then, its agent may call back for those whose message it is: it presents its own credential and the
turn's token, and `acting` makes of the two the chain. A token outlives its turn by nothing, and neither does a call
that was made with it, nor a turn that such a call opened.
"""

import hashlib
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from policies.identity.tokens import Verified
from policies.identity.turn_tokens import TurnClaims, TurnTokens
from registry.catalog import AgentEntry
from registry.messages import read_parts
from registry.model import (
    AgentName,
    Call,
    Chain,
    ConversationId,
    PrincipalKind,
    Turn,
    TurnId,
    Unauthenticated,
    new_turn_id,
)

Over = Callable[[], None]


@dataclass(slots=True)
class _Held:
    """An open turn, and who wants to know when it is over."""

    agent: AgentName
    attempt: int
    fence: int
    listeners: set[Over] = field(default_factory=set[Over])


class TurnsInHand:
    """The open turns of this process."""

    def __init__(self, tokens: TurnTokens) -> None:
        self._tokens = tokens
        self._held: dict[TurnId, _Held] = {}

    @contextmanager
    def open(self, call: Call, entry: AgentEntry) -> Generator[Turn]:
        """Hold a turn for the agent to answer a call's message, and its token valid."""
        turn = self._turn(call, entry)
        self._held[turn.id] = _Held(turn.agent, turn.attempt, turn.fence)
        try:
            yield turn
        finally:
            for over in list(self._held.pop(turn.id).listeners):
                over()

    @contextmanager
    def listening(self, turn: TurnId, over: Over) -> Generator[None]:
        """Have `over` called when a turn ends meanwhile; at once, where it has ended already."""
        held = self._held.get(turn)
        if held is None:
            over()
            yield
            return
        held.listeners.add(over)
        try:
            yield
        finally:
            held.listeners.discard(over)

    def acting(self, token: str, bearer: Verified) -> Verified:
        """What the bearer of a credential may say with a turn's token: that it acts for the chain of that turn.

        Raises:
            Unauthenticated: the token is not one, its turn is over, or it is another agent's.
        """
        claims = self._tokens.read(token)
        principal = bearer.principal
        if principal.kind is not PrincipalKind.AGENT or principal.name != claims.agent or bearer.behind:
            raise _refused(f"it is {claims.agent}'s, and {principal} presented it")
        held = self._held.get(claims.turn)
        if held is None or (held.agent, held.attempt, held.fence) != (claims.agent, claims.attempt, claims.fence):
            raise _refused(f"turn {claims.turn} is over")
        return replace(
            bearer,
            behind=claims.chain.links,
            groups_behind=claims.groups,
            turn=claims.turn,
            expires_at=min(bearer.expires_at, claims.expires_at),
        )

    def _turn(self, call: Call, entry: AgentEntry) -> Turn:
        agent = entry.agent
        seconds = call.deadline.sooner(agent.turns.timeout).remaining()
        turn = Turn(
            id=new_turn_id(),
            conversation=conversation_of(call.chain, agent.name, str(call.content.get("conversation", ""))),
            agent=agent.name,
            input=call.parts or read_parts(call.content),
            extensions=call.extensions,
        )
        claims = TurnClaims(
            chain=call.chain,
            groups=(*(call.groups_before or (frozenset[str](),) * (call.chain.depth - 1)), call.groups),
            turn=turn.id,
            agent=turn.agent,
            attempt=turn.attempt,
            fence=turn.fence,
            expires_at=time.time() + max(seconds, 0),
        )
        return replace(turn, token=self._tokens.issue(claims))


def conversation_of(chain: Chain, agent: AgentName, context: str) -> ConversationId:
    """Our id of a conversation that its callers call `context`: another one for every chain of them and every agent."""
    names = [agent, context]
    for link in chain:
        names += [link.kind, link.issuer, link.subject]
    digest = hashlib.sha256("".join(f"{len(name)}:{name}" for name in names).encode()).digest()
    value = int.from_bytes(digest[:16]) & ~(0xF << 76) & ~(0x3 << 62)
    return ConversationId(str(uuid.UUID(int=value | 0x8 << 76 | 0x2 << 62)))  # RFC 9562, version 8


def _refused(reason: str) -> Unauthenticated:
    return Unauthenticated("The turn token is invalid or has expired.", reason=f"the turn token: {reason}")
