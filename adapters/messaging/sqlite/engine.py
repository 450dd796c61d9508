"""The SQLite engine: one file, one thread that writes for everybody in this process, and reads beside it.

Nothing is acknowledged before it is synced to the disk. Several processes may have the same file open: all that matters
is in the file, and SQLite's own lock lets one of them write at a time.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

from adapters.messaging.drafts import Draft
from adapters.messaging.engine import Stirred
from adapters.messaging.messages import TurnRef
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.requests import Request, TurnKey
from adapters.messaging.sqlite import keeping
from adapters.messaging.sqlite.claims import Claim
from adapters.messaging.sqlite.clock import LogClock, this_machine
from adapters.messaging.sqlite.file import from_anywhere, unavailable
from adapters.messaging.sqlite.overview import SqliteOverview
from adapters.messaging.sqlite.rows import SEARCH_SECONDS, Readers, SqliteRows
from adapters.messaging.sqlite.tables import open_log_file
from adapters.messaging.sqlite.transactions import Chore, Transactions
from adapters.messaging.sqlite.writer import Writer
from registry.model import AgentName

PART = 256
"""How many messages one transaction indexes or blanks."""

Part: TypeAlias = Callable[[sqlite3.Connection, float, int], tuple[int, bool]]
"""Is given rows, the time of day and how much to do at most; returns how much it was, and whether there may be more."""


class SqliteEngine:
    """See `engine.Engine`. To be opened, used and closed on one event loop."""

    def __init__(self, writer: Writer, readers: Readers, searchers: Readers, clock: LogClock) -> None:
        self._writer = writer
        self._readers = readers
        self._clock = clock
        self._searchers = searchers
        self._rows = SqliteRows(readers, searchers)
        self._overview = SqliteOverview(readers, clock)

    @classmethod
    async def open(cls, path: Path, *, stirred: Stirred, shift: Callable[[], float] = lambda: 0.0) -> Self:
        """Open a log's file, or begin a log where there is no file; its folder has to exist.

        `shift` is added to the log's clock, in seconds.

        Raises:
            Refused: it is not a log, or one of a newer version.
            LogUnavailable: it cannot be opened; it says why.
        """
        path = from_anywhere(path)
        clock = LogClock(this_machine(), shift)
        try:
            file = await asyncio.to_thread(open_log_file, path, clock, create=True)
        except sqlite3.Error as error:
            raise unavailable(error, path) from None
        writer = Writer(Transactions(file, clock), path=path, stirred=stirred)
        return cls(writer, Readers(path), Readers(path, threads=1, seconds=SEARCH_SECONDS), clock)

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
            lambda rows, at, part: keeping.blank_old(rows, before=at - seconds, limit=part), limit, erases=True
        )

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        return await self._in_parts(lambda rows, _, part: keeping.index(rows, limit=part), limit, erases=False)

    async def keep_drafts(self, drafts: Sequence[Draft]) -> None:
        """See `Drafts.keep`."""
        await self._writer.submit(Chore(lambda rows, at: keeping.keep_drafts(rows, drafts, at=at), erases=False))

    async def drop_drafts(self, turns: Sequence[TurnKey]) -> None:
        """See `Drafts.drop`."""
        await self._writer.submit(Chore(lambda rows, _: keeping.drop_drafts(rows, turns), erases=False))

    async def tidy(self, *, limit: int) -> int:
        """See `Keeping.tidy`."""
        return await self._writer.submit(
            Chore(lambda rows, _: keeping.drop_ended_drafts(rows, limit=limit), erases=False)
        )

    @property
    def is_tidy(self) -> bool:
        """Whether what this process has erased is gone from every corner of the files; it comes to that by itself."""
        return self._writer.is_tidy

    async def close(self) -> None:
        """Finish what was submitted, and let go of the file."""
        await self._readers.close()
        await self._searchers.close()
        await self._writer.close()

    async def _in_parts(self, do: Part, limit: int, *, erases: bool) -> int:
        """Do something in small transactions, so that nobody waits long, and return how much was done."""
        done = 0
        while done < limit:
            part = min(limit - done, PART)
            chore = Chore(lambda rows, at, part=part: do(rows, at, part), erases)
            more, may_be_more = await self._writer.submit(chore)
            done += more
            if not may_be_more:
                break
        return done
