"""The express lane answers exactly as the SDK's dispatchers do: same status, same headers that matter, same JSON."""

import json
import re
from collections.abc import Generator
from typing import Any, cast
from unittest.mock import ANY

import httpx
import pytest
from a2a.server.context import ServerCallContext
from a2a.types import a2a_pb2 as wire

from gateway.a2a.express import ExpressLane, read_express
from gateway.a2a.handler import Handler
from tests.support.agents import Door, invoking, params, publish_as_operator, text
from tests.support.odd_agent import OddAgent, odd_agent
from tests.support.odd_service import odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

WAYS = ["SendMessage", "SendStreamingMessage", "/message:send"]


@pytest.fixture(scope="module")
def odd() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(odd: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with odd_service(folder) as service, office(folder) as served:
        published(served, odd_manifest(folder), service.target)
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        publish_as_operator(
            served,
            {"name": "strict", "domain": "office", "extensions": [{"uri": "https://e.example/1", "required": True}]},
            odd.target,
        )
        yield served
        assert "Traceback" not in served.log(), served.log()


@pytest.fixture(scope="module")
def door(gateway: Served) -> Door:
    return Door(gateway.url, gateway.token("ada"))


def sent(door: Door, agent: str, way: str, asked: dict[str, Any]) -> httpx.Response:
    return door.rpc(agent, way, asked) if way in WAYS[:2] else door.post(door.of(agent) + way, asked)


def both_ways(door: Door, agent: str, way: str, asked: dict[str, Any]) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a plain message, and to the same made not plain by metadata that nobody reads."""
    again = {**asked, "message": {**asked["message"], "messageId": asked["message"]["messageId"] + "-again"}}
    return sent(door, agent, way, asked), sent(door, agent, way, {**again, "metadata": {}})


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("agent", "asked"),
    [
        ("oddity", params(text("hello"))),
        ("oddity", params(text("hello"), text("Grüße, 世界 🎉"))),
        ("oddity", params({"data": {"a": [1, 2.5, None, True, {"b": "c"}]}, "mediaType": "application/json"})),
        ("oddity", params({"data": 5})),
        ("oddity", {**params(text("hello")), "configuration": {"historyLength": 0}}),
        ("oddity", {**params(text("hello")), "configuration": {"historyLength": 1, "acceptedOutputModes": ["x/y"]}}),
        ("oddity", params(text("hello"), metadata={"to": ["all"]})),
        ("oddity", params(text("hello"), metadata={"interchange/background": "yes"})),
        ("oddity", params(text("secret"))),
        ("oddity", params(text("garbage"))),
        ("oddity", params(text("status PERMISSION_DENIED"))),
        ("oddity", params(text("hello"), taskId="nobody's")),
        ("oddity", params(text("hello"), contextId="a\nb")),
        ("oddity", params()),
        ("strict", params(text("hello"))),
        ("odd", params(invoking("odd.echo", text="hello", times=3))),
        ("odd", params(invoking("odd.echo", text=5))),
        ("odd", params(invoking("odd.nothing"))),
        ("odd", params(invoking("odd.fail"))),
        ("odd", params(invoking("odd.unheard_of"))),
        ("odd", params(text("hello"))),
    ],
)
def test_both_ways_answer_alike(door: Door, agent: str, way: str, asked: dict[str, Any]) -> None:
    message = {**asked["message"], "messageId": f"{asked['message']['messageId']}-{way.strip('/')}"}
    express, ordinary = both_ways(door, agent, way, {**asked, "message": message})
    assert express.status_code == ordinary.status_code
    for header in ("content-type", "cache-control", "www-authenticate"):
        assert express.headers.get(header) == ordinary.headers.get(header)
    assert told(express) == told(ordinary)


def told(response: httpx.Response) -> list[Any]:
    """What a response says, without what always differs: ids and times."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return [without_ids(response.json())]
    fields = [line.partition(": ") for line in response.text.splitlines() if line]
    return [(name, without_ids(json.loads(value)) if name == "data" else value) for name, _, value in fields]


IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}(-(again|SendMessage|SendStreamingMessage|message:send))*")
TIMES = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z")


def without_ids(answer: Any) -> Any:
    return json.loads(TIMES.sub("then", IDS.sub("an id", json.dumps(answer))))


REQUEST = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params(text("hello"))}


@pytest.mark.parametrize("id_", [1, "one", 2**64 - 1])
@pytest.mark.parametrize("method", WAYS[:2])
def test_plain_messages_take_the_lane(id_: Any, method: str) -> None:
    express = read_express({**REQUEST, "id": id_, "method": method})
    assert express is not None
    assert (express.id, express.streams) == (id_, method == "SendStreamingMessage")
    assert express.params.message.parts[0].text == "hello"


@pytest.mark.parametrize(
    "request_",
    [
        [REQUEST],
        "SendMessage",
        None,
        {**REQUEST, "jsonrpc": "1.0"},
        {**REQUEST, "id": True},
        {**REQUEST, "id": None},
        {**REQUEST, "id": 1.5},
        {**REQUEST, "method": "GetTask"},
        {**REQUEST, "method": "message/send"},
        {**REQUEST, "method": {}},
        {**REQUEST, "params": [1]},
        {**REQUEST, "more": 1},
        {name: value for name, value in REQUEST.items() if name != "id"},
        {**REQUEST, "params": {**params(text("hello")), "tenant": "t"}},
        {**REQUEST, "params": params(text("hello"), extensions=["https://e.example/1"])},
        {**REQUEST, "params": params({"raw": "eA=="})},
        {**REQUEST, "params": params({"text": "x", "data": {}})},
        {**REQUEST, "params": params({"text": "x", "metadata": {}})},
        {**REQUEST, "params": params({"data": None})},
        {**REQUEST, "params": params(text("hello"), role="ROLE_AGENT")},
        {**REQUEST, "params": params(text("hello"), messageId=5)},
    ],
)
def test_whatever_is_not_plain_is_left_to_the_sdk(request_: Any) -> None:
    assert read_express(request_) is None


async def test_a_task_that_cannot_be_printed_is_an_error_as_anywhere_else(caplog: pytest.LogCaptureFixture) -> None:
    """JSON has not the number in it. No task of ours has such a one; if it had, its reader would be answered."""

    class Answering:
        async def on_message_send(self, params: wire.SendMessageRequest, context: ServerCallContext) -> wire.Task:
            task = wire.Task(id="t", status=wire.TaskStatus(state=wire.TASK_STATE_COMPLETED))
            task.artifacts.add().parts.add().data.number_value = float("nan")
            return task

    express = read_express(REQUEST)
    assert express is not None
    lane = ExpressLane(cast("Handler", Answering()))
    response = await lane.answer(express, ServerCallContext())
    assert json.loads(bytes(response.body))["error"] == {"code": -32603, "message": "The gateway failed.", "data": ANY}
    assert "no number" in caplog.text
