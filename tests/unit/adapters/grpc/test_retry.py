"""When a call may be made once more."""

import grpc
import pytest

from adapters.grpc.retry import RetryRule, may_repeat
from registry.model import Hints


def test_pauses_double_and_end_with_the_last_attempt() -> None:
    rule = RetryRule(attempts=4, pause=0.1)
    assert [rule.pause_after(attempt, chance=1) for attempt in (1, 2, 3, 4)] == [0.1, 0.2, 0.4, None]


def test_chance_takes_away_up_to_half() -> None:
    assert RetryRule(pause=0.1).pause_after(1, chance=0) == 0.05


@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_only_what_is_unavailable_and_repeatable_is_repeated(code: grpc.StatusCode) -> None:
    for repeatable in (True, False):
        hints = Hints(read_only=False, destructive=False, idempotent=repeatable, open_world=False)
        assert may_repeat(hints, code) is (repeatable and code is grpc.StatusCode.UNAVAILABLE)
