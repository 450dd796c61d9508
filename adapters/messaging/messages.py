"""Messages: what is appended to a conversation, and what is read back.

A body is opaque to the log: bytes that must be the same whenever a message is repeated (`adapters.messaging.bodies`
writes them). `text` is what a search finds. Both are blanked by erasure; sequence, id and digest stay.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from adapters.messaging.records import record
from registry.model import NO_TURN, AgentName, ConversationId, TurnId


class Kind(StrEnum):
    """Values are the names of `interchange.v1.Message.Kind`, in lower case."""

    SAID = "said"
    ANSWERED = "answered"
    UPDATED = "updated"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ERASED = "erased"
    ASKED = "asked"


LOG = "service:interchange"
"""The sender of what the log itself says: that a turn failed, was cancelled, or that something was erased."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnRef:
    """Which turn, and in whose mailbox of which conversation it is."""

    conversation: ConversationId
    agent: AgentName
    turn: TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionRef:
    """Which question of which turn."""

    of: TurnRef
    question: str


@record
class To:
    """A recipient, and the turn that the message opens in its mailbox.

    `authority` is what the turn keeps of its starter's authority, as whoever appends sealed it; `owner` is whose turn
    it is, and `root` the outermost of the turns that it is part of (`NO_TURN`: of none). The log only stores them.
    """

    agent: AgentName
    turn: TurnId
    authority: bytes = b""
    owner: str = ""
    root: TurnId = NO_TURN


@record
class New:
    """A message to be appended.

    `id` is unique per (conversation, sender), for ever. `sender` is a principal as `person:alice`, `issuer` whose word
    that is. Each of `to` gets it delivered; who is not an agent reads it. `answers` makes it the answer to an open
    question: it goes to that turn, past whatever waits. `updates` is the id of an earlier message that it replaces.
    `turn` is the turn it belongs to, where it opens or answers none.
    """

    id: str
    sender: str
    body: bytes
    kind: Kind = Kind.SAID
    to: tuple[To, ...] = ()
    answers: QuestionRef | None = None
    updates: str = ""
    turn: TurnId = NO_TURN
    text: str = ""
    issuer: str = ""

    @property
    def belongs_to(self) -> TurnId:
        """The turn that this message opens, answers or is part of."""
        if self.to:
            return self.to[0].turn
        return self.answers.of.turn if self.answers else self.turn


@record
class Message:
    """A message as the log has it. `at` is in seconds since the epoch; `digest` is SHA-256 of all that must not change
    (see `digest_of`). `erased`: the body was blanked."""

    conversation: ConversationId
    seq: int
    id: str
    sender: str
    issuer: str
    kind: Kind
    turn: TurnId
    to: tuple[AgentName, ...]
    answers: str
    updates: str
    body: bytes
    text: str
    digest: bytes
    at: float
    erased: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What a conversation is, for whoever appends its first message. `domain` is whose it is to policies."""

    domain: str = ""
    started_by: str = ""
    started_by_issuer: str = ""


@record
class Conversation:
    """A conversation as the log has it. `tail` is the sequence number of its last message; `hold` says why nothing of
    it may be erased, empty where nothing forbids it."""

    id: ConversationId
    tail: int
    domain: str
    started_by: str
    started_by_issuer: str
    opened_at: float
    hold: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadLetter:
    """A delivery that was given up, with its reason. `redriven_as` is the sequence number of its redrive, or 0."""

    of: TurnRef
    seq: int
    attempts: int
    error: str
    at: float
    redriven_as: int = 0


def digest_of(new: New) -> bytes:
    """SHA-256 over kind, recipients, answered question, updated message and body: what a repetition must not change.

    The turn that a message opens is not part of it: who repeats one gets the turn that the first one opened.
    """
    recipients = " ".join(to.agent for to in new.to)
    turn, answered = (new.answers.of.turn, new.answers.question) if new.answers else ("", "")
    head = "\0".join((new.kind, recipients, turn, answered, new.updates))
    digest = hashlib.sha256(head.encode())
    digest.update(b"\0")
    digest.update(new.body)
    return digest.digest()


def unfit_for_storage(texts: Sequence[str]) -> str | None:
    """The first of these that no database keeps as it is: with a NUL, or with half of a surrogate pair."""
    together = "".join(texts)
    if together.isascii() and "\0" not in together:  # nearly always, and soon seen
        return None
    for text in texts:
        if not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                return text
        if "\0" in text:
            return text
    return None
