"""Requests to the log, as data: an engine collects them, loads what they want, and has `plan` carry them out together.

Each is about one conversation. `wanted` says which rows a request has to see; an engine loads exactly these, locked.
"""

from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeAlias

from adapters.messaging.messages import New, Opening, TurnRef
from adapters.messaging.outcomes import (
    Asked,
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    Effect,
    EndHold,
    HoldCall,
    Lease,
    Outcome,
    Rejected,
    Retry,
)
from adapters.messaging.records import record
from registry.model import AgentName, ConversationId, TurnId


@record
class Append:
    """Add messages at the tail; see `ConversationLog.append`."""

    conversation: ConversationId
    messages: tuple[New, ...]
    opening: Opening | None = None
    expect_tail: int | None = None
    under: Delivery | None = None
    claim: Lease | None = None
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Extend:
    """Keep a delivery for longer."""

    delivery: Delivery
    seconds: float

    @property
    def conversation(self) -> ConversationId:
        return self.delivery.conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Settle:
    """End an attempt; see `ConversationLog.settle`."""

    delivery: Delivery
    outcome: Outcome
    effects: tuple[Effect, ...] = ()

    @property
    def conversation(self) -> ConversationId:
        return self.delivery.conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Revoke:
    """Cancel a turn; see `ConversationLog.revoke`."""

    of: TurnRef
    by: str
    issuer: str = ""
    body: bytes = b""

    @property
    def conversation(self) -> ConversationId:
        return self.of.conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """Fail a turn that has waited too long, unless it went on in the meantime."""

    of: TurnRef
    body: bytes = b""

    @property
    def conversation(self) -> ConversationId:
        return self.of.conversation


@dataclass(frozen=True, slots=True, kw_only=True)
class Redrive:
    """Append a dead letter's message anew, for a new turn."""

    conversation: ConversationId
    agent: AgentName
    seq: int
    turn: TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class See:
    """A device has shown everything up to `seq`."""

    conversation: ConversationId
    device: str
    seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """Put a conversation under legal hold for a reason, or release it (empty)."""

    conversation: ConversationId
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Erase:
    """Blank bodies; see `Keeping.erase`."""

    conversation: ConversationId
    id: str
    by: str
    issuer: str
    reason: str
    sender: str = ""
    up_to: int = 0


Request = Append | Extend | Settle | Revoke | Expire | Redrive | See | Hold | Erase

MessageKey: TypeAlias = tuple[ConversationId, str, str]
"""Conversation, sender, id."""
MailboxKey: TypeAlias = tuple[ConversationId, AgentName]
TurnKey: TypeAlias = tuple[ConversationId, TurnId]
SeqKey: TypeAlias = tuple[ConversationId, int]
LetterKey: TypeAlias = tuple[ConversationId, AgentName, int]
SeenKey: TypeAlias = tuple[ConversationId, str]


@dataclass(slots=True)
class Wanted:
    """The keys of the rows that some requests have to see. What is not there is simply not found."""

    conversations: set[ConversationId] = field(default_factory=set[ConversationId])
    known: set[MessageKey] = field(default_factory=set[MessageKey])
    mailboxes: set[MailboxKey] = field(default_factory=set[MailboxKey])
    turns: set[TurnKey] = field(default_factory=set[TurnKey])
    messages: set[SeqKey] = field(default_factory=set[SeqKey])
    letters: set[LetterKey] = field(default_factory=set[LetterKey])
    seen: set[SeenKey] = field(default_factory=set[SeenKey])
    holds: set[str] = field(default_factory=set[str])

    def add_turn(self, of: TurnRef) -> None:
        """A turn, and the mailbox it is in."""
        self.turns.add((of.conversation, of.turn))
        self.mailboxes.add((of.conversation, of.agent))

    def narrow(self, found: Container[ConversationId]) -> None:
        """Leave out what is in other conversations than those found. Held calls are in none."""
        self.known = {key for key in self.known if key[0] in found}
        self.mailboxes = {key for key in self.mailboxes if key[0] in found}
        self.turns = {key for key in self.turns if key[0] in found}
        self.messages = {key for key in self.messages if key[0] in found}
        self.letters = {key for key in self.letters if key[0] in found}
        self.seen = {key for key in self.seen if key[0] in found}


def wanted(requests: Sequence[Request]) -> Wanted:
    """What these requests have to see."""
    found = Wanted()
    for request in requests:
        found.conversations.add(request.conversation)
        _WANTS[type(request)](request, found)
    return found


def size_of(request: Request) -> int:
    """How many bytes a request brings, of what has no small bound of its own."""
    match request:
        case Append():
            return sum(_size_of_message(new) for new in request.messages) + _size_of_effects(request.effects)
        case Settle():
            return _size_of_outcome(request.outcome) + _size_of_effects(request.effects)
        case Revoke() | Expire():
            return len(request.body)
        case Erase():
            return len(request.reason)
        case _:
            return 0


def _size_of_message(new: New) -> int:
    return len(new.body) + len(new.text) + sum(len(to.authority) for to in new.to)


def _size_of_outcome(outcome: Outcome) -> int:
    match outcome:
        case Done() | Deferred():
            return sum(len(reply.body) + len(reply.text) for reply in outcome.replies)
        case Asked():
            asked = len(outcome.question.body) + len(outcome.question.text)
            return asked + sum(len(reply.body) + len(reply.text) for reply in outcome.replies)
        case Dead() | Rejected():
            return len(outcome.body)
        case Retry():
            return 0


def _size_of_effects(effects: Sequence[Effect]) -> int:
    return sum(len(getattr(effect, "body", b"")) + len(getattr(effect, "sealed", b"")) for effect in effects)


def cancelled_id(turn: TurnId) -> str:
    """The id of the message that says that a turn was cancelled."""
    return f"{turn}:cancelled"


def redriven_id(turn: TurnId) -> str:
    """The id of the message that a dead letter becomes, by its new turn: one that no sender can have taken before."""
    return f"{turn}:redriven"


def reply_id(delivery: str, number: int) -> str:
    """The id of a reply, by its number from 1: the same however often the attempt is repeated."""
    return f"{delivery}:{number}"


def asked_id(turn: TurnId, question: str) -> str:
    """The id of the message that asks a question."""
    return f"{turn}:asked:{question}"


def agent_sender(agent: AgentName) -> str:
    """An agent as the sender of a message."""
    return f"agent:{agent}"


def _append(request: Append, found: Wanted) -> None:
    conversation = request.conversation
    for message in request.messages:
        found.known.add((conversation, message.sender, message.id))
        for to in message.to:
            found.mailboxes.add((conversation, to.agent))
            found.turns.add((conversation, to.turn))
        if message.answers:
            found.add_turn(message.answers.of)
    if request.under:
        found.add_turn(request.under.of)
    _effects(request.effects, found)


def _settle(request: Settle, found: Wanted) -> None:
    delivery, outcome = request.delivery, request.outcome
    found.add_turn(delivery.of)
    sender = agent_sender(delivery.agent)
    if isinstance(outcome, Done | Asked | Deferred):
        for number in range(1, len(outcome.replies) + 1):
            found.known.add((delivery.conversation, sender, reply_id(delivery.id, number)))
    if isinstance(outcome, Asked):
        found.known.add((delivery.conversation, sender, asked_id(delivery.turn, outcome.question.id)))
    _effects(request.effects, found)


def _effects(effects: Sequence[Effect], found: Wanted) -> None:
    for effect in effects:
        match effect:
            case ChangeTurn():
                found.add_turn(effect.of)
                if effect.question:
                    asked = asked_id(effect.of.turn, effect.question.id)
                    found.known.add((effect.of.conversation, agent_sender(effect.of.agent), asked))
            case HoldCall() | EndHold():
                found.holds.add(effect.id)
            case _:
                pass


def _extend(request: Extend, found: Wanted) -> None:
    found.add_turn(request.delivery.of)


def _revoke(request: Revoke, found: Wanted) -> None:
    found.add_turn(request.of)
    found.known.add((request.conversation, request.by, cancelled_id(request.of.turn)))


def _expire(request: Expire, found: Wanted) -> None:
    found.add_turn(request.of)


def _redrive(request: Redrive, found: Wanted) -> None:
    found.letters.add((request.conversation, request.agent, request.seq))
    found.mailboxes.add((request.conversation, request.agent))
    found.messages.add((request.conversation, request.seq))
    found.turns.add((request.conversation, request.turn))


def _see(request: See, found: Wanted) -> None:
    found.seen.add((request.conversation, request.device))


def _hold(request: Hold, found: Wanted) -> None:
    """Nothing but the conversation."""


def _erase(request: Erase, found: Wanted) -> None:
    found.known.add((request.conversation, request.by, request.id))


_WANTS: Mapping[type[Any], Callable[[Any, Wanted], None]] = MappingProxyType(
    {
        Append: _append,
        Extend: _extend,
        Settle: _settle,
        Revoke: _revoke,
        Expire: _expire,
        Redrive: _redrive,
        See: _see,
        Hold: _hold,
        Erase: _erase,
    }
)
