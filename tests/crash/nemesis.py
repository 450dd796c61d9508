"""The nemesis: what befalls the processes of a run, and its database, while they work."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

from tests.crash.setting import Setting

HERE = Path(__file__).parents[2]
END_SECONDS = 20.0
BEYOND_THE_LEASE = 0.7
"""Seconds that a stopped dispatcher sleeps longer than its lease."""

Who = tuple[str, int]
"""A role, and its number."""


class Cast:
    """The processes of a run, by role and number. They are on a `stage`."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.pids: dict[Who, int] = {}
        self.deaths: list[str] = []
        self._stage: subprocess.Popen[bytes] | None = None
        self._codes: dict[int, int] = {}
        self._changed = threading.Condition()

    def start(self) -> None:
        """Start everybody."""
        self.setting.clocks.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "tests.crash.stage", str(self.setting.write())]
        self._stage = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        threading.Thread(target=self._listen, args=(self._stage,), daemon=True).start()
        for who in self.setting.cast:
            self._start(who)

    def restart(self, who: Who) -> None:
        """Kill one of them, and let it begin anew."""
        self.signal(who, signal.SIGKILL)
        self._wait_for(lambda: self.pids[who] in self._codes, seconds=END_SECONDS)
        self._start(who)

    def signal(self, who: Who, number: signal.Signals) -> None:
        """Send a signal to one of them."""
        with suppress(ProcessLookupError):
            os.kill(self.pids[who], number)

    def has_ended(self, role: str) -> bool:
        """Whether all who play a role have ended."""
        return all(pid in self._codes for who, pid in self.pids.items() if who[0] == role)

    def wait(self, *, seconds: float) -> None:
        """Wait until all have ended by themselves; whoever does not is a death."""
        self._wait_for(lambda: all(pid in self._codes for pid in self.pids.values()), seconds=seconds)
        for who, pid in self.pids.items():
            if pid not in self._codes:
                self.deaths.append(f"{who[0]} {who[1]} did not end")

    def kill(self) -> None:
        """End everybody at once."""
        if self._stage is not None and self._stage.stdin is not None:
            with suppress(BrokenPipeError):  # the stage itself has ended; why, it says on stderr
                self._stage.stdin.close()
            self._stage.wait(END_SECONDS)

    def _start(self, who: Who) -> None:
        assert self._stage is not None
        assert self._stage.stdin is not None
        before = self.pids.get(who)
        self._stage.stdin.write(f"start {who[0]} {who[1]}\n".encode())
        self._stage.stdin.flush()
        self._wait_for(lambda: self.pids.get(who) != before, seconds=END_SECONDS)

    def _listen(self, stage: "subprocess.Popen[bytes]") -> None:
        """Hear who started, and who ended: by a signal that was sent, by itself, or of an error."""
        assert stage.stdout is not None
        for line in stage.stdout:
            what, role, number, pid, *code = line.decode().split()
            who = (role, int(number))
            with self._changed:
                if what == "started":
                    self.pids[who] = int(pid)
                else:
                    self._codes[int(pid)] = int(code[0])
                    if int(code[0]) not in (0, -signal.SIGKILL):
                        self.deaths.append(f"{role} {number} ended with {code[0]}")
                self._changed.notify_all()

    def _wait_for(self, holds: Callable[[], bool], *, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(holds, seconds)


class Nemesis:
    """Strikes every now and then, in every way once before it does so in any way again.

    `servers` are what can be killed beside the roles: each kills one and starts it again.
    """

    def __init__(self, cast: Cast, *, seed: int, servers: Mapping[str, Callable[[], None]]) -> None:
        self.cast = cast
        self.strikes: Counter[str] = Counter()
        self.rounds = 0
        self._dice = random.Random(seed)
        self._servers = servers
        self._stopped: dict[Who, float] = {}
        self._ways: list[Callable[[], str]] = []
        self._next = 0.0

    def pass_by(self) -> None:
        """Strike if it is time, and let those go on who slept long enough."""
        now = time.monotonic()
        self._wake(now)
        if now < self._next:
            return
        if not self._ways:
            self._ways = self._shuffled_ways()
        self.strikes[self._ways.pop()()] += 1
        self.rounds += not self._ways
        self._next = time.monotonic() + 0.2 + 0.8 * self._dice.random()

    def rest(self) -> None:
        """Let everybody go on, and set their clocks right."""
        self._wake(float("inf"))
        for file in self.cast.setting.clocks.iterdir():
            file.unlink()

    def _shuffled_ways(self) -> list[Callable[[], str]]:
        kills = [
            partial(self._kill, role) for role in ("writer", "writer", "dispatcher", "dispatcher", "answerer", "reader")
        ]
        servers = [partial(self._kill_server, name) for name in self._servers]
        ways = [
            *kills,
            *servers,
            self._stop_a_dispatcher,
            self._stop_a_dispatcher,
            self._set_a_clock,
            self._set_a_clock,
        ]
        self._dice.shuffle(ways)
        return ways

    def _kill(self, role: str) -> str:
        who = self._some(role)
        self._stopped.pop(who, None)
        self.cast.restart(who)
        return f"{role} killed"

    def _kill_server(self, name: str) -> str:
        self._servers[name]()
        return f"{name} killed"

    def _stop_a_dispatcher(self) -> str:
        who = self._some("dispatcher")
        self.cast.signal(who, signal.SIGSTOP)
        self._stopped[who] = time.monotonic() + self.cast.setting.lease + BEYOND_THE_LEASE
        return "dispatcher stopped"

    def _set_a_clock(self) -> str:
        role, number = self._dice.choice(list(self.cast.pids))
        wrong_by = self._dice.choice((-3600.0, 3600.0, 0.0))
        (self.cast.setting.clocks / f"{role}-{number}").write_text(str(wrong_by))
        return "clock set"

    def _some(self, role: str) -> Who:
        return self._dice.choice([who for who in self.cast.pids if who[0] == role])

    def _wake(self, now: float) -> None:
        for who, until in list(self._stopped.items()):
            if now >= until:
                self.cast.signal(who, signal.SIGCONT)
                del self._stopped[who]
