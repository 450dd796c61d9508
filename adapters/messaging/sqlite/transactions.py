"""The transactions of the one writer: requests become rows on a sheet, and a commit that is durable and can be found.

A transaction that fails raises, and nothing of it has happened; only where the commit itself failed, or the file was
gone after it, the outcome is unknown. Whatever went wrong, the next one begins on a connection that is good, or says
why there is none.
"""

import sqlite3
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from adapters.messaging import plan
from adapters.messaging.engine import Stir, stir_of
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.requests import Request, wanted
from adapters.messaging.sheet import Sheet
from adapters.messaging.sqlite.claims import Claim, take
from adapters.messaging.sqlite.clock import LogClock
from adapters.messaging.sqlite.file import OpenFile, code_of, refuse_foreign_log
from adapters.messaging.sqlite.identity import Identity
from adapters.messaging.sqlite.keeping import Tidying
from adapters.messaging.sqlite.sheets import has_written, is_erasure, load, store
from adapters.messaging.sqlite.tables import open_log_file
from registry.model import InterchangeError


@dataclass(frozen=True, slots=True)
class Chore:
    """Something else to be done with the rows, in a transaction of its own; it is given the time of day. `erases`: it
    may leave traces to be tidied."""

    do: Callable[[sqlite3.Connection, float], Any]
    erases: bool


Task: TypeAlias = Request | Claim

Outcome: TypeAlias = tuple[Any, InterchangeError | None]
"""The result of a task, or why it was refused."""

_HARMLESS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT})
"""Errors after which a connection is as good as before."""


class Transactions:
    """Owns the connection that writes; all of it is for one thread."""

    def __init__(self, file: OpenFile, clock: LogClock) -> None:
        self._path = file.path
        self._file: OpenFile | None = file
        self._clock = clock
        self._marks = file.marks
        self._identity = Identity()
        self._unsaid: LogUnavailable | None = None
        self._tidying = Tidying()

    def carry_out(self, tasks: Sequence[Task]) -> tuple[list[Outcome], Stir]:
        """Carry out tasks together: the requests in their order, then the claims, which see what the requests did.

        Raises:
            LogUnavailable, sqlite3.Error: the database does not serve.
            Exception: one of the tasks is such that nothing could be done.
        """
        with self._transaction() as (file, sheet):
            load(file.connection, wanted([task for task in tasks if not isinstance(task, Claim)]), sheet)
            outcomes = [_LATER if isinstance(task, Claim) else _performed(task, sheet) for task in tasks]
            is_changed = has_written(sheet.written)
            if is_changed:
                store(file.connection, sheet)
            for number, task in enumerate(tasks):
                if isinstance(task, Claim):
                    deliveries = take(file.connection, task, sheet)
                    outcomes[number] = deliveries, None
                    is_changed = is_changed or bool(deliveries)
            if is_changed:
                self._commit(file)
        if is_erasure(sheet.written):
            self._tidying.begin()
        return outcomes, stir_of(sheet)

    def do(self, chore: Chore) -> Any:
        """Do a chore.

        Raises:
            LogUnavailable, sqlite3.Error: the database does not serve.
        """
        with self._transaction() as (file, sheet):
            result = chore.do(file.connection, sheet.at)
            self._commit(file)
        if chore.erases:
            self._tidying.begin()
        return result

    @property
    def is_tidy(self) -> bool:
        """Whether what was erased is gone from every corner of the files."""
        return self._tidying.is_done

    def tidy(self) -> None:
        """Take a small step towards it. A file that is gone is left for somebody to notice who can say so.

        Raises:
            LogUnavailable, sqlite3.Error: the database does not serve.
        """
        if self._file is None or not self._file.is_found:
            return
        try:
            with self._transaction() as (file, _):
                if self._tidying.merge_words(file.connection):
                    self._commit(file)
        except LogUnavailable as error:
            self._unsaid = error
            raise
        if self._tidying.are_words_gone:
            self._tidying.empty_log(file.connection)

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    @contextmanager
    def _transaction(self) -> Generator[tuple[OpenFile, Sheet]]:
        """A transaction that writes; whatever it has not committed is as if it had never been."""
        if self._unsaid is not None:  # what tidying has met is told to the next one who writes
            unsaid, self._unsaid = self._unsaid, None
            raise unsaid
        try:
            file = self._file or self._open_again()
            file.check()
            file.begin()
            self._identity.check(file.connection, self._path)
            # In this order: a deadline by this process's clock is rather too early than too late.
            monotonic = time.monotonic()
            yield file, Sheet(now=self._clock.now(), at=time.time(), monotonic=monotonic)
            file.roll_back()
        except BaseException as error:
            self._recover(error)
            raise

    def _commit(self, file: OpenFile) -> None:
        """Commit; what goes into a file that nobody will find again is not acknowledged."""
        self._clock.keep_ahead(file.connection)
        self._identity.count(file.connection)
        file.check()
        file.connection.execute("COMMIT")
        file.check()
        self._identity.kept()

    def _open_again(self) -> OpenFile:
        refuse_foreign_log(self._path, self._marks)
        self._file = open_log_file(self._path, self._clock, create=False)
        self._marks = self._file.marks
        return self._file

    def _recover(self, error: BaseException) -> None:
        """Roll back; and unless the connection is as good as before, have it opened anew next time."""
        if self._file is None:
            return
        self._file.roll_back()
        is_harmless = isinstance(error, sqlite3.Error) and code_of(error) in _HARMLESS
        if not is_harmless and isinstance(error, sqlite3.Error | LogUnavailable):
            self.close()


_LATER: Outcome = (None, None)


def _performed(request: Request, sheet: Sheet) -> Outcome:
    try:
        return plan.perform(request, sheet), None
    except InterchangeError as refusal:
        return None, refusal
