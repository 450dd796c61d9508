"""Reads, on connections of their own: each is one statement, and so one consistent look that waits for no writer."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.drafts import Draft
from adapters.messaging.log import Devices, Found, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Message, TurnRef
from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.connections import Connections
from adapters.messaging.postgres.faults import BROKEN, Fault, fault_of, refused, unavailable
from adapters.messaging.postgres.which import conditions
from adapters.messaging.postgres.words import query_of
from adapters.messaging.queries import load_queries
from adapters.messaging.turns import Turn
from registry.model import ConversationId, TurnId

SQL = load_queries(Path(__file__).with_name("read.sql"))

PAGE_BYTES = 4 << 20
"""Bytes of bodies and texts after which a page ends."""

BIGGEST = 2**63 - 1


class PostgresRows:
    """See `engine.Rows`."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        """See `History.conversations`."""
        if ids:
            rows = await self._fetch("conversations_by_id", list(ids), limit)
        else:
            rows = await self._fetch("conversations_behind", after or "", limit)
        return [shapes.conversation_of(row) for row in rows]

    async def page(
        self, conversation: ConversationId, *, after: int, before: int | None, limit: int
    ) -> Sequence[Message] | None:
        """See `History.page`; None where there is no such conversation."""
        after = min(after, BIGGEST)
        if before is None:
            rows = await self._fetch("page_behind", conversation, after, limit, PAGE_BYTES)
        else:
            rows = await self._fetch("page_before", conversation, after, limit, PAGE_BYTES, min(before, BIGGEST))
        if not rows and not (await self._fetch("has_conversation", conversation))[0][0]:
            return None
        return [shapes.message_of(row) for row in rows]

    async def of_turn(self, conversation: ConversationId, turn: TurnId, *, after: int, limit: int) -> Sequence[Message]:
        """See `History.of_turn`."""
        rows = await self._fetch("of_turn", conversation, min(after, BIGGEST), limit, PAGE_BYTES, turn)
        return [shapes.message_of(row) for row in rows]

    async def tails(self, conversations: Sequence[ConversationId]) -> Mapping[ConversationId, int]:
        """Where these conversations end; those that do not exist are left out."""
        return {row[0]: row[1] for row in await self._fetch("tails", list(conversations))}

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None, limit: int) -> Sequence[Turn]:
        """See `History.turns`."""
        where, values = conditions(which, behind)
        query = SQL["turns"].format(which=where, limit=f"${len(values) + 1}")
        return [shapes.turn_of(row) for row in await self.fetch(query, *values, limit)]

    async def count_turns(self, which: WhichTurns) -> int:
        """See `History.count_turns`."""
        where, values = conditions(which)
        ((count,),) = await self.fetch(SQL["count_turns"].format(which=where), *values)
        return count

    async def draft(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        """See `Drafts.of`."""
        found = await self._fetch("draft", conversation, turn)
        return shapes.draft_of(found[0]) if found else None

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None, limit: int
    ) -> Sequence[Found]:
        """See `History.search`; of what is indexed."""
        every = query_of(words)
        rows = await self._fetch("search", every, conversations, limit) if every else ()
        return [Found(message=shapes.message_of(row[:15]), rank=row[15]) for row in rows]

    async def dead(self, which: WhichLetters, *, after: LetterMark | None, limit: int) -> Sequence[DeadLetter]:
        """See `History.dead`."""
        behind = (after.at, after.conversation, after.seq, after.agent) if after else (None,) * 4
        rows = await self._fetch("dead", which.conversation, which.agent, which.redriven, *behind, limit)
        return [shapes.letter_of(row) for row in rows]

    async def devices(self, conversation: ConversationId) -> Devices:
        """See `History.devices`."""
        return Devices(seen={row[0]: row[1] for row in await self._fetch("devices", conversation)})

    async def overdue(self, *, limit: int, shift: float) -> Sequence[TurnRef]:
        """See `Engine.overdue`."""
        rows = await self._fetch("overdue", shift, limit)
        return [TurnRef(conversation=conversation, agent=agent, turn=turn) for conversation, agent, turn in rows]

    async def _fetch(self, name: str, *wanted: object) -> Sequence[Any]:
        return await self.fetch(SQL[name], *wanted)

    async def fetch(self, query: str, *wanted: object) -> Sequence[Any]:
        """Read; what only a lost connection prevents is tried once more.

        Raises:
            LogUnavailable: the database cannot be read.
            BadRequest: what is looked for is no text.
        """
        try:
            return await self._fetch_once(query, wanted)
        except BROKEN as error:
            match fault_of(error):
                case Fault.LOST:
                    pass
                case Fault.POISON:
                    raise refused(error, self._connections.where) from None
                case _:
                    raise unavailable(error, self._connections.where) from None
        try:
            return await self._fetch_once(query, wanted)
        except BROKEN as error:
            raise unavailable(error, self._connections.where) from None

    async def _fetch_once(self, query: str, wanted: Sequence[object]) -> Sequence[Any]:
        async with self._connections.one() as connection:
            return await connection.fetch(query, *wanted)
