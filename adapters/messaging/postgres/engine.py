"""The PostgreSQL engine: what is submitted at the same time shares a transaction, and a few of these run side by side.

Who has a conversation's row writes it, in whichever process; so its numbers are dense and in the order of commits. The
log's clock is the database's. Nobody is woken within a transaction: `stirred` is called once it is committed.
"""

from collections.abc import Callable, Collection, Sequence
from typing import Any, Self

import asyncpg

from adapters.messaging.drafts import Draft
from adapters.messaging.engine import Stirred
from adapters.messaging.messages import TurnRef
from adapters.messaging.migrate import HEAD, VERSION_TABLE
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.postgres import claims
from adapters.messaging.postgres.connections import SETTINGS, WRITING, Connections
from adapters.messaging.postgres.faults import BROKEN, unavailable
from adapters.messaging.postgres.keeping import PostgresKeeping
from adapters.messaging.postgres.overview import PostgresOverview
from adapters.messaging.postgres.rows import PostgresRows
from adapters.messaging.postgres.transactions import transact
from adapters.messaging.postgres.writer import WRITERS, Writer
from adapters.messaging.requests import Request, TurnKey
from registry.model import AgentName, Refused

CLAIMERS = 4
READERS = 4
KEEPERS = 1
DRAFTERS = 1
"""Connections for each, beside the writers' own: none of them ever waits for another's."""


class PostgresEngine:
    """See `engine.Engine`. To be opened, used and closed on one event loop."""

    def __init__(self, url: str, *, stirred: Stirred, shift: Callable[[], float]) -> None:
        self._shift = shift
        self._writing = Connections(url, limit=WRITERS, settings=WRITING)
        self._claiming = Connections(url, limit=CLAIMERS, settings=WRITING)
        self._keeping = Connections(url, limit=KEEPERS, settings=SETTINGS)
        self._drafting = Connections(url, limit=DRAFTERS, settings=WRITING)
        self._reading = Connections(url, limit=READERS, settings=SETTINGS)
        self._rows = PostgresRows(self._reading)
        self._overview = PostgresOverview(self._rows, shift)
        self._keeper = PostgresKeeping(self._keeping, drafting=self._drafting)
        self._writer = Writer(self._writing, stirred=stirred, shift=shift)

    @classmethod
    async def open(cls, url: str, *, stirred: Stirred, shift: Callable[[], float] = lambda: 0.0) -> Self:
        """Open the log in a database that has its tables.

        `shift` is added to the log's clock, in seconds.

        Raises:
            BadRequest: the URL is malformed.
            Refused: the database has not the tables of this version; it says what to do.
            LogUnavailable: it cannot be reached.
        """
        engine = cls(url, stirred=stirred, shift=shift)
        try:
            await _check_version(engine._reading)
        except BaseException:
            await engine.close()
            raise
        return engine

    @property
    def rows(self) -> PostgresRows:
        """What reads the same database."""
        return self._rows

    @property
    def overview(self) -> PostgresOverview:
        """What operators look at."""
        return self._overview

    async def submit(self, request: Request) -> Any:
        """See `Engine.submit`."""
        return await self._writer.submit(request)

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog.claim`."""
        shift = self._shift()
        return await transact(
            self._claiming,
            lambda connection: claims.take(connection, agents, limit=limit, lease=lease, shift=shift),
        )

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        """See `Engine.overdue`."""
        return await self._rows.overdue(limit=limit, shift=self._shift())

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping.retain`."""
        return await self._keeper.retain(seconds=seconds, limit=limit)

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        return await self._keeper.index(limit=limit)

    async def keep_drafts(self, drafts: Sequence[Draft]) -> None:
        """See `Drafts.keep`."""
        await self._keeper.keep_drafts(drafts)

    async def drop_drafts(self, turns: Sequence[TurnKey]) -> None:
        """See `Drafts.drop`."""
        await self._keeper.drop_drafts(turns)

    async def tidy(self, *, limit: int) -> int:
        """See `Keeping.tidy`."""
        return await self._keeper.tidy(limit=limit)

    async def close(self) -> None:
        """Finish what was submitted, and let go of the database."""
        await self._writer.close()
        for connections in (self._writing, self._claiming, self._keeping, self._drafting, self._reading):
            await connections.close()


async def _check_version(connections: Connections) -> None:
    """See that the database has the tables that this version reads and writes.

    Raises:
        Refused: it has others, or none.
    """
    try:
        async with connections.one() as connection:
            found = await connection.fetchval(f"SELECT max(version_num) FROM {VERSION_TABLE}")  # noqa: S608  a constant
    except asyncpg.UndefinedTableError:
        found = None
    except BROKEN as error:
        raise unavailable(error, connections.where) from None
    if found is None:
        raise Refused(f"The database ({connections.where}) has not the log's tables yet: run `interchange db upgrade`.")
    if found < HEAD:
        raise Refused(
            f"The log's database ({connections.where}) has the tables of an earlier version ({found}, and not {HEAD}):"
            " run `interchange db upgrade`."
        )
    if found != HEAD:
        raise Refused(
            f"The log's database ({connections.where}) has the tables of a newer version of Interchange ({found}, and"
            f" not {HEAD}): use that version."
        )
