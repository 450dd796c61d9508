"""What operators look at: the log as a whole, and the state of a conversation's mailboxes. Nobody's words.

Reads like `History`, from the same rows, and for people: none of it is asked for while messages are delivered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from adapters.messaging.delivery import Mailbox
from adapters.messaging.messages import Kind
from registry.model import AgentName, ConversationId, TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """How much there is. `ready` counts mailboxes whose head may be handed out (now, or after a backoff), `leased`
    those that somebody holds, `parked` those that wait for an answer; `dead` the dead letters that were not redriven.
    `waited` is how long, in seconds, a head that may be handed out has waited for somebody to take it, at most."""

    conversations: int = 0
    messages: int = 0
    ready: int = 0
    leased: int = 0
    parked: int = 0
    dead: int = 0
    waited: float = 0.0


@dataclass(frozen=True, slots=True, order=True)
class RecentMark:
    """A place in the order of the whole log: by the time of day at which a message was appended."""

    at: float = 0.0
    conversation: ConversationId = field(default=ConversationId(""))
    seq: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope:
    """A message without its words; `size` is the number of bytes that its body has."""

    conversation: ConversationId
    seq: int
    id: str
    sender: str
    issuer: str
    kind: Kind
    turn: TurnId
    to: tuple[AgentName, ...]
    at: float
    size: int

    @property
    def mark(self) -> RecentMark:
        """Where it is in the order of the whole log."""
        return RecentMark(self.at, self.conversation, self.seq)


class Overview(Protocol):
    """Reads of the whole log."""

    async def tally(self) -> Tally:
        """Count what there is. Looks at every conversation and mailbox, so it takes a moment where there are many."""
        ...

    async def recent(self, *, behind: RecentMark | None, limit: int) -> Sequence[Envelope]:
        """The last messages of all conversations, or the first ones behind a mark; in the order of their times. Without
        those whose body was blanked. What is committed late may have an earlier time than what was read before."""
        ...

    async def mailboxes(self, conversation: ConversationId) -> Sequence[Mailbox]:
        """The mailboxes of a conversation, by the names of their agents."""
        ...
