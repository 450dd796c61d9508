"""Turns of agents behind both bindings while gateways, agents and servers are killed, stopped and deployed: for a short
while.

`make crash` does the same for longer.
"""

import asyncio
from pathlib import Path

import pytest

from tests.crash.turns.__main__ import place_of
from tests.crash.turns.house import house
from tests.crash.turns.run import Manner, weather

SECONDS = 15.0


@pytest.mark.parametrize("engine", ["sqlite", "postgres and nats"])
def test_no_turn_is_lost_repeated_reordered_or_stuck(engine: str, tmp_path: Path) -> None:
    with place_of(engine, tmp_path) as place, house(tmp_path, place) as opened:
        report = asyncio.run(weather(opened, seconds=SECONDS, seed=11, manner=Manner()))

    assert report.violations == [], report
    assert report.figures["acknowledged"] >= 50, report
    assert report.figures["attempts that were repeated"] > 0, report
    assert len(report.strikes) >= 3, report
