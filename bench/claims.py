"""A claim among a million conversations beside a claim among a thousand: a conversation that rests must cost nothing.

Both databases have 1,000 conversations with a message to deliver; the big one has a million more whose mailbox is
settled. They are written by plain SQL, as the log would have left them. Then claims of sixteen are timed, one here and
one there in turn; what was claimed is put back (`Retry`) and claimed again. Appends are timed the same way.
"""

import asyncio
import sqlite3
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import asyncpg

from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.messages import New, To
from adapters.messaging.opening import OpenLog, open_log
from adapters.messaging.outcomes import Delivery, Lease, Retry
from registry.model import AgentName, ConversationId, new_turn_id
from tests.support.postgres import PostgresServer

READY = 1_000
AT_ONCE = 16
ROUNDS = 6
LOADING = 1800.0
"""Seconds that a statement may take which writes a million rows."""
AGENT = AgentName("agent")
LEASE = Lease(owner="bench", seconds=600)

# What the log leaves of conversations whose one message was delivered, or is still due.
NUMBERS = {
    "sqlite": "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {count})",
    "postgres": "WITH n (n) AS (SELECT generate_series(1, {count}))",
}
WORDS = {
    "sqlite": {"body": "x''", "no": "0", "more": "", "indexed": ""},
    "postgres": {"body": "''::bytea", "no": "false", "more": ", indexed, stale", "indexed": ", 1, false"},
}
ROWS = """
{numbers} INSERT INTO conversation (id, tail, domain, started_by, started_by_issuer, opened_at{more})
SELECT '{prefix}' || n, 1, '', '', '', 1{indexed} FROM n;
{numbers} INSERT INTO message (conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates,
  body, text, digest, at)
SELECT '{prefix}' || n, 1, 'm', 'person:bench', '', 'said', '{prefix}' || n, '{agent}', '', '', {body}, '', {body}, 1
  FROM n;
{numbers} INSERT INTO turn (conversation, id, agent, opened, state, started_by, opened_at, changed_at, due, urgent,
  attempts, grant_number, expires, question, error, authority)
SELECT '{prefix}' || n, '{prefix}' || n, '{agent}', 1, '{state}', 'person:bench', 1, 1, {due}, {no},
  {done}, 0, NULL, '', '', {body} FROM n;
{numbers} INSERT INTO mailbox (conversation, agent, cursor, head, attempts, ready_at, fence, settled, owner, parked)
SELECT '{prefix}' || n, '{agent}', {done}, {due}, 0, {ready_at}, {done}, {done}, '', '' FROM n;
"""


def rows(engine: str, *, prefix: str, count: int, due: bool) -> str:
    """The statements that write so many conversations."""
    return ROWS.format(
        **WORDS[engine],
        numbers=NUMBERS[engine].format(count=count),
        prefix=prefix,
        agent=AGENT,
        state="queued" if due else "completed",
        due=int(due),
        done=int(not due),
        ready_at="1" if due else "NULL",
    )


async def measure(folder: Path, server: PostgresServer, *, conversations: int) -> None:
    """Print what a claim and an append cost among many conversations, beside among few; on both engines."""
    await _compare("SQLite", await _sqlite(folder, 0), await _sqlite(folder, conversations), conversations)
    few, many = await _postgres(server, 0), await _postgres(server, conversations)
    await _compare("PostgreSQL", few, many, conversations)


async def _sqlite(folder: Path, resting: int) -> str:
    path = folder / f"claims-{resting}.db"
    async with open_log(f"sqlite:///{path}", fabric=InProcessFabric()):
        pass  # makes the tables
    await asyncio.to_thread(_load_sqlite, path, resting)
    return f"sqlite:///{path}"


def _load_sqlite(path: Path, resting: int) -> None:
    database = sqlite3.connect(path)
    database.executescript("PRAGMA synchronous = OFF; PRAGMA cache_size = -262144;")
    if resting:
        database.executescript(rows("sqlite", prefix="resting-", count=resting, due=False))
    database.executescript(rows("sqlite", prefix="ready-", count=READY, due=True))
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()


async def _postgres(server: PostgresServer, resting: int) -> str:
    url = await server.create_database()
    database = await cast("Any", asyncpg).connect(url, command_timeout=LOADING)
    if resting:
        await database.execute(rows("postgres", prefix="resting-", count=resting, due=False))
    await database.execute(rows("postgres", prefix="ready-", count=READY, due=True))
    await database.execute("VACUUM ANALYZE")
    await database.execute("CHECKPOINT")
    await database.close()
    return url


async def _compare(engine: str, few: str, many: str, resting: int) -> None:
    claims: tuple[list[float], list[float]] = ([], [])
    appends: tuple[list[float], list[float]] = ([], [])
    async with AsyncExitStack() as stack:
        logs = [await stack.enter_async_context(open_log(url, fabric=InProcessFabric())) for url in (few, many)]
        for number in range(ROUNDS):
            await _round(logs, claims if number else ([], []))
            await _append(logs, number, appends if number else ([], []))
    for what, (beside, among) in {f"claim of {AT_ONCE}": claims, "append": appends}.items():
        few_ms, many_ms = statistics.median(beside) * 1e3, statistics.median(among) * 1e3
        print(
            f"{engine:10} {what:12} beside {resting:,} that rest: {many_ms:.2f} ms, {many_ms / few_ms:.2f} of"
            f" {few_ms:.2f} ms beside none (aim for a claim: about 1)",
            flush=True,
        )


async def _round(logs: list[OpenLog], times: tuple[list[float], ...]) -> None:
    """Claim all that is ready, sixteen here and sixteen there; and put it back."""
    claimed: list[tuple[OpenLog, Delivery]] = []
    for _ in range(READY // AT_ONCE):
        for opened, found in zip(logs, times, strict=True):
            began = time.perf_counter()
            deliveries = await opened.log.claim([AGENT], limit=AT_ONCE, lease=LEASE)
            found.append(time.perf_counter() - began)
            assert len(deliveries) == AT_ONCE
            claimed += [(opened, delivery) for delivery in deliveries]
    again = Retry(after=0.0, error="")
    await asyncio.gather(*(opened.log.settle(delivery, again) for opened, delivery in claimed))


async def _append(logs: list[OpenLog], round_: int, times: tuple[list[float], ...]) -> None:
    """Append to some of the conversations that are ready anyway, one here and one there."""
    for number in range(1, 101):
        to = To(agent=AGENT, turn=new_turn_id())
        new = New(id=f"more-{round_}", sender="person:bench", body=b"x" * 500, to=(to,))
        for opened, found in zip(logs, times, strict=True):
            began = time.perf_counter()
            await opened.log.append(ConversationId(f"ready-{number}"), [new])
            found.append(time.perf_counter() - began)
