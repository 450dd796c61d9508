"""The SQL of one transaction: the rows that requests want become a sheet, and what a sheet has written is stored."""

import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from adapters.messaging.queries import load_queries
from adapters.messaging.requests import MailboxKey, Wanted
from adapters.messaging.sheet import Sheet, Written
from adapters.messaging.sqlite import shapes
from adapters.messaging.sqlite.keeping import blank

SQL = load_queries(Path(__file__).with_name("write.sql"))

_TOGETHER = (64, 8, 1)
"""How many keys are looked up at once. A look costs much more than a key; and each number is a statement of its own."""


def load(connection: sqlite3.Connection, wanted: Wanted, sheet: Sheet) -> None:
    """Fill a sheet with the rows that are wanted, as far as there are any."""
    for row in found(connection, "find_conversations", [(id_,) for id_ in wanted.conversations]):
        sheet.conversations[row[0]] = shapes.conversation_of(row)
    for row in found(connection, "find_known", wanted.known):
        sheet.known[row[0], row[1], row[2]] = shapes.known_of(row[3:])
    for row in found(connection, "find_mailboxes", wanted.mailboxes):
        sheet.mailboxes[row[0], row[1]] = shapes.mailbox_of(row)
    if wanted.letters:
        for row in found(connection, "find_letters", wanted.letters):
            letter = sheet.letters[row[0], row[1], row[2]] = shapes.letter_of(row)
            wanted.turns.add((letter.of.conversation, letter.of.turn))
    for row in found(connection, "find_turns", wanted.turns):
        sheet.turns[row[0], row[2]] = shapes.turn_of(row)
    for row in found(connection, "find_messages", wanted.messages):
        sheet.messages[row[0], row[1]] = shapes.message_of(row)
    for row in found(connection, "find_seen", wanted.seen):
        sheet.seen[row[0], row[1]] = row[2]
    for row in found(connection, "find_holds", [(id_,) for id_ in wanted.holds]):
        sheet.holds[row[0]] = shapes.hold_of(row)


def store(connection: sqlite3.Connection, sheet: Sheet) -> None:
    """Write what a sheet has written, and find what its vacated mailboxes deliver next."""
    written = sheet.written
    put(connection, "put_conversation", map(shapes.conversation_row, written.conversations.values()))
    put(connection, "add_message", map(shapes.message_row, written.messages))
    put(connection, "put_turn", map(shapes.turn_row, written.turns.values()))
    _store_rare(connection, written, sheet.at)
    if written.vacated:
        sheet.promote([(key, _next(connection, sheet, key)) for key in written.vacated])
    put(connection, "put_mailbox", map(shapes.mailbox_row, written.mailboxes.values()))


def _store_rare(connection: sqlite3.Connection, written: Written, at: float) -> None:
    """What most transactions do not touch, and so need not pay for."""
    if written.questions:
        put(connection, "add_question", map(shapes.question_row, written.questions))
    if written.closed:
        put(connection, "close_question", [(state, *key) for *key, state in written.closed])
    if written.letters:
        put(connection, "put_letter", map(shapes.letter_row, written.letters.values()))
    if written.seen:
        put(connection, "put_seen", [(*key, seq) for key, seq in written.seen.items()])
    if written.holds:
        put(connection, "put_hold", map(shapes.hold_row, written.holds.values()))
    for each in written.blanks:
        blank(connection, each)
    if written.pushes:  # behind what is blanked: one that is still on the sheet with its body was made after that
        put(connection, "add_push", [(push.id, of, push.channel, push.body, at) for of, push in written.pushes])


def put(connection: sqlite3.Connection, name: str, rows: Iterable[shapes.Row]) -> None:
    """Write some rows with one query."""
    connection.executemany(SQL[name], rows)


def is_erasure(written: Written) -> bool:
    """Whether something is overwritten that nobody should find any more."""
    return bool(written.blanks) or any(hold.ended for hold in written.holds.values())


def has_written(written: Written) -> bool:
    """Whether there is anything to commit."""
    return any(getattr(written, name) for name in written.__slots__)


def _next(connection: sqlite3.Connection, sheet: Sheet, key: MailboxKey) -> int:
    conversation, agent = key
    if parked := sheet.mailboxes[key].parked:
        row = connection.execute(SQL["parked_due"], (conversation, parked)).fetchone()
    else:
        row = connection.execute(SQL["next_due"], (conversation, agent)).fetchone()
    return row[0] if row else 0


def found(connection: sqlite3.Connection, name: str, keys: Collection[Sequence[Any]]) -> Iterator[tuple[Any, ...]]:
    """The rows that a query finds for some keys, in any order."""
    left = list(keys)
    for together in _TOGETHER:
        while len(left) >= together:
            some, left = left[:together], left[together:]
            yield from connection.execute(_for_many(name, together), [part for key in some for part in key])


@cache
def _for_many(name: str, keys: int) -> str:
    """A query for so many keys at once."""
    before, row = SQL[name].split("(VALUES ", 1)
    row, after = row.split("))", 1)
    return f"{before}(VALUES {', '.join([row + ')'] * keys)}){after}"
