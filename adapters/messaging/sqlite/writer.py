"""The writer: the one thread of a process that writes, in transactions that many callers share.

It takes what has been submitted, carries it out on one sheet, commits once and answers everybody. What is refused is
refused to its caller alone. A transaction that fails is repeated job by job, so that one that the database will not
have harms nobody else; where the database itself is in a bad way, all of it is told so, and the next transaction looks
again. Nothing that happens ends the thread: every job is answered.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from adapters.messaging import plan
from adapters.messaging.engine import Stir, Stirred, stir_of
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.outcomes import Asked, Deferred, Done
from adapters.messaging.requests import Append, Request, Settle, wanted
from adapters.messaging.sheet import Sheet
from adapters.messaging.sqlite.claims import Claim, take
from adapters.messaging.sqlite.clock import LogClock
from adapters.messaging.sqlite.file import OpenFile, code_of, unavailable
from adapters.messaging.sqlite.sheets import has_written, load, store
from adapters.messaging.sqlite.tables import open_log_file
from registry.model import BadRequest, InterchangeError, Refused

JOBS = 512
"""How many jobs a transaction has at most."""

BYTES = 16 << 20
"""How many bytes of bodies a transaction has at most, but for one job that is larger."""


@dataclass(frozen=True, slots=True)
class Chore:
    """Something else to be done on the connection, in a transaction of its own."""

    do: Callable[[sqlite3.Connection, Sheet], Any]


Task: TypeAlias = Request | Claim | Chore
Job: TypeAlias = tuple["asyncio.Future[Any]", Task]
Answer: TypeAlias = tuple["asyncio.Future[Any]", Any, BaseException | None]


class Writer:
    """Owns the connection that writes. `submit` and `close` belong to the event loop, everything else to its thread."""

    def __init__(self, file: OpenFile, *, clock: LogClock, stirred: Stirred) -> None:
        self._path = file.path
        self._file: OpenFile | None = file
        self._clock = clock
        self._stirred = stirred
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Job] = []
        self._queue: SimpleQueue[list[Job] | None] = SimpleQueue()
        self._waiting: deque[Job] = deque()
        self._closing = False
        self._ended: asyncio.Future[None] = self._loop.create_future()
        threading.Thread(target=self._run, name=f"log {file.path.name}", daemon=True).start()

    # ---- on the event loop

    def submit(self, task: Task) -> "asyncio.Future[Any]":
        """Have something done; all that is submitted in one round of the event loop is handed over together.

        Raises:
            LogUnavailable: the log is closed.
        """
        if self._closing:
            raise LogUnavailable(f"The log {self._path} is closed.")
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        future: asyncio.Future[Any] = self._loop.create_future()
        self._gathered.append((future, task))
        return future

    async def close(self) -> None:
        """Finish what was submitted, and end."""
        if not self._closing:
            self._closing = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.shield(self._ended)

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _resolve(self, answers: Sequence[Answer], stir: Stir) -> None:
        if stir:
            self._stirred(stir)
        for future, result, error in answers:
            if future.done():  # its caller was cancelled
                continue
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

    # ---- in the thread

    def _run(self) -> None:
        while self._fetch():
            self._carry_out(self._next_jobs())
        if self._file is not None:
            self._file.close()
        self._on_the_loop(self._ended.set_result, None)

    def _fetch(self) -> bool:
        """Take over what was handed over, waiting for something; False: nothing is left, and nothing will come."""
        while True:
            try:
                more = self._queue.get(block=not self._waiting)
            except Empty:
                return True
            if more is None:
                self._queue.put(None)
                return bool(self._waiting)
            self._waiting += more

    def _next_jobs(self) -> list[Job]:
        jobs: list[Job] = []
        size = 0
        while self._waiting and len(jobs) < JOBS:
            future, task = self._waiting[0]
            size += _size(task)
            if jobs and size > BYTES:
                break
            self._waiting.popleft()
            if not future.done():
                jobs.append((future, task))
        return jobs

    def _carry_out(self, jobs: Sequence[Job]) -> None:
        chores = [job for job in jobs if isinstance(job[1], Chore)]
        if chores:
            jobs = [job for job in jobs if not isinstance(job[1], Chore)]
        if jobs:
            self._do(jobs, self._transact)
        for chore in chores:
            self._do([chore], self._do_chore)

    def _do(self, jobs: Sequence[Job], work: Callable[[OpenFile, Sequence[Job]], tuple[list[Answer], Stir]]) -> None:
        """Do some jobs in one transaction, or each in its own if that fails; and answer."""
        try:
            answers, stir = work(self._open_file(), jobs)
        except Exception as error:  # whatever it is, the thread goes on, and everybody gets an answer
            self._let_go_after(error)
            if len(jobs) > 1 and not _concerns_all(error):
                for job in jobs:
                    self._do([job], work)
                return
            answers, stir = [(future, None, self._told(error)) for future, _ in jobs], NOTHING
        self._on_the_loop(self._resolve, answers, stir)

    def _transact(self, file: OpenFile, jobs: Sequence[Job]) -> tuple[list[Answer], Stir]:
        sheet = self._begin(file)
        connection = file.connection
        load(connection, wanted([task for _, task in jobs if not isinstance(task, Claim | Chore)]), sheet)
        answers = [_performed(future, task, sheet) for future, task in jobs if not isinstance(task, Claim | Chore)]
        is_written = has_written(sheet.written)
        if is_written:
            store(connection, sheet)
        for future, task in jobs:
            if isinstance(task, Claim):
                deliveries = take(connection, task, sheet)
                answers.append((future, deliveries, None))
                is_written = is_written or bool(deliveries)
        self._end(file, is_written=is_written)
        return answers, stir_of(sheet)

    def _do_chore(self, file: OpenFile, jobs: Sequence[Job]) -> tuple[list[Answer], Stir]:
        ((future, task),) = jobs
        assert isinstance(task, Chore)
        result = task.do(file.connection, self._begin(file))
        self._end(file, is_written=True)
        return [(future, result, None)], NOTHING

    def _begin(self, file: OpenFile) -> Sheet:
        file.check()
        file.begin()
        # In this order: a deadline by this process's clock is rather too early than too late.
        monotonic = time.monotonic()
        return Sheet(now=self._clock.now(), at=time.time(), monotonic=monotonic)

    def _end(self, file: OpenFile, *, is_written: bool) -> None:
        """Commit; what went into a file that nobody will find is not acknowledged."""
        if not is_written:
            file.roll_back()
            return
        self._clock.keep_ahead(file.connection)
        file.check()
        file.connection.execute("COMMIT")
        file.check()

    def _open_file(self) -> OpenFile:
        if self._file is None:
            self._file = open_log_file(self._path, self._clock, create=False)
        return self._file

    def _let_go_after(self, error: Exception) -> None:
        """Roll back; and unless the connection is as good as before, have it opened anew next time."""
        if self._file is None:
            return
        self._file.roll_back()
        is_harmless = isinstance(error, sqlite3.Error) and code_of(error) in _HARMLESS
        if not is_harmless and isinstance(error, sqlite3.Error | LogUnavailable):
            self._file.close()
            self._file = None

    def _told(self, error: Exception) -> Exception:
        """What a caller is told."""
        match error:
            case sqlite3.Error():
                return unavailable(error, self._path)
            case LogUnavailable() | Refused():
                return LogUnavailable(error.message)
            case UnicodeEncodeError() | OverflowError():
                return BadRequest(f"The request has a text or a number that no database keeps: {error}.")
            case _:
                return error

    def _on_the_loop(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # a loop that is closed has nobody waiting
            self._loop.call_soon_threadsafe(call, *arguments)


NOTHING = Stir()

_HARMLESS = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT})
"""Errors after which a connection is as good as before."""

_OF_ONE = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_TOOBIG})
"""Errors that may be about one job only: a message too large for what is left, a page that is damaged."""

_OF_A_VALUE = (sqlite3.InterfaceError, sqlite3.DataError, sqlite3.ProgrammingError)
"""Errors about something that cannot be bound to a statement."""


def _concerns_all(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return code_of(error) not in _OF_ONE and not isinstance(error, _OF_A_VALUE)
    return isinstance(error, InterchangeError)


def _performed(future: "asyncio.Future[Any]", request: Request, sheet: Sheet) -> Answer:
    try:
        return future, plan.perform(request, sheet), None
    except InterchangeError as refusal:
        return future, None, refusal


def _size(task: Task) -> int:
    match task:
        case Append():
            return sum(len(message.body) for message in task.messages)
        case Settle(outcome=Done() | Asked() | Deferred() as outcome):
            return sum(len(reply.body) for reply in outcome.replies)
        case _:
            return 0
