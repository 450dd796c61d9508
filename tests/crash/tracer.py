"""A machine that loses its power: runs a program, sees every write and sync of it, and cuts it off.

    python -m tests.crash.tracer SPEC    and then `cut` on stdin

A filter stops the program, and all that it starts, at the calls that change files; this process, which traces them,
tells the `Disk` before it lets them go on. So a call that syncs is known before it can return, and whoever was told
that something is safe was told so by a sync that the disk knows of. After the cut no call goes through any more; the
folder that is left is written down, and the exit code is 0.
"""

import json
import os
import random
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.crash.calls import Call
from tests.crash.disk import Disk
from tests.crash.ptrace import (
    ALL_THREADS,
    CONTINUE,
    EVENT_CALL,
    EVENT_STOP,
    EVENTS_NEW,
    LISTEN,
    OPTIONS,
    SEIZE,
    event_message,
    filter_calls,
    ptrace,
)

CALLS_LEFT, IDLE_SECONDS = 200, 0.5
"""Before how many calls the cut comes at the latest, and after how long if there are not so many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What is run: its arguments, who it is run as (None: ourselves), and where what it says goes."""

    arguments: Sequence[str]
    user: tuple[int, int] | None = None
    says: str = os.devnull
    cwd: str = "."


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """A program on a machine; the folder that is its disk; where to write what is left of it."""

    folder: str
    into: str
    seed: int
    program: Program


@dataclass(slots=True)
class Tracer:
    """Runs the program, and follows it and all that it starts."""

    spec: Spec
    disk: Disk
    dice: random.Random
    calls: int = 0
    _pids: set[int] = field(default_factory=set[int])
    _is_due: threading.Event = field(default_factory=threading.Event)
    _left: int | None = None
    _is_off: bool = False

    def run(self) -> None:
        """Until the power is cut, or everybody has ended."""
        self._pids.add(_start(self.spec.program))
        threading.Thread(target=self._await_cut, daemon=True).start()
        while True:
            try:
                pid, status = os.waitpid(-1, ALL_THREADS)
            except ChildProcessError:
                return
            if os.WIFSTOPPED(status):
                with suppress(ProcessLookupError):
                    self._stopped(pid, status)
            else:
                self._pids.discard(pid)

    def _await_cut(self) -> None:
        """The cut comes some calls after it was asked for, so that it falls anywhere between them."""
        sys.stdin.readline()
        self._is_due.set()
        threading.Event().wait(IDLE_SECONDS)
        self._cut()  # nobody calls anything: then any moment is as good

    def _stopped(self, pid: int, status: int) -> None:
        event, number = status >> 16, os.WSTOPSIG(status)
        if self._is_off:
            os.kill(pid, signal.SIGKILL)
            return
        if event == EVENT_CALL:
            self._called(pid)
            if self._is_off:
                return
        if event in EVENTS_NEW:
            self._pids.add(event_message(pid))
        stays = event == EVENT_STOP and number in (signal.SIGSTOP, signal.SIGTSTP, signal.SIGTTIN, signal.SIGTTOU)
        ptrace(LISTEN if stays else CONTINUE, pid, 0, 0 if event else number)

    def _called(self, pid: int) -> None:
        if self._is_due.is_set():
            self._left = self.dice.randrange(CALLS_LEFT) if self._left is None else self._left - 1
            if self._left <= 0:
                self._cut()
                return
        self.calls += 1
        try:
            Call(pid, self.spec.folder).tell(self.disk)
        except OSError:
            if not _is_dying(pid):
                raise  # else the call will not be carried out

    def _cut(self) -> None:
        self._is_off = True
        for pid in list(self._pids):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def _is_dying(pid: int) -> bool:
    """Whether a process was killed while it stood before a call."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True


def _start(program: Program) -> int:
    """Start a program that waits until it is traced."""
    waits, goes = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            _become(program, waits)
        finally:
            os._exit(127)
    os.close(waits)
    ptrace(SEIZE, pid, 0, OPTIONS)
    os.write(goes, b".")
    os.close(goes)
    return pid


def _become(program: Program, waits: int) -> None:
    os.read(waits, 1)
    says = os.open(program.says, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(says, 1)
    os.dup2(says, 2)
    os.chdir(program.cwd)
    if program.user is not None:
        os.setgroups([])
        os.setgid(program.user[1])
        os.setuid(program.user[0])
    filter_calls()
    os.execvp(program.arguments[0], list(program.arguments))


def read_spec(text: str) -> Spec:
    """A spec as it was written down."""
    told: Any = json.loads(text)
    program = told["program"]
    program["user"] = tuple(program["user"]) if program["user"] else None
    return Spec(folder=told["folder"], into=told["into"], seed=told["seed"], program=Program(**program))


def main() -> int:
    spec = read_spec(Path(sys.argv[1]).read_text())
    disk, dice = Disk(Path(spec.folder)), random.Random(spec.seed)
    tracer = Tracer(spec, disk, dice)
    tracer.run()
    disk.cut(Path(spec.into), dice)
    print(json.dumps({"calls": tracer.calls, "dropped": disk.dropped}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
