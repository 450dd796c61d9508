"""The order of a stream of A2A."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from conformance.a2a.streams import append_faults, ending_faults, order_faults, same_task_faults

OF = {"taskId": "one", "contextId": "two"}
TASK = {"task": {"id": "one", "contextId": "two", "status": {"state": "TASK_STATE_WORKING"}}}
DONE = {"task": {"id": "one", "contextId": "two", "status": {"state": "TASK_STATE_COMPLETED"}}}
MESSAGE = {"message": {"messageId": "m"}}
WORKING = {"statusUpdate": {**OF, "status": {"state": "TASK_STATE_WORKING"}}}
COMPLETED = {"statusUpdate": {**OF, "status": {"state": "TASK_STATE_COMPLETED"}}}
ASKING = {"statusUpdate": {**OF, "status": {"state": "TASK_STATE_INPUT_REQUIRED"}}}
CHUNK = {"artifactUpdate": {**OF, "artifact": {"artifactId": "a"}}}
MORE = {"artifactUpdate": {**OF, "artifact": {"artifactId": "a"}, "append": True}}

GOOD: Sequence[Sequence[Any]] = [
    [MESSAGE],
    [DONE],
    [TASK, COMPLETED],
    [TASK, WORKING, CHUNK, MORE, COMPLETED],
    [TASK, COMPLETED, DONE],
    [TASK, ASKING],
]
Judge = Callable[[Sequence[Any]], Iterator[str]]


@pytest.mark.parametrize("events", GOOD)
@pytest.mark.parametrize("judge", [order_faults, ending_faults, append_faults, same_task_faults])
def test_a_stream_as_it_should_be_has_no_faults(judge: Judge, events: Sequence[Any]) -> None:
    assert list(judge(events)) == []


@pytest.mark.parametrize(
    ("judge", "events"),
    [
        (order_faults, [MESSAGE, MESSAGE]),
        (order_faults, [MESSAGE, TASK, COMPLETED]),
        (order_faults, [WORKING, TASK, COMPLETED]),
        (order_faults, [TASK, TASK, COMPLETED]),
        (order_faults, [TASK, MESSAGE, COMPLETED]),
        (ending_faults, [TASK]),
        (ending_faults, [TASK, WORKING, CHUNK]),
        (ending_faults, [TASK, COMPLETED, WORKING]),
        (ending_faults, [TASK, COMPLETED, DONE, CHUNK]),
        (ending_faults, [WORKING]),
        (append_faults, [TASK, MORE, COMPLETED]),
        (append_faults, [TASK, MORE, CHUNK]),
        (same_task_faults, [TASK, {"statusUpdate": {**OF, "taskId": "other"}}]),
        (same_task_faults, [TASK, {"artifactUpdate": {"taskId": "one"}}]),
    ],
)
def test_a_stream_that_is_not_has(judge: Judge, events: Sequence[Any]) -> None:
    assert list(judge(events)) != []


def test_what_is_no_event_at_all_is_passed_over() -> None:
    odd: Sequence[Any] = [None, 3, {}, {"task": None}]
    for judge in (order_faults, append_faults, same_task_faults):
        assert list(judge(odd)) == []
