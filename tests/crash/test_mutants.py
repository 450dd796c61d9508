"""Each promise, broken on its own, is found by the checks: so they are known to bite."""

from pathlib import Path

import pytest

from tests.crash.places import sqlite_place
from tests.crash.run import run
from tests.crash.setting import Setting

SECONDS = 12.0
"""A mutant that lives for so long was not found; most are after three."""

FOUND_BY = {
    "no_fence_check": {"settles_at_its_fence"},
    "random_reply_ids": {"replies_once"},
    "cursor_outside_transaction": {"nothing_is_forgotten", "replies_in_order"},
    "lease_ignored_by_claim": {"claims_wait"},
    "sender_left_out_of_dedup": {"acknowledged"},
    "cursor_moves_back": {"mailboxes_go_forward"},
    "question_parks_nothing": {"parked_in_the_log", "nothing_is_forgotten"},
}
"""The checks of which one has to find a mutant at least."""


@pytest.mark.parametrize("mutant", FOUND_BY)
def test_a_broken_promise_is_found(mutant: str, tmp_path: Path) -> None:
    setting = Setting(url="", folder=tmp_path, mutant=mutant, lease=0.3, overstay=0.1)
    with sqlite_place(tmp_path) as place:
        report = run(setting, place, seconds=SECONDS)

    assert report.broken & FOUND_BY[mutant], report
