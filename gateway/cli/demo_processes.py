"""The processes of a demo: out of Ctrl-C's reach, ended with it, and the agent started again when it breaks down."""

import subprocess
import sys
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

PAUSE = 3.0
"""Seconds between the end of an agent's process and its next start."""
PATIENCE = 2.0
"""Seconds that a process has to end once it is told to."""


@contextmanager
def process(command: Sequence[str]) -> Generator["subprocess.Popen[str]"]:
    """A process whose output is read, ended with the context."""
    started = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, process_group=0)
    try:
        yield started
    finally:
        _end(started)


class AgentProcess:
    """An agent's process. Once it has published itself it is kept: where it ends, that is said, and it starts anew.

    What it says on standard error goes to `log`.
    """

    def __init__(
        self, name: str, command: Sequence[str], *, environment: Mapping[str, str], log: TextIO, pause: float = PAUSE
    ) -> None:
        self._name, self._command, self._environment, self._log = name, command, environment, log
        self._pause = pause
        self._told = threading.Event()  # it has published itself, or ended before it could
        self._stopping = threading.Event()
        self._starting = threading.Lock()
        self._published = False
        self._process = self._start()
        self._watcher = threading.Thread(target=self._watch, name=f"watches {name}", daemon=True)
        self._watcher.start()

    def is_published(self) -> bool:
        """Wait until the agent says that the gateway knows it; False if it ended instead."""
        self._told.wait()
        return self._published

    def stop(self) -> None:
        """End it for good."""
        with self._starting:
            self._stopping.set()
        _end(self._process)
        self._watcher.join()

    def _watch(self) -> None:
        while True:
            code = self._read_to_the_end()
            self._told.set()
            if self._stopping.is_set() or not self._published:
                return
            sys.stderr.write(f"{self._name} ended ({_manner(code)}), starting it again\n")
            sys.stderr.flush()
            if self._stopping.wait(self._pause) or not self._started_again():
                return

    def _read_to_the_end(self) -> int:
        for line in self._process.stdout or ():
            if line.startswith("published "):
                self._published = True
                self._told.set()
        return self._process.wait()

    def _started_again(self) -> bool:
        with self._starting:
            if self._stopping.is_set():
                return False
            self._process = self._start()
            return True

    def _start(self) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            self._command,
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            env=dict(self._environment),
            process_group=0,
        )


@contextmanager
def agent_process(
    name: str, command: Sequence[str], *, environment: Mapping[str, str], log: Path, pause: float = PAUSE
) -> Generator[AgentProcess]:
    """An agent's process, kept until the context ends. `log` is written anew."""
    with log.open("w") as written:
        agent = AgentProcess(name, command, environment=environment, log=written, pause=pause)
        try:
            yield agent
        finally:
            agent.stop()


def _end(running: "subprocess.Popen[str]") -> None:
    running.terminate()
    try:
        running.wait(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def _manner(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"
