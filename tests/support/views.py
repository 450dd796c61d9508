"""Turns of the log as faces see them, made by hand: a message, what was said to it, and how it stands."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from adapters.lifecycle.grants import Grant
from adapters.lifecycle.views import Logged, TurnView
from adapters.messaging.bodies import write_body
from adapters.messaging.messages import LOG, Kind, Message
from adapters.messaging.turns import Turn, TurnState
from registry.model import (
    Action,
    AgentName,
    Artifact,
    Chain,
    ConversationId,
    JsonObject,
    Part,
    Target,
    TargetKind,
    TurnId,
)
from tests.support.calls import RECRUITER

CONVERSATION = ConversationId("conversation-1")
TURN = TurnId("turn-1")
ASSISTANT = AgentName("assistant")
CALLER, AGENT = "person:recruiter", "agent:assistant"
BEGAN = 1_790_000_000.25
"""When the first message was logged; each one after it a second later."""


def words(text: str) -> tuple[Part, ...]:
    return (Part(text=text),)


def logged(
    seq: int,
    text: str = "",
    *,
    sender: str = AGENT,
    kind: Kind = Kind.SAID,
    artifacts: Sequence[Artifact] = (),
    question: JsonObject | None = None,
    metadata: JsonObject | None = None,
    parts: Sequence[Part] | None = None,
    **changes: Any,
) -> Message:
    """A message of the turn; the agent's, unless something else is said."""
    said = parts if parts is not None else words(text) if text else ()
    message = Message(
        conversation=CONVERSATION,
        seq=seq,
        id=f"m-{seq}",
        sender=sender,
        issuer="",
        kind=kind,
        turn=TURN,
        to=(),
        answers="",
        updates="",
        body=write_body(said, artifacts=artifacts, question=question, metadata=metadata),
        text="",
        digest=b"",
        at=BEGAN + seq - 1,
    )
    return replace(message, **changes)


def opening(text: str = "Find somebody", *, sender: str = CALLER, metadata: JsonObject | None = None) -> Message:
    """The message that opened the turn."""
    return logged(1, text, sender=sender, metadata=metadata, to=(ASSISTANT,))


def failed(seq: int, text: str, **metadata: Any) -> Message:
    """The log's word that the turn failed."""
    return logged(seq, text, sender=LOG, kind=Kind.FAILED, metadata=metadata)


def asked(seq: int, text: str, schema: JsonObject | None = None) -> Message:
    """A question of the agent's."""
    question = {"id": "q-1", "kind": "CLARIFICATION", "text": text, **({"answerSchema": schema} if schema else {})}
    return logged(seq, text, kind=Kind.ASKED, question=question)


def answered(seq: int, text: str) -> Message:
    """The caller's answer."""
    return logged(seq, text, sender=CALLER, kind=Kind.ANSWERED, answers="q-1")


def row(state: TurnState, *, changed_at: float = BEGAN, **changes: Any) -> Turn:
    """The row of the turn."""
    turn = Turn(
        conversation=CONVERSATION,
        agent=ASSISTANT,
        id=TURN,
        opened=1,
        state=state,
        started_by=CALLER,
        opened_at=BEGAN,
        changed_at=changed_at,
    )
    return replace(turn, **changes)


def grant(context: str = "context-1") -> Grant:
    return Grant(
        chain=Chain((RECRUITER,)),
        groups=(frozenset(),),
        scopes=frozenset(),
        granted_at=BEGAN,
        action=Action.MESSAGE,
        target=Target(TargetKind.AGENT, ASSISTANT),
        context=context,
    )


def view(
    state: TurnState, *messages: Message, draft: tuple[Artifact, ...] = (), context: str = "context-1"
) -> TurnView:
    """The turn as it stands with these messages, the opening before them if it is not among them."""
    said = messages if messages and messages[0].seq == 1 else (opening(), *messages)
    return TurnView(turn=row(state, changed_at=said[-1].at), grant=grant(context), messages=said, draft=draft)


def news(message: Message, state: TurnState) -> Logged:
    """That a message was logged, after which the turn is so."""
    return Logged(message=message, turn=row(state, changed_at=message.at))
