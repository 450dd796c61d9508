"""Every operation of A2A, as the official clients see it: three bindings in Python and JavaScript, and 0.3 over two.

One gateway, one agent of another process, and a webhook on loopback. Each client walks one tour; the tests look at what
it brought back.
"""

import asyncio
import json
import threading
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.support.a2a_tour import OLDER, TOURS, Visit, guide
from tests.support.agents import Agents
from tests.support.odd_agent import eventually
from tests.support.office import office
from tests.support.push import Received, Receiver, receiver
from tests.support.served import Served

COMPLETED, CANCELLED = "TASK_STATE_COMPLETED", "TASK_STATE_CANCELED"
UNDER_WAY = {"TASK_STATE_SUBMITTED", "TASK_STATE_WORKING"}
ERRORS = {
    "unknown": {"TaskNotFoundError", "-32001", "404"},
    "over": {"TaskNotCancelableError", "-32002", "400"},
    "ended": {"UnsupportedOperationError", "-32004", "400"},
}
Report = Mapping[str, Any]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    settings = '[push]\nallowed_networks = ["127.0.0.0/8"]\n'
    with office(tmp_path_factory.mktemp("gateway"), settings=settings) as served, Agents(served).alive() as agents:
        agents.answers["clerk"] = guide()
        agents.join("clerk")
        yield served


@pytest.fixture(scope="module")
def hook() -> Generator[Receiver]:
    with in_a_loop_of_its_own() as webhook:
        yield webhook


@pytest.fixture(scope="module", params=TOURS)
def client(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def report(client: str, gateway: Served, hook: Receiver) -> Report:
    """What a client saw on its tour."""
    visit = Visit(
        url=f"{gateway.url}/agents/clerk",
        token=gateway.token("ada"),
        hook=hook.url(f"/{client.replace(' ', '-')}"),
        context=str(uuid4()),
    )

    async def walk() -> Report:
        return await TOURS[client](visit)

    return asyncio.run(walk())


def test_a_message_is_answered_by_a_task_that_can_be_read_again(report: Report) -> None:
    assert report["sent"]["status"]["state"] == COMPLETED
    assert text_of(report["sent"]["artifacts"]) == "hello"
    assert report["got"]["id"] == report["sent"]["id"]
    assert report["got"]["status"] == report["sent"]["status"]
    assert report["got"]["artifacts"] == report["sent"]["artifacts"]
    assert next(message["parts"][0]["text"] for message in report["got"]["history"]) == "say hello"


def test_a_stream_begins_with_the_task_and_ends_with_the_answer_whole(report: Report) -> None:
    kinds, states = kinds_of(report["streamed"]), states_of(report["streamed"])

    assert kinds[0] == "task"
    assert kinds[-1] == "statusUpdate"
    assert set(states[:-1]) <= UNDER_WAY
    assert states[-1] == COMPLETED
    assert text_of(artifacts_of(report["streamed"])) == "hello"


def test_who_does_not_wait_has_a_task_at_once_and_follows_it_to_its_end(report: Report) -> None:
    assert report["held"]["status"]["state"] in UNDER_WAY
    assert kinds_of(report["followed"])[0] == "task"
    assert report["followed"][0]["task"]["id"] == report["held"]["id"]
    assert states_of(report["followed"])[-1] == COMPLETED
    assert text_of(artifacts_of(report["followed"])) == "first"


def test_a_cancelled_task_ends_for_who_cancels_it_and_for_who_follows_it(report: Report) -> None:
    assert report["cancelled"]["id"] == report["second"]["id"]
    assert report["cancelled"]["status"]["state"] == CANCELLED
    assert states_of(report["ended"])[-1] == CANCELLED


def test_tasks_are_listed_page_by_page_the_newest_first(client: str, report: Report) -> None:
    if client in OLDER:
        return  # 0.3 has no such operation
    pages: Sequence[Any] = report["pages"]
    tasks = [task for page in pages for task in page["tasks"]]

    assert [len(page["tasks"]) for page in pages] == [2, 2, 1]
    assert [page["totalSize"] for page in pages] == [5, 5, 5]
    assert len({task["id"] for task in tasks}) == 5
    assert {task["status"]["state"] for task in tasks} == {COMPLETED}
    assert [task["status"]["timestamp"] for task in tasks] == sorted(
        (task["status"]["timestamp"] for task in tasks), reverse=True
    )
    assert tasks[-1]["id"] == report["sent"]["id"]
    assert not any(task.get("artifacts") for task in tasks)


def test_a_webhook_is_created_read_listed_and_deleted(client: str, report: Report) -> None:
    configs = report["configs"]

    for config in (configs["created"], configs["got"]):
        assert (config["id"], config["taskId"]) == ("kept", report["held"]["id"])
        assert config["url"].startswith("http://127.0.0.1:")
        assert config["authentication"]["scheme"] == "Bearer"
    if client not in OLDER:  # which has neither
        assert sorted(configs["listed"]) == ["dropped", "kept"]
        assert configs["left"] == ["kept"]


def test_the_webhook_is_told_of_its_task_to_the_end(client: str, report: Report, hook: Receiver) -> None:
    def told() -> Sequence[Received]:
        return [each for each in hook.received if each.path == f"/{client.replace(' ', '-')}"]

    eventually(lambda: any(COMPLETED in each.body.decode() for each in told()), "the webhook was not told of the end")

    for each in told():
        assert each.headers["authorization"] == "Bearer hook-secret"
        assert each.headers["x-a2a-notification-token"] == "hook-token"
        (said,) = json.loads(each.body).values()
        assert said.get("taskId", said.get("id")) == report["held"]["id"]


def test_the_extended_card_is_the_agent_s(report: Report) -> None:
    assert report["card"] == "Clerk"


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_done_comes_by_its_own_name(report: Report, case: str) -> None:
    assert report["errors"][case] in ERRORS[case]


def kinds_of(events: Sequence[Report]) -> Sequence[str]:
    return [next(iter(event)) for event in events]


def states_of(events: Sequence[Report]) -> Sequence[str]:
    told = [event.get("task") or event.get("statusUpdate") for event in events]
    return [one["status"]["state"] for one in told if one]


def artifacts_of(events: Sequence[Report]) -> Sequence[Any]:
    """The artifacts that a stream tells of, put together as the protocol says."""
    found: dict[str, Any] = {}
    for event in events:
        for artifact in event.get("task", {}).get("artifacts", ()):
            found[artifact["artifactId"]] = artifact
        if update := event.get("artifactUpdate"):
            artifact = update["artifact"]
            before: list[Any] = found[artifact["artifactId"]]["parts"] if update.get("append") else []
            found[artifact["artifactId"]] = {**artifact, "parts": [*before, *artifact["parts"]]}
    return list(found.values())


def text_of(artifacts: Sequence[Any]) -> str:
    return "".join(part["text"] for artifact in artifacts for part in artifact["parts"])


@contextmanager
def in_a_loop_of_its_own() -> Generator[Receiver]:
    """A webhook in a thread: clients that are processes leave no loop to it."""
    loop, ready = asyncio.new_event_loop(), Future[Receiver]()
    over = asyncio.Event()

    async def serve() -> None:
        async with receiver() as webhook:
            ready.set_result(webhook)
            await over.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    try:
        yield ready.result(10)
    finally:
        loop.call_soon_threadsafe(over.set)
        thread.join()
        loop.close()
