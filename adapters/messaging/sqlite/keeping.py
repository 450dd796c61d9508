"""The SQL of erasure, retention and search: what is blanked, and what a search can find.

An erased word must not survive in the index either. Taking a message out of an FTS5 index only marks it as gone; the
words go when the index's older pages are merged, which `merge_words` does in small steps.
"""

import sqlite3
from pathlib import Path

from adapters.messaging.queries import load_queries
from adapters.messaging.sheet import Blank

SQL = load_queries(Path(__file__).with_name("keep.sql"))

PART = 256
"""Messages that one transaction should index or blank at most, so that others need not wait long."""


def blank(connection: sqlite3.Connection, what: Blank) -> None:
    """Blank messages of one conversation, and forget their words."""
    which = {"conversation": what.conversation, "sender": what.sender, "up_to": what.up_to}
    _forget(connection, connection.execute(SQL["words_of"], which).fetchall())
    connection.execute(SQL["blank_messages"], which)
    connection.execute(SQL["blank_pushes"], (what.conversation,))


def blank_old(connection: sqlite3.Connection, *, before: float, limit: int) -> int:
    """Blank messages that were said before then (the time of day), as far as they may be; returns how many."""
    rows = connection.execute(SQL["old_messages"], {"before": before, "limit": limit}).fetchall()
    _forget(connection, [(row, text) for _, _, row, text in rows if row is not None])
    connection.executemany(SQL["blank_message"], [(conversation, seq) for conversation, seq, _, _ in rows])
    connection.execute(SQL["blank_old_pushes"], (before,))
    return len(rows)


def index(connection: sqlite3.Connection, *, limit: int) -> int:
    """Make messages ready to be found, at most so many; returns how many."""
    done = 0
    for conversation, tail, indexed in connection.execute(SQL["stale_conversations"], (limit,)).fetchall():
        rows = connection.execute(SQL["unindexed"], (conversation, indexed, limit - done)).fetchall()
        for seq, text in rows:
            if text:
                (row,) = connection.execute(SQL["add_text"], (conversation, seq)).fetchone()
                connection.execute(SQL["add_words"], (row, text))
        last = rows[-1][0] if rows else tail
        connection.execute(SQL["indexed"], (last, last, conversation))
        done += len(rows)
        if done == limit:
            break
    return done


def _forget(connection: sqlite3.Connection, words: list[tuple[int, str]]) -> None:
    connection.executemany(SQL["forget_words"], words)
    connection.executemany(SQL["forget_text"], [(row,) for row, _ in words])
