"""What an engine can do at most: its own rate of commits, without a log.

`RawSqlite` inserts one row and commits, again and again, as fast as one thread can; the file has one writer, so more
callers would only wait. `RawPostgres` does so through 16 connections. `OneByOne` is what a log without batches would do
on PostgreSQL: all rows of a message in one transaction of its own, in one round trip.
"""

import asyncio
import itertools
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from registry.model import new_turn_id

CONNECTIONS = 16
BODY = b"x" * 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One round: how many, in how many seconds, and how long one took (in s)."""

    calls: int
    seconds: float
    p50: float
    p99: float

    @property
    def rate(self) -> float:
        """Calls per second."""
        return self.calls / self.seconds


class Contender(Protocol):
    """What is measured beside others."""

    name: str

    async def play(self, *, callers: int, seconds: float) -> Played:
        """Have so many callers call, each again as soon as it was answered, for so many seconds."""
        ...


async def play(call: Callable[[int], Awaitable[object]], *, callers: int, seconds: float) -> Played:
    """Have callers call `call(caller)`."""
    times: list[float] = []
    began = time.perf_counter()
    until = began + seconds

    async def caller(which: int) -> None:
        now = began
        while now < until:
            before = time.perf_counter()
            await call(which)
            now = time.perf_counter()
            times.append(now - before)

    async with asyncio.TaskGroup() as tasks:
        for which in range(callers):
            tasks.create_task(caller(which))
    return summed_up(times, time.perf_counter() - began)


def summed_up(times: list[float], seconds: float) -> Played:
    """A round from the times of its calls."""
    times.sort()
    return Played(
        calls=len(times),
        seconds=seconds,
        p50=times[len(times) // 2],
        p99=times[min(int(len(times) * 0.99), len(times) - 1)],
    )


class RawSqlite:
    """One INSERT and COMMIT after the other, synced each, on one connection."""

    name = "one INSERT, one COMMIT"

    def __init__(self, folder: Path) -> None:
        self._path = folder / "raw.db"
        with sqlite3.connect(self._path) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(
                "CREATE TABLE message (conversation TEXT, seq INTEGER, body BLOB, PRIMARY KEY (conversation, seq))"
                " WITHOUT ROWID"
            )
        database.close()

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`; `callers` makes no difference."""
        return await asyncio.to_thread(self._play, f"raw-{time.monotonic_ns()}", seconds)

    def _play(self, conversation: str, seconds: float) -> Played:
        database = sqlite3.connect(self._path, isolation_level=None)
        database.execute("PRAGMA synchronous = FULL")
        times: list[float] = []
        began = now = time.perf_counter()
        while now < began + seconds:
            before = time.perf_counter()
            database.execute("BEGIN IMMEDIATE")
            database.execute("INSERT INTO message VALUES (?, ?, ?)", (conversation, len(times), BODY))
            database.execute("COMMIT")
            now = time.perf_counter()
            times.append(now - before)
        database.close()
        return summed_up(times, now - began)


RAW_TABLE = """
CREATE TABLE raw_message (conversation text, seq bigint, body bytea, PRIMARY KEY (conversation, seq))
"""

ONE_INSERT = "INSERT INTO raw_message VALUES ($1, $2, $3)"

WHOLE_TABLES = """
CREATE TABLE one_conversation (id text PRIMARY KEY, tail bigint NOT NULL) WITH (fillfactor = 70);
CREATE TABLE one_message (
  conversation text, seq bigint, id text, sender text, body bytea, PRIMARY KEY (conversation, seq)
);
CREATE UNIQUE INDEX ON one_message (conversation, sender, id);
CREATE TABLE one_mailbox (
  conversation text, agent text, head bigint, ready_at double precision, PRIMARY KEY (conversation, agent)
) WITH (fillfactor = 70);
CREATE TABLE one_turn (conversation text, id text, agent text, due bigint, PRIMARY KEY (conversation, id));
"""

WHOLE = """
WITH grown AS (
  INSERT INTO one_conversation VALUES ($1, 1)
  ON CONFLICT (id) DO UPDATE SET tail = one_conversation.tail + 1 RETURNING tail
), said AS (
  INSERT INTO one_message SELECT $1, tail, $2, 'person:bench', $3 FROM grown RETURNING seq
), opened AS (
  INSERT INTO one_turn SELECT $1, $2, 'agent', seq FROM said
)
INSERT INTO one_mailbox SELECT $1, 'agent', seq, extract(epoch FROM clock_timestamp()) FROM said
ON CONFLICT (conversation, agent) DO UPDATE SET head = one_mailbox.head
"""


class RawPostgres:
    """One INSERT, a transaction by itself, through 16 connections."""

    name = "one INSERT, one transaction"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def prepare(self) -> None:
        """Make the table."""
        await self._pool.execute(RAW_TABLE)

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`."""
        numbers = itertools.count()

        async def call(_: int) -> None:
            await self._pool.execute(ONE_INSERT, new_turn_id(), next(numbers), BODY)

        return await play(call, callers=callers, seconds=seconds)


class OneByOne:
    """All rows of a message, in one statement and transaction of its own, through 16 connections."""

    name = "one message, one transaction"

    def __init__(self, pool: Any) -> None:
        self._pool = pool

    async def prepare(self) -> None:
        """Make the tables."""
        await self._pool.execute(WHOLE_TABLES)

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`."""
        conversations = [new_turn_id() for _ in range(callers)]

        async def call(caller: int) -> None:
            await self._pool.execute(WHOLE, conversations[caller], new_turn_id(), BODY)

        return await play(call, callers=callers, seconds=seconds)
