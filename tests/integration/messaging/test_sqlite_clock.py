"""The log's clock: one for all processes, never set, and never back, whatever a machine does."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from adapters.messaging.queries import load_script
from adapters.messaging.sqlite.clock import STRIDE, LogClock, Machine

SCRIPT = Path(__file__).parents[3] / "adapters/messaging/migrations/versions/0001.sqlite.sql"


class FakeMachine:
    """A machine whose clocks a test sets: the time of day, and the seconds since it was started."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, boot: str = "first") -> None:
        self.boot = boot
        self.seconds = 100.0
        self.day = 1_000_000.0
        monkeypatch.setattr("time.time", lambda: self.day)

    def pass_time(self, seconds: float) -> None:
        self.seconds += seconds
        self.day += seconds

    def reboot(self, boot: str) -> None:
        self.boot, self.seconds = boot, 3.0

    def clock(self) -> LogClock:
        return LogClock(Machine(self.boot, lambda: self.seconds), lambda: 0.0)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    return FakeMachine(monkeypatch)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        for statement in load_script(SCRIPT):
            connection.execute(statement)
        yield connection


def started(machine: FakeMachine, connection: sqlite3.Connection) -> LogClock:
    clock = machine.clock()
    clock.start(connection)
    return clock


def test_it_begins_with_the_time_of_day(machine: FakeMachine, connection: sqlite3.Connection) -> None:
    clock = started(machine, connection)
    assert clock.now() == pytest.approx(machine.day)
    machine.pass_time(10)
    assert clock.now() == pytest.approx(machine.day)


def test_it_does_not_follow_when_the_time_of_day_is_set(machine: FakeMachine, connection: sqlite3.Connection) -> None:
    clock = started(machine, connection)
    before = clock.now()
    for jump in (-500_000, 900_000):
        machine.day += jump
        assert clock.now() == before


def test_all_processes_of_a_boot_have_the_same(machine: FakeMachine, connection: sqlite3.Connection) -> None:
    first = started(machine, connection)
    machine.pass_time(3600)
    first.keep_ahead(connection)
    machine.day -= 100_000
    assert started(machine, connection).now() == first.now()


@pytest.mark.parametrize("day_jumps_by", [-500_000, 0, 500_000])
@pytest.mark.parametrize("boot", ["second", "first"], ids=["named", "a machine that does not name its boots"])
def test_it_never_goes_back_across_a_boot(
    day_jumps_by: float, boot: str, machine: FakeMachine, connection: sqlite3.Connection
) -> None:
    clock = started(machine, connection)
    for _ in range(100):
        machine.pass_time(7)
        clock.keep_ahead(connection)
    before = clock.now()

    machine.reboot(boot)
    machine.day += day_jumps_by
    after = started(machine, connection).now()
    assert after >= before
    assert after == pytest.approx(max(before, machine.day), abs=STRIDE)


def test_a_write_per_commit_is_not_needed(machine: FakeMachine, connection: sqlite3.Connection) -> None:
    clock = started(machine, connection)
    before = connection.total_changes
    for _ in range(1000):
        machine.pass_time(0.01)
        clock.keep_ahead(connection)
    assert connection.total_changes == before


def test_tests_can_shift_it(machine: FakeMachine, connection: sqlite3.Connection) -> None:
    shift = 0.0
    clock = LogClock(Machine("first", lambda: machine.seconds), lambda: shift)
    clock.start(connection)
    before = clock.now()
    shift = 3600.0
    assert clock.now() == before + 3600
    assert started(machine, connection).now() == before, "only for whoever shifts it"
