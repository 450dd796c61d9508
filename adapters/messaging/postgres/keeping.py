"""What is done behind the writers' backs, in transactions of its own: retention, and the index of words."""

from pathlib import Path

from adapters.messaging.postgres import shapes
from adapters.messaging.postgres.connections import Connection
from adapters.messaging.postgres.sheets import SQL as WRITE
from adapters.messaging.postgres.words import vector_of
from adapters.messaging.queries import load_queries
from adapters.messaging.turns import ENDED
from registry.model import ConversationId

SQL = load_queries(Path(__file__).with_name("keep.sql"))

STEP = 200
"""Messages of one transaction: it keeps their conversations locked, and nobody should wait for long."""


async def blank_some(connection: Connection, *, seconds: float, limit: int) -> int:
    """Blank messages that are older than so many seconds, inside a transaction; returns how many."""
    ended = sorted(ENDED)
    old = await connection.fetch(SQL["old_messages"], seconds, limit, ended)
    if not old:
        await connection.execute(SQL["blank_old_pushes"], seconds)
        return 0
    await connection.fetch(WRITE["lock_conversations"], sorted({row[0] for row in old}))
    keys = shapes.columns([tuple(row) for row in old], 2)
    await connection.execute(SQL["blank_old"], *keys, ended)
    await connection.execute(SQL["forget_old"], *keys)
    return len(old)


async def index_some(connection: Connection, *, limit: int) -> int:
    """Make messages ready to be found, inside a transaction; returns how many were looked at."""
    stale = await connection.fetch(SQL["stale_conversations"], limit)
    locked = await connection.fetch(SQL["lock_stale"], [row[0] for row in stale])
    reached: dict[ConversationId, int] = {row[0]: row[2] for row in locked}
    rows = await connection.fetch(SQL["unindexed"], list(reached), list(reached.values()), limit)
    words = [(conversation, seq, vector_of(text)) for conversation, seq, text in rows]
    await connection.execute(SQL["add_words"], *shapes.columns([each for each in words if each[2]], 3))
    for conversation, seq, _ in rows:
        reached[conversation] = seq
    await connection.execute(SQL["indexed"], *shapes.columns(reached.items(), 2))
    return len(rows)
