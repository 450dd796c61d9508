"""The audit log as JSON lines, made durable in groups.

Calls put their entries in a queue; one thread takes all that waits, writes it, syncs once and tells those who wait for
it. A write waits before it is made, a read does not. While the disk refuses, writes are refused too, reads by a knob,
and the thread keeps trying: the log comes back by itself, and says with a `gap` how many entries it could not keep.
"""

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType

from policies.audit.entry import Entry, decision_entry, outcome_entry
from policies.audit.segments import Segments
from policies.decision import Decision
from registry.model import AuditUnavailable, Call, InterchangeError, Result

_log = logging.getLogger(__name__)

_UNAVAILABLE = "The audit log cannot be written, so nothing was done"
_LINGER = 0.05  # seconds that entries nobody waits for are gathered before they are synced
_RETRY = 1.0


def _utc_now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class _Item:
    """An entry on its way. One that is `needed` goes with its call: if it cannot be kept, the call is not made."""

    entry: Entry
    waiter: asyncio.Future[None] | None = None
    needed: bool = False


class LineLog:
    """An `AuditLog` in a folder. One process at a time may have it open."""

    def __init__(
        self, segments: Segments, *, clock: Callable[[], datetime], fail_closed_reads: bool, most_waiting: int
    ) -> None:
        self.clock = clock
        self._segments = segments
        self._fail_closed_reads = fail_closed_reads
        self._most = most_waiting
        self._queue: deque[_Item] = deque()
        self._stirred = threading.Event()  # there is something to do
        self._urgent = threading.Event()  # and somebody waits for it
        self._broken = False
        self._closing = False
        self._lost = 0
        self._thread = threading.Thread(target=self._write_groups, name="audit", daemon=True)

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        clock: Callable[[], datetime] = _utc_now,
        fail_closed_reads: bool = False,
        largest_segment: int = 64 * 1024 * 1024,
        most_waiting: int = 10_000,
    ) -> "LineLog":
        """Open the log in `folder`, which is made if need be; calls an earlier run left open are closed as unknown.

        Raises:
            AuditUnavailable: the folder cannot be written.
        """
        segments = Segments(folder, largest=largest_segment)
        try:
            segments.begin(clock())
        except OSError as error:
            segments.close()
            raise AuditUnavailable(f"The audit log in {folder} cannot be written: {error.strerror}") from None
        log = cls(segments, clock=clock, fail_closed_reads=fail_closed_reads, most_waiting=most_waiting)
        log._thread.start()
        return log

    def recording(self, call: Call, decision: Decision) -> "OpenEntry":
        """Record the decision on entering and the outcome on leaving; see `policies.audit.log`."""
        return OpenEntry(self, call, decision)

    async def close(self) -> None:
        """Write what still waits, and let go of the folder. Nothing can be recorded any more."""
        self._closing = True
        self._urgent.set()
        self._stirred.set()
        await asyncio.to_thread(self._thread.join)
        self._segments.close()

    async def keep_decision(self, call: Call, decision: Decision) -> None:
        """Queue a decision and, where the call must not be made without it, wait until it is durable.

        Raises:
            AuditUnavailable: it cannot be kept, so the call must not be made.
        """
        if self._closing:
            raise AuditUnavailable("The audit log is closed")
        needed = decision.writes or (self._broken and self._fail_closed_reads)
        entry = decision_entry(call, decision, self.clock())
        if not needed and len(self._queue) < self._most:
            self._put(_Item(entry))
            return
        waiter = asyncio.get_running_loop().create_future()
        self._put(_Item(entry, waiter, needed))
        try:
            await waiter
        except AuditUnavailable:
            if needed:
                raise

    def keep_outcome(self, entry: Entry) -> None:
        """Queue an outcome. It never waits: there is at most one for every decision that was let through."""
        self._put(_Item(entry))

    def _put(self, item: _Item) -> None:
        self._queue.append(item)
        if item.waiter is not None:
            self._urgent.set()
        if not self._stirred.is_set():
            self._stirred.set()

    # the writing thread

    def _write_groups(self) -> None:
        """Take what waits, keep it, tell who waits for it; until closed."""
        kept: list[_Item] = []  # what could not be written yet
        while not self._closing or self._queue:
            self._stirred.wait()
            if not self._closing:
                self._urgent.wait(_RETRY if self._broken else _LINGER)
            self._stirred.clear()
            self._urgent.clear()
            group = kept + [self._queue.popleft() for _ in range(len(self._queue))]
            kept = self._keep_group(group)
            if kept:
                self._stirred.set()
        if kept:
            _log.error("The audit log was closed while it could not be written", extra={"lost": len(kept)})

    def _keep_group(self, group: Sequence[_Item]) -> list[_Item]:
        """Make a group durable; what is left over is to be tried again."""
        now = self.clock()
        gap: list[Entry] = [{"kind": "gap", "time": now, "lost": self._lost}] if self._lost else []
        try:
            self._segments.append(gap + [item.entry for item in group], now)
        except OSError as error:
            return self._failed(group, error)
        except Exception:  # the thread must live, or writes would wait for ever; an entry like this is not tried again
            _log.exception("An audit entry cannot be written as JSON")
            self._lost += len(self._failed(group, OSError("not JSON")))
            return []
        if self._broken:
            _log.warning("The audit log can be written again", extra={"lost": self._lost})
        self._broken, self._lost = False, 0
        _tell(group, None)
        return []

    def _failed(self, group: Sequence[_Item], error: OSError) -> list[_Item]:
        if not self._broken:
            _log.error("The audit log cannot be written", extra={"reason": str(error)})
        self._broken = True
        _tell(group, _UNAVAILABLE)
        again = [_Item(item.entry) for item in group if not item.needed]
        excess = max(0, len(again) - self._most)
        self._lost += excess
        return again[excess:]


def _tell(group: Sequence[_Item], problem: str | None) -> None:
    """Wake everybody who waits for this group, from the writing thread."""
    waiters = [item.waiter for item in group if item.waiter is not None]
    if waiters:
        try:
            waiters[0].get_loop().call_soon_threadsafe(_settle, waiters, problem)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


def _settle(waiters: Sequence[asyncio.Future[None]], problem: str | None) -> None:
    for waiter in waiters:
        if waiter.done():
            continue
        if problem is None:
            waiter.set_result(None)
        else:
            waiter.set_exception(AuditUnavailable(problem))


class OpenEntry:
    """The open entry of one call: a `Recording`, and the context it is made in."""

    __slots__ = ("_call", "_decision", "_log", "_result", "_started")

    def __init__(self, log: LineLog, call: Call, decision: Decision) -> None:
        self._log = log
        self._call = call
        self._decision = decision
        self._result: Result | None = None
        self._started = 0.0

    def finished(self, result: Result) -> None:
        """Note how the call ended."""
        self._result = result

    async def __aenter__(self) -> "OpenEntry":
        self._started = time.perf_counter()
        try:
            await self._log.keep_decision(self._call, self._decision)
        except asyncio.CancelledError:
            self._end("cancelled")  # the decision may be durable already
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(_code(error))

    def _end(self, code: str) -> None:
        seconds = time.perf_counter() - self._started
        entry = outcome_entry(self._call, code, self._log.clock(), seconds=seconds, result=self._result)
        self._log.keep_outcome(entry)


def _code(error: BaseException | None) -> str:
    if error is None:
        return "ok"
    if isinstance(error, InterchangeError):
        return error.code
    return "cancelled" if isinstance(error, asyncio.CancelledError) else "internal"
