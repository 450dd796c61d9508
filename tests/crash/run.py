"""A run: start everybody, let the nemesis do its worst, drain, and check."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from adapters.messaging.fabric import NoFabric
from adapters.messaging.opening import open_log
from tests.crash.checks import violations
from tests.crash.database import install_journal, snapshot
from tests.crash.evidence import Evidence, gather
from tests.crash.nemesis import END_SECONDS, Cast, Nemesis
from tests.crash.places import Place
from tests.crash.report import Report, report_on
from tests.crash.role import DRAINING, OVER, RUNNING, noted
from tests.crash.setting import Setting

DRAIN_SECONDS, START_SECONDS = 60.0, 60.0

_LEFT = """
SELECT (SELECT count(*) FROM mailbox WHERE ready_at IS NOT NULL OR parked <> '') AS mailboxes,
  (SELECT count(*) FROM turn WHERE state NOT IN ('completed', 'failed', 'cancelled', 'rejected')) AS turns
"""


def run(setting: Setting, place: Place, *, seconds: float, at_least: int = 0) -> Report:
    """Let a run last so many seconds, and on a slow machine until so many messages were acknowledged and everything has
    been struck; drain it, and check.

    A mutant is looked at while it runs, and ends with its first violation.
    """
    setting = replace(setting, url=place.url, fabric=place.fabric)
    prepare(setting)
    cast = Cast(setting)
    nemesis = Nemesis(cast, seed=setting.seed, servers=place.servers)
    try:
        cast.start()
        await_acknowledgements(setting, 50)
        found = _strike(nemesis, seconds, at_least)
        return report_on(found, nemesis.strikes) if found else finish(cast, nemesis.strikes)
    finally:
        cast.kill()


def prepare(setting: Setting) -> None:
    """Make a log in which nothing has happened yet."""
    setting.clocks.mkdir()
    reopen(setting)
    install_journal(setting.url)
    _set_phase(setting, RUNNING)


def reopen(setting: Setting) -> None:
    """Have the product open the log once: it makes a SQLite file, and recovers what a crash has left."""

    async def once() -> None:
        async with open_log(setting.url, fabric=NoFabric()):
            pass

    asyncio.run(once())


def finish(cast: Cast, strikes: Mapping[str, int]) -> Report:
    """Drain a run in peace, end it, and look at everything."""
    setting = cast.setting
    _set_phase(setting, DRAINING)
    _wait_until_drained(cast)
    _set_phase(setting, OVER)
    cast.wait(seconds=END_SECONDS)
    evidence = gather(setting, over=True)
    evidence.deaths += cast.deaths
    return report_on(evidence, strikes)


def await_acknowledgements(setting: Setting, more: int) -> None:
    """Wait until the writers were acknowledged so many more messages.

    Raises:
        RuntimeError: it takes too long.
    """
    deadline = time.monotonic() + START_SECONDS
    wanted = _acknowledged(setting) + more
    while _acknowledged(setting) < wanted:
        if time.monotonic() > deadline:
            raise RuntimeError(f"Not even {more} messages were acknowledged in {START_SECONDS:g} seconds.")
        time.sleep(0.02)


def _strike(nemesis: Nemesis, seconds: float, at_least: int) -> Evidence | None:
    """Let the nemesis strike until the time is over; the evidence, if something was seen to be wrong before."""
    setting = nemesis.cast.setting
    begun = time.monotonic()
    look = begun + 1.0
    while (now := time.monotonic()) < begun + seconds or (
        now < begun + seconds + START_SECONDS and (_acknowledged(setting) < at_least or not nemesis.rounds)
    ):
        nemesis.pass_by()
        if nemesis.cast.deaths or (setting.mutant and now > look):
            evidence = gather(setting)
            evidence.deaths += nemesis.cast.deaths
            if violations(evidence):
                return evidence
            look = time.monotonic() + 0.5
        time.sleep(0.02)
    nemesis.rest()
    return None


def _set_phase(setting: Setting, phase: str) -> None:
    """Tell all roles how far the run is."""
    fresh = setting.phase.with_suffix(".new")
    fresh.write_text(phase)
    fresh.replace(setting.phase)


def _wait_until_drained(cast: Cast) -> None:
    """Wait until nothing is left to be delivered and readers have seen everything, but not for ever: what is left then
    is for the checks to find."""
    deadline = time.monotonic() + DRAIN_SECONDS
    while time.monotonic() < deadline and not cast.deaths:
        if cast.has_ended("writer") and _is_quiet(cast.setting) and _is_read(cast.setting):
            return
        time.sleep(0.1)


def _is_quiet(setting: Setting) -> bool:
    (left,) = snapshot(setting.url, {"left": _LEFT})["left"]
    return left["mailboxes"] == 0 and left["turns"] == 0


def _is_read(setting: Setting) -> bool:
    rows = snapshot(setting.url, {"tails": "SELECT id, tail FROM conversation"})["tails"]
    tails = {row["id"]: row["tail"] for row in rows}
    readers = range(setting.roles["reader"])
    return all(_ends(setting.notes_of("reader", number)) == tails for number in readers)


def _ends(path: Path) -> Mapping[str, int]:
    """How far a reader has come, by conversation."""
    return {note["c"]: note["seq"] for note in noted(path) if note["k"] == "read"}


def _acknowledged(setting: Setting) -> int:
    paths = [setting.notes_of("writer", number) for number in range(setting.roles["writer"])]
    return sum(path.read_bytes().count(b'"k":"ack"') for path in paths if path.exists())
