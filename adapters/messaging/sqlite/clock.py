"""The log's clock: the time all processes with the same file share, which never jumps and never goes back.

It is the machine's boot clock, which nobody sets, plus an offset that the file keeps for the boot it was made in. After
a boot the offset is made anew from the time of day, so that the clock goes on at least from where it may have been.
What it may have been is known without a write per transaction: `latest` is a bound that is moved ahead in strides.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

STRIDE = 60.0
"""By how many seconds the bound is moved: the clock may jump ahead by so much after a boot, never back."""

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@dataclass(frozen=True, slots=True)
class Machine:
    """What a machine can say: which boot this is (empty: it cannot tell), and seconds since then."""

    boot: str
    seconds: Callable[[], float]


def this_machine() -> Machine:
    """The boot clock, which goes on while a machine sleeps; where there is none, the monotonic one."""
    boot = ""
    with suppress(OSError):
        boot = BOOT_ID.read_text(encoding="utf-8").strip()
    if hasattr(time, "CLOCK_BOOTTIME"):
        return Machine(boot, lambda: time.clock_gettime(time.CLOCK_BOOTTIME))
    return Machine(boot, time.monotonic)


class LogClock:
    """Reads the clock of one file. `shift` is added to it; tests move time with it."""

    def __init__(self, machine: Machine, shift: Callable[[], float]) -> None:
        self._machine = machine
        self._shift = shift
        self._ahead = 0.0
        self._latest = 0.0

    def now(self) -> float:
        """Seconds since the epoch, more or less; the same in every process."""
        return self._machine.seconds() + self._ahead + self._shift()

    def start(self, connection: sqlite3.Connection) -> None:
        """Find or make the offset of this boot; inside a transaction that may write."""
        row = connection.execute("SELECT boot, ahead, latest FROM clock").fetchone()
        seconds, self._latest = self._machine.seconds(), 0.0
        if row is not None:
            boot, self._ahead, self._latest = row
            # A machine that cannot name its boots gives itself away by a clock that has gone back.
            if boot == self._machine.boot and seconds + self._ahead >= self._latest - STRIDE:
                return
        self._ahead = max(time.time(), self._latest) - seconds
        self._latest = seconds + self._ahead + STRIDE
        connection.execute(
            "INSERT OR REPLACE INTO clock (id, boot, ahead, latest) VALUES (1, ?, ?, ?)",
            (self._machine.boot, self._ahead, self._latest),
        )

    def keep_ahead(self, connection: sqlite3.Connection) -> None:
        """Move the bound, if the clock comes close to it; inside a transaction that is going to be committed."""
        now = self._machine.seconds() + self._ahead
        if now > self._latest - STRIDE / 2:
            self._latest = now + STRIDE
            connection.execute("UPDATE clock SET latest = max(latest, ?)", (self._latest,))
