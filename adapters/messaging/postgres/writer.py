"""The writers: a few tasks that take what was submitted, in batches, and carry out each batch in one transaction.

What is refused is refused to its caller alone. A transaction that fails is repeated request by request, so that one
that the database will not have harms nobody else; where the database itself is in a bad way, all are told so. Nothing
that happens ends the tasks, and every request is answered.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from adapters.messaging import plan
from adapters.messaging.engine import Stirred, stir_of
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.postgres.batches import Queue, Submitted
from adapters.messaging.postgres.connections import Connection, Connections
from adapters.messaging.postgres.faults import refused
from adapters.messaging.postgres.sheets import load, promote, store
from adapters.messaging.postgres.transactions import transact
from adapters.messaging.requests import Request, size_of
from adapters.messaging.sheet import Sheet
from registry.model import InterchangeError

WRITERS = 2
"""Transactions that run side by side: while the database works on one, the next is made ready."""

Result = tuple[Any, InterchangeError | None]


class Writer:
    """Carries out requests on one database. To be made, used and closed on one event loop."""

    def __init__(self, connections: Connections, *, stirred: Stirred, shift: Callable[[], float]) -> None:
        self._connections = connections
        self._stirred = stirred
        self._shift = shift
        self._queue = Queue()
        self._changed = asyncio.Event()
        self._closing = False
        self._running = asyncio.get_running_loop().create_task(self._run())

    async def submit(self, request: Request) -> Any:
        """Have a request carried out; see `Engine.submit`."""
        if self._closing:
            raise self.closed()
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._queue.add(Submitted(request, answer, size_of(request)))
        self._changed.set()
        return await answer

    async def close(self) -> None:
        """Finish what was submitted, and end."""
        self._closing = True
        self._changed.set()
        await asyncio.wait([self._running])

    def closed(self) -> LogUnavailable:
        """What to tell whoever comes too late."""
        return LogUnavailable(f"The log ({self._connections.where}) is closed.")

    async def _run(self) -> None:
        """Own the tasks; whatever ends them, everybody gets an answer."""
        try:
            async with asyncio.TaskGroup() as writers:
                for _ in range(WRITERS):
                    writers.create_task(self._write())
        finally:
            self._closing = True
            for submitted in self._queue.drain():
                submitted.fail(self.closed())

    async def _write(self) -> None:
        """Carry out one batch after the other, until all is done and no more may come."""
        while not (self._closing and self._queue.is_empty):
            if not self._queue.is_ready:
                self._changed.clear()
                await self._changed.wait()
                continue
            batch = self._queue.take()
            try:
                await self._carry_out(batch)
            finally:
                self._queue.finished(batch)
                self._changed.set()

    async def _carry_out(self, batch: Sequence[Submitted]) -> None:
        """Carry out a batch in one transaction, and each of its requests alone if one of them prevents that."""
        if not batch:
            return
        requests = [submitted.request for submitted in batch]
        try:
            sheet, results = await transact(self._connections, lambda connection: self._perform(connection, requests))
        except LogUnavailable as error:
            for submitted in batch:
                submitted.fail(LogUnavailable(error.message))
        except Exception as error:  # whatever a request has done to us, the others go on
            if len(batch) == 1:
                batch[0].fail(refused(error, self._connections.where))
                return
            for submitted in batch:
                await self._carry_out([submitted])
        except asyncio.CancelledError:
            for submitted in batch:
                submitted.fail(self.closed())
            raise
        else:
            self._answer(batch, sheet, results)

    def _answer(self, batch: Sequence[Submitted], sheet: Sheet, results: Sequence[Result]) -> None:
        """What is committed is told: to whom it may wake first, then to the callers."""
        stir = stir_of(sheet)
        if stir:
            asyncio.get_running_loop().call_soon(self._stirred, stir)
        for submitted, (result, refusal) in zip(batch, results, strict=True):
            if refusal is None:
                submitted.succeed(result)
            else:
                submitted.fail(refusal)

    async def _perform(self, connection: Connection, requests: Sequence[Request]) -> tuple[Sheet, list[Result]]:
        sheet, waiting = await load(connection, requests, self._shift())
        before = frozenset(sheet.conversations)
        results = [_performed(request, sheet) for request in requests]
        promote(sheet, waiting)
        await store(connection, sheet, before)
        return sheet, results


def _performed(request: Request, sheet: Sheet) -> Result:
    try:
        return plan.perform(request, sheet), None
    except InterchangeError as refusal:
        return None, refusal
