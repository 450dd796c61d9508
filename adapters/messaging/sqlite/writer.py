"""The writer: the one thread of a process that writes, in transactions that many callers share (group commit).

It takes what has been submitted, has it carried out in one transaction, and answers everybody at once. What is refused
is refused to its caller alone. A transaction that fails is repeated task by task, so that one that the database will
not have harms nobody else; where the database itself is in a bad way, all are told so, and the next transaction looks
again. Nothing that happens ends the thread, and every task is answered.
"""

import asyncio
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeAlias

from adapters.messaging.engine import Stir, Stirred
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.requests import size_of
from adapters.messaging.sqlite.claims import Claim
from adapters.messaging.sqlite.file import code_of, unavailable
from adapters.messaging.sqlite.transactions import Chore, Task, Transactions
from registry.model import BadRequest, Refused

TASKS = 512
"""How many tasks a transaction has at most."""

BYTES = 16 << 20
"""How many bytes of bodies a transaction has at most, but for one task that has more."""

TIDY_EVERY = 0.05
"""Seconds between two steps of tidying."""

TIDY_AGAIN = 1.0
"""Seconds after a step that failed."""

Future: TypeAlias = "asyncio.Future[Any]"
Submitted: TypeAlias = tuple[Future, Task | Chore, int]
"""A task, who waits for it, and its bytes of bodies."""
Answer: TypeAlias = tuple[Future, Any, BaseException | None]

_OF_ALL = frozenset(
    {
        sqlite3.SQLITE_AUTH,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_NOTADB,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_PROTOCOL,
        sqlite3.SQLITE_READONLY,
    }
)
"""Errors of the whole database. Others may be of one task: too large for what is left, or on a page that is damaged."""


class Writer:
    """Queues and answers. `submit` and `close` belong to the event loop, everything else to its thread."""

    def __init__(self, transactions: Transactions, *, path: Path, stirred: Stirred) -> None:
        self._transactions = transactions
        self._path = path
        self._stirred = stirred
        self._loop = asyncio.get_running_loop()
        self._gathered: list[Submitted] = []
        self._queue: SimpleQueue[list[Submitted] | None] = SimpleQueue()
        self._waiting: deque[Submitted] = deque()
        self._tidy_at = time.monotonic()
        self._closing = False
        self._ended: Future = self._loop.create_future()
        threading.Thread(target=self._run, name=f"log {path.name}", daemon=True).start()

    # ---- on the event loop

    def submit(self, task: Task | Chore) -> Future:
        """Have something done; all that is submitted in one round of the event loop is handed over together.

        Raises:
            LogUnavailable: the log is closed.
        """
        if self._closing:
            raise LogUnavailable(f"The log {self._path} is closed.")
        if not self._gathered:
            self._loop.call_soon(self._hand_over)
        future: Future = self._loop.create_future()
        size = 0 if isinstance(task, Claim | Chore) else size_of(task)
        self._gathered.append((future, task, size))
        return future

    async def close(self) -> None:
        """Finish what was submitted, and end."""
        if not self._closing:
            self._closing = True
            self._hand_over()
            self._queue.put(None)
        await asyncio.shield(self._ended)

    @property
    def is_tidy(self) -> bool:
        """See `Transactions.is_tidy`."""
        return self._transactions.is_tidy

    def _hand_over(self) -> None:
        if self._gathered:
            self._queue.put(self._gathered)
            self._gathered = []

    def _resolve(self, answers: Iterable[Answer], stir: Stir) -> None:
        try:
            if stir:
                self._stirred(stir)
        finally:
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
            if batch := self._next_batch():
                self._carry_out(batch)
            self._tidy()
        self._transactions.close()
        self._on_the_loop(self._ended.set_result, None)

    def _fetch(self) -> bool:
        """Take over what was handed over, waiting for something; False: nothing is left, and nothing will come."""
        patience = None if self._transactions.is_tidy else TIDY_EVERY
        while True:
            try:
                more = self._queue.get(not self._waiting, patience)
            except Empty:
                return True
            if more is None:
                self._queue.put(None)
                return bool(self._waiting)
            self._waiting += more

    def _next_batch(self) -> list[Submitted]:
        batch: list[Submitted] = []
        size = 0
        while self._waiting and len(batch) < TASKS:
            size += self._waiting[0][2]
            if batch and size > BYTES:
                break
            submitted = self._waiting.popleft()
            if not submitted[0].done():
                batch.append(submitted)
        return batch

    def _carry_out(self, batch: Sequence[Submitted]) -> None:
        together: list[tuple[Future, Task]] = []
        for future, task, _ in batch:
            if isinstance(task, Chore):
                self._do(future, task)
            else:
                together.append((future, task))
        if together:
            self._commit(together)

    def _commit(self, batch: Sequence[tuple[Future, Task]]) -> None:
        """Carry out a batch in one transaction, or task by task if that fails; and answer."""
        try:
            outcomes, stir = self._transactions.carry_out([task for _, task in batch])
        except Exception as error:  # whatever it is, the thread goes on, and everybody gets an answer
            if len(batch) > 1 and not _is_of_all(error):
                for one in batch:
                    self._commit([one])
                return
            futures = [future for future, _ in batch]
            if _is_of_all(error):  # nor would it have what waits: nobody has to learn that in a turn of their own
                futures += [future for future, _, _ in self._waiting]
                self._waiting.clear()
            self._answer([(future, None, self._told(error)) for future in futures])
            return
        self._answer([(future, *outcome) for (future, _), outcome in zip(batch, outcomes, strict=True)], stir)

    def _do(self, future: Future, chore: Chore) -> None:
        try:
            result = self._transactions.do(chore)
        except Exception as error:  # as above
            self._answer([(future, None, self._told(error))])
        else:
            self._answer([(future, result, None)])

    def _tidy(self) -> None:
        """Now and then take a step, if there is anything to tidy; what fails is tried again."""
        if self._transactions.is_tidy or time.monotonic() < self._tidy_at:
            return
        pause = TIDY_EVERY
        try:
            self._transactions.tidy()
        except Exception:  # whoever writes next is told what is wrong
            pause = TIDY_AGAIN
        self._tidy_at = time.monotonic() + pause

    def _told(self, error: Exception) -> Exception:
        """What a caller is told."""
        match error:
            case LogUnavailable() | Refused():
                return LogUnavailable(error.message)
            case sqlite3.Error() if hasattr(error, "sqlite_errorcode"):
                return unavailable(error, self._path)
            case UnicodeEncodeError() | OverflowError() | sqlite3.Error():
                return BadRequest(f"The request has something in it that no database keeps: {error}.")
            case _:
                return error

    def _answer(self, answers: Sequence[Answer], stir: Stir | None = None) -> None:
        self._on_the_loop(self._resolve, answers, stir or Stir())

    def _on_the_loop(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # where the loop is closed nobody waits
            self._loop.call_soon_threadsafe(call, *arguments)


def _is_of_all(error: Exception) -> bool:
    if isinstance(error, sqlite3.Error):
        return hasattr(error, "sqlite_errorcode") and code_of(error) in _OF_ALL
    return isinstance(error, LogUnavailable | Refused)
