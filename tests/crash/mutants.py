"""Mutants: the product with one promise broken, in the processes of a run only. Each has to be caught on its own.

They break the SQLite engine, or what both engines share, by putting something else in the place of one of its parts.
A part that is not there any more is an error, so that no mutant goes blunt unnoticed.
"""

import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from adapters.messaging import delivery, plan
from adapters.messaging.delivery import Mailbox
from adapters.messaging.sheet import Sheet
from adapters.messaging.sqlite import claims, file, shapes, sheets, transactions
from registry.model import TurnId

WINDOW = 0.01
"""Seconds between two transactions that should have been one."""


def apply(name: str) -> None:
    """Break what this mutant breaks; nothing for an empty name."""
    if name:
        (MUTANTS | FORGETFUL)[name]()


def no_fence_check() -> None:
    """Whoever ever had a delivery may settle it."""

    def check_nothing(mailbox: Mailbox, fence: int) -> None:
        """Whatever the fence is."""

    _replace(delivery, "check_held", check_nothing)


def random_reply_ids() -> None:
    """A reply gets another id in each attempt."""
    right = plan.reply_id

    def reply_id(delivery: str, number: int) -> str:
        return f"{right(delivery, number)}.{random.getrandbits(32):x}"

    _replace(plan, "reply_id", reply_id)


def cursor_outside_transaction() -> None:
    """What a delivery came to is committed first, and the mailbox moves on in a transaction behind it."""
    right = transactions.store

    def store(connection: sqlite3.Connection, sheet: Sheet) -> None:
        moved = {key: sheet.mailboxes[key] for key in sheet.written.vacated}
        for key in moved:
            row = connection.execute(
                "SELECT conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked"
                " FROM mailbox WHERE conversation = ? AND agent = ?",
                key,
            ).fetchone()
            assert row is not None
        right(_Withholding(connection, set(moved)), sheet)  # type: ignore[arg-type]
        if moved:
            connection.execute("COMMIT")
            time.sleep(WINDOW)
            connection.execute("BEGIN IMMEDIATE")
            rows = [shapes.mailbox_row(sheet.written.mailboxes[key]) for key in moved]
            connection.executemany(sheets.SQL["put_mailbox"], rows)

    _replace(transactions, "store", store)


class _Withholding:
    """A connection that leaves out some mailboxes."""

    def __init__(self, connection: sqlite3.Connection, withheld: set[tuple[Any, Any]]) -> None:
        self._connection = connection
        self._withheld = withheld

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        return self._connection.execute(*arguments)

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        if sql == sheets.SQL["put_mailbox"]:
            rows = [row for row in rows if (row[0], row[1]) not in self._withheld]
        return self._connection.executemany(sql, rows)


def lease_ignored_by_claim() -> None:
    """A claim hands out what somebody holds."""
    _rewrite(claims, "claimable", "ready_at <= ?", "(ready_at <= ? OR owner <> '')")


def sender_left_out_of_dedup() -> None:
    """An id that one sender has used counts as used by the other."""
    _rewrite(sheets, "find_known", "m.sender, m.id, m.seq", "wanted.sender, m.id, m.seq")
    _rewrite(sheets, "find_known", "AND m.sender = wanted.sender AND", "AND")


def cursor_moves_back() -> None:
    """A delivery that ended past the others takes the cursor back to the beginning."""
    right = delivery.ended

    def ended(mailbox: Mailbox, *, passes: int) -> Mailbox:
        return replace(right(mailbox, passes=passes), cursor=passes)

    _replace(delivery, "ended", ended)


def question_parks_nothing() -> None:
    """While a turn waits for an answer, its mailbox delivers what is next."""

    def parked_on(mailbox: Mailbox, turn: TurnId, *, passes: int) -> Mailbox:
        return delivery.ended(mailbox, passes=passes)

    _replace(delivery, "parked_on", parked_on)


def commits_not_synced() -> None:
    """SQLite answers before a commit is on the disk. Only a power cut shows it."""
    assert "synchronous = FULL" in file.WRITING
    _replace(file, "WRITING", tuple(each.replace("synchronous = FULL", "synchronous = OFF") for each in file.WRITING))


def commits_not_flushed() -> None:
    """PostgreSQL answers before a commit is on the disk."""
    from adapters.messaging.postgres import connections  # noqa: PLC0415  only who needs it pays for asyncpg

    _replace(connections, "_DURABLE", "SET synchronous_commit = off")


def _replace(module: Any, name: str, by: Any) -> None:
    assert hasattr(module, name), f"{module.__name__} has no {name} any more: this mutant needs another place."
    setattr(module, name, by)


def _rewrite(module: Any, name: str, old: str, new: str) -> None:
    """Change a query, for all who have it from this module."""
    queries = dict(module.SQL)
    assert old in queries[name], f"{name} does not say {old!r} any more: this mutant needs another place."
    queries[name] = queries[name].replace(old, new)
    module.SQL = queries


FORGETFUL: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant for mutant in (commits_not_synced, commits_not_flushed)
}
"""What only a power cut shows, one for each engine."""

MUTANTS: dict[str, Callable[[], None]] = {
    mutant.__name__: mutant
    for mutant in (
        no_fence_check,
        random_reply_ids,
        cursor_outside_transaction,
        lease_ignored_by_claim,
        sender_left_out_of_dedup,
        cursor_moves_back,
        question_parks_nothing,
    )
}
