"""Anything at all as a message, over both bindings of a gateway process: an answer or an error of A2A, never ours.

Hypothesis draws requests that are nearly right: each member that A2A knows holds what belongs there, or any JSON.
"""

import json
import re
import uuid
from collections.abc import Generator, Mapping
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.agents import HTTP, Door, answer_of, publish_as_operator, text, words_of
from tests.support.odd_agent import WAYS, odd_agent
from tests.support.odd_service import odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

EXAMPLES = 200
INTERNAL = -32603
CODES = {-32700, -32600, -32601, -32602, *range(-32009, -32000)} - {-32006}
STATES = {f"TASK_STATE_{state}" for state in ("SUBMITTED", "WORKING", "COMPLETED", "FAILED", "REJECTED")}
INSIDE = re.compile(
    r"Traceback|Error\b|Exception|iterable|unhashable|literal for|protobuf|lf\.a2a|NoneType|'\w+' object"
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abcxyz_$.", max_size=5), inner, max_size=3),
    max_leaves=6,
)  # fmt: skip
WORDS = st.text(st.characters(codec="utf-8"), max_size=12).filter(lambda words: words not in WAYS)


def nearly(right: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """What belongs there, mostly; else any JSON."""
    return st.integers(0, 4).flatmap(lambda dice: right if dice else JSON)


def members(**right: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """An object with some of these members, each nearly right, and perhaps one that nobody knows."""
    optional = {name: nearly(strategy) for name, strategy in right.items()}
    names = st.sampled_from(["kind", "message_id", "jsonrpc", "params", "constructor"])
    known, unknown = st.fixed_dictionaries({}, optional=optional), st.dictionaries(names, JSON, max_size=1)
    return st.tuples(known, unknown).map(lambda both: {**both[1], **both[0]})


METADATA = st.dictionaries(st.text("abc/", max_size=4), JSON, max_size=2)
INVOCATION = members(
    skill=st.sampled_from(["odd.echo", "odd.nothing", "odd.scoped", "oddity.x", ""]),
    arguments=members(text=WORDS, times=st.integers(-5, 5), inner=JSON),
)
PART = members(
    text=WORDS,
    raw=st.binary(max_size=8).map(lambda raw: raw.hex()) | WORDS,
    url=WORDS,
    data=JSON | INVOCATION,
    mediaType=WORDS,
    filename=WORDS,
    metadata=METADATA,
)
ONE_KIND = st.one_of(
    [st.fixed_dictionaries({name: nearly(right)}) for name, right in {"text": WORDS, "data": INVOCATION | JSON}.items()]
)
MESSAGE = members(
    messageId=st.uuids().map(str) | WORDS,
    role=st.sampled_from(["ROLE_USER", "ROLE_USER", "ROLE_AGENT", "ROLE_UNSPECIFIED", "user", 1, 2]),
    parts=st.lists(nearly(PART | ONE_KIND), max_size=3),
    contextId=WORDS,
    taskId=st.just("") | WORDS,
    extensions=st.lists(WORDS, max_size=2),
    referenceTaskIds=st.lists(WORDS, max_size=2),
    metadata=METADATA,
)
GOOD_MESSAGE = st.fixed_dictionaries(
    {
        "messageId": st.uuids().map(str),
        "role": st.just("ROLE_USER"),
        "parts": st.lists(ONE_KIND, min_size=1, max_size=2),
    },
    optional={"contextId": WORDS, "metadata": nearly(METADATA)},
)
PARAMS = members(
    message=MESSAGE | GOOD_MESSAGE,
    configuration=members(
        acceptedOutputModes=st.lists(WORDS, max_size=2),
        historyLength=st.integers(-3, 3),
        returnImmediately=st.booleans(),
        taskPushNotificationConfig=members(url=WORDS, token=WORDS),
    ),
    metadata=METADATA,
    tenant=st.just("") | WORDS,
)
METHODS = ("SendMessage", "SendStreamingMessage", "GetTask", "ListTasks", "CancelTask", "SubscribeToTask",
           "CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig", "ListTaskPushNotificationConfigs",
           "DeleteTaskPushNotificationConfig", "GetExtendedAgentCard")  # fmt: skip
OTHER_PARAMS = members(
    id=WORDS, taskId=WORDS, contextId=WORDS, status=st.sampled_from(["TASK_STATE_WORKING", 3, -1, "x"]),
    pageSize=st.integers(-(2**40), 2**40), pageToken=WORDS, historyLength=st.integers(-5, 5), url=WORDS,
    statusTimestampAfter=st.sampled_from(["2026-01-01T00:00:00Z", "yesterday", "9999-99-99T99:99:99Z"]),
    includeArtifacts=st.booleans(), authentication=members(scheme=WORDS, credentials=WORDS),
)  # fmt: skip


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with odd_agent() as agent, odd_service(folder) as service, office(folder) as served:
        published(served, odd_manifest(folder), service.target)
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, agent.target)
        yield served
        assert "Traceback" not in served.log(), served.log()


@pytest.fixture(scope="module")
def door(gateway: Served) -> Generator[Door]:
    ada = Door(gateway.url, gateway.token("ada"))
    yield ada
    assert gateway.process.poll() is None
    assert words_of(ada.send("oddity", text("still there"))) == "still there"


fuzzed = settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
AGENTS = st.sampled_from(["oddity", "odd"])


def answers_of(response: httpx.Response) -> list[Any]:
    """The JSON of an answer, or of each event of a stream."""
    kind = response.headers["content-type"].partition(";")[0]
    if kind == "text/event-stream":
        lines = [line for line in response.text.splitlines() if line.startswith("data: ")]
        assert lines, "a stream that says nothing"
        return [json.loads(line.removeprefix("data: ")) for line in lines]
    assert kind in {"application/json", "application/a2a+json"}, kind
    return [response.json()]


def is_told(error: Mapping[str, Any]) -> None:
    """An error names what is wrong in words of ours."""
    assert isinstance(error["message"], str)
    assert error["message"]
    assert not INSIDE.search(error["message"]), error
    details: Any = error.get("data") or error.get("details") or []
    for detail in details:
        assert detail["@type"].startswith("type.googleapis.com/google.rpc."), error
    assert not INSIDE.search(json.dumps([each.get("metadata") for each in details])), error


def is_result(result: Mapping[str, Any]) -> None:
    """A task, which has ended where its sender waited for that."""
    assert result["task"]["status"]["state"] in STATES


def is_rpc(response: httpx.Response, request_id: Any) -> None:
    """One answer of JSON-RPC that is an answer to this request."""
    if response.status_code == 403:  # a scope is missing: OAuth's business
        assert "insufficient_scope" in response.headers["www-authenticate"]
        return
    assert response.status_code == 200, response.text
    for answer in answers_of(response):
        assert answer["jsonrpc"] == "2.0"
        assert answer["id"] == request_id
        assert ("result" in answer) is not ("error" in answer)
        if "error" in answer:
            assert answer["error"]["code"] in CODES, answer
            is_told(answer["error"])


def is_rest(response: httpx.Response) -> None:
    """One answer over REST."""
    if response.status_code == 403:
        assert "insufficient_scope" in response.headers["www-authenticate"]
        return
    assert response.status_code in {200, 400, 404}, response.text
    for answer in answers_of(response):
        assert ("error" in answer) is (response.status_code != 200), answer
        if "error" in answer:
            assert answer["error"]["code"] == response.status_code
            assert re.fullmatch("[A-Z_]+", answer["error"]["status"])
            is_told(answer["error"])


@fuzzed
@given(agent=AGENTS, params=PARAMS)
def test_any_message_over_json_rpc(door: Door, agent: str, params: dict[str, Any]) -> None:
    response = door.rpc(agent, "SendMessage", params)
    is_rpc(response, 1)
    if response.status_code == 200 and "result" in response.json():
        is_result(response.json()["result"])


@fuzzed
@given(agent=AGENTS, params=PARAMS)
def test_any_message_over_rest(door: Door, agent: str, params: dict[str, Any]) -> None:
    response = door.post(f"{door.of(agent)}/message:send", params)
    is_rest(response)
    if response.status_code == 200:
        is_result(response.json())


@fuzzed
@given(agent=AGENTS, params=PARAMS, over_rpc=st.booleans())
def test_any_message_to_be_streamed(door: Door, agent: str, *, params: dict[str, Any], over_rpc: bool) -> None:
    if over_rpc:
        is_rpc(door.rpc(agent, "SendStreamingMessage", params), 1)
    else:
        is_rest(door.post(f"{door.of(agent)}/message:stream", params))


@fuzzed
@given(message=GOOD_MESSAGE)
def test_both_bindings_think_the_same_of_a_message(door: Door, message: dict[str, Any]) -> None:
    once, again = [{"message": {**message, "messageId": str(uuid.uuid4())}} for _ in range(2)]
    rpc = door.rpc("oddity", "SendMessage", once).json()
    rest = door.post(f"{door.of('oddity')}/message:send", again).json()
    assert ("error" in rpc) is ("error" in rest)
    if "error" in rpc:
        assert rpc["error"]["message"] == rest["error"]["message"]
        assert rpc["error"]["data"] == rest["error"]["details"]
    else:
        assert answer_of(rpc["result"]["task"]) == answer_of(rest["task"])
        assert rpc["result"]["task"]["id"] != rest["task"]["id"]


@fuzzed
@given(method=st.sampled_from(METHODS), params=JSON | OTHER_PARAMS | PARAMS)
def test_any_operation_with_any_params(door: Door, method: str, params: Any) -> None:
    is_rpc(door.rpc("oddity", method, params), 1)


@fuzzed
@given(
    request=members(
        jsonrpc=st.sampled_from(["2.0", "1.0", 2]),
        id=st.integers() | WORDS | st.none() | JSON,
        method=st.sampled_from(METHODS) | WORDS,
        params=PARAMS,
    ).filter(lambda request: len(json.dumps(request)) < 10_000)
)
def test_any_request_over_json_rpc(door: Door, request: dict[str, Any]) -> None:
    response = door.post(door.of("oddity"), request)
    given = request.get("id")
    expected = given if isinstance(given, str) or (type(given) is int and -(2**63) <= given < 2**64) else None
    if response.status_code == 200 and response.json().get("error", {}).get("code") in {-32700, -32600}:
        expected = response.json()["id"]
    is_rpc(response, expected)


@fuzzed
@given(body=st.binary(max_size=64) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_bytes(door: Door, body: bytes) -> None:
    for path in ("", "/message:send", "/tasks/t:cancel"):
        response = door.post(door.of("oddity") + path, body)
        assert response.status_code in {200, 400, 404}
        for answer in answers_of(response):
            is_told(answer["error"])


@fuzzed
@given(
    name=st.sampled_from(
        ["pageSize", "historyLength", "status", "includeArtifacts", "contextId", "statusTimestampAfter"]
    ),
    value=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=12) | st.integers().map(str),
)
def test_any_query(door: Door, name: str, value: str) -> None:
    for path in ("/tasks", "/tasks/t-1", "/tasks/t-1/pushNotificationConfigs"):
        is_rest(HTTP.get(door.of("oddity") + path, params={name: value}, headers=door.sent()))
