"""What is done beside the writers, in small transactions of its own: retention, the index of words, and drafts.

What is blanked is gone for everybody who asks; its bytes leave the disk when PostgreSQL next vacuums the table.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.drafts import Draft
from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.connections import Connection, Connections
from adapters.messaging.postgres.sheets import SQL as WRITE
from adapters.messaging.postgres.transactions import transact
from adapters.messaging.postgres.words import vector_of
from adapters.messaging.queries import load_queries
from adapters.messaging.requests import TurnKey
from adapters.messaging.turns import ENDED
from registry.model import ConversationId

SQL = load_queries(Path(__file__).with_name("keep.sql"))

STEP = 200
"""Messages of one transaction: it keeps their conversations locked, and nobody should wait for long."""

STEP_BYTES = 4 << 20
"""Bytes of text after which a step is large enough."""

Old = tuple[float, ConversationId, int]
"""When a message was said, and which it is."""


class PostgresKeeping:
    """Retention and the index, on connections that nobody else waits for; and drafts, which do not wait for those."""

    def __init__(self, connections: Connections, *, drafting: Connections) -> None:
        self._connections = connections
        self._drafting = drafting
        self._indexing = asyncio.Lock()

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping.retain`."""
        before: float = await transact(self._connections, lambda connection: connection.fetchval(SQL["time_of_day"]))
        before -= seconds
        done, behind = 0, (float("-inf"), ConversationId(""), 0)
        while done < limit:
            step = min(limit - done, STEP)
            blanked = await transact(
                self._connections,
                lambda connection, behind=behind, step=step: _blank_some(connection, before, behind, step),
            )
            done += len(blanked)
            if len(blanked) < step:
                break
            behind = blanked[-1]
        await transact(self._connections, lambda connection: connection.execute(SQL["blank_old_pushes"], before))
        return done

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        done = 0
        async with self._indexing:  # who waited finds nothing left to do, and all of it done
            while done < limit:
                more = await self._index_some(min(limit - done, STEP))
                done += more
                if not more:
                    break
        return done

    async def keep_drafts(self, drafts: Sequence[Draft]) -> None:
        """See `Drafts.keep`."""
        columns = shapes.columns(map(shapes.draft_row, drafts), 5)
        await transact(
            self._drafting, lambda connection: connection.execute(SQL["keep_drafts"], *columns, sorted(ENDED))
        )

    async def drop_drafts(self, turns: Sequence[TurnKey]) -> None:
        """See `Drafts.drop`."""
        columns = shapes.columns(turns, 2)
        await transact(self._drafting, lambda connection: connection.execute(SQL["drop_drafts"], *columns))

    async def tidy(self, *, limit: int) -> int:
        """See `Keeping.tidy`."""
        return len(
            await transact(
                self._drafting, lambda connection: connection.fetch(SQL["drop_ended_drafts"], sorted(ENDED), limit)
            )
        )

    async def _index_some(self, limit: int) -> int:
        """Texts are read and taken apart while nobody waits: only then are their conversations locked."""
        texts = await transact(
            self._connections, lambda connection: connection.fetch(SQL["unindexed"], limit, STEP_BYTES)
        )
        words = await asyncio.to_thread(_words_of, texts)
        if words:
            await transact(self._connections, lambda connection: _add_words(connection, words))
        return len(words)


async def _blank_some(connection: Connection, before: float, behind: Old, limit: int) -> Sequence[Old]:
    """Blank messages that are older than `before`, and tell which; fewer than `limit` if none is left."""
    rows = await connection.fetch(SQL["old_messages"], before, *behind, sorted(ENDED), limit)
    old: list[Old] = [tuple(row) for row in rows]
    if old:
        await connection.fetch(WRITE["lock_conversations"], sorted({conversation for _, conversation, _ in old}))
        keys = shapes.columns([(conversation, seq) for _, conversation, seq in old], 2)
        await connection.execute(SQL["blank_old"], *keys)
        await connection.execute(SQL["forget_old"], *keys)
    return old


Words = tuple[ConversationId, int, str]
"""Which message, and what is to be found of it."""


def _words_of(texts: Sequence[Any]) -> list[Words]:
    return [(conversation, seq, vector_of(text)) for conversation, seq, text in texts]


async def _add_words(connection: Connection, words: Sequence[Words]) -> None:
    reached = {conversation: seq for conversation, seq, _ in words}
    await connection.fetch(WRITE["lock_conversations"], sorted(reached))
    await connection.execute(SQL["add_words"], *shapes.columns([each for each in words if each[2]], 3))
    await connection.execute(SQL["indexed"], *shapes.columns(reached.items(), 2))
