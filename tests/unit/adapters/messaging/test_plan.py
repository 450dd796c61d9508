"""What requests come to when several share a transaction, on paper. (What each comes to alone: `tests/contract`.)

How requests are gathered into transactions is chance: it depends on who was quicker. So it must make no difference to
what is kept of them, and one that is refused must leave no trace in what the others see.
"""

from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.messaging.delivery import MailboxState
from adapters.messaging.errors import AlreadySettled, Fenced, IdConflict, NotDead, TurnOver
from adapters.messaging.messages import Kind, New, QuestionRef, TurnRef
from adapters.messaging.outcomes import (
    ChangeTurn,
    Dead,
    Deferred,
    Delivery,
    Done,
    EndHold,
    HoldCall,
    Lease,
    Outcome,
    Push,
    Retry,
)
from adapters.messaging.plan import UNHELD, perform
from adapters.messaging.requests import (
    Append,
    Erase,
    Expire,
    Extend,
    Hold,
    Redrive,
    Request,
    Revoke,
    See,
    Settle,
)
from adapters.messaging.sheet import Sheet
from adapters.messaging.turns import ENDED, TURNS, TurnChange, TurnState
from registry.model import AgentName, ConversationId, InterchangeError, Refused, TurnId, Unknown
from tests.support.logs import ALICE, BOB, ECHO, OPENING, SCOUT, answered, asks, done, said
from tests.support.paper import Paper

C = ConversationId("c")
LEASE = Lease(owner="here", seconds=30)


def append(*messages: New, **more: Any) -> Append:
    return Append(conversation=C, messages=messages, opening=OPENING, **more)


def to_echo(text: str) -> Append:
    return append(said(text, to=ECHO, id=text, turn=TurnId(f"turn {text}")))


def turn(text: str, agent: AgentName = ECHO) -> TurnRef:
    return TurnRef(conversation=C, agent=agent, turn=TurnId(f"turn {text}"))


def settle(held: Delivery, outcome: Outcome, *effects: Any) -> Settle:
    return Settle(delivery=held, outcome=outcome, effects=effects)


def head(paper: Paper) -> str:
    """What is delivered next, or nothing."""
    box = paper.mailboxes[C, ECHO]
    return paper.messages[C, box.head].text if box.head else ""


@pytest.fixture
def paper() -> Paper:
    return Paper()


def in_hand(paper: Paper, *texts: str) -> Delivery:
    """The first of these is in somebody's hands, and the others wait."""
    for text in texts:
        paper.do(to_echo(text))
    (held,) = paper.claim([ECHO], limit=1, lease=LEASE)
    return held


# ---- who shares a transaction sees what the others did


def test_a_conversation_is_opened_once_by_those_who_come_together(paper: Paper) -> None:
    first, second = paper.together(append(said("one"), expect_tail=0), append(said("two"), expect_tail=1))
    assert (first.seq, second.seq) == (1, 2)


def test_whoever_was_refused_has_opened_nothing_for_the_others(paper: Paper) -> None:
    conflict, seen = paper.together(
        append(said("one", id="m"), said("two", id="m")), See(conversation=C, device="phone", seq=0)
    )
    assert isinstance(conflict, IdConflict)
    assert isinstance(seen, Unknown)
    assert paper.conversations == {}


def test_a_repetition_is_known_within_its_transaction(paper: Paper) -> None:
    first, again, other = paper.together(to_echo("one"), to_echo("one"), append(said("else", id="one")))
    assert (again.seq, again.duplicate, again.placed[0].turn) == (first.seq, True, "turn one")
    assert isinstance(other, IdConflict)
    assert len(paper.messages) == len(paper.turns) == 1


def test_whoever_was_refused_has_used_no_number_and_no_id(paper: Paper) -> None:
    paper.do(append(said("taken", id="taken")))
    refused, accepted = paper.together(append(said("one", id="m"), said("x", id="taken")), append(said("two", id="m")))
    assert isinstance(refused, IdConflict)
    assert (accepted.seq, accepted.duplicate) == (2, False)


def test_a_delivery_is_settled_once_by_those_who_come_together(paper: Paper) -> None:
    held = in_hand(paper, "one")
    kept, refused, extended = paper.together(
        settle(held, done("first")), settle(held, done("second")), Extend(delivery=held, seconds=30)
    )
    assert [placed.seq for placed in kept.placed] == [2]
    assert isinstance(refused, AlreadySettled)
    assert isinstance(extended, AlreadySettled)


def test_a_question_that_is_asked_can_be_answered_at_once(paper: Paper) -> None:
    held = in_hand(paper, "one", "two")
    answer = append(answered("red", QuestionRef(of=turn("one"), question="q1")))
    paper.together(settle(held, asks("which?")), answer)
    assert head(paper) == "red"
    assert [question.state for question in paper.questions.values()] == ["answered"]


def test_the_first_of_two_answers_wins_in_one_transaction(paper: Paper) -> None:
    paper.do(settle(in_hand(paper, "one"), asks("which?")))
    question = QuestionRef(of=turn("one"), question="q1")
    first, second = paper.together(append(answered("red", question)), append(answered("blue", question)))
    assert first.seq == 3
    assert isinstance(second, TurnOver)
    assert head(paper) == "red"


def test_a_dead_letter_can_be_redriven_in_the_transaction_that_made_it(paper: Paper) -> None:
    held = in_hand(paper, "one", "two")
    redrive = Redrive(conversation=C, agent=ECHO, seq=1, turn=TurnId("again"))
    _, redriven, repeated = paper.together(settle(held, Dead(error="e")), redrive, redrive)
    assert (redriven.seq, repeated.seq, repeated.duplicate) == (4, 4, True)
    assert head(paper) == "two"
    assert paper.turns[C, TurnId("again")].authority == b"sealed"


def test_what_is_erased_is_not_redriven_by_those_who_come_together(paper: Paper) -> None:
    paper.do(settle(in_hand(paper, "secret"), Dead(error="e")))
    _, refused = paper.together(
        Erase(conversation=C, id="e", by=BOB, issuer="", reason="asked"),
        Redrive(conversation=C, agent=ECHO, seq=1, turn=TurnId("again")),
    )
    assert isinstance(refused, NotDead)
    assert not any("secret" in message.text for message in paper.messages.values())


def test_an_erasure_blanks_what_was_said_and_pushed_in_its_transaction(paper: Paper) -> None:
    push = Push(id="p", channel="c", body=b"secret")
    paper.together(
        append(said("secret"), effects=(push,)),
        Erase(conversation=C, id="e", by=BOB, issuer="", reason="asked"),
        append(said("afterwards")),
    )
    assert [message.body for message in paper.messages.values()] == [b"", b"asked", b"afterwards"]
    assert [push.body for _, push in paper.pushes.values()] == [b""]


def test_an_erasure_leaves_what_is_pushed_after_it(paper: Paper) -> None:
    paper.together(
        append(said("secret")),
        Erase(conversation=C, id="e", by=BOB, issuer="", reason="asked"),
        append(said("afterwards"), effects=(Push(id="p", channel="c", body=b"afterwards"),)),
    )
    assert [push.body for _, push in paper.pushes.values()] == [b"afterwards"]


def test_a_held_call_is_ended_once_by_those_who_come_together(paper: Paper) -> None:
    end = EndHold(id="h", how="approved")
    _, _, twice = paper.together(
        append(said("may I?"), effects=(HoldCall(id="h", sealed=b"x", expires_in=60),)),
        append(said("yes"), effects=(end,)),
        append(said("no"), effects=(end,)),
    )
    assert isinstance(twice, Refused)
    assert (paper.holds["h"].sealed, paper.holds["h"].ended) == (b"", "approved")


def test_a_hold_forbids_what_comes_after_it(paper: Paper) -> None:
    erase = Erase(conversation=C, id="e", by=BOB, issuer="", reason="asked")
    paper.do(append(said("one")))
    held, refused, released, erased = paper.together(
        Hold(conversation=C, reason="a lawsuit"), erase, Hold(conversation=C, reason=""), erase
    )
    assert (held, released) == (None, None)
    assert isinstance(refused, Refused)
    assert erased.seq == 2


# ---- what is next is found once, when all of it is written


def test_what_came_before_the_delivery_ended_goes_on_before_what_came_with_its_end(paper: Paper) -> None:
    held = in_hand(paper, "one", "two")
    paper.together(settle(held, Done()), to_echo("three"))
    assert head(paper) == "two"


def test_what_comes_with_the_end_of_the_last_delivery_is_next(paper: Paper) -> None:
    held = in_hand(paper, "one")
    paper.together(settle(held, Done()), to_echo("two"), to_echo("three"))
    assert head(paper) == "two"


def test_whoever_wants_to_claim_what_comes_with_an_end_has_it_queued(paper: Paper) -> None:
    """What is next is not known yet, so nothing may be handed out: the queue sees to it."""
    held = in_hand(paper, "one", "two")
    _, queued = paper.together(settle(held, Done()), replace(to_echo("three"), claim=LEASE))
    assert queued.delivery is None
    assert head(paper) == "two"


def test_what_is_cancelled_with_the_end_of_the_one_before_is_passed_over(paper: Paper) -> None:
    held = in_hand(paper, "one", "two", "three")
    paper.together(settle(held, Done()), Revoke(of=turn("two"), by=ALICE))
    assert head(paper) == "three"
    assert paper.mailboxes[C, ECHO].cursor == 1


def test_everything_that_waits_can_be_cancelled_at_once(paper: Paper) -> None:
    in_hand(paper, "one", "two", "three")
    paper.together(*(Revoke(of=turn(text), by=ALICE) for text in ("two", "one", "three")))
    assert paper.mailboxes[C, ECHO].state is MailboxState.EMPTY


def test_what_is_said_and_cancelled_at_once_is_never_delivered(paper: Paper) -> None:
    paper.together(to_echo("one"), to_echo("two"), Revoke(of=turn("one"), by=ALICE))
    assert head(paper) == "two"
    assert paper.claim([ECHO], limit=1, lease=LEASE)[0].message.text == "two"


def test_an_answer_that_comes_with_an_end_goes_past_what_waits(paper: Paper) -> None:
    grant = paper.do(settle(in_hand(paper, "one"), Deferred(within=60))).grant
    held = in_hand(paper, "two", "three")
    ask = ChangeTurn(of=turn("one"), change=TurnChange.ASKED, grant=grant, question=asks("which?").question)
    paper.do(append(said("hm", by="agent:echo"), effects=(ask,)))
    paper.together(settle(held, Done()), append(answered("red", QuestionRef(of=turn("one"), question="q1"))))
    assert head(paper) == "red"


def test_a_mailbox_is_parked_only_on_the_turn_that_asked_last(paper: Paper) -> None:
    held = in_hand(paper, "one", "two")
    paper.together(settle(held, asks("which?")), Revoke(of=turn("one"), by=ALICE))
    assert (paper.mailboxes[C, ECHO].parked, head(paper)) == ("", "two")


def test_an_expiry_that_came_too_late_does_nothing(paper: Paper) -> None:
    paper.do(settle(in_hand(paper, "one"), asks("which?", expires_in=60)))
    paper.now += 61
    question = QuestionRef(of=turn("one"), question="q1")
    _, expired = paper.together(append(answered("red", question)), Expire(of=turn("one")))
    assert expired is None
    assert head(paper) == "red"


def test_a_cancelled_turn_is_not_expired_too(paper: Paper) -> None:
    paper.do(settle(in_hand(paper, "one"), Deferred(within=60)))
    paper.now += 61
    cancelled, expired = paper.together(Revoke(of=turn("one"), by=ALICE), Expire(of=turn("one")))
    assert (cancelled.seq, expired) == (2, None)


# ---- one who is refused leaves no trace


REFUSED_LATE = {
    "an answer to nothing": append(
        said("one", to=ECHO), answered("red", QuestionRef(of=turn("one"), question="another"))
    ),
    "a turn that is there": append(said("x", to=ECHO), said("y", to=SCOUT, turn=TurnId("turn one"))),
    "no such held call": append(
        said("x", to=ECHO),
        effects=(
            HoldCall(id="h", sealed=b"", expires_in=1),
            Push(id="p", channel="c", body=b""),
            EndHold(id="?", how="approved"),
        ),
    ),
    "another grant": append(
        said("x", to=ECHO), effects=(ChangeTurn(of=turn("deferred"), change=TurnChange.FINISHED, grant=99),)
    ),
    "two recipients": append(said("x", to=(ECHO, SCOUT)), claim=LEASE),
}


@pytest.mark.parametrize("request_", REFUSED_LATE.values(), ids=REFUSED_LATE.keys())
def test_what_is_refused_at_its_very_end_was_never_there(paper: Paper, request_: Request) -> None:
    paper.do(settle(in_hand(paper, "deferred"), Deferred(within=60)))
    paper.do(settle(in_hand(paper, "one"), asks("which?")))
    before = deepcopy(paper)
    with pytest.raises(InterchangeError):
        paper.do(request_)
    assert paper == before


def test_a_stumble_leaves_the_sheet_as_it_was() -> None:
    sheet = Sheet(now=0.0, at=0.0, monotonic=0.0)
    before = deepcopy(sheet)
    not_bytes: Any = ["no", "bytes"]
    with pytest.raises(TypeError):
        perform(append(said("one", to=ECHO), replace(said("two"), body=not_bytes)), sheet)
    assert sheet == before


# ---- grouping makes no difference


def test_without_a_delivery_a_turn_changes_only_where_the_table_lets_it() -> None:
    assert all(changes <= TURNS[state].keys() for state, changes in UNHELD.items())
    assert not UNHELD.keys() & (ENDED | {TurnState.QUEUED, TurnState.WORKING})


def stories(held: Delivery, grant: int) -> list[Request]:
    """Requests that get in each other's way."""
    question = QuestionRef(of=turn("one"), question="q1")
    finish = ChangeTurn(of=turn("deferred"), change=TurnChange.FINISHED, grant=grant)
    return [
        settle(held, Done()),
        settle(held, done("ok")),
        settle(held, asks("which?")),
        settle(held, Retry(after=5, error="e")),
        settle(held, Dead(error="e")),
        settle(held, Deferred(within=60)),
        Extend(delivery=held, seconds=60),
        to_echo("three"),
        to_echo("three"),
        to_echo("four"),
        append(said("both", to=(ECHO, SCOUT), id="both", turn=None)),
        append(replace(answered("red", question), id="answer")),
        append(replace(answered("blue", question), id="other answer")),
        append(said("here", id="finish"), effects=(finish,)),
        append(said("hm", id="under"), under=held),
        append(said("last", id="tail"), expect_tail=5),
        Revoke(of=turn("one"), by=ALICE),
        Revoke(of=turn("two"), by=ALICE),
        Revoke(of=turn("deferred"), by=BOB),
        Redrive(conversation=C, agent=ECHO, seq=2, turn=TurnId("again")),
        See(conversation=C, device="phone", seq=5),
        Hold(conversation=C, reason="a lawsuit"),
        Hold(conversation=C, reason=""),
        Erase(conversation=C, id="erase", by=BOB, issuer="", reason="asked", up_to=3),
    ]


@given(st.data())
def test_in_how_many_transactions_requests_are_carried_out_makes_no_difference(data: st.DataObject) -> None:
    paper = Paper()
    grant = paper.do(settle(in_hand(paper, "deferred"), Deferred(within=60))).grant
    held = in_hand(paper, "one", "two")
    requests = data.draw(st.lists(st.sampled_from(stories(held, grant)), min_size=2, max_size=6))

    together, apart = deepcopy(paper), deepcopy(paper)
    answers = together.together(*requests)
    assert [outline(each) for each in answers] == [outline(*apart.together(request)) for request in requests]
    assert rows(together) == rows(apart)


def outline(answer: Any) -> Any:
    if isinstance(answer, Delivery):
        return replace(answer, deadline=0.0)
    return (type(answer), str(answer)) if isinstance(answer, InterchangeError) else answer


def rows(paper: Paper) -> Any:
    """All that is written; but for which of two an urgent message came before, which may differ, and nobody minds."""
    heads = {key: (box.state, box.parked, box.cursor) for key, box in paper.mailboxes.items()}
    everything = (paper.messages, paper.turns, paper.questions, paper.letters, paper.seen, paper.holds, paper.pushes)
    return paper.conversations, heads, everything


def test_a_fenced_holder_is_told_so_in_whatever_transaction(paper: Paper) -> None:
    held = in_hand(paper, "one")
    _, fenced = paper.together(Revoke(of=turn("one"), by=ALICE), settle(held, done("too late")))
    assert type(fenced) is Fenced


def test_messages_are_numbered_in_the_order_of_the_requests(paper: Paper) -> None:
    answers = paper.together(*(append(said(f"{n}")) for n in range(20)))
    assert [answer.seq for answer in answers] == list(range(1, 21))
    assert [message.kind for message in paper.messages.values()] == [Kind.SAID] * 20
