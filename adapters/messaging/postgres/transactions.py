"""Transactions: done whole or not at all, and repeated while others are in the way."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import TypeVar

from adapters.messaging.postgres.connections import Connection, Connections
from adapters.messaging.postgres.faults import (
    BROKEN,
    UNIQUE,
    Fault,
    fault_of,
    sqlstate,
    unavailable,
    unknown_outcome,
)

REPEATS = 8
"""How often a transaction is tried in whose way others were; each time it waits up to twice as long before."""

PAUSE = 0.002

T = TypeVar("T")

Work = Callable[[Connection], Awaitable[T]]


async def transact(connections: Connections, work: Work[T]) -> T:
    """Do some work in a transaction and commit it.

    Raises:
        LogUnavailable: the database does not serve; or the outcome is unknown, which it says.
        asyncpg.PostgresError, asyncpg.InterfaceError: the database does not take what the work wants of it.
    """
    forgiven: dict[str, int] = {Fault.LOST: 1, UNIQUE: 1}
    repeat = 0
    while True:
        try:
            return await _once(connections, work)
        except BROKEN as error:
            repeat += 1
            if not _is_worth_repeating(error, repeat, forgiven):
                if fault_of(error) is Fault.POISON:
                    raise
                raise unavailable(error, connections.where) from None
        await asyncio.sleep(random.uniform(0, PAUSE * 2**repeat))  # noqa: S311  so that two do not meet again


def _is_worth_repeating(error: BaseException, repeat: int, forgiven: dict[str, int]) -> bool:
    """A connection may have been lost while it was idle; and a key that exists may be that of a conversation which
    somebody else has opened meanwhile, and which is found now. Either is forgiven once."""
    if fault_of(error) is Fault.REPEAT:
        return repeat < REPEATS
    return forgiven.pop(UNIQUE if sqlstate(error) == UNIQUE else fault_of(error), 0) > 0


async def _once(connections: Connections, work: Work[T]) -> T:
    async with connections.one() as connection:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        result = await work(connection)
        try:
            await connection.execute("COMMIT")
        except BROKEN as error:
            raise unknown_outcome(error, connections.where) from None
        return result
