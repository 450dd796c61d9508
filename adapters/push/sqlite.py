"""Channels in the log's SQLite file: a connection and a thread of their own beside the log's.

The file is opened as the log opens it, and never made here. What goes into a file that nobody will find again is not
acknowledged; once the file is back, everything goes on.
"""

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import StaticPool

from adapters.messaging.sqlite.file import Marks, OpenFile, patiently, refuse_foreign_log, unavailable

T = TypeVar("T")


class SqliteDatabase:
    """See `database.Database`."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="push-channels")
        self._open: _Open | None = None
        self._marks: Marks = ()

    async def read(self, work: Callable[[sa.Connection], T]) -> T:
        """See `Database`."""
        return await self._run("BEGIN", work)

    async def write(self, work: Callable[[sa.Connection], T]) -> T:
        """See `Database`."""
        return await self._run("BEGIN IMMEDIATE", work)

    async def close(self) -> None:
        """See `Database`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._let_go)
        self._thread.shutdown(wait=False)

    async def _run(self, begin: str, work: Callable[[sa.Connection], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._in_transaction, begin, work)

    def _in_transaction(self, begin: str, work: Callable[[sa.Connection], T]) -> T:
        try:
            found = self._open or self._open_file()
            return found.in_transaction(begin, work)
        except DBAPIError as error:
            self._let_go()
            if isinstance(error.orig, sqlite3.Error):
                raise unavailable(error.orig, self._path) from None
            raise
        except sqlite3.Error as error:
            self._let_go()
            raise unavailable(error, self._path) from None
        except BaseException:
            self._let_go()
            raise

    def _open_file(self) -> "_Open":
        if self._marks:
            refuse_foreign_log(self._path, self._marks)
        self._open = _Open(OpenFile.for_writing(self._path, create=False))
        self._marks = self._open.file.marks
        return self._open

    def _let_go(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


class _Open:
    """A file that is open, and SQLAlchemy's view of its one connection."""

    def __init__(self, file: OpenFile) -> None:
        self.file = file
        self._engine = sa.create_engine("sqlite://", creator=lambda: file.connection, poolclass=StaticPool)

    def in_transaction(self, begin: str, work: Callable[[sa.Connection], T]) -> T:
        self.file.check()
        with self._engine.connect() as connection:
            patiently(lambda: self.file.connection.execute(begin))
            result = work(connection)
            self.file.check()
            connection.commit()
        self.file.check()
        return result

    def close(self) -> None:
        self.file.roll_back()
        with suppress(sqlite3.Error):
            self._engine.dispose()
        self.file.close()
