"""Channels in the log's PostgreSQL: a few connections of their own, made as the log makes its."""

from collections.abc import Callable
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoneIsFree
from sqlalchemy.ext.asyncio import create_async_engine

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.postgres.connections import SETTINGS, connect, where
from adapters.messaging.postgres.faults import BROKEN, unavailable

CONNECTIONS = 4

T = TypeVar("T")


class PostgresDatabase:
    """See `database.Database`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connected,
            pool_size=CONNECTIONS,
            max_overflow=0,
            pool_timeout=10,
            pool_pre_ping=True,
        )

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """See `Database`."""
        return await self._run(work)

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """See `Database`."""
        return await self._run(work)

    async def close(self) -> None:
        """See `Database`."""
        await self._engine.dispose()

    async def _run(self, work: Callable[[sa.Connection], T]) -> T:
        try:
            async with self._engine.begin() as connection:
                return await connection.run_sync(work)
        except DBAPIError as error:
            raise unavailable(_cause(error), where(self._url)) from None
        except BROKEN as error:
            raise unavailable(error, where(self._url)) from None
        except NoneIsFree:
            raise LogUnavailable(f"The log's database ({where(self._url)}) cannot be used: it is too slow.") from None

    async def _connected(self) -> Any:
        return await connect(self._url, SETTINGS)


def _cause(error: DBAPIError) -> BaseException:
    """What the driver said: SQLAlchemy wraps it twice."""
    return getattr(error.orig, "__cause__", None) or error.orig or error
