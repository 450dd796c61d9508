"""Nothing acknowledged is lost, repeated or reordered while all of it is killed, stopped and misled: for a short while.

`make crash` does the same for longer.
"""

from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.crash.places import Place, postgres_place, sqlite_place, with_nats
from tests.crash.run import run
from tests.crash.setting import Setting

SECONDS = 8.0
ALL_STRIKES = {
    "writer killed", "dispatcher killed", "answerer killed", "reader killed", "dispatcher stopped", "clock set"
}  # fmt: skip


@contextmanager
def place_of(name: str, folder: Path) -> Generator[Place]:
    """SQLite with no fabric between its processes, or PostgreSQL with a NATS that is killed as well."""
    if name == "sqlite":
        with sqlite_place(folder) as place:
            yield place
        return
    with postgres_place() as place, with_nats(place) as reached:
        yield reached


@pytest.mark.parametrize("name", ["sqlite", "postgres and nats"])
def test_nothing_acknowledged_is_lost_repeated_or_reordered(name: str, tmp_path: Path) -> None:
    with place_of(name, tmp_path) as place:
        setting = Setting(url=place.url, folder=tmp_path, seed=7, overstay=0.02)
        report = run(setting, place, seconds=SECONDS, at_least=400)

    assert report.violations == [], report
    assert report.figures["acknowledged"] >= 400, report
    assert report.figures["redelivered"] > 10, report
    assert report.figures["fenced"] > 0, report
    assert report.strikes.keys() == ALL_STRIKES | {f"{server} killed" for server in place.servers}, report
