"""A role: a process that opens the log, does its part until the run is over, and notes what it was told.

It may be killed at any moment and begins anew from its notes. One line is one write to a file opened for appending, so
a note is there or it is not. Whatever ends a role by itself is an error of the product, and is left on stderr.
"""

import asyncio
import json
import os
import random
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.opening import OpenLog, open_fabric, open_log
from adapters.messaging.outcomes import Lease
from tests.crash import mutants
from tests.crash.setting import Setting

RUNNING, DRAINING, OVER = "running", "draining", "over"
ENDED_BY = "This role was ended by:"
"""What stands before the last words of somebody whom an error ended."""

PATIENCE = 5.0
"""Seconds until a call counts as one whose outcome is unknown."""


class Notes:
    """What a role was told: lines of JSON, appended one write at a time."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)

    def note(self, *told: dict[str, Any]) -> None:
        """Append some lines, all of them or none."""
        os.write(self._file, b"".join(json.dumps(each, separators=(",", ":")).encode() + b"\n" for each in told))


def noted(path: Path) -> Iterator[dict[str, Any]]:
    """What was noted so far, whole lines only."""
    if not path.exists():
        return
    for line in path.read_bytes().split(b"\n")[:-1]:
        yield json.loads(line)


@dataclass(slots=True, kw_only=True)
class Part:
    """What a role has to play with. `life` is unique to this process; `dice` is seeded, and other in each life."""

    setting: Setting
    number: int
    role: str
    life: str
    notes: Notes
    dice: random.Random
    opened: OpenLog
    phase: str = RUNNING

    @property
    def path(self) -> Path:
        return self.setting.notes_of(self.role, self.number)

    @property
    def lease(self) -> Lease:
        return Lease(owner=self.life, seconds=self.setting.lease)

    @property
    def is_running(self) -> bool:
        return self.phase == RUNNING

    @property
    def is_over(self) -> bool:
        return self.phase == OVER


def play(role: str, act: Callable[[Part], Awaitable[None]], setting: Setting, number: int) -> None:
    """Play a role in this process, until the run is over."""
    mutants.apply(setting.mutant)
    clock = WrongClock(setting.clocks / f"{role}-{number}")
    clock.install()
    asyncio.run(_play(role, act, setting, number, clock))


async def _play(
    role: str, act: Callable[[Part], Awaitable[None]], setting: Setting, number: int, clock: "WrongClock"
) -> None:
    life = f"{role}-{number}.{os.getpid()}.{time.monotonic_ns() % 10**9}"
    async with opened_log(setting) as opened:
        part = Part(
            setting=setting,
            number=number,
            role=role,
            life=life,
            notes=Notes(setting.notes_of(role, number)),
            dice=random.Random(f"{setting.seed} {life}"),
            opened=opened,
        )
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(_watch(part, clock))
            await act(part)
            watching.cancel()


async def _watch(part: Part, clock: "WrongClock") -> None:
    """Follow how far the run is, and what time the nemesis says it is."""
    while True:
        part.phase = part.setting.phase.read_text() or part.phase
        clock.look()
        await asyncio.sleep(0.05)


@asynccontextmanager
async def opened_log(setting: Setting) -> AsyncGenerator[OpenLog]:
    """The log, once its database can be reached."""
    async with open_fabric(setting.fabric, name="crash") as fabric, AsyncExitStack() as opened:
        while True:
            try:
                log = await opened.enter_async_context(open_log(setting.url, fabric=fabric, poll=setting.poll))
                break
            except LogUnavailable:
                await asyncio.sleep(0.1)
        yield log


class WrongClock:
    """The time of day of this process, which the nemesis sets by writing to a file by how much it is wrong."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._wrong_by = 0.0

    def install(self) -> None:
        """Let whoever asks for the time be told the wrong one."""
        right, right_ns = time.time, time.time_ns
        time.time = lambda: right() + self._wrong_by
        time.time_ns = lambda: right_ns() + int(self._wrong_by * 1e9)

    def look(self) -> None:
        """See by how much it is wrong now."""
        try:
            self._wrong_by = float(self._path.read_text() or 0)
        except FileNotFoundError:
            self._wrong_by = 0.0
