"""Logs in PostgreSQL for tests: opened at a URL, together with what the tests of the engine look at."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from adapters.messaging.engine import Stir
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.postgres.connections import connect
from adapters.messaging.postgres.engine import PostgresEngine
from adapters.messaging.recorder import Recorder


@dataclass(frozen=True, slots=True)
class PostgresLog:
    """A log, and the engine that it is on."""

    log: Recorder
    engine: PostgresEngine


@asynccontextmanager
async def log_at(url: str) -> AsyncGenerator[PostgresLog]:
    """A log as one process has it open."""
    engine = await PostgresEngine.open(url, stirred=_nobody)
    try:
        yield PostgresLog(Recorder(engine), engine)
    finally:
        await engine.close()


async def look(url: str, query: str, *arguments: object) -> list[tuple[Any, ...]]:
    """What a query finds."""
    connection = await connect(url)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()


async def until_available(attempt: Callable[[], Awaitable[Any]], *, seconds: float = 30) -> Any:
    """Attempt something again and again, as a caller does that was told that the log is unavailable."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return await attempt()
        except LogUnavailable:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(0.02)


def _nobody(_: Stir) -> None:
    """Nobody is to be woken."""
