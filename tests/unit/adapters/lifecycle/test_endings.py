"""Endings: what an attempt comes to, by what its call returned or raised."""

from dataclasses import replace

import pytest

from adapters.base import HandedBack
from adapters.lifecycle.endings import UNSENT, Terms, after_error, after_result
from adapters.messaging.bodies import read_body
from adapters.messaging.messages import Kind, Message, TurnRef
from adapters.messaging.outcomes import Asked, Dead, Deferred, Delivery, Done, Rejected, Retry
from registry.model import (
    AgentName,
    Artifact,
    AuditUnavailable,
    BadRequest,
    ConversationId,
    DeadlinePassed,
    Deferral,
    Denied,
    FarSideError,
    FarSideFault,
    Fault,
    InterchangeError,
    InvalidArguments,
    JsonObject,
    NeedsApproval,
    NeedsScope,
    Overloaded,
    Part,
    Question,
    Result,
    TooLarge,
    TurnId,
    Unknown,
)


def delivery(attempt: int = 1) -> Delivery:
    of = TurnRef(conversation=ConversationId("c"), agent=AgentName("echo"), turn=TurnId("t"))
    message = Message(
        conversation=of.conversation,
        seq=1,
        id="m",
        sender="person:alice",
        issuer="",
        kind=Kind.SAID,
        turn=of.turn,
        to=(of.agent,),
        answers="",
        updates="",
        body=b"{}",
        text="",
        digest=b"",
        at=0.0,
    )
    return Delivery(id="t:1", of=of, message=message, attempt=attempt, fence=1, deadline=0.0)


def far_side(fault: FarSideFault, *, retryable: bool = False) -> FarSideError:
    return FarSideError("The far side failed.", fault=fault, retryable=retryable)


def test_what_was_said_as_messages_is_not_said_again_at_the_end() -> None:
    made = Artifact(id="table", parts=(Part(text="a,b"),), last=True)
    result = Result(parts=(Part(text="first"), Part(text="last")), said=1, artifacts=(made,), metadata={"m": 1})
    outcome = after_result(result, Terms())
    assert isinstance(outcome, Done)
    (reply,) = outcome.replies
    body = read_body(reply.body)
    assert (body.parts, body.artifacts, body.metadata) == ((Part(text="last"),), (made,), {"m": 1})


def test_an_end_without_words_is_an_end_all_the_same() -> None:
    outcome = after_result(Result(), Terms())
    assert isinstance(outcome, Done)
    assert len(outcome.replies) == 1


def test_the_result_of_a_skill_is_data() -> None:
    outcome = after_result(Result(structured={"total": 3}, text='{"total":3}'), Terms())
    assert isinstance(outcome, Done)
    assert read_body(outcome.replies[0].body).parts[0].data == {"total": 3}


def test_a_result_that_nobody_could_be_told_is_refused() -> None:
    deep: JsonObject = {}
    for _ in range(40):
        deep = {"inner": deep}
    with pytest.raises(BadRequest, match="nested more than 30 deep"):
        after_result(Result(structured=deep), Terms())


def test_work_in_the_background_is_reviewed() -> None:
    outcome = after_result(Result(), Terms(background=True))
    assert isinstance(outcome, Done)
    assert outcome.review_within is not None


def test_a_question_is_asked_and_an_answer_put_off() -> None:
    question = Question(id="q", kind="clarification", text="Which?", schema={"type": "string"}, expires_in=60.0)
    asked = after_result(Result(question=question), Terms())
    assert isinstance(asked, Asked)
    body = read_body(asked.question.body)
    assert body.question == {
        "id": "q",
        "kind": "CLARIFICATION",
        "text": "Which?",
        "answerSchema": {"type": "string"},
    }
    assert asked.replies == ()
    put_off = after_result(Result(deferral=Deferral(seconds=60)), Terms())
    assert isinstance(put_off, Deferred)
    assert put_off.within == 60


def test_what_cannot_be_written_down_is_said() -> None:
    with pytest.raises(BadRequest):
        after_result(Result(parts=(Part(text="\ud800"),)), Terms())


@pytest.mark.parametrize(
    "error",
    [
        Denied("no"),
        NeedsApproval("ask"),
        NeedsScope("scope", scopes=("a",)),
        Unknown("nothing"),
        InvalidArguments((Fault("/a", "is missing"),)),
    ],
)
def test_what_may_not_be_is_rejected(error: InterchangeError) -> None:
    outcome = after_error(error, delivery(), Terms(), call="call-1")
    assert isinstance(outcome, Rejected)
    body = read_body(outcome.body)
    assert body.metadata["interchange/error"] == error.code
    assert body.metadata["interchange/call"] == "call-1"


@pytest.mark.parametrize(
    "error",
    [
        far_side(FarSideFault.REJECTED),
        far_side(FarSideFault.GARBLED),
        far_side(FarSideFault.UNSUPPORTED),
        DeadlinePassed("late"),
        TooLarge("large"),
        BadRequest("odd"),
    ],
)
def test_what_the_agent_decided_is_the_end(error: InterchangeError) -> None:
    outcome = after_error(error, delivery(), Terms(), call="call-1")
    assert isinstance(outcome, Dead)
    assert read_body(outcome.body).parts[0].text == error.message


@pytest.mark.parametrize(
    "error",
    [
        far_side(FarSideFault.UNAVAILABLE),
        far_side(FarSideFault.EXHAUSTED),
        far_side(FarSideFault.REJECTED, retryable=True),
        Overloaded("busy"),
        AuditUnavailable("full"),
    ],
)
def test_what_did_not_work_is_tried_again_and_given_up_in_the_end(error: InterchangeError) -> None:
    assert isinstance(after_error(error, delivery(), Terms(), call=""), Retry)
    assert isinstance(after_error(error, delivery(attempt=UNSENT.attempts), Terms(), call=""), Dead)


@pytest.mark.parametrize("number", range(20))
def test_an_agent_that_was_away_is_asked_again_not_much_later_than_it_was_away_for(number: int) -> None:
    away, gone = far_side(FarSideFault.UNAVAILABLE), 0.0
    for attempt in range(1, UNSENT.attempts):
        outcome = after_error(away, replace(delivery(attempt), id=f"{number}:1"), Terms(), call="")
        assert isinstance(outcome, Retry)
        assert outcome.after <= 3 * gone + 1
        gone += outcome.after
    assert gone > 120


def test_whoever_attends_is_told_at_once() -> None:
    error = far_side(FarSideFault.UNAVAILABLE)
    assert isinstance(after_error(error, delivery(), Terms(attended=True), call=""), Dead)


def test_what_may_not_be_repeated_is_tried_once() -> None:
    error = far_side(FarSideFault.UNAVAILABLE)
    assert isinstance(after_error(error, delivery(), Terms(repeatable=False), call=""), Dead)
    assert isinstance(after_error(HandedBack("gone"), delivery(), Terms(repeatable=False), call=""), Dead)


def test_what_was_handed_back_is_tried_again_at_once() -> None:
    outcome = after_error(HandedBack("put back"), delivery(), Terms(), call="")
    assert outcome == Retry(after=0.0, error="put back")
    lost = after_error(HandedBack("gone", lost=True), delivery(), Terms(), call="")
    assert isinstance(lost, Retry)
    assert lost.after > 0
