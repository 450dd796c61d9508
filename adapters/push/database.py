"""The database that channels are in: the log's own, SQLite or PostgreSQL, behind one small Protocol.

The same SQLAlchemy functions run on both: on SQLite in a thread of their own, on PostgreSQL over the log's one driver.
"""

from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Protocol, TypeVar

import sqlalchemy as sa

from registry.model import BadRequest

T = TypeVar("T")


class Database(Protocol):
    """Does some work in one transaction: all of it, durably, or nothing.

    Both raise `LogUnavailable` where the database does not serve.
    """

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """Work that only looks."""
        ...

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """Work that changes something."""
        ...

    async def close(self) -> None:
        """Finish what was begun, and let go of the database."""
        ...


@asynccontextmanager
async def open_database(url: str) -> AsyncGenerator[Database]:
    """The database at a log's URL, which has its tables.

    Raises:
        BadRequest: the URL names no engine.
        LogUnavailable: it cannot be reached.
    """
    database = _opened(url)
    try:
        yield database
    finally:
        await database.close()


def _opened(url: str) -> Database:
    match url.partition("://")[0]:
        case "sqlite":
            from adapters.push.sqlite import SqliteDatabase  # noqa: PLC0415  only one of the two is needed

            return SqliteDatabase(Path(url.removeprefix("sqlite:///")).absolute())
        case "postgresql" | "postgres":
            from adapters.push.postgres import PostgresDatabase  # noqa: PLC0415  asyncpg costs 20 MB

            return PostgresDatabase(url)
        case scheme:
            raise BadRequest(f"The log's URL begins with {scheme!r}; use sqlite:///PATH or postgresql://….")
