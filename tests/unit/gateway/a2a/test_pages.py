"""Pages of tasks: what is asked of the log, and the token by which a list goes on."""

import base64
import json
from typing import Any, cast

import pytest
from a2a.types import a2a_pb2 as wire
from a2a.utils.errors import InvalidParamsError
from google.protobuf.json_format import ParseDict

from adapters.lifecycle.service import TurnPage
from adapters.messaging.log import TurnMark
from adapters.messaging.turns import TurnState
from gateway.a2a.pages import read_page, write_page
from registry.model import TurnId
from tests.support.cards import agent
from tests.support.views import logged, view
from tests.unit.gateway.a2a.test_reading import asked

MARK = TurnMark(1_790_000_000.123456, TurnId("0199-a"))


def listing(**params: Any) -> wire.ListTasksRequest:
    return ParseDict(params, wire.ListTasksRequest())


def read(**params: Any) -> Any:
    return read_page(listing(**params), asked(params))


def token(**params: Any) -> str:
    """The token of a page that these parameters were answered with."""
    page = TurnPage(views=(), mark=MARK, total=9)
    return write_page(page, listing(**params), asked(params)).next_page_token


def faults(**params: Any) -> list[str]:
    with pytest.raises(InvalidParamsError) as caught:
        read(**params)
    return [fault["field"] for fault in cast("dict[str, Any]", caught.value.data)["errors"]]


def test_who_asks_for_nothing_special_gets_fifty_of_all() -> None:
    assert read() == {"limit": 50, "context": "", "changed_after": None}


def test_what_is_asked_for_is_said_in_words_of_the_log() -> None:
    found = read(contextId="c-1", pageSize=1_000, status="TASK_STATE_INPUT_REQUIRED")

    assert (found["context"], found["limit"]) == ("c-1", 100)
    assert set(found["states"]) == {TurnState.WAITING, TurnState.REVIEW}


def test_a_time_keeps_its_milliseconds() -> None:
    assert read(statusTimestampAfter="2026-11-22T17:00:00.250Z")["changed_after"] == 1795366800.25


def test_a_state_that_no_turn_has_is_not_even_asked_for() -> None:
    assert read(status="TASK_STATE_AUTH_REQUIRED") is None


def test_a_list_goes_on_behind_its_last_task() -> None:
    going_on = read(contextId="c-1", pageToken=token(contextId="c-1"))

    assert going_on["mark"] == [MARK.changed_at, MARK.turn]


def test_a_page_may_be_larger_than_the_one_before() -> None:
    assert read(pageSize=7, pageToken=token(pageSize=2))["mark"]


@pytest.mark.parametrize(
    "other",
    [{"contextId": "c-2"}, {"status": "TASK_STATE_WORKING"}, {"statusTimestampAfter": "2026-11-22T17:00:00Z"}],
)
def test_a_token_is_good_for_its_own_question_only(other: dict[str, Any]) -> None:
    assert faults(**other, pageToken=token()) == ["pageToken"]


def test_a_token_is_good_at_its_own_agent_only() -> None:
    with pytest.raises(InvalidParamsError):
        read_page(listing(pageToken=token()), asked({}, entry=agent("outreach")))


def encoded(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    "made_up",
    ["x", "a b", "%%%", "=" * 8, "x" * 10_000, encoded(5), encoded([]), encoded([1.0, "t", "x"]), encoded({"a": 1})],
)
def test_a_token_that_nobody_gave_is_refused(made_up: str) -> None:
    assert faults(pageToken=made_up) == ["pageToken"]


@pytest.mark.parametrize(("name", "value"), [("pageSize", 0), ("pageSize", -1), ("historyLength", -1)])
def test_numbers_are_not_negative(name: str, value: int) -> None:
    assert faults(**{name: value}) == [name]


def test_a_state_there_is_not_is_refused() -> None:
    params = {"status": "TASK_STATE_HAPPY"}

    with pytest.raises(InvalidParamsError):
        read_page(wire.ListTasksRequest(), asked(params))


def test_a_page_has_tasks_without_artifacts_unless_they_are_asked_for() -> None:
    page = TurnPage(views=(view(TurnState.COMPLETED, logged(2, "Done")),), mark=None, total=1)

    (plain,) = write_page(page, listing(), asked({})).tasks
    whole = write_page(page, listing(includeArtifacts=True, historyLength=0), asked({}))

    assert not plain.artifacts
    assert plain.history
    assert [artifact.artifact_id for artifact in whole.tasks[0].artifacts] == ["answer"]
    assert not whole.tasks[0].history
    assert (whole.next_page_token, whole.page_size, whole.total_size) == ("", 50, 1)
