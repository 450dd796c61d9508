"""A power cut loses nothing that was acknowledged, on either engine; and it would, if a commit were not synced."""

from pathlib import Path

import pytest

from tests.crash.power import CUTS
from tests.crash.ptrace import is_possible
from tests.crash.setting import Setting

pytestmark = pytest.mark.skipif(not is_possible(), reason="a process may not trace its children here")


TOLD = {"acknowledged", "settles_at_its_fence", "readers_see_all_in_order"}
"""The checks that know what somebody was told; any of them may be the first to miss it."""


def setting_in(folder: Path, *, mutant: str = "") -> Setting:
    roles = {"writer": 2, "dispatcher": 1, "answerer": 1, "reader": 1}
    return Setting(url="", folder=folder, mutant=mutant, conversations=8, pace=0.02, roles=roles)


@pytest.mark.parametrize("engine", CUTS)
def test_a_power_cut_loses_nothing_that_anybody_was_told(engine: str, tmp_path: Path) -> None:
    lost = 0
    for number in range(4):  # a cut may come when everything was synced a moment before
        folder = tmp_path / str(number)
        folder.mkdir()
        report = CUTS[engine](setting_in(folder), cuts=3, apart=150)

        assert report.violations == [], report
        assert report.strikes["power cuts"] == 3
        assert report.figures["acknowledged"] > 400, report
        if lost := report.strikes["blocks lost"]:
            break
    assert lost > 0


@pytest.mark.parametrize(("engine", "mutant"), [("sqlite", "commits_not_synced"), ("postgres", "commits_not_flushed")])
def test_what_is_answered_before_it_is_synced_is_found_missing(engine: str, mutant: str, tmp_path: Path) -> None:
    report = CUTS[engine](setting_in(tmp_path, mutant=mutant), cuts=6, apart=50)

    assert report.broken & TOLD, report
