"""The SQL of erasure, retention, search and drafts: what is blanked, what a search can find, what was said so far.

What is blanked is overwritten in the database at once, but two places remember: the older pages of the search index,
until they are merged, and the write-ahead log, until it is emptied. `Tidying` sees to both, in steps that keep nobody
waiting; the file itself remembers that it has to be done.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from adapters.messaging.drafts import Draft
from adapters.messaging.queries import load_queries
from adapters.messaging.requests import TurnKey
from adapters.messaging.sheet import Blank

SQL = load_queries(Path(__file__).with_name("keep.sql"))

PART_BYTES = 4 << 20
"""Characters of text after which a part of the work is enough for one transaction."""

MERGED_PAGES = 256
"""Pages of the search index that one step merges."""


def blank(connection: sqlite3.Connection, what: Blank) -> None:
    """Blank messages of one conversation, and forget their words and what is drafted beside them."""
    which = {"conversation": what.conversation, "sender": what.sender, "up_to": what.up_to}
    _forget(connection, connection.execute(SQL["words_of"], which))
    connection.execute(SQL["blank_messages"], which)
    connection.execute(SQL["blank_pushes"], (what.conversation,))
    connection.execute(SQL["drop_drafts_of"], which)


def blank_old(connection: sqlite3.Connection, *, before: float, limit: int) -> tuple[int, bool]:
    """Blank messages that were said before then (the time of day), as far as they may be.

    Returns how many, and whether that was a part only.
    """
    rows = _part(connection.execute(SQL["old_messages"], {"before": before, "limit": limit}))
    _forget(connection, [(row, text) for row, text, is_indexed in rows if text and is_indexed])
    connection.executemany(SQL["blank_message"], [(row,) for row, _, _ in rows])
    connection.execute(SQL["blank_old_pushes"], (before,))
    return len(rows), bool(rows)


def index(connection: sqlite3.Connection, *, limit: int) -> tuple[int, bool]:
    """Make messages ready to be found.

    Returns how many, and whether that was a part only.
    """
    rows = _part(connection.execute(SQL["unindexed"], (limit,)))
    if rows:
        connection.executemany(SQL["add_words"], [(row, text) for row, text in rows if text])
        connection.execute(SQL["indexed"], (rows[-1][0],))
    return len(rows), bool(rows)


def keep_drafts(connection: sqlite3.Connection, drafts: Sequence[Draft], *, at: float) -> None:
    """Keep drafts, at this time of day."""
    connection.executemany(
        SQL["keep_draft"],
        (
            {
                "conversation": draft.conversation,
                "turn": draft.turn,
                "fence": draft.fence,
                "number": draft.number,
                "body": draft.body,
                "at": at,
            }
            for draft in drafts
        ),
    )


def drop_drafts(connection: sqlite3.Connection, turns: Sequence[TurnKey]) -> None:
    """Delete the drafts of these turns."""
    connection.executemany(SQL["drop_draft"], turns)


def drop_ended_drafts(connection: sqlite3.Connection, *, limit: int) -> int:
    """Delete drafts of turns that have ended, and return how many."""
    return connection.execute(SQL["drop_ended_drafts"], (limit,)).rowcount


class Tidying:
    """What is still to be done until nothing erased is anywhere in the files. At the start nobody knows."""

    def __init__(self) -> None:
        self.is_done = False
        self.are_words_gone = False
        self._pass: int | None = None

    def begin(self) -> None:
        """Something was erased."""
        self.is_done = self.are_words_gone = False

    def merge_words(self, connection: sqlite3.Connection) -> bool:
        """Merge some of the index; inside a transaction. False: there was nothing to merge."""
        erased, merged = connection.execute(SQL["erasures"]).fetchone()
        if merged >= erased:
            self.are_words_gone = True
            self._pass = None
            return False
        is_first = self._pass is None
        if self._pass is None:
            self._pass = erased
        before = connection.total_changes
        # A negative number begins to merge everything into one; fewer than two changes say that it has come to that.
        connection.execute(SQL["merge_words"], (-MERGED_PAGES if is_first else MERGED_PAGES,))
        if not is_first and connection.total_changes - before < 2:
            connection.execute(SQL["merged"], (self._pass,))
            self._pass = None
        return True

    def empty_log(self, connection: sqlite3.Connection) -> None:
        """Have the write-ahead log emptied, unless somebody reads from it just now."""
        is_busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        self.is_done = not is_busy


def _forget(connection: sqlite3.Connection, words: Iterable[tuple[int, str]]) -> None:
    """Take texts out of the index, by the rows of their messages."""
    if connection.executemany(SQL["forget_words"], words).rowcount:
        connection.execute(SQL["erased"])


def _part(rows: sqlite3.Cursor) -> list[Any]:
    """Rows with a text in the second column, until there is enough of it."""
    part: list[Any] = []
    size = 0
    for row in rows:
        part.append(row)
        size += len(row[1])
        if size >= PART_BYTES:
            break
    rows.close()
    return part
