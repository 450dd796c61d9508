"""Power cuts: the machine that has the database loses its power, again and again, and what was not synced is gone.

On SQLite that machine is the one the roles run on, too; on PostgreSQL it is the server's alone. What the roles noted is
elsewhere and survives, so everything they were told has to be on the disk that is left: not only each acknowledgement,
but each claim, each settle and each message that was read. See `tracer` for how, and `disk` for what is lost.
"""

import asyncio
import json
import random
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from tests.crash.checks import violations
from tests.crash.evidence import Evidence, gather
from tests.crash.nemesis import HERE, Cast
from tests.crash.report import Report, report_on
from tests.crash.run import await_acknowledgements, finish, prepare, reopen
from tests.crash.setting import Setting
from tests.crash.tracer import Program, Spec
from tests.support.postgres import PostgresServer

CUT_SECONDS = 60.0


@dataclass(slots=True, kw_only=True)
class Machine:
    """A machine whose disk is `folder`. `switch_on` runs a program on it until `cut`."""

    folder: Path
    dice: random.Random
    cuts: Counter[str] = field(default_factory=Counter[str])
    running: "subprocess.Popen[bytes] | None" = None

    def switch_on(self, program: Program) -> "subprocess.Popen[bytes]":
        """Run a program, traced."""
        spec = Spec(folder=str(self.folder), into=str(self._after), seed=self.dice.getrandbits(32), program=program)
        path = self.folder.with_name("machine.json")
        path.write_text(json.dumps(asdict(spec)))
        command = [sys.executable, "-m", "tests.crash.tracer", str(path)]
        self.running = subprocess.Popen(command, cwd=HERE, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        return self.running

    def cut(self) -> None:
        """Cut the power: everything on it ends, and its disk has what was synced, and some of the rest."""
        self._cut()
        after = self._after
        for child in list(self.folder.iterdir()):  # the folder itself stays: its inode is a name to some
            shutil.rmtree(child) if child.is_dir() else child.unlink()
        for child in list(after.iterdir()):
            child.rename(self.folder / child.name)
        after.rmdir()

    def end(self) -> None:
        """End everything that still runs on it, and forget nothing."""
        if self.running is not None:
            self._cut()
            shutil.rmtree(self._after)

    @property
    def _after(self) -> Path:
        return self.folder.with_name("after")

    def _cut(self) -> None:
        assert self.running is not None
        running, self.running = self.running, None
        told, _ = running.communicate(b"cut\n", CUT_SECONDS)
        if running.returncode != 0:
            raise RuntimeError(f"The tracer ended with {running.returncode}.")
        figures = json.loads(told)
        self.cuts.update({"power cuts": 1, "calls seen": figures["calls"], "blocks lost": figures["dropped"]})


def cut_sqlite(setting: Setting, *, cuts: int, apart: int) -> Report:
    """Let the roles work on a machine whose power is cut after so many acknowledgements, again and again."""
    disk = setting.folder / "disk"
    disk.mkdir()
    setting = replace(setting, url=f"sqlite:///{disk / 'log.db'}")
    machine = Machine(folder=disk, dice=random.Random(setting.seed))
    prepare(setting)
    stage = Program(
        arguments=[sys.executable, "-m", "tests.crash.stage", str(setting.write()), "alone"],
        says=str(setting.folder / "stage.out"),
        cwd=str(HERE),
    )
    try:
        for _ in range(cuts):
            machine.switch_on(stage)
            await_acknowledgements(setting, apart)
            machine.cut()
            reopen(setting)  # it is the product that finds what is left
            if found := _wrong(setting):
                return report_on(found, machine.cuts)
    finally:
        machine.end()
    cast = Cast(setting)
    try:
        cast.start()
        return finish(cast, machine.cuts)
    finally:
        cast.kill()


def cut_postgres(setting: Setting, *, cuts: int, apart: int) -> Report:
    """Let the roles work on a server whose machine loses its power after so many acknowledgements, again and again."""
    with ExitStack() as opened:
        server = CutServer()
        opened.callback(server.stop)
        server.start()
        setting = replace(setting, url=asyncio.run(server.create_database()))
        prepare(setting)
        server.shut_down()
        machine = Machine(folder=server.data, dice=random.Random(setting.seed))
        server.machine = machine
        cast = Cast(setting)
        opened.callback(cast.kill)
        server.start()
        cast.start()
        for number in range(cuts):
            await_acknowledgements(setting, apart)
            server.cut()
            if number == cuts - 1:
                server.machine = None  # the last time, it may stay on
            server.start()
            if found := _wrong(setting):
                return report_on(found, machine.cuts)
        return finish(cast, machine.cuts)


class CutServer(PostgresServer):
    """A server that runs on a machine whose power can be cut, if it is given one."""

    machine: Machine | None = None

    @property
    def data(self) -> Path:
        return self._folder / "data"

    def cut(self) -> None:
        """Cut the power of its machine."""
        assert self.machine is not None
        self.machine.cut()
        self._forget()

    def stop(self) -> None:
        """See `PostgresServer`. A server that was killed is started once more: it tidies up what it had in memory."""
        if self.machine is not None:
            self.machine.end()
            self.machine = None
            self._forget()
            self.start()
        super().stop()

    def _spawn(self, command: list[str]) -> "subprocess.Popen[bytes]":
        if self.machine is None:
            return super()._spawn(command)
        user = (self._user.pw_uid, self._user.pw_gid) if self._user else None
        command = [*command, "--recovery_init_sync_method=syncfs"]  # one call that is traced, and not a thousand
        program = Program(arguments=command, user=user, says=str(self._folder / "log"), cwd=str(self._folder))
        return self.machine.switch_on(program)

    def _wait_until_ready(self, status: Path, process: "subprocess.Popen[bytes]") -> None:
        if self.machine is None:
            super()._wait_until_ready(status, process)
            return
        deadline = time.monotonic() + CUT_SECONDS
        while time.monotonic() < deadline and process.poll() is None:
            if status.exists() and status.read_text().rstrip().endswith("ready"):
                return
            time.sleep(0.02)
        raise RuntimeError(f"PostgreSQL did not start: {self.log}")


def _wrong(setting: Setting) -> Evidence | None:
    """What is known after a cut, if something is wrong with it."""
    evidence = gather(setting)
    return evidence if violations(evidence) else None


CUTS: dict[str, Callable[..., Report]] = {"sqlite": cut_sqlite, "postgres": cut_postgres}
