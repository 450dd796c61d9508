"""A2A 0.3 on the URLs of 1.0: what its requests mean, and what is said of bad ones. Real clients of it are on tour in
`test_a2a_operations`."""

import json
from collections.abc import AsyncIterator, Generator, Mapping
from typing import Any

import httpx
import pytest
from interchange_client.agent import TurnInHand

from tests.support.agents import HTTP, Agents
from tests.support.office import office
from tests.support.served import Served

INVALID, NO_METHOD, NO_REQUEST, NO_VERSION = -32602, -32601, -32600, -32009
WORDS = {"kind": "text", "text": "hello"}
LEAKS = ("Traceback", "Error", "pydantic", "validation", "ParseDict", "google", "NoneType", "padding")


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with office(tmp_path_factory.mktemp("gateway")) as served:
        yield served


@pytest.fixture(scope="module")
def url(gateway: Served) -> Generator[str]:
    """Where the clerk is, who says what data it is given, or else what words; and gives up when it is told to."""

    async def answer(turn: TurnInHand) -> AsyncIterator[str]:
        if turn.text == "break":
            raise RuntimeError("the password is 4711")
        yield repr(turn.data) if turn.data is not None else turn.text

    with Agents(gateway).alive() as agents:
        agents.answers["clerk"] = answer
        agents.join("clerk")
        yield f"{gateway.url}/agents/clerk"


@pytest.fixture(scope="module")
def ada(gateway: Served) -> Mapping[str, str]:
    return {"authorization": f"Bearer {gateway.token('ada')}"}


def message(*parts: object, **members: Any) -> dict[str, Any]:
    number = message.__dict__["number"] = message.__dict__.get("number", 0) + 1
    return {"message": {"kind": "message", "messageId": f"m-{number}", "role": "user", "parts": list(parts), **members}}


def rpc(url: str, method: str, params: object, headers: Mapping[str, str]) -> httpx.Response:
    return HTTP.post(url, json={"jsonrpc": "2.0", "id": 1, "method": method, "params": params}, headers=dict(headers))


def error_of(response: httpx.Response) -> tuple[int, str]:
    """The error that a request was answered with, over JSON-RPC: at once, or as the first event of a stream."""
    text = response.text.removeprefix("data: ").strip()
    error = json.loads(text)["error"]
    assert response.status_code == 200
    assert not any(leak in error["message"] for leak in LEAKS), error
    return error["code"], error["message"]


def said(task: Mapping[str, Any]) -> str:
    return "".join(part["text"] for artifact in task["artifacts"] for part in artifact["parts"])


@pytest.mark.parametrize("version", [{}, {"a2a-version": ""}, {"a2a-version": "0.3"}, {"a2a-version": "0.3.0"}])
def test_who_names_no_version_or_0_3_is_answered_in_its_words(
    url: str, ada: Mapping[str, str], version: Mapping[str, str]
) -> None:
    task = rpc(url, "message/send", message(WORDS), {**ada, **version}).json()["result"]

    assert task["kind"] == "task"
    assert task["status"]["state"] == "completed"
    assert task["artifacts"][0]["parts"] == [WORDS]
    assert task["history"][0]["role"] == "user"


@pytest.mark.parametrize("version", ["0.2", "0.2.5", "0.30", "2.0", "1.7", "x", "0.3,1.0", "0.3" * 99])
def test_a_version_that_nobody_speaks_is_refused(url: str, ada: Mapping[str, str], version: str) -> None:
    code, _ = error_of(rpc(url, "message/send", message(WORDS), {**ada, "a2a-version": version}))
    assert code == NO_VERSION


def test_the_methods_of_one_revision_are_not_there_in_the_other(url: str, ada: Mapping[str, str]) -> None:
    newest = rpc(url, "SendMessage", {}, ada)
    oldest = rpc(url, "message/send", message(WORDS), {**ada, "a2a-version": "1.0"})
    none = rpc(url, "message/nothing", {}, ada)

    assert [error_of(each)[0] for each in (newest, oldest, none)] == [NO_VERSION, NO_METHOD, NO_METHOD]


@pytest.mark.parametrize(
    ("data", "arrives"),
    [
        ({"n": 3}, "{'n': 3}"),
        ({"n": 9007199254740991}, "{'n': 9007199254740991}"),
        ({"n": [2.5, None, True]}, "{'n': [2.5, None, True]}"),
        ({"value": 1}, "{'value': 1}"),
    ],
)
def test_data_arrives_as_it_was_written(url: str, ada: Mapping[str, str], data: Any, arrives: str) -> None:
    over_rpc = rpc(url, "message/send", message({"kind": "data", "data": data}), ada).json()["result"]
    content = message()["message"] | {"role": "ROLE_USER", "content": [{"data": {"data": data}}]}  # beside no parts
    over_rest = HTTP.post(f"{url}/v1/message:send", json={"message": content}, headers=dict(ada)).json()["task"]

    assert said(over_rpc) == said(over_rest) == arrives


BAD: dict[str, tuple[object, str]] = {
    "nothing": ({}, "message"),
    "no object": ([1], "params"),
    "no id": (message(WORDS, messageId=None), "message.messageId"),
    "an empty id": (message(WORDS, messageId=""), "message.messageId"),
    "no parts": (message(parts=None), "message.parts"),
    "no part": (message(), "message.parts"),
    "a part of no kind": (message({"kind": "odd", "text": "x"}), "message.parts.0"),
    "a role of 1.0": (message(WORDS, role="ROLE_USER"), "message.role"),
    "an agent's role": (message(WORDS, role="agent"), "message.role"),
    "bytes that are none": (message({"kind": "file", "file": {"bytes": "§§§"}}), "message.parts[0]"),
    "half a byte": (message(WORDS, {"kind": "file", "file": {"bytes": "x"}}), "message.parts[1]"),
    "data that is none": (message({"kind": "data", "data": 5}), "message.parts.0"),
    "wrapped data without it": (
        message({"kind": "data", "data": {}, "metadata": {"data_part_compat": True}}), "message.parts[0]"
    ),
    "very many parts": (message(*[WORDS] * 300), "message.parts"),
}  # fmt: skip


@pytest.mark.parametrize("method", ["message/send", "message/stream"])
@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_said_by_its_place(url: str, ada: Mapping[str, str], case: str, method: str) -> None:
    params, place = BAD[case]
    code, sentence = error_of(rpc(url, method, params, ada))

    assert code == INVALID
    assert place in sentence


@pytest.mark.parametrize("method", ["tasks/get", "tasks/cancel", "tasks/resubscribe"])
@pytest.mark.parametrize("params", [{}, {"id": 5}, {"id": None}, []])
def test_a_task_is_named_by_a_text(url: str, ada: Mapping[str, str], method: str, params: object) -> None:
    assert error_of(rpc(url, method, params, ada))[0] == INVALID


@pytest.mark.parametrize("body", [{"jsonrpc": "2.0", "method": "message/send"}, {"id": 1, "method": "message/send"}])
def test_what_is_no_request_of_json_rpc_is_said_so(url: str, ada: Mapping[str, str], body: dict[str, Any]) -> None:
    response = HTTP.post(url, json={**body, "params": message(WORDS)}, headers=dict(ada))
    assert error_of(response)[0] == NO_REQUEST


REST: dict[str, tuple[str, str, object]] = {
    "a message of json-rpc": ("POST", "/v1/message:send", message(WORDS)),
    "no content": ("POST", "/v1/message:send", {"message": {"messageId": "m", "role": "ROLE_USER"}}),
    "an empty part": ("POST", "/v1/message:stream", {"message": {"messageId": "m", "content": [{}]}}),
    "a number for a text": ("POST", "/v1/message:stream", {"message": {"messageId": 5}}),
    "very many parts": ("POST", "/v1/message:send", {"message": {"parts": [], "content": [{"text": "x"}] * 300}}),
    "a length that is none": ("GET", "/v1/tasks/x?historyLength=many", None),
    "a config that is none": ("POST", "/v1/tasks/x/pushNotificationConfigs", {"config": 5}),
}


@pytest.mark.parametrize("case", REST)
def test_what_is_wrong_over_rest_is_a_bad_request(url: str, ada: Mapping[str, str], case: str) -> None:
    method, path, body = REST[case]
    response = HTTP.request(method, f"{url}{path}", json=body, headers=dict(ada))

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/json"
    assert response.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert not any(leak in response.json()["error"]["message"] for leak in LEAKS)


def test_the_paths_of_0_3_are_for_0_3(url: str, ada: Mapping[str, str]) -> None:
    newest = HTTP.get(f"{url}/v1/tasks/x", headers={**ada, "a2a-version": "1.0"})
    oldest = HTTP.get(f"{url}/tasks/x", headers=dict(ada))

    for response in (newest, oldest):
        assert response.status_code == 400
        assert response.json()["error"]["details"][0]["reason"] == "VERSION_NOT_SUPPORTED"


@pytest.mark.parametrize("method", ["message/send", "message/stream"])
def test_what_an_agent_breaks_by_stays_with_it(url: str, ada: Mapping[str, str], method: str) -> None:
    response = rpc(url, method, message({"kind": "text", "text": "break"}), ada)

    assert '"failed"' in response.text
    assert "4711" not in response.text


def test_to_a_stranger_there_is_no_agent(gateway: Served, url: str) -> None:
    headers = {"authorization": f"Bearer {gateway.token('stranger')}"}
    here = rpc(url, "message/send", message(WORDS), headers)
    nowhere = rpc(url.replace("clerk", "nobody"), "message/send", message(WORDS), headers)

    assert here.status_code == 404
    assert (here.status_code, here.content) == (nowhere.status_code, nowhere.content)
