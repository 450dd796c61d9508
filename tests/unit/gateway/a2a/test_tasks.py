"""A turn of the log as a task of A2A."""

from typing import Any

import pytest
from a2a.types import a2a_pb2 as wire
from google.protobuf.json_format import MessageToDict

from adapters.lifecycle.views import TurnView
from adapters.messaging.messages import Kind
from adapters.messaging.turns import TurnState
from gateway.a2a.tasks import STATES, states_of, write_task
from registry.model import Artifact, Part
from tests.support.views import answered, asked, failed, logged, opening, view, words

REPORT = Artifact(id="report", parts=words("all of it"), name="Report")


def written(seen: TurnView, **how: Any) -> dict[str, Any]:
    return MessageToDict(write_task(seen, **how))


def texts(messages: list[dict[str, Any]]) -> list[str]:
    return ["".join(part.get("text", "") for part in message["parts"]) for message in messages]


def test_every_state_of_a_turn_is_one_of_a_task() -> None:
    assert STATES.keys() == set(TurnState)
    for state, theirs in STATES.items():
        assert state in states_of(theirs)


def test_states_that_no_turn_has_stand_for_none() -> None:
    assert states_of(wire.TASK_STATE_AUTH_REQUIRED) == []


def test_a_task_is_named_by_its_turn_and_by_what_its_starter_calls_the_conversation() -> None:
    task = written(view(TurnState.QUEUED))

    assert (task["id"], task["contextId"]) == ("turn-1", "context-1")
    assert task["status"] == {"state": "TASK_STATE_SUBMITTED", "timestamp": "2026-09-21T14:13:20.250Z"}
    assert "artifacts" not in task


def test_a_starter_who_named_no_context_is_told_the_conversation() -> None:
    assert written(view(TurnState.QUEUED, context=""))["contextId"] == "conversation-1"


def test_the_history_is_what_both_said_under_the_ids_of_the_log() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, "A moment"), logged(3, "Done")))

    assert [(each["messageId"], each["role"]) for each in task["history"]] == [
        ("m-1", "ROLE_USER"),
        ("m-2", "ROLE_AGENT"),
    ]
    assert texts(task["history"]) == ["Find somebody", "A moment"]
    assert {(each["taskId"], each["contextId"]) for each in task["history"]} == {("turn-1", "context-1")}


def test_what_a_message_says_of_itself_comes_back_with_it() -> None:
    task = written(view(TurnState.WORKING, opening(metadata={"colour": "red"})))

    assert task["history"][0]["metadata"] == {"colour": "red"}


@pytest.mark.parametrize(("most", "kept"), [(None, 3), (0, 0), (1, 1), (2, 2), (9, 3)])
def test_of_the_history_come_the_newest(most: int | None, kept: int) -> None:
    seen = view(TurnState.WORKING, logged(2, "one"), logged(3, "two"))

    history = write_task(seen, history=most).history

    assert [each.message_id for each in history] == ["m-1", "m-2", "m-3"][3 - kept :]


def test_the_answer_is_the_last_artifact_and_nothing_but_that() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, "Done", artifacts=[REPORT], metadata={"seconds": 3.0})))

    assert [each["artifactId"] for each in task["artifacts"]] == ["report", "answer"]
    assert task["artifacts"][0] == {"artifactId": "report", "name": "Report", "parts": [{"text": "all of it"}]}
    assert task["artifacts"][1]["parts"] == [{"text": "Done"}]
    assert task["metadata"] == {"seconds": 3.0}
    assert "message" not in task["status"]
    assert texts(task["history"]) == ["Find somebody"]


def test_an_answer_that_only_made_something_is_no_artifact_of_its_own() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, "Look"), logged(3, artifacts=[REPORT])))

    assert [each["artifactId"] for each in task["artifacts"]] == ["report"]


def test_where_the_end_says_nothing_the_last_that_was_said_is_the_answer() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, "One"), logged(3, "Two"), logged(4)))

    assert texts(task["artifacts"]) == ["Two"]


def test_a_result_of_a_skill_is_an_answer_of_one_data_part() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, parts=[Part(data={"total": 1}, media_type="application/json")])))

    assert task["artifacts"] == [
        {"artifactId": "answer", "parts": [{"data": {"total": 1.0}, "mediaType": "application/json"}]}
    ]


def test_artifacts_can_be_left_out() -> None:
    assert "artifacts" not in written(view(TurnState.COMPLETED, logged(2, "Done")), artifacts=False)


def test_an_artifact_that_calls_itself_the_answer_is_kept_apart_from_it() -> None:
    made = [Artifact(id=name, parts=words(name)) for name in ("answer", "answer-artifact")]

    task = written(view(TurnState.COMPLETED, logged(2, "Done", artifacts=made)))

    assert [each["artifactId"] for each in task["artifacts"]] == [
        "answer-artifact",
        "answer-artifact-artifact",
        "answer",
    ]
    assert texts(task["artifacts"]) == ["answer", "answer-artifact", "Done"]


def test_while_it_is_worked_on_a_task_has_what_the_draft_has() -> None:
    draft = (Artifact(id="", parts=words("Hel")), REPORT)

    task = written(view(TurnState.WORKING, draft=draft))

    assert task["status"]["state"] == "TASK_STATE_WORKING"
    assert [(each["artifactId"], texts([each])) for each in task["artifacts"]] == [
        ("report", ["all of it"]),
        ("answer", ["Hel"]),
    ]


def test_what_was_made_before_a_question_is_there_while_it_is_open() -> None:
    task = written(view(TurnState.WAITING, logged(2, "So far", artifacts=[REPORT]), asked(3, "Which city?")))

    assert [each["artifactId"] for each in task["artifacts"]] == ["report"]
    assert texts(task["history"]) == ["Find somebody", "So far"]


def test_a_question_is_the_status_with_the_schema_of_its_answer() -> None:
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}

    task = written(view(TurnState.WAITING, asked(2, "Which city?", schema)))

    status = task["status"]
    assert status["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert (status["message"]["messageId"], status["message"]["role"]) == ("m-2", "ROLE_AGENT")
    assert status["message"]["parts"] == [{"text": "Which city?"}]
    assert status["message"]["metadata"]["interchange/question"] == {
        "id": "q-1",
        "kind": "CLARIFICATION",
        "text": "Which city?",
        "answerSchema": schema,
    }


def test_a_question_and_its_answer_are_history_once_it_goes_on() -> None:
    task = written(view(TurnState.WORKING, asked(2, "Which city?"), answered(3, "Dublin")))

    assert [(each["role"], text) for each, text in zip(task["history"], texts(task["history"]), strict=True)] == [
        ("ROLE_USER", "Find somebody"),
        ("ROLE_AGENT", "Which city?"),
        ("ROLE_USER", "Dublin"),
    ]
    assert "message" not in task["status"]


def test_what_waits_for_a_review_has_its_answer_and_says_how_to_accept_it() -> None:
    task = written(view(TurnState.REVIEW, logged(2, "Done")))

    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert task["status"]["message"]["metadata"]["interchange/question"]["kind"] == "REVIEW"
    assert texts(task["artifacts"]) == ["Done"]


def test_the_answer_that_was_accepted_stays_the_answer() -> None:
    accepted = logged(3, parts=[Part(data={"accepted": True})], sender="person:recruiter")

    task = written(view(TurnState.COMPLETED, logged(2, "Done"), accepted))

    assert texts(task["artifacts"]) == ["Done"]
    assert [each["role"] for each in task["history"]] == ["ROLE_USER", "ROLE_USER"]


@pytest.mark.parametrize(
    ("state", "theirs"),
    [(TurnState.FAILED, "TASK_STATE_FAILED"), (TurnState.REJECTED, "TASK_STATE_REJECTED")],
)
def test_what_did_not_succeed_says_why(state: TurnState, theirs: str) -> None:
    end = failed(2, "It took too long.", **{"interchange/error": "deadline_passed"})

    task = written(view(state, end))

    assert task["status"]["state"] == theirs
    assert texts([task["status"]["message"]]) == ["It took too long."]
    assert task["status"]["message"]["metadata"] == {"interchange/error": "deadline_passed"}
    assert "artifacts" not in task
    assert texts(task["history"]) == ["Find somebody"]


def test_what_expired_without_a_word_still_says_something() -> None:
    task = written(view(TurnState.FAILED, failed(2, "")))

    assert texts([task["status"]["message"]])[0]


def test_what_was_cancelled_says_no_more() -> None:
    task = written(view(TurnState.CANCELLED, logged(2, sender="person:recruiter", kind=Kind.CANCELLED)))

    assert task["status"].keys() == {"state", "timestamp"}
    assert task["status"]["state"] == "TASK_STATE_CANCELED"


def test_what_was_erased_is_gone_from_the_history() -> None:
    task = written(view(TurnState.COMPLETED, logged(2, "secret", body=b"", erased=True), logged(3, "Done")))

    assert texts(task["history"]) == ["Find somebody"]


def test_a_message_that_was_updated_says_what_it_says_now() -> None:
    update = logged(3, "Ten people", kind=Kind.UPDATED, updates="m-2")

    task = written(view(TurnState.WORKING, logged(2, "Nine people"), update))

    assert texts(task["history"]) == ["Find somebody", "Ten people"]


def test_an_agent_that_works_for_itself_is_told_from_itself() -> None:
    task = written(view(TurnState.COMPLETED, opening(sender="agent:assistant"), logged(2, "One"), logged(3, "Done")))

    assert [each["role"] for each in task["history"]] == ["ROLE_USER", "ROLE_AGENT"]
    assert texts(task["artifacts"]) == ["Done"]
