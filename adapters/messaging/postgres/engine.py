"""The PostgreSQL engine: what is submitted at the same time shares a transaction, and a few of these run side by side.

Who has a conversation's row writes it, in whichever process; so its numbers are dense and in the order of commits. The
log's clock is the database's. Nobody is woken within a transaction: `stirred` is called once it is committed.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from typing import Any, Self, TypeVar

import asyncpg

from adapters.messaging import plan
from adapters.messaging.engine import Stirred, stir_of
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.messages import TurnRef
from adapters.messaging.migrate import HEAD, VERSION_TABLE
from adapters.messaging.outcomes import Delivery, Lease
from adapters.messaging.postgres import claims, keeping
from adapters.messaging.postgres.batches import Queue, Submitted, size_of
from adapters.messaging.postgres.connections import SETTINGS, WRITING, Connection, Connections
from adapters.messaging.postgres.faults import BROKEN, Fault, fault_of, refused, sqlstate, unavailable, unknown_outcome
from adapters.messaging.postgres.overview import PostgresOverview
from adapters.messaging.postgres.rows import PostgresRows
from adapters.messaging.postgres.sheets import load, promote, store
from adapters.messaging.requests import Request
from adapters.messaging.sheet import Sheet
from registry.model import AgentName, InterchangeError, Refused

WRITERS = 2
"""Transactions that run side by side: while the database works on one, the next is made ready."""

CLAIMERS = 4
READERS = 4

REPEATS = 8
"""How often a transaction is repeated in whose way others were."""

T = TypeVar("T")


class PostgresEngine:
    """See `engine.Engine`. To be opened, used and closed on one event loop."""

    def __init__(self, url: str, *, stirred: Stirred, shift: Callable[[], float]) -> None:
        self._stirred = stirred
        self._shift = shift
        self._writers = Connections(url, limit=WRITERS, settings=WRITING)
        self._claimers = Connections(url, limit=CLAIMERS, settings=WRITING)
        self._readers = Connections(url, limit=READERS, settings=SETTINGS)
        self._rows = PostgresRows(self._readers)
        self._overview = PostgresOverview(self._rows, shift)
        self._queue = Queue()
        self._submitted = asyncio.Event()
        self._closing = False
        self._running: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, url: str, *, stirred: Stirred, shift: Callable[[], float] = lambda: 0.0) -> Self:
        """Open the log in a database that has its tables.

        `shift` is added to the log's clock, in seconds.

        Raises:
            BadRequest: the URL is malformed.
            Refused: the database has other tables than this version reads; it says what to do.
            LogUnavailable: it cannot be reached.
        """
        engine = cls(url, stirred=stirred, shift=shift)
        await _check_version(engine._readers)
        engine._running = asyncio.get_running_loop().create_task(engine._run())
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
        if self._closing:
            raise self._closed()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add(Submitted(request, answer, size_of(request)))
        self._submitted.set()
        return await answer

    async def claim(self, agents: Collection[AgentName], *, limit: int, lease: Lease) -> Sequence[Delivery]:
        """See `ConversationLog.claim`."""
        shift = self._shift()
        return await self._alone(
            lambda connection: claims.take(connection, agents, limit=limit, lease=lease, shift=shift)
        )

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        """See `Engine.overdue`."""
        return await self._rows.overdue(limit=limit, shift=self._shift())

    async def retain(self, *, seconds: float, limit: int) -> int:
        """See `Keeping.retain`."""
        return await self._in_steps(
            lambda connection, step: keeping.blank_some(connection, seconds=seconds, limit=step), limit
        )

    async def index(self, *, limit: int) -> int:
        """See `Keeping.index`."""
        return await self._in_steps(lambda connection, step: keeping.index_some(connection, limit=step), limit)

    async def close(self) -> None:
        """Finish what was submitted, and let go of the database."""
        self._closing = True
        self._submitted.set()
        if self._running is not None:
            await asyncio.wait([self._running])
        for connections in (self._writers, self._claimers, self._readers):
            await connections.close()

    # ---- requests

    async def _run(self) -> None:
        """Own the writers; whatever ends them, everybody gets an answer."""
        try:
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(self._write())
        finally:
            self._closing = True
            for submitted in self._queue.drain():
                submitted.fail(self._closed())

    async def _write(self) -> None:
        """Carry out one batch after the other, until all is done and no more may come."""
        while True:
            if self._queue.is_ready:
                batch = self._queue.take()
                try:
                    await self._carry_out(batch)
                finally:
                    self._queue.finished(batch)
                    self._submitted.set()
            elif self._closing and self._queue.is_empty:
                return
            else:
                self._submitted.clear()
                await self._submitted.wait()

    async def _carry_out(self, batch: Sequence[Submitted]) -> None:
        """Carry out a batch in one transaction, and each of its requests alone if one of them prevents that."""
        try:
            await self._attempt(batch)
        except LogUnavailable as error:
            for submitted in batch:
                submitted.fail(LogUnavailable(str(error)))
        except Exception as error:  # whatever a request has done to us, the others go on
            if len(batch) == 1:
                batch[0].fail(refused(error))
                return
            for submitted in batch:
                await self._carry_out([submitted])
        except asyncio.CancelledError:
            for submitted in batch:
                submitted.fail(self._closed())
            raise

    async def _attempt(self, batch: Sequence[Submitted]) -> None:
        """Carry out a batch and answer.

        Raises:
            LogUnavailable: the database does not serve, or the outcome is unknown.
            Exception: what one of the requests has caused.
        """
        requests = [submitted.request for submitted in batch]
        sheet, results = await self._patiently(self._writers, lambda connection: self._transact(connection, requests))
        stir = stir_of(sheet)
        if stir:
            self._stirred(stir)
        for submitted, (result, error) in zip(batch, results, strict=True):
            if error is None:
                submitted.succeed(result)
            else:
                submitted.fail(error)

    async def _transact(
        self, connection: Connection, requests: Sequence[Request]
    ) -> tuple[Sheet, list[tuple[Any, InterchangeError | None]]]:
        sheet, waiting = await load(connection, requests, self._shift())
        before = frozenset(sheet.conversations)
        results = [_performed(request, sheet) for request in requests]
        promote(sheet, waiting)
        await store(connection, sheet, before)
        return sheet, results

    # ---- transactions

    async def _alone(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        """A transaction beside those of the requests.

        Raises:
            LogUnavailable: the database does not serve, or the outcome is unknown.
        """
        if self._closing:
            raise self._closed()
        return await self._patiently(self._claimers, work)

    async def _in_steps(self, work: Callable[[Connection, int], Awaitable[int]], limit: int) -> int:
        """Do something in transactions that are small; returns how much was done."""
        done = 0
        while done < limit:
            step = min(limit - done, keeping.STEP)
            more = await self._alone(lambda connection, step=step: work(connection, step))
            done += more
            if more < step:
                break
        return done

    async def _patiently(self, connections: Connections, work: Callable[[Connection], Awaitable[T]]) -> T:
        """Do some work in a transaction, again and again while others are in its way; nothing is done twice.

        Raises:
            LogUnavailable: the database does not serve, or the outcome is unknown.
        """
        lost = 0
        for repeats in range(REPEATS):
            try:
                return await _in_transaction(connections, work)
            except BROKEN as error:
                match fault_of(error):
                    case Fault.REPEAT:
                        last = error
                    case Fault.LOST if not lost:
                        last, lost = error, 1
                    case Fault.POISON if sqlstate(error) == _UNIQUE and not repeats:
                        last = error  # somebody else may have opened the same conversation in the meantime
                    case Fault.POISON:
                        raise
                    case _:
                        raise unavailable(error, connections.where) from None
            await asyncio.sleep(random.uniform(0, 0.002 * 2**repeats))  # noqa: S311  so that two do not meet again
        raise unavailable(last, connections.where)

    def _closed(self) -> LogUnavailable:
        return LogUnavailable(f"The log ({self._writers.where}) is closed.")


_UNIQUE = "23505"


async def _in_transaction(connections: Connections, work: Callable[[Connection], Awaitable[T]]) -> T:
    """Do some work in a transaction and commit it.

    Raises:
        LogUnavailable: the commit was sent, and it is unknown whether it was carried out.
        OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError: nothing was done.
    """
    async with connections.one() as connection:
        await connection.execute("BEGIN ISOLATION LEVEL READ COMMITTED")
        result = await work(connection)
        try:
            await connection.execute("COMMIT")
        except BROKEN as error:
            raise unknown_outcome(error, connections.where) from None
        return result


def _performed(request: Request, sheet: Sheet) -> tuple[Any, InterchangeError | None]:
    try:
        return plan.perform(request, sheet), None
    except InterchangeError as refusal:
        return None, refusal


async def _check_version(connections: Connections) -> None:
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
