"""The file: connections to it, and whether it still is the one that was opened.

SQLite goes on writing into a file that was moved away or deleted, as if nothing had happened. So the path is looked at
before and after each commit: what went into a file that nobody will find again is never acknowledged. A file that is
gone is not made anew; once it is back, everything goes on.
"""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self, TypeVar
from urllib.parse import quote

from adapters.messaging.errors import LogUnavailable

BUSY_SECONDS = 5.0
"""How long is waited for another process's transaction."""

WRITING = (
    "synchronous = FULL",  # the log is synced before a commit returns
    "secure_delete = ON",  # what is erased is overwritten
    "temp_store = MEMORY",  # and was never anywhere else
    "cache_size = -65536",  # KiB
    "wal_autocheckpoint = 4000",  # pages
)
READING = ("query_only = ON", "temp_store = MEMORY", "cache_size = -8192")

_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})

_SENTENCES = {
    sqlite3.SQLITE_BUSY: "The log's database {path} was locked by somebody else for {seconds:g} seconds.",
    sqlite3.SQLITE_LOCKED: "The log's database {path} was locked by somebody else for {seconds:g} seconds.",
    sqlite3.SQLITE_FULL: "The log's database {path} cannot grow: the disk is full, or the file as large as it may be.",
    sqlite3.SQLITE_READONLY: "The log's database {path} cannot be written: the file, its folder or its disk is"
    " read-only ({error}).",
    sqlite3.SQLITE_CANTOPEN: "The log's database {path} cannot be opened: see whether its folder exists, and whether"
    " this process may write there ({error}).",
    sqlite3.SQLITE_CORRUPT: "The log's database {path} is damaged ({error}): restore it from a backup.",
    sqlite3.SQLITE_NOTADB: "The log's database {path} is no SQLite database, or damaged: restore it from a backup.",
    sqlite3.SQLITE_IOERR: "The log's database {path} cannot be read or written: {error}.",
}

T = TypeVar("T")

Mark = tuple[int, int]
"""Which file this is: its device and inode."""


class OpenFile:
    """A connection, and the files that it was opened on."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self._marks: tuple[Mark | None, ...] = ()

    @classmethod
    def for_writing(cls, path: Path, *, create: bool) -> Self:
        """Open for the one writer of a process; a file that is not there is made only with `create`.

        Raises:
            LogUnavailable: it cannot be opened; it says why.
        """
        return cls._open(path, mode="rwc" if create else "rw", busy=0.0, pragmas=WRITING)

    @classmethod
    def for_reading(cls, path: Path) -> Self:
        """Open for reading only.

        Raises:
            LogUnavailable: it cannot be opened; it says why.
        """
        return cls._open(path, mode="rw", busy=BUSY_SECONDS, pragmas=READING)

    @classmethod
    def _open(cls, path: Path, *, mode: str, busy: float, pragmas: tuple[str, ...]) -> Self:
        before = _mark(path)
        if before is None and mode == "rw":
            raise _gone(path)
        try:
            connection = sqlite3.connect(
                f"file:{quote(str(path.absolute()))}?mode={mode}",
                uri=True,
                isolation_level=None,
                check_same_thread=False,
                timeout=busy,
                cached_statements=256,
            )
        except sqlite3.Error as error:
            raise unavailable(error, path) from None
        file = cls(path, connection)
        try:
            file._prepare(pragmas)
        except sqlite3.Error as error:
            file.close()
            raise unavailable(error, path) from None
        if before is not None and file._marks[0] != before:
            file.close()
            raise _gone(path)
        return file

    def _prepare(self, pragmas: tuple[str, ...]) -> None:
        for pragma in pragmas:
            self.connection.execute(f"PRAGMA {pragma}")
        (mode,) = patiently(lambda: self.connection.execute("PRAGMA journal_mode = WAL").fetchone())
        if mode != "wal":
            raise sqlite3.OperationalError(f"no write-ahead log is possible there, only {mode}")
        # From the first look on this connection keeps the file in use, and its write-ahead log stays what it is.
        patiently(lambda: self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone())
        self._marks = self._found()

    def _found(self) -> tuple[Mark | None, ...]:
        return _mark(self.path), _mark(f"{self.path}-wal"), _mark(f"{self.path}-shm")

    def check(self) -> None:
        """See that the path still leads to what is open here.

        Raises:
            LogUnavailable: it does not.
        """
        if self._found() != self._marks:
            raise _gone(self.path)

    def begin(self) -> None:
        """Begin a transaction that writes, waiting for those of other processes."""
        patiently(lambda: self.connection.execute("BEGIN IMMEDIATE"))

    def roll_back(self) -> None:
        """End a transaction, if there is one, as if it had never been."""
        with suppress(sqlite3.Error):
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")

    def close(self) -> None:
        """Let go of it. The last one to do so empties the write-ahead log."""
        with suppress(sqlite3.Error):
            self.connection.close()


def patiently(attempt: Callable[[], T]) -> T:
    """Try until no other process is in the way, for a while.

    SQLite's own waiting sleeps for up to a tenth of a second, in which a busy neighbour comes and goes many times.
    """
    until, pause = time.monotonic() + BUSY_SECONDS, 0.0005
    while True:
        try:
            return attempt()
        except sqlite3.OperationalError as error:
            if code_of(error) not in _BUSY or time.monotonic() > until:
                raise
        time.sleep(pause)
        pause = min(2 * pause, 0.008)


def code_of(error: sqlite3.Error) -> int:
    """SQLite's primary code of an error."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF


def _mark(path: Path | str) -> Mark | None:
    try:
        found = os.stat(path)  # noqa: PTH116  three times per commit, and a Path costs as much as the look
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(path: Path) -> LogUnavailable:
    return LogUnavailable(
        f"The log's database {path} is gone: the file was moved, deleted or replaced while it was in use, or its"
        " -wal or -shm file was. Put it back; then everything goes on."
    )


def sync_folder(path: Path) -> None:
    """Make the name of a new file durable."""
    folder = os.open(path.absolute().parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unavailable(error: sqlite3.Error, path: Path) -> LogUnavailable:
    """An error of SQLite as a sentence that says what is wrong, and where."""
    sentence = _SENTENCES.get(code_of(error), "The log's database {path} cannot be used: {error}.")
    return LogUnavailable(sentence.format(path=path, error=error, seconds=BUSY_SECONDS))
