"""How a call is told as a stream of A2A."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import pytest
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import InvalidAgentResponseError, InvalidParamsError

from gateway.a2a.telling import Event, Telling
from gateway.a2a.writing import Ids
from registry.model import (
    Action,
    Artifact,
    ConversationId,
    DeadlinePassed,
    Delta,
    Denied,
    Emission,
    FarSideError,
    FarSideFault,
    Fault,
    InvalidArguments,
    Part,
    Progress,
    Result,
    Said,
    Target,
    TargetKind,
    TurnId,
)
from tests.support.calls import call

IDS = Ids(context="context-1", task="task-1")
CALL = replace(call(), action=Action.MESSAGE, target=Target(TargetKind.AGENT, "assistant"))


def words(text: str) -> tuple[Part, ...]:
    return (Part(text=text),)


def answer(text: str = "", *, artifacts: tuple[Artifact, ...] = (), parts: tuple[Part, ...] | None = None) -> Result:
    said = parts if parts is not None else words(text) if text else ()
    return Result(parts=said, artifacts=artifacts, turn=TurnId("turn-1"), conversation=ConversationId("context-1"))


def told(emissions: Sequence[Emission], end: Result) -> list[Event]:
    telling = Telling(CALL, IDS)
    return [event for emission in emissions for event in telling.on(emission)] + list(telling.end(end))


def text_of(events: Sequence[Event], artifact: str = "answer") -> str:
    """The artifact as a client that follows the specification puts it together."""
    found = ""
    for event in events:
        if isinstance(event, wire.TaskArtifactUpdateEvent) and event.artifact.artifact_id == artifact:
            text = "".join(part.text for part in event.artifact.parts)
            found = found + text if event.append else text
    return found


def last_chunks(events: Sequence[Event]) -> list[wire.TaskArtifactUpdateEvent]:
    return [event for event in events if isinstance(event, wire.TaskArtifactUpdateEvent) and event.last_chunk]


def test_an_end_that_comes_before_anything_else_is_exactly_one_message() -> None:
    (message,) = told([], answer("Hello"))

    assert isinstance(message, wire.Message)
    assert message.role == wire.ROLE_AGENT
    assert message.context_id == "context-1"
    assert not message.task_id
    assert [part.text for part in message.parts] == ["Hello"]


def test_pieces_make_a_task_whose_artifact_is_the_answer() -> None:
    events = told([Delta(part=Part(text="Hel")), Delta(part=Part(text="lo"))], answer("Hello"))

    assert isinstance(events[0], wire.Task)
    assert events[0].status.state == wire.TASK_STATE_WORKING
    assert text_of(events) == "Hello"
    assert isinstance(events[-1], wire.TaskStatusUpdateEvent)
    assert events[-1].status.state == wire.TASK_STATE_COMPLETED
    updates = [event for event in events if isinstance(event, wire.TaskArtifactUpdateEvent)]
    assert [update.append for update in updates] == [False, True, False]
    assert [update.last_chunk for update in updates] == [False, False, True]
    assert {(event.task_id, event.context_id) for event in updates} == {("task-1", "context-1")}


def test_the_last_piece_is_the_whole_answer_for_clients_that_keep_no_pieces() -> None:
    events = told([Delta(part=Part(text="Hel")), Delta(part=Part(text="lo"))], answer("Hello"))

    assert [(part.text, update.append) for update in last_chunks(events) for part in update.artifact.parts] == [
        ("Hello", False)
    ]


def test_pieces_of_an_artifact_that_nobody_closed_are_closed_by_the_whole() -> None:
    pieces = [Delta(part=Part(text=text), artifact="report") for text in ("a", "b")]
    whole = Artifact(id="report", parts=words("ab"), name="Report")

    events = told(pieces, answer("Done", artifacts=(whole,)))

    (last,) = last_chunks(events)
    assert (last.artifact.artifact_id, last.artifact.name, last.append) == ("report", "Report", False)
    assert text_of(events, "report") == "ab"


def test_an_artifact_that_was_closed_is_not_told_again() -> None:
    made = Artifact(id="report", parts=words("ab"), last=True)

    events = told([made], answer("Done", artifacts=(made,)))

    assert len(last_chunks(events)) == 1


def test_an_artifact_ends_as_the_answer_whatever_was_lost_on_the_way() -> None:
    events = told([Delta(part=Part(text="Hxl"))], answer("Hello"))

    assert text_of(events) == "Hello"
    last = [event for event in events if isinstance(event, wire.TaskArtifactUpdateEvent)][-1]
    assert not last.append
    assert last.last_chunk


def test_messages_said_before_the_end_are_not_said_again() -> None:
    events = told([Said(parts=words("Wait"))], answer(parts=(*words("Wait"), *words("Done"))))

    statuses = [event.status for event in events if isinstance(event, wire.TaskStatusUpdateEvent)]
    assert [(status.state, status.message.parts[0].text) for status in statuses] == [
        (wire.TASK_STATE_WORKING, "Wait"),
        (wire.TASK_STATE_COMPLETED, "Done"),
    ]


def test_a_message_said_and_pieces_of_the_rest_make_that_rest_the_answer() -> None:
    emissions = [Said(parts=words("Wait")), Delta(part=Part(text="Done"))]

    events = told(emissions, answer(parts=(*words("Wait"), *words("Done"))))

    assert text_of(events) == "Done"


def test_an_artifact_that_is_appended_to_before_it_was_begun_is_begun() -> None:
    events = told([Artifact(id="file", parts=words("a"), append=True)], answer("Made"))

    update = next(event for event in events if isinstance(event, wire.TaskArtifactUpdateEvent))
    assert not update.append


def test_progress_is_a_status_that_says_how_far() -> None:
    events = told([Progress(progress=1, total=4, text="a quarter")], Result(structured={"total": 1}))

    working = next(event for event in events if isinstance(event, wire.TaskStatusUpdateEvent))
    assert working.status.message.parts[0].text == "a quarter"
    assert working.status.message.metadata["interchange/total"] == 4


def test_the_end_of_a_skill_after_progress_is_its_data() -> None:
    events = told([Progress(progress=1, text="one")], Result(structured={"total": 1}))

    last = events[-1]
    assert isinstance(last, wire.TaskStatusUpdateEvent)
    assert last.status.message.parts[0].data.struct_value["total"] == 1


def test_work_that_fails_after_something_was_told_is_a_failed_task() -> None:
    telling = Telling(CALL, IDS)
    list(telling.on(Delta(part=Part(text="Hel"))))

    (last,) = telling.failure(DeadlinePassed("It took too long."))

    assert isinstance(last, wire.TaskStatusUpdateEvent)
    assert last.status.state == wire.TASK_STATE_FAILED
    assert last.status.message.parts[0].text == "It took too long."
    assert last.status.message.metadata["interchange/error"] == "deadline_passed"


def test_work_that_is_refused_is_a_rejected_task() -> None:
    (task,) = Telling(CALL, IDS).failure(Denied("Not on Sundays."))

    assert isinstance(task, wire.Task)
    assert task.status.state == wire.TASK_STATE_REJECTED
    assert not task.history


def test_wrong_arguments_are_named_as_fields_of_the_message() -> None:
    fault = InvalidArguments([Fault("/limit", "must be a number")])
    invoking = replace(CALL, action=Action.INVOKE, target=Target(TargetKind.SKILL, "candidates.search"))

    with pytest.raises(InvalidParamsError) as caught:
        list(Telling(invoking, IDS).failure(fault))

    data = cast("dict[str, Any]", caught.value.data)
    assert data["errors"] == [{"field": "message.parts[0].data.arguments.limit", "message": "must be a number"}]


def test_what_is_wrong_with_a_message_to_an_agent_is_named_where_it_is() -> None:
    fault = InvalidArguments([Fault("/parts/3/data", "nests too deep"), Fault("/conversation", "is too long")])

    with pytest.raises(InvalidParamsError) as caught:
        list(Telling(CALL, IDS).failure(fault))

    data = cast("dict[str, Any]", caught.value.data)
    assert [each["field"] for each in data["errors"]] == ["message.parts[3].data", "message.contextId"]


def test_an_answer_that_is_none_is_the_protocols_own_error_until_something_was_told() -> None:
    garbled = FarSideError("assistant answered with what is no answer.", fault=FarSideFault.GARBLED)

    with pytest.raises(InvalidAgentResponseError):
        list(Telling(CALL, IDS).failure(garbled))

    telling = Telling(CALL, IDS)
    list(telling.on(Progress(progress=1)))
    (last,) = telling.failure(garbled)
    assert isinstance(last, wire.TaskStatusUpdateEvent)
    assert last.status.state == wire.TASK_STATE_FAILED


def test_an_artifact_that_calls_itself_the_answer_is_kept_apart_from_it() -> None:
    emissions: list[Emission] = [
        Artifact(id="answer", parts=words("a file")),
        Delta(part=Part(text="Hello")),
        Artifact(id="answer", parts=(), append=True, last=True),
    ]
    events = told(emissions, answer("Hello", artifacts=(Artifact(id="answer", parts=words("a file")),)))

    assert text_of(events) == "Hello"
    assert text_of(events, "answer-artifact") == "a file"
    assert all(event.artifact.parts for event in events if isinstance(event, wire.TaskArtifactUpdateEvent))
