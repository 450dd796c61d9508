"""Each promise of turns, broken on its own, is found by the checks within seconds: so they are known to bite.

One pair of gateways plays all faults, one after the other, and in the end none.
"""

import asyncio
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, replace

import pytest

from tests.crash.places import sqlite_place
from tests.crash.report import Report
from tests.crash.turns.gateway import FAULTS
from tests.crash.turns.house import House, house
from tests.crash.turns.run import Manner, play
from tests.crash.turns.storm import Storm
from tests.crash.turns.words import FLAKY, SAY, TAKE, TELL
from tests.support.replicas import CALLED
from tests.support.until import until

SECONDS = 2.0
PATIENCE = 20.0

LONG = 3_000
"""Milliseconds: longer than a lease, and as long as a gateway that stands still does so."""


async def in_peace(_: Storm) -> None:
    """Nobody is struck."""
    await asyncio.sleep(SECONDS)


async def gateways_stop(storm: Storm) -> None:
    """Both stand still, one after the other: the first just before long answers come, while its leases end."""
    await until(lambda: any(errand.task for errand in storm.clients.errands))
    await asyncio.sleep(1.7)
    for gateway in storm.house.gateways:
        await storm.stop(gateway)


async def the_agent_dies(storm: Storm) -> None:
    """It has said something when it is killed, and says all of it again to whoever has listened so far."""
    await until(lambda: any(sum(heard.pieces for heard in each.heard) > 15 for each in storm.clients.errands))
    await storm.kill(storm.house.agents[CALLED], CALLED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What is done to find a fault, and the checks of which one has to find it."""

    found_by: frozenset[str]
    scene: Callable[[Storm], Awaitable[None]] = in_peace
    manner: Manner


def _manner(*words: str, lanes: int = 2, patience: float = PATIENCE, takes: Sequence[int] = (10, 100, LONG)) -> Manner:
    return Manner(lanes=lanes, pace=0.05, agents=(CALLED,), words=words, takes=takes, patience=patience)


CASES: Mapping[str, Case] = {
    "late answers are not fenced": Case(
        found_by=frozenset({"fenced"}), scene=gateways_stop, manner=_manner(TAKE, lanes=6, takes=(LONG,))
    ),
    "attempts are not decided again": Case(found_by=frozenset({"audited"}), manner=_manner(SAY)),
    "every attempt is another delivery": Case(found_by=frozenset({"one_delivery"}), manner=_manner(FLAKY)),
    "a cancellation is only remembered": Case(found_by=frozenset({"cancelled_stays"}), manner=_manner(TAKE, lanes=4)),
    "a turn is settled before its reply is logged": Case(
        found_by=frozenset({"replies"}), manner=_manner(SAY, patience=4)
    ),
    "pieces do not say of which attempt they are": Case(
        found_by=frozenset({"seen_as_logged"}), scene=the_agent_dies, manner=_manner(TELL, lanes=3)
    ),
    "leases are not extended": Case(
        found_by=frozenset({"quiet_attempts"}), manner=_manner(TAKE, patience=4, takes=(LONG,))
    ),
    "webhooks count as told before they answer": Case(
        found_by=frozenset({"webhooks"}), manner=_manner(TELL, SAY, SAY, SAY)
    ),
}


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Generator[House]:
    folder = tmp_path_factory.mktemp("turns")
    with sqlite_place(folder) as place, house(folder, place) as opened:
        yield opened


def played(opened: House, fault: str) -> Report:
    case = CASES[fault]
    opened.has_fault(fault)
    try:
        hasty = replace(case.manner, silence=3.0)  # a webhook that is never told is not waited for
        return asyncio.run(play(opened, case.scene, seed=FAULTS.index(fault), manner=hasty))
    finally:
        opened.has_fault("")


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_promise_is_found(at_work: House, fault: str) -> None:
    report = played(at_work, fault)

    assert report.broken & CASES[fault].found_by, report


def test_without_a_fault_nothing_is_found(at_work: House) -> None:
    async def everything(storm: Storm) -> None:
        await in_peace(storm)
        await the_agent_dies(storm)
        await gateways_stop(storm)

    report = asyncio.run(play(at_work, everything, seed=99, manner=_manner(SAY, TAKE, TELL, FLAKY, lanes=3)))

    assert report.violations == [], report
