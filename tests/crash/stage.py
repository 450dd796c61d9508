"""The stage: a process that has everything loaded, and becomes whoever is to begin.

    python -m tests.crash.stage SETTING [alone]

Roles are killed more often than Python starts, so each is a copy of this process and begins at once. On stdin it is
told `start ROLE NUMBER`; on stdout it says `started ROLE NUMBER PID` and `ended ROLE NUMBER PID CODE`. Once stdin ends,
it ends all of them. `alone` it starts everybody by itself, and ends when they have.
"""

import gc
import importlib
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from tests.crash.answerer import answer
from tests.crash.dispatcher import dispatch
from tests.crash.reader import read
from tests.crash.role import ENDED_BY, Part, play
from tests.crash.setting import Setting, read_setting
from tests.crash.writer import write

ROLES: dict[str, Callable[[Part], Coroutine[None, None, None]]] = {
    "writer": write,
    "dispatcher": dispatch,
    "answerer": answer,
    "reader": read,
}


class Stage:
    """Who plays."""

    def __init__(self, setting: Setting) -> None:
        self._setting = setting
        self._pids: dict[int, tuple[str, int]] = {}

    def start(self, role: str, number: int) -> None:
        """Let a role begin, in a process of its own."""
        pid = os.fork()
        if pid == 0:
            _become(self._setting, role, number)
        self._pids[pid] = (role, number)
        print("started", role, number, pid, flush=True)

    def collect(self) -> None:
        """Say who has ended."""
        for pid, (role, number) in list(self._pids.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self._pids[pid]
                print("ended", role, number, pid, os.waitstatus_to_exitcode(status), flush=True)

    def obey(self) -> None:
        """Do as is told, until nothing is told any more."""
        told = b""
        while True:
            if select.select([0], [], [], 0.02)[0]:
                more = os.read(0, 4096)
                if not more:
                    self.end()
                    return
                told += more
                *lines, told = told.split(b"\n")
                for line in lines:
                    _, role, number = line.decode().split()
                    self.start(role, int(number))
            self.collect()

    def wait(self) -> None:
        """Wait until everybody has ended."""
        for pid in self._pids:
            os.waitpid(pid, 0)

    def end(self) -> None:
        """Kill everybody."""
        for pid in self._pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()


def _become(setting: Setting, role: str, number: int) -> NoReturn:
    """Play a role in this process; whatever ends it but the run's end is on its stderr."""
    code = 1
    try:
        errors = os.open(setting.errors_of(role, number), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        nothing = os.open(os.devnull, os.O_RDWR)
        for target, source in ((0, nothing), (1, nothing), (2, errors)):
            os.dup2(source, target)
        play(role, ROLES[role], setting, number)
        code = 0
    except BaseException:
        print(ENDED_BY, file=sys.stderr)
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main() -> None:
    setting = read_setting(Path(sys.argv[1]))
    engine = "sqlite" if setting.url.startswith("sqlite") else "postgres"
    importlib.import_module(f"adapters.messaging.{engine}.engine")
    gc.freeze()
    stage = Stage(setting)
    if sys.argv[2:] == ["alone"]:
        for role, count in setting.roles.items():
            for number in range(count):
                stage.start(role, number)
        stage.wait()
        return
    stage.obey()


if __name__ == "__main__":
    main()
