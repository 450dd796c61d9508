"""The two contracts of the conversation log: `ConversationLog` writes, `History` reads, `Keeping` looks after it.

What holds, whichever engine is behind them:

- A conversation is an ordered log. Sequence numbers are dense from 1, in the order of commits. Messages never change;
  an edit or a deletion is another message. Only erasure blanks bodies, and it says so in the log.
- What a call returned is durable. What a call refused did nothing at all. Where `LogUnavailable` was raised the outcome
  may be unknown; to repeat the call as it was is always safe.
- An id is unique per (conversation, sender) for ever. The same message again gets the same number, and nothing is done.
- A message to an agent opens a turn in its mailbox, of which there is one per (conversation, agent). A mailbox delivers
  one message at a time, in the order of the log, again and again until its delivery is settled. At most one delivery of
  a mailbox is live; a lease that ended makes way for the next, and the fence makes the old one harmless.
- A question parks the mailbox: until it is answered, expires or is cancelled, everything else waits, in order. Only a
  deferred turn asks without parking it: others may be in hand there; but its answer, too, goes past what waits.
- What is due to expire has not expired before somebody calls `expire`: until then an answer or a finish still counts.
- Turns, questions, held calls and pushes change in the same transaction as the messages that say so.
- Fences guard the log, not the agent: two attempts may overlap in the agent, which tells them apart by delivery id and
  attempt. Check `Delivery.deadline` right before a call, and give the call no more time than that.

Times are in seconds. Whatever is scheduled goes by the log's own clock (see the engines), never by a caller's.
"""

from collections.abc import AsyncIterator, Collection, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.messaging.messages import Conversation, DeadLetter, Message, New, Opening, TurnRef
from adapters.messaging.outcomes import Delivery, Effect, Lease, Outcome
from adapters.messaging.plan import Appended
from adapters.messaging.turns import Turn, TurnState
from registry.model import NO_TURN, AgentName, ConversationId, TurnId


class ConversationLog(Protocol):
    """Writes conversations, and hands out what is to be delivered. Safe to use from many tasks and many processes."""

    async def append(
        self,
        conversation: ConversationId,
        messages: Sequence[New],
        *,
        opening: Opening | None = None,
        expect_tail: int | None = None,
        under: Delivery | None = None,
        claim: Lease | None = None,
        effects: Sequence[Effect] = (),
    ) -> Appended:
        """Add messages at the tail, all or none, together with `effects`; where a deferred turn asks, with none.

        `opening` lets a conversation that does not exist begin with this. `expect_tail` appends only if that is where
        the conversation ends. `under` appends only while that delivery, of the same conversation, is still its
        holder's. `claim` also takes the mailbox of the one recipient, or of the turn that is answered, if it is free;
        if it is busy, or was until this very moment, the message is queued, and there is no delivery. A repetition of
        all of it is answered as the first time, but for the delivery, and does nothing.

        Raises:
            Unknown: no such conversation (and no `opening`), turn or held call.
            IdConflict: the sender has used an id for something else, or only a part is a repetition.
            TailMoved, Fenced, TurnOver, Refused: see there; a question is open no more, a grant is another one.
            BadRequest, TooLarge: a message is malformed, or too long; it says which.
            LogUnavailable: the database cannot be written now.
        """
        ...

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """Take the heads of at most `limit` mailboxes of these agents that nobody holds, those that wait longest first.

        An agent's mailboxes are taken fairly beside the others'. Empty where nothing is to be done.
        """
        ...

    async def extend(self, delivery: Delivery, *, seconds: float) -> Delivery:
        """Keep a delivery for so many seconds from now; returned with its new deadline.

        Raises:
            Fenced: it is lost.
        """
        ...

    async def settle(self, delivery: Delivery, outcome: Outcome, *, effects: Sequence[Effect] = ()) -> Appended:
        """End an attempt: cursor, turn, replies and effects in one transaction.

        Raises:
            AlreadySettled, Fenced: it is not this holder's any more; nothing was done. That it was settled before is
                known of the last one that was settled in its mailbox; older ones are fenced.
            Refused: a question with this id was asked in the turn before, or an effect is refused.
        """
        ...

    async def revoke(self, of: TurnRef, *, by: str, issuer: str = "", body: bytes = b"") -> Appended:
        """Cancel a turn wherever it is; whoever holds its delivery is fenced. A repetition finds it cancelled.

        Raises:
            TurnOver: it had ended before, otherwise or by somebody else's word.
            Unknown: no such turn.
            IdConflict: it was cancelled before by the same one with another body.
        """
        ...

    async def expire(self, *, limit: int) -> Sequence[TurnRef]:
        """Fail turns that have waited too long: questions, deferred turns and reviews. Returns those that failed."""
        ...

    async def redrive(self, conversation: ConversationId, agent: AgentName, seq: int, *, turn: TurnId) -> Appended:
        """Append what a dead letter said anew, at the tail, for a new turn with the authority of the one before; never
        a rewind. A repetition, with the same turn, finds it redriven.

        Raises:
            NotDead: it is no dead letter, was redriven before, or was erased.
        """
        ...

    async def seen(self, conversation: ConversationId, device: str, seq: int) -> int:
        """Note that a device has shown everything up to `seq`, and return how far it has; it never goes back.

        Raises:
            BadRequest: the conversation is not that long.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A message that a search found."""

    message: Message
    rank: float


@dataclass(frozen=True, slots=True)
class TurnMark:
    """A place in a list of turns: the next page begins behind it. Stable: turns that change meanwhile move to the
    front, and are not skipped or repeated behind it."""

    changed_at: float
    turn: TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichTurns:
    """Which turns are asked for; empty fields do not restrict.

    `owner` and `root` are those of `To`. `changed_after` is a time of day, in seconds since the epoch: turns that
    changed then or later. Whoever names a conversation, turns, an owner or a root waits no longer because there are
    many others.
    """

    conversation: ConversationId | None = None
    turns: tuple[TurnId, ...] = ()
    agents: tuple[AgentName, ...] = ()
    states: tuple[TurnState, ...] = ()
    started_by: str = ""
    owner: str = ""
    root: TurnId = NO_TURN
    changed_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WhichLetters:
    """Which dead letters are asked for: those that were not redriven, or those that were."""

    conversation: ConversationId | None = None
    agent: AgentName | None = None
    redriven: bool = False


@dataclass(frozen=True, slots=True)
class LetterMark:
    """A place in a list of dead letters: the next page begins behind it. One message may have several, one of each of
    its recipients."""

    at: float
    conversation: ConversationId
    seq: int
    agent: AgentName

    @classmethod
    def behind(cls, letter: DeadLetter) -> "LetterMark":
        """The place behind this one."""
        return cls(letter.at, letter.of.conversation, letter.seq, letter.of.agent)


@dataclass(frozen=True, slots=True, kw_only=True)
class Devices:
    """How far each device has shown a conversation."""

    seen: dict[str, int] = field(default_factory=dict[str, int])


class History(Protocol):
    """Reads what was said. Strong: what was acknowledged before a read began is in it."""

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        """Conversations by id; or, without `ids`, all in the order of their ids, from behind `after` on."""
        ...

    async def page(
        self, conversation: ConversationId, *, after: int = 0, before: int | None = None, limit: int = 100
    ) -> Sequence[Message]:
        """Messages in their order: the first ones behind `after`, or with `before` the last ones in front of it (and
        behind `after`). At most `limit`, and not many more than 4 MiB of bodies; at least one if there is one.

        Raises:
            Unknown: no such conversation.
        """
        ...

    def follow(self, conversation: ConversationId, *, after: int = 0) -> AsyncIterator[Message]:
        """Every message behind `after`, once and in order, those that are still to come as well. Never ends by itself.

        Raises:
            Unknown: no such conversation.
        """
        ...

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None = None, limit: int = 100) -> Sequence[Turn]:
        """Turns, those that changed last first."""
        ...

    async def count_turns(self, which: WhichTurns) -> int:
        """How many turns that is."""
        ...

    async def of_turn(
        self, conversation: ConversationId, turn: TurnId, *, after: int = 0, limit: int = 100
    ) -> Sequence[Message]:
        """The messages that belong to a turn, in their order: the one that opened it, whatever came to it or from it
        since, and how it ended; the first ones behind `after`. At most `limit`, and not many more than 4 MiB of bodies;
        at least one if there is one. Empty also where there is no such turn."""
        ...

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None = None, limit: int = 50
    ) -> Sequence[Found]:
        """Messages in whose text every word occurs, the best first; of these conversations only, if any are named.
        What was acknowledged before is found."""
        ...

    async def dead(
        self, which: WhichLetters, *, after: LetterMark | None = None, limit: int = 100
    ) -> Sequence[DeadLetter]:
        """Dead letters, the oldest first, from behind `after` on."""
        ...

    async def devices(self, conversation: ConversationId) -> Devices:
        """How far each device has shown a conversation."""
        ...


class Keeping(Protocol):
    """Looks after what is kept: legal hold, erasure, retention."""

    async def hold(self, conversation: ConversationId, *, reason: str) -> None:
        """Forbid that anything of a conversation is erased, until it is released."""
        ...

    async def release(self, conversation: ConversationId) -> None:
        """End a legal hold."""
        ...

    async def erase(
        self,
        conversation: ConversationId,
        *,
        id: str,  # noqa: A002 the word of the field
        by: str,
        issuer: str = "",
        reason: str,
        sender: str = "",
        up_to: int = 0,
    ) -> Appended:
        """Blank the bodies and search texts of messages: of one `sender` or of all, up to number `up_to` or all.

        Numbers, ids and digests stay, so nothing becomes a gap and nothing that was said before is accepted again. What
        is still to be delivered is delivered blank. Drafts, of all or of the agent that is the `sender`, are deleted.
        The log says that something was erased, by whom and why, in a message with this `id`; a repetition finds it
        erased.

        Raises:
            OnHold: a legal hold forbids it.
        """
        ...

    async def retain(self, *, seconds: float, limit: int) -> int:
        """Blank the bodies of messages that are older than so many seconds, but for conversations on hold and turns
        that have not ended. Returns how many were blanked; fewer than `limit` means that none is left."""
        ...

    async def index(self, *, limit: int) -> int:
        """Make messages that no search has looked for yet ready to be found. Returns how many; fewer than `limit` means
        that none is left."""
        ...

    async def tidy(self, *, limit: int) -> int:
        """Delete drafts of turns that have ended. Returns how many; fewer than `limit` means that none is left."""
        ...
