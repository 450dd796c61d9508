"""Drafts: what an agent has said so far in a turn, before it has said it for good.

A convenience, and no part of the log: it lets whoever comes late, or comes from another gateway, see the answer as it
grows. A draft may be lost, and lags behind; what is said in the end is what `settle` appends. `drafting` keeps them.
"""

from collections.abc import Sequence
from typing import Protocol

from adapters.messaging.records import record
from registry.model import ConversationId, TurnId


@record
class Draft:
    """What an agent has said so far.

    `fence` is that of the attempt which says it; within it, a higher `number` is newer. `body` is opaque to whoever
    keeps it. `at` is when it was kept, in seconds since the epoch; whoever keeps one need not say.
    """

    conversation: ConversationId
    turn: TurnId
    fence: int
    number: int
    body: bytes
    at: float = 0.0


class Drafts(Protocol):
    """Keeps one draft of each turn, in the log's database. Safe to use from many tasks and many processes."""

    async def keep(self, drafts: Sequence[Draft]) -> None:
        """Keep these, in one transaction unless they are very long together. One that is not newer than what is kept of
        its turn is passed over, and so is one of a turn that has ended, or is none.

        Raises:
            BadRequest, TooLarge: one is malformed, or too long; it says which.
            LogUnavailable: the database cannot be written now.
        """
        ...

    async def of(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        """The draft of a turn, if there is one.

        Raises:
            LogUnavailable: the database cannot be read now.
        """
        ...

    async def drop(self, turns: Sequence[tuple[ConversationId, TurnId]]) -> None:
        """Delete the drafts of these turns, as far as there are any.

        Raises:
            LogUnavailable: the database cannot be written now.
        """
        ...
