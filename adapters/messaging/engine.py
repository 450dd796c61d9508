"""What an engine is: a place that keeps the rows, and carries out requests on them in transactions.

`Recorder` and `Follower` make the contracts of `log` out of this, the same for every engine. An engine gathers the
requests that are made at the same time into one transaction (group commit): it locks and loads what they want
(`requests.wanted`) into a sheet, has `plan.perform` carry out each, writes the sheet, and commits once. A request that
is refused does not disturb the others; a transaction that fails is repeated request by request, so that one that the
database will not have harms nobody else.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from adapters.messaging.drafts import Draft
from adapters.messaging.log import Devices, Found, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Message, TurnRef
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.requests import Request
from adapters.messaging.sheet import Sheet
from adapters.messaging.turns import Turn
from registry.model import AgentName, ConversationId, TurnId


@dataclass(frozen=True, slots=True, kw_only=True)
class Stir:
    """What a commit may wake somebody for: conversations that grew, by their new tail, and agents with mail."""

    grown: Mapping[ConversationId, int] = field(default_factory=dict[ConversationId, int])
    ready: frozenset[AgentName] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.grown or self.ready)


Stirred = Callable[[Stir], None]
"""Called on the event loop after a commit, before its callers go on."""


def stir_of(sheet: Sheet) -> Stir:
    """What a sheet that was committed may wake somebody for."""
    written = sheet.written
    ready = {
        mailbox.agent
        for mailbox in written.mailboxes.values()
        if not mailbox.owner and mailbox.ready_at is not None and mailbox.ready_at <= sheet.now
    }
    grown = {message.conversation: message.seq for message in written.messages}
    return Stir(grown=grown, ready=frozenset(ready))


class Engine(Protocol):
    """Writes. All of it may be called from many tasks at once."""

    async def submit(self, request: Request) -> Any:
        """Carry out a request; see `plan.perform` for what it returns and raises.

        Raises:
            LogUnavailable: the database could not be written.
        """
        ...

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog.claim`."""
        ...

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        """Turns that should have gone on by now, those that are due longest first."""
        ...

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping.retain`."""
        ...

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        ...

    async def keep_drafts(self, drafts: Sequence[Draft]) -> None:
        """See `Drafts.keep`; no two are of one turn."""
        ...

    async def drop_drafts(self, turns: Sequence[tuple[ConversationId, TurnId]]) -> None:
        """See `Drafts.drop`."""
        ...

    async def tidy(self, *, limit: int) -> int:
        """See `Keeping.tidy`."""
        ...

    async def close(self) -> None:
        """Finish what was submitted, and let go of the database."""
        ...


class Rows(Protocol):
    """Reads. Each is one consistent look, and waits for no writer."""

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        """See `History.conversations`."""
        ...

    async def page(
        self, conversation: ConversationId, *, after: int, before: int | None, limit: int
    ) -> Sequence[Message] | None:
        """See `History.page`; None where there is no such conversation."""
        ...

    async def tails(self, conversations: Sequence[ConversationId]) -> Mapping[ConversationId, int]:
        """Where these conversations end; those that do not exist are left out."""
        ...

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None, limit: int) -> Sequence[Turn]:
        """See `History.turns`."""
        ...

    async def count_turns(self, which: WhichTurns) -> int:
        """See `History.count_turns`."""
        ...

    async def of_turn(self, conversation: ConversationId, turn: TurnId, *, after: int, limit: int) -> Sequence[Message]:
        """See `History.of_turn`."""
        ...

    async def draft(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        """See `Drafts.of`."""
        ...

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None, limit: int
    ) -> Sequence[Found]:
        """See `History.search`; of what is indexed."""
        ...

    async def dead(self, which: WhichLetters, *, after: LetterMark | None, limit: int) -> Sequence[DeadLetter]:
        """See `History.dead`."""
        ...

    async def devices(self, conversation: ConversationId) -> Devices:
        """See `History.devices`."""
        ...
