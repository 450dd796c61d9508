"""The SQLite engine: one file, one thread that writes for everybody in this process, and reads beside it.

Nothing is acknowledged before it is synced to the disk. Several processes may have the same file open: all that matters
is in the file, and SQLite's own lock lets one of them write at a time.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self

from adapters.messaging.engine import Stirred
from adapters.messaging.messages import TurnRef
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.requests import Request
from adapters.messaging.sqlite import keeping
from adapters.messaging.sqlite.claims import Claim
from adapters.messaging.sqlite.clock import LogClock, this_machine
from adapters.messaging.sqlite.file import unavailable
from adapters.messaging.sqlite.overview import SqliteOverview
from adapters.messaging.sqlite.rows import Readers, SqliteRows
from adapters.messaging.sqlite.tables import open_log_file
from adapters.messaging.sqlite.writer import Chore, Writer
from registry.model import AgentName


class SqliteEngine:
    """See `engine.Engine`. To be opened, used and closed on one event loop."""

    def __init__(self, writer: Writer, readers: Readers, clock: LogClock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._rows = SqliteRows(readers)
        self._overview = SqliteOverview(readers, clock)

    @classmethod
    async def open(cls, path: Path, *, stirred: Stirred, shift: Callable[[], float] = lambda: 0.0) -> Self:
        """Open a log's file, or begin a log where there is no file; its folder has to exist.

        `shift` is added to the log's clock, in seconds.

        Raises:
            Refused: it is not a log, or one of a newer version.
            LogUnavailable: it cannot be opened; it says why.
        """
        clock = LogClock(this_machine(), shift)
        try:
            file = await asyncio.to_thread(open_log_file, path, clock, create=True)
        except sqlite3.Error as error:
            raise unavailable(error, path) from None
        return cls(Writer(file, clock=clock, stirred=stirred), Readers(path), clock)

    @property
    def rows(self) -> SqliteRows:
        """What reads the same file."""
        return self._rows

    @property
    def overview(self) -> SqliteOverview:
        """What operators look at."""
        return self._overview

    async def submit(self, request: Request) -> Any:
        """See `Engine.submit`."""
        return await self._writer.submit(request)

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog.claim`."""
        return await self._writer.submit(Claim(agents=agents, limit=limit, lease=lease))

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        """See `Engine.overdue`."""
        return await self._rows.overdue(self._clock.now(), limit=limit)

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping.retain`."""
        return await self._in_parts(
            lambda connection, at, left: keeping.blank_old(connection, before=at - seconds, limit=left), limit
        )

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        return await self._in_parts(lambda connection, _, left: keeping.index(connection, limit=left), limit)

    async def close(self) -> None:
        """Finish what was submitted, and let go of the file."""
        await self._readers.close()
        await self._writer.close()

    async def _in_parts(self, do: Callable[[sqlite3.Connection, float, int], int], limit: int) -> int:
        """Do something in transactions that are small, so that nobody waits long; returns how much was done."""
        done = 0
        while done < limit:
            part = min(limit - done, keeping.PART)
            chore = Chore(lambda connection, sheet, part=part: do(connection, sheet.at, part))
            more = await self._writer.submit(chore)
            done += more
            if more < part:
                break
        return done
