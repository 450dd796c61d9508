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
from typing import Any, Self, TypeVar
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

Names = tuple[str, str, str]
Marks = tuple[Mark | None, ...]
"""Those of the database, of its write-ahead log and of its shared memory."""


class OpenFile:
    """A connection, and the files that it was opened on."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self.connection = connection
        self.marks: Marks = ()
        self._names = _names_of(path)

    @classmethod
    def for_writing(cls, path: Path, *, create: bool) -> Self:
        """Open for the one writer of a process; a file that is not there is made only with `create`.

        Raises:
            LogUnavailable: it cannot be opened; it says why.
        """
        _look_first(path, create=create)
        return cls._open(path, mode="rwc" if create else "rw", busy=0.0, pragmas=WRITING)

    @classmethod
    def for_reading(cls, path: Path) -> Self:
        """Open for reading only.

        Raises:
            LogUnavailable: it cannot be opened; it says why.
        """
        _look_first(path, create=False)
        return cls._open(path, mode="rw", busy=BUSY_SECONDS, pragmas=READING)

    @classmethod
    def _open(cls, path: Path, *, mode: str, busy: float, pragmas: tuple[str, ...]) -> Self:
        before = _mark(path)
        try:
            connection = sqlite3.connect(
                f"file:{quote(os.fsencode(path))}?mode={mode}",
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
        if before is not None and file.marks[0] != before:
            file.close()
            raise _gone(path)
        return file

    def _prepare(self, pragmas: tuple[str, ...]) -> None:
        for pragma in pragmas:
            self._ask(f"PRAGMA {pragma}")
        if pragmas is WRITING:
            (mode,) = self._ask("PRAGMA journal_mode = WAL")
            if mode != "wal":
                raise sqlite3.OperationalError(f"no write-ahead log is possible there, only {mode}")
        # From the first look on this connection keeps the file in use, and its write-ahead log stays what it is.
        self._ask("SELECT count(*) FROM sqlite_schema")
        self.marks = _marks_of(self._names)

    def _ask(self, statement: str) -> Any:
        return patiently(lambda: self.connection.execute(statement).fetchone())

    @property
    def is_found(self) -> bool:
        """Whether the path still leads to what is open here."""
        return _marks_of(self._names) == self.marks

    def check(self) -> None:
        """See that the path still leads to what is open here.

        Raises:
            LogUnavailable: it does not.
        """
        if not self.is_found:
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
        """Let go of it. The last one to do so empties the write-ahead log; and so does one whose file is gone, for the
        two may never be together again."""
        with suppress(sqlite3.Error):
            if not self.is_found:
                self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
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


def _names_of(path: Path) -> Names:
    """The database, its write-ahead log and its shared memory; these are beside the file that a link leads to."""
    real = os.path.realpath(path)
    return str(path), f"{real}-wal", f"{real}-shm"


def _look_first(path: Path, *, create: bool) -> None:
    """Keep SQLite from what it would do to a file that is not there or empty: it would begin a new database, and drop
    a write-ahead log that is still there, with all that was acknowledged in it."""
    _, log, _ = _names_of(path)
    is_log_left = _size(log) > 0  # looked at first: it appears after the database is not empty any more
    if _size(path) > 0:
        return
    if is_log_left:
        raise LogUnavailable(
            f"The log's database {path} is missing or empty, but its write-ahead log {log} is there, with messages"
            " in it. Put the database back."
        )
    if not create:
        raise _gone(path)


def _size(path: Path | str) -> int:
    try:
        return os.stat(path).st_size  # noqa: PTH116
    except OSError:
        return 0


def _mark(path: Path | str) -> Mark | None:
    try:
        found = os.stat(path)  # noqa: PTH116  three times per commit, and a Path costs as much as the look
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _gone(path: Path) -> LogUnavailable:
    return LogUnavailable(
        f"The log's database {path} is gone: the file was moved, deleted, emptied or replaced while it was in use, or"
        " its -wal or -shm file was. Put it back; then everything goes on."
    )


def from_anywhere(path: Path) -> Path:
    """The same file, also if the process goes to another folder."""
    return path.absolute()


def _marks_of(names: Names) -> Marks:
    return tuple(map(_mark, names))


def refuse_foreign_log(path: Path, before: Marks) -> None:
    """Keep SQLite from putting the write-ahead log of one database into another one that was put in its place.

    Raises:
        LogUnavailable: the database was replaced, and the log beside it was not.
    """
    names = _names_of(path)
    now, log = _marks_of(names), names[1]
    if now[0] != before[0] and now[1] == before[1] and _size(log) > 0:
        raise LogUnavailable(
            f"The log's database {path} was replaced, but the write-ahead log {log} still is that of the database"
            " before. Put that one back; a backup is restored while nothing uses the log, and without such a file."
        )


def sync_folder(path: Path) -> None:
    """Make the name of a new file durable."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def unavailable(error: sqlite3.Error, path: Path) -> LogUnavailable:
    """An error of SQLite as a sentence that says what is wrong, and where."""
    sentence = _SENTENCES.get(code_of(error), "The log's database {path} cannot be used: {error}.")
    return LogUnavailable(sentence.format(path=path, error=error, seconds=BUSY_SECONDS))
