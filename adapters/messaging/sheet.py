"""The sheet: what one transaction has loaded, and what it is going to write.

An engine fills a sheet with the rows that some requests want, has `plan` carry out the requests on it one after the
other, and writes what was `put` there. What a request changes (`Changes`) becomes part of the sheet only as a whole:
one that is refused leaves nothing behind, and the others of its transaction go on.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from adapters.messaging.delivery import Mailbox, promoted
from adapters.messaging.errors import IdConflict
from adapters.messaging.messages import Conversation, DeadLetter, Message, New, digest_of
from adapters.messaging.outcomes import Push
from adapters.messaging.requests import LetterKey, MailboxKey, MessageKey, SeenKey, SeqKey, TurnKey
from adapters.messaging.turns import Turn
from registry.model import AgentName, ConversationId, TurnId


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of a message that has an id already."""

    seq: int
    digest: bytes
    turn: TurnId
    at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A question as the log has it. `state` is open, answered, expired or cancelled."""

    conversation: ConversationId
    agent: AgentName
    turn: TurnId
    id: str
    seq: int
    state: str
    asked_at: float
    expires: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldCall:
    """A call that waits, sealed, for approval; `ended` says how it ended, empty while it waits."""

    id: str
    sealed: bytes
    expires: float
    ended: str = ""


@dataclass(frozen=True, slots=True)
class Blank:
    """Messages whose bodies are to be blanked: of one sender (empty: of all), up to a sequence number, included."""

    conversation: ConversationId
    sender: str
    up_to: int

    def covers(self, message: Message) -> bool:
        """Whether this message is one of them."""
        return (
            message.conversation == self.conversation
            and message.seq <= self.up_to
            and self.sender in {"", message.sender}
        )


@dataclass(slots=True)
class Written:
    """What is going to be written, by key, so that a row is written once however often it changed."""

    conversations: dict[ConversationId, Conversation] = field(default_factory=dict[ConversationId, Conversation])
    messages: list[Message] = field(default_factory=list[Message])
    mailboxes: dict[MailboxKey, Mailbox] = field(default_factory=dict[MailboxKey, Mailbox])
    turns: dict[TurnKey, Turn] = field(default_factory=dict[TurnKey, Turn])
    questions: list[Question] = field(default_factory=list[Question])
    closed: list[tuple[ConversationId, TurnId, str, str]] = field(
        default_factory=list[tuple[ConversationId, TurnId, str, str]]
    )
    letters: dict[LetterKey, DeadLetter] = field(default_factory=dict[LetterKey, DeadLetter])
    seen: dict[SeenKey, int] = field(default_factory=dict[SeenKey, int])
    holds: dict[str, HeldCall] = field(default_factory=dict[str, HeldCall])
    pushes: list[tuple[ConversationId, Push]] = field(default_factory=list[tuple[ConversationId, Push]])
    blanks: list[Blank] = field(default_factory=list[Blank])
    vacated: set[MailboxKey] = field(default_factory=set[MailboxKey])
    """Mailboxes whose next head has to be found, once the turns are written."""


@dataclass(slots=True)
class Sheet:
    """The rows a transaction has loaded, and what it writes.

    `now` is the log's clock (leases, delays, expiries), `at` the time of day (for people), both in seconds; `monotonic`
    this process's clock when the transaction began.
    """

    now: float
    at: float
    monotonic: float
    conversations: dict[ConversationId, Conversation] = field(default_factory=dict[ConversationId, Conversation])
    known: dict[MessageKey, Known] = field(default_factory=dict[MessageKey, Known])
    mailboxes: dict[MailboxKey, Mailbox] = field(default_factory=dict[MailboxKey, Mailbox])
    turns: dict[TurnKey, Turn] = field(default_factory=dict[TurnKey, Turn])
    messages: dict[SeqKey, Message] = field(default_factory=dict[SeqKey, Message])
    letters: dict[LetterKey, DeadLetter] = field(default_factory=dict[LetterKey, DeadLetter])
    seen: dict[SeenKey, int] = field(default_factory=dict[SeenKey, int])
    holds: dict[str, HeldCall] = field(default_factory=dict[str, HeldCall])
    written: Written = field(default_factory=Written)

    def blank(self, blank: Blank) -> None:
        """Blank bodies, of what is loaded as well: nothing later in this transaction may say it again."""
        self.written.blanks.append(blank)
        for key, message in self.messages.items():
            if blank.covers(message):
                self.messages[key] = replace(message, body=b"", text="", erased=True)
        self.written.pushes[:] = [
            (of, replace(push, body=b"") if of == blank.conversation else push) for of, push in self.written.pushes
        ]

    def promote(self, found: Iterable[tuple[MailboxKey, int]]) -> None:
        """Give vacated mailboxes their next head (0: there is none). To be called once, after the turns were written
        and before the mailboxes are."""
        for key, seq in found:
            mailbox = promoted(self.mailboxes[key], seq, self.now)
            self.mailboxes[key] = self.written.mailboxes[key] = mailbox


class Changes:
    """One request's changes, on top of a sheet."""

    __slots__ = ("_more", "added", "conversation", "known", "mailboxes", "sheet", "turns", "vacated")

    def __init__(self, sheet: Sheet, conversation: Conversation) -> None:
        self.sheet = sheet
        self.conversation = conversation
        self.added: list[Message] = []
        self.known: dict[MessageKey, Known] = {}
        self.mailboxes: dict[MailboxKey, Mailbox] = {}
        self.turns: dict[TurnKey, Turn] = {}
        self.vacated: set[MailboxKey] = set()
        self._more: Written | None = None

    @property
    def more(self) -> Written:
        """What few requests change; so it is made when one does."""
        if self._more is None:
            self._more = Written()
        return self._more

    def mailbox(self, agent: AgentName) -> Mailbox:
        """A mailbox as it is now; an empty one where there was none."""
        key = (self.conversation.id, agent)
        found = self.mailboxes.get(key) or self.sheet.mailboxes.get(key)
        return found or Mailbox(conversation=self.conversation.id, agent=agent)

    def turn(self, turn: TurnId) -> Turn | None:
        key = (self.conversation.id, turn)
        return self.turns.get(key) or self.sheet.turns.get(key)

    def is_vacated(self, agent: AgentName) -> bool:
        """Whether the next head of a mailbox has yet to be found, so that nothing may become it here."""
        key = (self.conversation.id, agent)
        return key in self.vacated or key in self.sheet.written.vacated

    def put_mailbox(self, mailbox: Mailbox) -> None:
        self.mailboxes[mailbox.conversation, mailbox.agent] = mailbox

    def vacate(self, mailbox: Mailbox) -> None:
        """Put a mailbox whose next head has to be found."""
        self.put_mailbox(mailbox)
        self.vacated.add((mailbox.conversation, mailbox.agent))

    def put_turn(self, turn: Turn) -> None:
        at = self.sheet.at
        self.turns[turn.conversation, turn.id] = turn if turn.changed_at == at else replace(turn, changed_at=at)

    def find(self, new: New) -> Known | None:
        """The message that has this sender and id already.

        Raises:
            IdConflict: it is another one.
        """
        key = (self.conversation.id, new.sender, new.id)
        known = self.known.get(key) or self.sheet.known.get(key)
        if known is not None and known.digest != digest_of(new):
            raise IdConflict(
                f"{new.sender} has used the id {new.id!r} in this conversation for another message, number {known.seq}."
            )
        return known

    def add(self, new: New) -> Message:
        """Append a new message at the tail.

        Raises:
            IdConflict: its sender has used its id before.
        """
        if (known := self.find(new)) is not None:
            raise IdConflict(f"{new.sender} has used the id {new.id!r} in this conversation before, at {known.seq}.")
        seq = self.conversation.tail + 1
        self.conversation = replace(self.conversation, tail=seq)
        message = Message(
            conversation=self.conversation.id,
            seq=seq,
            id=new.id,
            sender=new.sender,
            issuer=new.issuer,
            kind=new.kind,
            turn=new.belongs_to,
            to=tuple(to.agent for to in new.to),
            answers=new.answers.question if new.answers else "",
            updates=new.updates,
            body=new.body,
            text=new.text,
            digest=digest_of(new),
            at=self.sheet.at,
        )
        self.added.append(message)
        self.known[self.conversation.id, new.sender, new.id] = Known(seq, message.digest, message.turn, message.at)
        return message

    def keep(self) -> None:
        """Make all of it part of the sheet."""
        sheet, written = self.sheet, self.sheet.written
        conversation = self.conversation
        if sheet.conversations.get(conversation.id) != conversation:
            sheet.conversations[conversation.id] = written.conversations[conversation.id] = conversation
        for message in self.added:
            sheet.messages[conversation.id, message.seq] = message
        written.messages += self.added
        sheet.known |= self.known
        sheet.mailboxes |= self.mailboxes
        written.mailboxes |= self.mailboxes
        sheet.turns |= self.turns
        written.turns |= self.turns
        written.vacated |= self.vacated
        if self._more is not None:
            self._keep_more(self._more)

    def _keep_more(self, more: Written) -> None:
        sheet, written = self.sheet, self.sheet.written
        written.questions += more.questions
        written.closed += more.closed
        written.pushes += more.pushes
        for blank in more.blanks:
            sheet.blank(blank)
        sheet.letters |= more.letters
        written.letters |= more.letters
        sheet.seen |= more.seen
        written.seen |= more.seen
        sheet.holds |= more.holds
        written.holds |= more.holds
