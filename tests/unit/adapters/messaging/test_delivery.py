"""The life of a mailbox: its table, row by row, and then the promises that the table is there for."""

from collections.abc import Callable, Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.delivery import (
    Mailbox,
    MailboxState,
    arrived,
    check_held,
    claimed,
    ended,
    extended,
    is_claimable,
    parked_on,
    promoted,
    put_back,
    withdrawn,
)
from adapters.messaging.errors import AlreadySettled, Fenced
from registry.model import NO_TURN, AgentName, ConversationId, TurnId

EMPTY, READY, LEASED, PARKED = MailboxState
NOW = 1000.0
LEASE = 30.0
TURN, OTHER_TURN = TurnId("turn"), TurnId("other turn")

empty = Mailbox(conversation=ConversationId("c"), agent=AgentName("echo"))
ready = arrived(empty, 1, TURN, NOW)
leased = claimed(ready, "here", lease=LEASE, now=NOW)
parked = parked_on(leased, TURN, passes=1)

HAPPENINGS: Mapping[str, Callable[[Mailbox], Mailbox]] = {
    "a message arrives": lambda box: arrived(box, 7, OTHER_TURN, NOW),
    "an answer arrives": lambda box: arrived(box, 7, TURN, NOW),
    "claimed": lambda box: claimed(box, "there", lease=LEASE, now=NOW),
    "ended": lambda box: promoted(ended(box, passes=box.head), 0, NOW),
    "ended, more waits": lambda box: promoted(ended(box, passes=box.head), 9, NOW),
    "withdrawn": lambda box: promoted(withdrawn(box, passes=box.head), 0, NOW),
    "withdrawn, more waits": lambda box: promoted(withdrawn(box, passes=box.head), 9, NOW),
    "put back": lambda box: put_back(box, after=5, now=NOW),
    "parked": lambda box: parked_on(box, TURN, passes=box.head),
}
TABLE: Mapping[MailboxState, Mapping[str, MailboxState]] = {
    EMPTY: {"a message arrives": READY},
    READY: {"a message arrives": READY, "claimed": LEASED, "withdrawn": EMPTY, "withdrawn, more waits": READY},
    LEASED: {
        "a message arrives": LEASED,
        "claimed": LEASED,
        "ended": EMPTY,
        "ended, more waits": READY,
        "withdrawn": EMPTY,
        "withdrawn, more waits": READY,
        "put back": READY,
        "parked": PARKED,
    },
    PARKED: {
        "a message arrives": PARKED,
        "an answer arrives": READY,
        "withdrawn": EMPTY,
        "withdrawn, more waits": READY,
    },
}


@pytest.mark.parametrize("before", [empty, ready, leased, parked], ids=lambda box: box.state)
def test_a_mailbox_goes_from_state_to_state_as_the_table_says(before: Mailbox) -> None:
    row = TABLE[before.state]
    assert {name: HAPPENINGS[name](before).state for name in row} == row


def test_the_first_message_is_the_head_and_later_ones_wait() -> None:
    first = arrived(empty, 1, TURN, NOW)
    assert (first.head, first.ready_at) == (1, NOW)
    assert arrived(first, 2, OTHER_TURN, NOW + 1) == first


def test_only_a_head_whose_time_has_come_can_be_handed_out() -> None:
    assert not is_claimable(empty, NOW)
    assert is_claimable(ready, NOW)

    waiting = put_back(leased, after=5, now=NOW)
    assert not is_claimable(waiting, NOW + 4.9)
    assert is_claimable(waiting, NOW + 5)

    assert not is_claimable(parked, NOW + 1_000_000), "a question has no time of its own"


def test_a_lease_keeps_others_out_until_it_ends() -> None:
    assert not is_claimable(leased, NOW + LEASE - 0.1)
    assert is_claimable(leased, NOW + LEASE)

    longer = extended(leased, lease=LEASE, now=NOW + LEASE)
    assert not is_claimable(longer, NOW + LEASE + 1)
    assert longer.fence == leased.fence


def test_every_handing_out_counts_and_raises_the_fence() -> None:
    again = claimed(put_back(leased, after=0, now=NOW), "there", lease=LEASE, now=NOW)
    assert (leased.attempts, again.attempts) == (1, 2)
    assert (leased.fence, again.fence) == (1, 2)
    assert (leased.head, again.head) == (1, 1)


def test_whoever_let_a_lease_end_is_fenced_once_somebody_else_has_the_head() -> None:
    check_held(leased, leased.fence)  # nobody has taken it: its holder may still settle

    taken = claimed(leased, "there", lease=LEASE, now=NOW + LEASE)
    check_held(taken, taken.fence)
    with pytest.raises(Fenced, match=r"fence 1\) was lost: the mailbox of echo in c is at fence 2 now"):
        check_held(taken, leased.fence)


@pytest.mark.parametrize("settled", [ended(leased, passes=1), put_back(leased, after=5, now=NOW), parked])
def test_to_settle_twice_is_told_from_having_lost_the_lease(settled: Mailbox) -> None:
    with pytest.raises(AlreadySettled, match=r"fence 1\) was settled before"):
        check_held(settled, leased.fence)


def test_whoever_holds_what_is_withdrawn_is_fenced() -> None:
    gone = withdrawn(leased, passes=1)
    assert gone.fence > leased.fence
    with pytest.raises(Fenced) as refused:
        check_held(gone, leased.fence)
    assert not isinstance(refused.value, AlreadySettled), "nothing of what the holder did was kept"


def test_an_ended_delivery_moves_the_cursor_and_the_next_one_begins_afresh() -> None:
    following = promoted(ended(put_back(leased, after=0, now=NOW), passes=1), 2, NOW + 9)
    assert (following.cursor, following.head, following.attempts, following.ready_at) == (1, 2, 0, NOW + 9)


def test_what_went_past_the_others_does_not_move_the_cursor() -> None:
    answered = claimed(arrived(parked, 7, TURN, NOW), "here", lease=LEASE, now=NOW)
    assert ended(answered, passes=0).cursor == parked.cursor == 1


def test_a_parked_mailbox_lets_through_only_what_belongs_to_its_turn() -> None:
    assert arrived(parked, 2, OTHER_TURN, NOW) == parked

    answered = arrived(parked, 3, TURN, NOW)
    assert (answered.head, answered.parked) == (3, TURN)

    over = ended(claimed(answered, "here", lease=LEASE, now=NOW), passes=0)
    assert over.parked == NO_TURN


def test_nothing_comes_between_two_attempts() -> None:
    waiting = put_back(leased, after=5, now=NOW)
    assert arrived(waiting, 2, OTHER_TURN, NOW) == waiting
    assert arrived(waiting, 3, TURN, NOW) == waiting


@given(st.data())
def test_whatever_happens_fence_and_cursor_never_fall_and_one_holder_is_left(data: st.DataObject) -> None:
    mailbox, fences = empty, list[int]()
    for _ in range(data.draw(st.integers(1, 30), label="how many things happen")):
        happening = data.draw(st.sampled_from(sorted(TABLE[mailbox.state])))
        before, mailbox = mailbox, HAPPENINGS[happening](mailbox)
        if happening == "claimed":
            assert mailbox.fence > before.fence
            fences.append(mailbox.fence)

        assert mailbox.fence >= before.fence
        assert mailbox.cursor >= before.cursor
        assert (mailbox.ready_at is not None) == (mailbox.head != 0), "a head has a time, and nothing else has"
        held = [fence for fence in fences if holds(mailbox, fence)]
        assert held == (fences[-1:] if mailbox.state is LEASED else [])


def holds(mailbox: Mailbox, fence: int) -> bool:
    try:
        check_held(mailbox, fence)
    except Fenced:
        return False
    return True
