"""The breaker, with a clock that only moves when told to."""

from dataclasses import dataclass

import pytest

from adapters.grpc.breaker import TABLE, Breaker, BreakerRule, Change, Circuit

RULE = BreakerRule(failures=3, window=10, cool_down=5)


@dataclass
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def breaker(clock: Clock) -> Breaker:
    return Breaker(RULE, clock)


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        number = breaker.admit()
        assert number is not None
        breaker.failed(number)


def test_every_circuit_can_be_left() -> None:
    assert set(TABLE) == set(Circuit)
    assert {change for row in TABLE.values() for change in row} == set(Change)


def test_it_opens_after_so_many_failures_in_a_row(breaker: Breaker) -> None:
    fail(breaker, 2)
    assert breaker.circuit is Circuit.CLOSED
    fail(breaker)
    assert breaker.circuit is Circuit.OPEN
    assert breaker.admit() is None
    assert not breaker.lets_through


def test_an_answer_in_between_begins_the_count_anew(breaker: Breaker) -> None:
    fail(breaker, 2)
    number = breaker.admit()
    assert number is not None
    breaker.answered(number)
    fail(breaker, 2)
    assert breaker.circuit is Circuit.CLOSED


def test_failures_further_apart_than_the_window_do_not_count_together(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 2)
    clock.now += 11
    fail(breaker, 2)
    assert breaker.circuit is Circuit.CLOSED
    fail(breaker)
    assert breaker.circuit is Circuit.OPEN


def test_once_cooled_one_call_goes_through_and_its_answer_closes_it(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    assert breaker.lets_through
    probe = breaker.admit()
    assert probe is not None
    assert breaker.circuit is Circuit.HALF_OPEN
    assert breaker.admit() is None
    breaker.answered(probe)
    assert breaker.circuit is Circuit.CLOSED
    assert breaker.admit() is not None


def test_a_probe_that_fails_opens_it_for_as_long_again(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    fail(breaker)
    assert breaker.circuit is Circuit.OPEN
    clock.now += 4.9
    assert breaker.admit() is None
    clock.now += 0.1
    assert breaker.admit() is not None


def test_a_probe_that_never_ends_does_not_keep_it_half_open_for_ever(breaker: Breaker, clock: Clock) -> None:
    fail(breaker, 3)
    clock.now += 5
    lost = breaker.admit()
    clock.now += 5
    again = breaker.admit()
    assert lost is not None
    assert again is not None
    breaker.answered(again)
    assert breaker.circuit is Circuit.CLOSED


def test_calls_that_began_before_it_opened_change_nothing_later(breaker: Breaker, clock: Clock) -> None:
    early = [breaker.admit() for _ in range(4)]
    fail(breaker, 3)
    clock.now += 5
    probe = breaker.admit()
    assert probe is not None
    for number in early:
        assert number is not None
        breaker.failed(number)
        breaker.answered(number)
    assert breaker.circuit is Circuit.HALF_OPEN
    breaker.answered(probe)
    assert breaker.circuit is Circuit.CLOSED
