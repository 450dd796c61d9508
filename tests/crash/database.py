"""The database as the test sees it: by plain SQL, past the product."""

import asyncio
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg

HERE = Path(__file__).parent
SECONDS = 60

Rows = Sequence[Mapping[str, Any]]


def install_journal(url: str) -> None:
    """Have every change of a mailbox noted from now on."""
    path = sqlite_path(url)
    if path is None:
        asyncio.run(_execute_postgres(url, (HERE / "journal.postgres.sql").read_text()))
        return
    with closing(sqlite3.connect(path, timeout=SECONDS)) as database:
        database.executescript((HERE / "journal.sqlite.sql").read_text())


def snapshot(url: str, queries: Mapping[str, str]) -> dict[str, Rows]:
    """What some queries answer, all of them at one moment."""
    path = sqlite_path(url)
    if path is None:
        return asyncio.run(_snapshot_postgres(url, queries))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=SECONDS, isolation_level=None)) as database:
        database.row_factory = sqlite3.Row
        database.execute("BEGIN")
        return {name: database.execute(query).fetchall() for name, query in queries.items()}  # type: ignore[misc]


def clock_ahead(url: str) -> float:
    """By how many seconds the log's clock is ahead of the time of day of the journal."""
    if sqlite_path(url) is None:
        return 0.0
    (row,) = snapshot(url, {"clock": "SELECT ahead FROM clock"})["clock"]
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock) + row["ahead"] - time.time()


def sqlite_path(url: str) -> str | None:
    """The file of a SQLite log; None where it is another engine."""
    return url.removeprefix("sqlite:///") if url.startswith("sqlite:") else None


async def _execute_postgres(url: str, script: str) -> None:
    connection = await _connect(url)
    try:
        await connection.execute(script)
    finally:
        await connection.close()


async def _snapshot_postgres(url: str, queries: Mapping[str, str]) -> dict[str, Rows]:
    connection = await _connect(url)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            return {name: await connection.fetch(query) for name, query in queries.items()}
    finally:
        await connection.close()


async def _connect(url: str) -> Any:
    return await asyncpg.connect(url, timeout=SECONDS)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
