"""What may happen to a turn: every state with every change, and what clients are promised about the states they see."""

import pytest

from adapters.messaging.errors import TurnOver
from adapters.messaging.turns import ENDED, TURNS, TurnChange, TurnState, after

# One row for each change, one column for each state that a turn can leave; a dot is what cannot happen.
TABLE = """
              queued     working    waiting    deferred   review
started       working    .          .          .          .
attempt_lost  .          queued     .          .          .
asked         .          waiting    .          waiting    .
answered      .          .          queued     .          .
put_off       .          deferred   .          .          .
finished      .          completed  .          completed  .
needs_review  .          review     .          .          .
accepted      .          .          .          .          completed
returned      .          .          .          .          queued
broke         .          failed     .          failed     .
given_up      failed     .          .          .          .
refused       rejected   rejected   .          .          .
expired       .          .          failed     failed     failed
cancel        cancelled  cancelled  cancelled  cancelled  cancelled
"""
HEADER, *ROWS = [line.split() for line in TABLE.strip().splitlines()]
EXPECTED = {(state, row[0]): to for row in ROWS for state, to in zip(HEADER, row[1:], strict=True) if to != "."}
PAIRS = [(state, change) for state in TurnState for change in TurnChange]


@pytest.mark.parametrize(("state", "change"), PAIRS, ids=lambda each: each.value)
def test_a_turn_changes_as_the_table_says_and_in_no_other_way(state: TurnState, change: TurnChange) -> None:
    following = EXPECTED.get((state.value, change.value))
    if following is None:
        with pytest.raises(TurnOver):
            after(state, change)
    else:
        assert after(state, change) == following


def test_the_table_here_has_every_state_and_every_change() -> None:
    assert {row[0] for row in ROWS} == set(TurnChange)
    assert set(HEADER) | ENDED == set(TURNS) == set(TurnState)


def test_what_has_ended_stays_as_it_ended() -> None:
    assert {TurnState.COMPLETED, TurnState.FAILED, TurnState.CANCELLED, TurnState.REJECTED} == ENDED
    assert not any(TURNS[state] for state in ENDED)


@pytest.mark.parametrize("state", sorted(set(TurnState) - ENDED))
def test_a_client_can_cancel_whatever_has_not_ended(state: TurnState) -> None:
    assert after(state, TurnChange.CANCEL) is TurnState.CANCELLED


@pytest.mark.parametrize("state", [TurnState.WAITING, TurnState.DEFERRED, TurnState.REVIEW])
def test_what_waits_for_others_can_expire_and_what_waits_for_us_cannot(state: TurnState) -> None:
    assert after(state, TurnChange.EXPIRED) is TurnState.FAILED
    assert TurnChange.EXPIRED not in TURNS[TurnState.QUEUED]
    assert TurnChange.EXPIRED not in TURNS[TurnState.WORKING]


@pytest.mark.parametrize("state", [TurnState.WAITING, TurnState.REVIEW])
def test_a_turn_that_needs_input_is_never_completed_or_worked_on_without_it(state: TurnState) -> None:
    """A2A shows both as INPUT_REQUIRED: what a client sees next is the agent's work on its input, or an end."""
    into = {change: to for change, to in TURNS[state].items() if to not in ENDED}
    assert into in ({TurnChange.ANSWERED: TurnState.QUEUED}, {TurnChange.RETURNED: TurnState.QUEUED})
    assert TurnChange.FINISHED not in TURNS[state]


def test_only_policy_rejects_and_never_what_has_begun_to_wait() -> None:
    into = {(state, change) for state, row in TURNS.items() for change, to in row.items() if to is TurnState.REJECTED}
    assert into == {(TurnState.QUEUED, TurnChange.REFUSED), (TurnState.WORKING, TurnChange.REFUSED)}


def test_every_turn_can_be_completed_from_wherever_it_is() -> None:
    for state in set(TurnState) - ENDED:
        assert TurnState.COMPLETED in reachable(state)


def test_an_impossible_change_says_what_is_possible() -> None:
    with pytest.raises(TurnOver, match=r"^The turn is waiting: put off is not possible, only answered, expired, canc"):
        after(TurnState.WAITING, TurnChange.PUT_OFF)
    with pytest.raises(TurnOver, match=r"^The turn has ended \(completed\), so nothing can happen .* \(asked for: can"):
        after(TurnState.COMPLETED, TurnChange.CANCEL)


def reachable(state: TurnState) -> set[TurnState]:
    found, left = {state}, [state]
    while left:
        new = set(TURNS[left.pop()].values()) - found
        found |= new
        left += new
    return found
