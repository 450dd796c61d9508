"""When a failed delivery is tried again, and when it is given up."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.outcomes import Dead, Retry
from adapters.messaging.retry import RetryRule, after_failure, is_exhausted

RULE = RetryRule(attempts=4, first=1.0, growth=4.0, longest=10.0)


def test_every_delay_is_longer_than_the_one_before_until_the_longest() -> None:
    nominal = [1.0, 4.0, 10.0]
    for attempt, delay in enumerate(nominal, 1):
        waits = [RULE.delay_after(attempt, delivery=f"d{n}") or 0.0 for n in range(200)]
        assert delay / 2 <= min(waits) < delay * 0.6, "some wait only half of it"
        assert delay * 0.9 < max(waits) <= delay, "and some nearly all: what failed together is spread"


def test_after_the_last_attempt_there_is_no_other() -> None:
    assert RULE.delay_after(4, delivery="d") is None
    assert RULE.delay_after(5, delivery="d") is None
    assert RetryRule(attempts=1).delay_after(1, delivery="d") is None


def test_an_attempt_beyond_the_last_may_not_begin() -> None:
    assert not is_exhausted(RULE, 4)
    assert is_exhausted(RULE, 5)


def test_the_same_failure_comes_to_the_same_delay() -> None:
    assert RULE.delay_after(2, delivery="d") == RULE.delay_after(2, delivery="d")
    assert RULE.delay_after(2, delivery="d") != RULE.delay_after(2, delivery="e")


def test_what_cannot_be_repeated_is_given_up_at_once() -> None:
    outcome = after_failure(RULE, delivery="d", attempt=1, error="no such skill", retryable=False)
    assert outcome == Dead(error="no such skill")


def test_what_failed_for_the_last_time_is_given_up() -> None:
    assert after_failure(RULE, delivery="d", attempt=4, error="away", retryable=True) == Dead(error="away")


def test_a_far_side_that_asks_to_be_left_alone_is_left_alone_but_not_for_ever() -> None:
    patient = after_failure(RULE, delivery="d", attempt=1, error="busy", retryable=True, wait=7.0)
    assert patient == Retry(after=7.0, error="busy")
    for_ever = after_failure(RULE, delivery="d", attempt=1, error="busy", retryable=True, wait=1e9)
    assert for_ever == Retry(after=RULE.longest, error="busy")


@given(st.integers(1, 10_000), st.text(max_size=20))
def test_a_delay_is_never_nothing_and_never_longer_than_the_longest(attempt: int, delivery: str) -> None:
    delay = RetryRule(attempts=20_000).delay_after(attempt, delivery=delivery)
    assert delay is not None
    assert 0.5 <= delay <= RetryRule().longest


@pytest.mark.parametrize("attempt", [1, 2, 3])
def test_no_wait_asked_for_shortens_a_delay(attempt: int) -> None:
    own = RULE.delay_after(attempt, delivery="d")
    outcome = after_failure(RULE, delivery="d", attempt=attempt, error="e", retryable=True, wait=0.001)
    assert outcome == Retry(after=own or 0, error="e")
