"""Delivery: what happens to a mailbox, the durable cursor of one agent in one conversation.

Pure: takes a mailbox and what happened, with the time, and returns the mailbox that follows. It reads no log, sleeps
and calls nobody; `plan` (above) knows what happened, and an engine stores what is decided here.

A mailbox is in one of four states, and only these things happen to it:

    state      | what it is                              | arrived | claimed | ended, withdrawn | put back | parked
    -----------+-----------------------------------------+---------+---------+------------------+----------+-------
    EMPTY      | nothing to deliver                      | READY   | –       | –                | –        | –
    READY      | a head, deliverable from `ready_at` on  | READY   | LEASED  | READY or EMPTY   | –        | –
    LEASED     | the head is with `owner` until ready_at | LEASED  | LEASED* | READY or EMPTY   | READY    | PARKED
    PARKED     | waits for what belongs to one turn      | PARKED† | –       | READY or EMPTY   | –        | –

    *  only once the lease has ended; the fence rises, and whoever had it is fenced
    †  what belongs to the turn it is parked on makes it READY

The head stays the head until its delivery ends: not a later message, nor an urgent one, comes between two attempts.
"""

from dataclasses import replace
from enum import StrEnum

from adapters.messaging.errors import AlreadySettled, Fenced
from adapters.messaging.records import record
from registry.model import NO_TURN, AgentName, ConversationId, TurnId


class MailboxState(StrEnum):
    """Where a mailbox is; see the table above."""

    EMPTY = "empty"
    READY = "ready"
    LEASED = "leased"
    PARKED = "parked"


@record
class Mailbox:
    """The durable cursor of one recipient in one conversation.

    `cursor` is the highest sequence number whose delivery began and ended in its order; it never falls. `head` is the
    message to be delivered (0: none), `attempts` how often it was handed out. `ready_at` is, by the log's clock, when
    the head may be handed out: at once, after a backoff, or when the lease of `owner` ends; None where nothing is to be
    done. `fence` rises whenever the right to deliver changes hands; `settled` is the fence of the last settled
    delivery. `parked` is the turn whose answer alone may be delivered.
    """

    conversation: ConversationId
    agent: AgentName
    cursor: int = 0
    head: int = 0
    attempts: int = 0
    ready_at: float | None = None
    fence: int = 0
    settled: int = 0
    owner: str = ""
    parked: TurnId = NO_TURN

    @property
    def state(self) -> MailboxState:
        if self.owner:
            return MailboxState.LEASED
        if self.head:
            return MailboxState.READY
        return MailboxState.PARKED if self.parked else MailboxState.EMPTY


def arrived(mailbox: Mailbox, seq: int, turn: TurnId, now: float) -> Mailbox:
    """A message has come. It becomes the head if there is none, and nothing forbids it."""
    if mailbox.head or (mailbox.parked and mailbox.parked != turn):
        return mailbox
    return replace(mailbox, head=seq, attempts=0, ready_at=now)


def is_claimable(mailbox: Mailbox, now: float) -> bool:
    """Whether the head may be handed out now: it is time, and whoever had it has lost the lease."""
    return mailbox.ready_at is not None and mailbox.ready_at <= now


def claimed(mailbox: Mailbox, owner: str, *, lease: float, now: float) -> Mailbox:
    """The head is handed out, for `lease` seconds. The fence rises: whoever had it before has it no more."""
    return replace(mailbox, owner=owner, fence=mailbox.fence + 1, attempts=mailbox.attempts + 1, ready_at=now + lease)


def check_held(mailbox: Mailbox, fence: int) -> None:
    """Let only the holder of the current lease go on. An ended lease that nobody has taken still counts.

    Raises:
        AlreadySettled, Fenced: it is not the holder's any more.
    """
    if mailbox.owner and mailbox.fence == fence:
        return
    where = f"the mailbox of {mailbox.agent} in {mailbox.conversation}"
    if mailbox.settled == fence:
        raise AlreadySettled(f"This delivery (fence {fence}) was settled before; {where} has moved on.")
    raise Fenced(f"This delivery (fence {fence}) was lost: {where} is at fence {mailbox.fence} now.")


def extended(mailbox: Mailbox, *, lease: float, now: float) -> Mailbox:
    """The holder goes on for `lease` seconds from now."""
    return replace(mailbox, ready_at=now + lease)


def put_back(mailbox: Mailbox, *, after: float, now: float) -> Mailbox:
    """The attempt failed; the head stays the head, and may be handed out again after so many seconds."""
    return replace(mailbox, owner="", settled=mailbox.fence, ready_at=now + after)


def ended(mailbox: Mailbox, *, passes: int) -> Mailbox:
    """The delivery of the head has ended. Whatever is next has yet to be found (`promoted`).

    `passes` is the head's number where it was delivered in its order, 0 for what went past the others.
    """
    return replace(
        mailbox,
        owner="",
        settled=mailbox.fence,
        cursor=max(mailbox.cursor, passes),
        head=0,
        attempts=0,
        ready_at=None,
        parked=NO_TURN,
    )


def parked_on(mailbox: Mailbox, turn: TurnId, *, passes: int) -> Mailbox:
    """The delivery of the head ended in a question: until its turn goes on, everything else waits."""
    return replace(ended(mailbox, passes=passes), parked=turn)


def withdrawn(mailbox: Mailbox, *, passes: int) -> Mailbox:
    """The turn of the head, or the one it is parked on, was ended by others: whoever has the head is fenced."""
    following = ended(mailbox, passes=passes)
    return replace(following, fence=mailbox.fence + 1, settled=mailbox.settled)


def promoted(mailbox: Mailbox, seq: int, now: float) -> Mailbox:
    """What is next has been found: the message `seq`, or nothing (0)."""
    return replace(mailbox, head=seq, attempts=0, ready_at=now if seq else None)
