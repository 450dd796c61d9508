"""Migrations of a PostgreSQL, over the one driver there is: SQLAlchemy gets its connection from where the engine does,
so that a URL means the same to both.
"""

from collections.abc import Callable
from typing import Any, TypeVar

import asyncpg
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from adapters.messaging.postgres.connections import connect, where
from adapters.messaging.postgres.faults import unavailable

_LOCK = 0x1C_106
"""What keeps two upgrades of one database apart."""

T = TypeVar("T")


async def in_transaction(url: str, work: Callable[[sa.Connection], T]) -> T:
    """Do some work in one transaction that nobody else does at the same time; all of it, or nothing.

    Raises:
        BadRequest: the URL is malformed.
        LogUnavailable: the database cannot be reached, or does not do it.
    """

    async def connected() -> Any:
        return await connect(url, patience=None)

    engine = create_async_engine("postgresql+asyncpg://", async_creator=connected, poolclass=NullPool)
    try:
        async with engine.begin() as connection:
            await connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK})")
            return await connection.run_sync(work)
    except DBAPIError as error:
        raise unavailable(_cause(error), where(url)) from None
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise unavailable(error, where(url)) from None
    finally:
        await engine.dispose()


def _cause(error: DBAPIError) -> BaseException:
    """What the driver said: SQLAlchemy wraps it twice."""
    return getattr(error.orig, "__cause__", None) or error.orig or error
