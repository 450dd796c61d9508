"""What may be said to a task that is there."""

from dataclasses import replace
from typing import Any, cast

import pytest
from a2a.utils.errors import InvalidParamsError, UnsupportedOperationError

from adapters.lifecycle.views import TurnView
from adapters.messaging.messages import Kind
from adapters.messaging.turns import TurnState
from gateway.a2a.following import check_goes_on, was_said
from registry.model import NO_TURN, Action, Attention, Call, JsonObject, Part, Sending, Target, TargetKind, new_turn_id
from tests.support.calls import call
from tests.support.views import asked, logged, view, words

SCHEMA: JsonObject = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}


def answer(*parts: Part, context: str = "") -> Call:
    sending = Sending(message="m-9", turn=new_turn_id(), follows=NO_TURN, context=context, attention=Attention.WAITS)
    to_agent = replace(call(), action=Action.MESSAGE, target=Target(TargetKind.AGENT, "assistant"))
    return replace(to_agent, parts=parts, sending=sending)


def waiting(schema: JsonObject | None = None) -> TurnView:
    return view(TurnState.WAITING, asked(2, "Which city?", schema))


@pytest.mark.parametrize("part", [Part(text="Dublin"), Part(data={"city": "Dublin"})])
@pytest.mark.parametrize("context", ["", "context-1", "conversation-1"])
def test_a_question_is_answered_in_words_or_in_fitting_data(part: Part, context: str) -> None:
    check_goes_on(waiting(SCHEMA), answer(part, context=context))


def test_data_that_does_not_fit_the_question_is_refused_by_its_field() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        check_goes_on(waiting(SCHEMA), answer(Part(data={"city": 5, "colour": "red"})))

    data = cast("dict[str, Any]", caught.value.data)
    assert {fault["field"] for fault in data["errors"]} == {
        "message.parts[0].data.city",
        "message.parts[0].data.colour",
    }


def test_an_answer_need_not_be_an_object() -> None:
    check_goes_on(waiting({"type": "boolean"}), answer(Part(data=True)))
    with pytest.raises(InvalidParamsError):
        check_goes_on(waiting({"type": "boolean"}), answer(Part(data="yes")))


@pytest.mark.parametrize("schema", [None, {"type": "nonsense"}, {"pattern": "("}])
def test_without_a_schema_that_can_be_checked_the_agent_reads_what_it_gets(schema: JsonObject | None) -> None:
    check_goes_on(waiting(schema), answer(Part(data={"anything": 1})))


def test_another_context_is_refused() -> None:
    with pytest.raises(InvalidParamsError) as caught:
        check_goes_on(waiting(), answer(*words("Dublin"), context="another"))

    assert "message.contextId" in str(cast("dict[str, Any]", caught.value.data)["errors"])


@pytest.mark.parametrize("state", [TurnState.COMPLETED, TurnState.FAILED, TurnState.CANCELLED, TurnState.REJECTED])
def test_a_task_that_has_ended_takes_no_message(state: TurnState) -> None:
    with pytest.raises(UnsupportedOperationError, match="has ended"):
        check_goes_on(view(state, logged(2, "Done")), answer(*words("more")))


@pytest.mark.parametrize("state", [TurnState.QUEUED, TurnState.WORKING, TurnState.DEFERRED])
def test_a_task_that_asks_nothing_takes_no_message(state: TurnState) -> None:
    with pytest.raises(UnsupportedOperationError, match="under way"):
        check_goes_on(view(state), answer(*words("hurry")))


def test_a_review_takes_whatever_is_said() -> None:
    for part in (Part(data={"accepted": True}), Part(text="Once more, with names")):
        check_goes_on(view(TurnState.REVIEW, logged(2, "Done")), answer(part))


def test_an_answer_that_is_given_again_was_said() -> None:
    once = answer(*words("Dublin"))
    said = logged(3, "Dublin", sender="agent:assistant", kind=Kind.ANSWERED, id="m-9", issuer="https://idp")
    mine = replace(said, sender=str(once.chain.caller), issuer=once.chain.caller.issuer)

    assert was_said(view(TurnState.WORKING, asked(2, "Which city?"), mine), once)
    assert not was_said(view(TurnState.WORKING, asked(2, "Which city?"), replace(mine, issuer="https://other")), once)
    assert not was_said(waiting(), once)


def test_something_else_under_the_id_of_an_answer_was_not() -> None:
    once = answer(*words("Dublin"))
    caller = once.chain.caller
    other = logged(3, "Cork", sender=str(caller), kind=Kind.ANSWERED, id="m-9", issuer=caller.issuer)

    with pytest.raises(InvalidParamsError):
        was_said(view(TurnState.WORKING, asked(2, "Which city?"), other), once)
