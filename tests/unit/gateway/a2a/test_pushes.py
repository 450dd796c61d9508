"""What webhooks are told of a turn, message by message."""

import json
from typing import Any

import pytest

from adapters.lifecycle.views import TurnView
from adapters.messaging.messages import Kind, Message
from adapters.messaging.turns import TurnState
from gateway.a2a.pushes import write_push
from tests.support.views import answered, asked, failed, logged, opening, view


def pushed(seen: TurnView, message: Message) -> dict[str, Any]:
    body = write_push(seen, message)
    assert body is not None
    return json.loads(body)


def test_what_is_said_on_the_way_is_a_status() -> None:
    said = logged(2, "A moment")

    update = pushed(view(TurnState.WORKING, said), said)["statusUpdate"]

    assert (update["taskId"], update["contextId"]) == ("turn-1", "context-1")
    assert update["status"]["state"] == "TASK_STATE_WORKING"
    assert (update["status"]["message"]["messageId"], update["status"]["message"]["parts"]) == (
        "m-2",
        [{"text": "A moment"}],
    )


@pytest.mark.parametrize(
    ("state", "end", "theirs"),
    [
        (TurnState.COMPLETED, logged(2, "Done"), "TASK_STATE_COMPLETED"),
        (TurnState.FAILED, failed(2, "It took too long."), "TASK_STATE_FAILED"),
        (TurnState.REJECTED, failed(2, "Not on Sundays."), "TASK_STATE_REJECTED"),
        (TurnState.WAITING, asked(2, "Which city?"), "TASK_STATE_INPUT_REQUIRED"),
        (TurnState.REVIEW, logged(2, "Done"), "TASK_STATE_INPUT_REQUIRED"),
        (TurnState.CANCELLED, logged(2, sender="person:recruiter", kind=Kind.CANCELLED), "TASK_STATE_CANCELED"),
    ],
)
def test_however_it_ends_the_whole_task_is_told(state: TurnState, end: Message, theirs: str) -> None:
    task = pushed(view(state, end), end)["task"]

    assert (task["id"], task["status"]["state"]) == ("turn-1", theirs)


def test_what_was_said_before_the_end_is_told_as_that_however_late() -> None:
    said = logged(2, "A moment")

    assert "statusUpdate" in pushed(view(TurnState.COMPLETED, said, logged(3, "Done")), said)


@pytest.mark.parametrize("said", [opening(), answered(3, "Dublin")])
def test_nobody_is_told_what_they_said_themselves(said: Message) -> None:
    assert write_push(view(TurnState.WORKING, asked(2, "Which city?"), answered(3, "Dublin")), said) is None
