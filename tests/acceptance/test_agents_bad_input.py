"""Bad input at the A2A face of a gateway process, over both bindings: it is always answered with an error of A2A."""

import base64
import json
from collections.abc import Callable, Generator, Mapping
from typing import Any

import httpx
import pytest

from tests.support.agents import (
    HTTP,
    Door,
    answer_of,
    end_of,
    invoking,
    params,
    publish_as_operator,
    result_of,
    text,
    told_of,
    words_of,
)
from tests.support.odd_agent import OddAgent, odd_agent
from tests.support.odd_service import odd_manifest, odd_service
from tests.support.office import office
from tests.support.served import Served, published

PARSE_ERROR, INVALID_REQUEST, NO_METHOD, INVALID_PARAMS = -32700, -32600, -32601, -32602
TASK_NOT_FOUND, UNSUPPORTED, TYPE, EXTENSION, VERSION = -32001, -32004, -32005, -32008, -32009
REQUIRED, OPTIONAL, OTHER = (f"https://extensions.example/{name}/v1" for name in ("required", "optional", "other"))
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def odd() -> Generator[OddAgent]:
    with odd_agent() as agent:
        yield agent


@pytest.fixture(scope="module")
def gateway(odd: OddAgent, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    extensions = [{"uri": REQUIRED, "required": True}, {"uri": OPTIONAL}]
    with odd_service(folder) as service, office(folder) as served:
        published(served, odd_manifest(folder), service.target)
        publish_as_operator(served, {"name": "oddity", "domain": "office"}, odd.target)
        publish_as_operator(served, {"name": "clerk", "domain": "office", "extensions": extensions}, odd.target)  # type: ignore[typeddict-item]
        yield served
        assert "Traceback" not in served.log(), served.log()


@pytest.fixture(scope="module")
def door(gateway: Served) -> Door:
    return Door(gateway.url, gateway.token("ada"))


@pytest.fixture(autouse=True)
def afresh(odd: OddAgent) -> None:
    odd.forget()


@pytest.fixture(scope="module", autouse=True)
def in_health(door: Door) -> Generator[None]:
    """After all of it the gateway serves as before."""
    yield
    assert words_of(door.send("oddity", text("still there"))) == "still there"


Ask = Callable[[Door, str, object], httpx.Response]


def over_rpc(door: Door, agent: str, message: object) -> httpx.Response:
    return door.rpc(agent, "SendMessage", message)


def over_rpc_stream(door: Door, agent: str, message: object) -> httpx.Response:
    return door.rpc(agent, "SendStreamingMessage", message)


def over_rest(door: Door, agent: str, message: object) -> httpx.Response:
    return door.post(f"{door.of(agent)}/message:send", message)


def over_rest_stream(door: Door, agent: str, message: object) -> httpx.Response:
    return door.post(f"{door.of(agent)}/message:stream", message)


EVERY_WAY = pytest.mark.parametrize("ask", [over_rpc, over_rpc_stream, over_rest, over_rest_stream])
STATUSES = {
    TASK_NOT_FOUND: 404,
    INVALID_PARAMS: 400,
    UNSUPPORTED: 400,
    TYPE: 400,
    EXTENSION: 400,
    VERSION: 400,
}


def error_of(response: httpx.Response, code: int, reason: str) -> dict[str, Any]:
    """The error of a response in the envelope of its binding; a JSON-RPC code says which it must be."""
    body = response.json()
    error = body["error"]
    assert response.headers["content-type"] == ("application/json" if "jsonrpc" in body else "application/a2a+json")
    if "jsonrpc" in body:
        assert (response.status_code, body["jsonrpc"], body["id"], "result" in body) == (200, "2.0", 1, False)
        assert error["code"] == code, error
        details = error["data"]
    else:
        assert (response.status_code, error["code"]) == (STATUSES[code], STATUSES[code]), error
        details = error["details"]
    assert details[0]["@type"] == "type.googleapis.com/google.rpc.ErrorInfo"
    assert (details[0]["reason"], details[0]["domain"]) == (reason, "a2a-protocol.org")
    return {"message": error["message"], "details": details}


def violations(response: httpx.Response) -> dict[str, str]:
    """Which fields are wrong, and how."""
    error = error_of(response, INVALID_PARAMS, "INVALID_PARAMS")
    (bad,) = [each for each in error["details"] if each["@type"] == "type.googleapis.com/google.rpc.BadRequest"]
    return {fault["field"]: fault["description"] for fault in bad["fieldViolations"]}


def said_in(response: httpx.Response) -> list[dict[str, Any]]:
    """The parts of an answer, streamed or not."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return answer_of(result_of(response))
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    events = [event.get("result", event) for event in map(json.loads, lines)]
    assert end_of(events)[0] == "TASK_STATE_COMPLETED"
    return told_of(events)["answer"]


# Large things


@EVERY_WAY
@pytest.mark.parametrize(
    "part",
    [
        {"text": "x" * MEGABYTE},
        {"text": "\u20ac" * (MEGABYTE // 3)},
        {"raw": base64.b64encode(bytes(MEGABYTE)).decode(), "filename": "nothing.bin"},
        {"data": {"words": ["x" * 1_000] * 1_000}},
    ],
    ids=["ascii", "utf-8", "bytes", "data"],
)
def test_a_megabyte_goes_there_and_back(door: Door, *, ask: Ask, part: dict[str, Any]) -> None:
    assert said_in(ask(door, "oddity", params(part))) == [part]


@EVERY_WAY
def test_five_megabytes_are_too_large(door: Door, odd: OddAgent, ask: Ask) -> None:
    response = ask(door, "oddity", params(text("x" * 5 * MEGABYTE)))
    assert response.status_code == 413
    assert "larger than" in response.json()["error"]["message"]
    assert odd.turns == []


@EVERY_WAY
@pytest.mark.parametrize("number", [257, 10_000])
def test_too_many_parts_are_refused(door: Door, odd: OddAgent, *, ask: Ask, number: int) -> None:
    assert "256" in violations(ask(door, "oddity", params(*[text("x")] * number)))["message.parts"]
    assert odd.turns == []


def test_as_many_parts_as_there_may_be_arrive(door: Door, odd: OddAgent) -> None:
    parts = [text(str(number)) for number in range(256)]
    assert answer_of(result_of(door.send("oddity", *parts))) == parts


def nested(levels: int, *, in_lists: bool) -> Any:
    value: Any = 1.0
    for _ in range(levels):
        value = [value] if in_lists else {"a": value}
    return value


@EVERY_WAY
@pytest.mark.parametrize("in_lists", [True, False])
@pytest.mark.parametrize("levels", [31, 40, 60, 90])
def test_what_nests_too_deep_for_an_agent_is_refused(
    door: Door, odd: OddAgent, *, ask: Ask, levels: int, in_lists: bool
) -> None:
    for place in ("data", "metadata"):
        value = (
            {"x": nested(levels - 1, in_lists=in_lists)} if place == "metadata" else nested(levels, in_lists=in_lists)
        )
        part = {"data": value} if place == "data" else {"text": "x", "metadata": value}
        (field,) = violations(ask(door, "oddity", params(part)))
        assert field.startswith("message.parts")
    assert odd.turns == []


@pytest.mark.parametrize("in_lists", [True, False])
def test_what_nests_thirty_levels_deep_arrives(door: Door, in_lists: bool) -> None:
    part = {"data": nested(30, in_lists=in_lists)}
    assert answer_of(result_of(door.send("oddity", part))) == [part]


@pytest.mark.parametrize("path", ["", "/message:send", "/message:stream"])
def test_ten_thousand_levels_are_no_json(door: Door, path: str) -> None:
    deep = b'{"message":' + b'{"a":' * 10_000 + b"1" + b"}" * 10_001
    response = door.post(door.of("oddity") + path, deep)
    assert "deeper than 100" in response.json()["error"]["message"]
    assert (response.status_code, response.json()["error"]["code"]) == ((400, 400) if path else (200, PARSE_ERROR))


# What is no JSON, or has two meanings

BODIES = {
    "nothing": (b"", PARSE_ERROR),
    "half": (b'{"message":', PARSE_ERROR),
    "text": (b"hello", PARSE_ERROR),
    "NaN": (b'{"message":{"metadata":{"a":NaN}}}', PARSE_ERROR),
    "infinity": (b'{"message":{"metadata":{"a":1e400}}}', PARSE_ERROR),
    "a key twice": (b'{"message":{"messageId":"1"},"message":{"messageId":"2"}}', PARSE_ERROR),
    "a key twice, deep": (b'{"message":{"parts":[{"text":"a","text":"b"}]}}', PARSE_ERROR),
    "half of a pair": (b'{"message":{"messageId":"\\ud800"}}', PARSE_ERROR),
    "no UTF-8": (b'{"message":"\xff"}', PARSE_ERROR),
    "a large integer": (b'{"message":{"metadata":{"a":12345678901234567890123}}}', PARSE_ERROR),
    "a batch": (b'[{"jsonrpc":"2.0","id":1,"method":"SendMessage"}]', INVALID_REQUEST),
    "an empty batch": (b"[]", INVALID_REQUEST),
    "a string": (b'"x"', INVALID_REQUEST),
    "null": (b"null", INVALID_REQUEST),
}


@pytest.mark.parametrize(("body", "code"), BODIES.values(), ids=BODIES.keys())
def test_a_body_with_no_or_two_meanings_is_refused(door: Door, odd: OddAgent, *, body: bytes, code: int) -> None:
    rpc = door.post(door.of("oddity"), body)
    assert (rpc.status_code, rpc.json()["jsonrpc"], rpc.json()["id"]) == (200, "2.0", None)
    assert rpc.json()["error"]["code"] == code
    for path in ("/message:send", "/message:stream"):
        rest = door.post(door.of("oddity") + path, body)
        assert (rest.status_code, rest.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")
    assert odd.turns == []


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "",
        "json",
    ],
)
@pytest.mark.parametrize("path", ["", "/", "/message:send", "/message:stream", "/tasks/t:cancel"])
def test_another_content_type_is_refused(door: Door, odd: OddAgent, *, path: str, content_type: str) -> None:
    headers = door.sent() | {"content-type": content_type}
    response = HTTP.post(door.of("oddity") + path, content=json.dumps(params(text("x"))), headers=headers)
    assert response.status_code == 415
    assert "application/json" in response.json()["error"]["message"]
    assert odd.turns == []


@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", "application/a2a+json", "APPLICATION/JSON"]
)
def test_json_by_another_name_is_read(door: Door, content_type: str) -> None:
    headers = door.sent() | {"content-type": content_type}
    url = f"{door.of('oddity')}/message:send"
    assert words_of(HTTP.post(url, content=json.dumps(params(text("x"))), headers=headers)) == "x"


# JSON-RPC that is none

ODD_REQUESTS: Mapping[str, tuple[dict[str, Any], int]] = {
    "no version": ({"jsonrpc": None}, INVALID_REQUEST),
    "version 1.0": ({"jsonrpc": "1.0"}, INVALID_REQUEST),
    "a number as version": ({"jsonrpc": 2.0}, INVALID_REQUEST),
    "no method": ({"method": None}, INVALID_REQUEST),
    "an empty method": ({"method": ""}, INVALID_REQUEST),
    "a number as method": ({"method": 7}, INVALID_REQUEST),
    "an object as method": ({"method": {}}, INVALID_REQUEST),
    "a reserved method": ({"method": "rpc.discover"}, INVALID_REQUEST),
    "a method of 0.3": ({"method": "message/send"}, NO_METHOD),
    "a method of Python": ({"method": "__class__"}, NO_METHOD),
    "a method in lower case": ({"method": "sendmessage"}, NO_METHOD),
    "an object as id": ({"id": {}}, INVALID_REQUEST),
    "an array as id": ({"id": [1]}, INVALID_REQUEST),
    "a fraction as id": ({"id": 1.5}, INVALID_REQUEST),
    "a boolean as id": ({"id": True}, INVALID_REQUEST),
    "a string as params": ({"params": "x"}, INVALID_REQUEST),
    "a number as params": ({"params": 5}, INVALID_REQUEST),
    "null as params": ({"params": None}, INVALID_PARAMS),
    "an array as params": ({"params": [{}]}, INVALID_PARAMS),
    "more members": ({"extra": 1}, INVALID_REQUEST),
}


@pytest.mark.parametrize(("odd_one", "code"), ODD_REQUESTS.values(), ids=ODD_REQUESTS.keys())
def test_odd_json_rpc_is_answered_with_an_error(
    door: Door, odd: OddAgent, *, odd_one: dict[str, Any], code: int
) -> None:
    body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params(text("x"))} | odd_one
    response = door.post(door.of("oddity"), body)
    answer = response.json()
    assert (response.status_code, answer["jsonrpc"], answer["error"]["code"]) == (200, "2.0", code)
    assert answer["id"] == (body["id"] if type(body["id"]) is int else None)
    is_plain(response.text)
    assert odd.turns == []


# The message


def is_plain(said: str) -> None:
    """No error shows what went wrong inside of a parser."""
    for inside in (
        "Traceback",
        "object",
        "iterable",
        "unhashable",
        "Python",
        "protobuf",
        "lf.a2a",
        "literal",
        "parseError",
        "dict",
        "recursion",
    ):
        assert inside not in said.replace('object"', ""), said


WRONG: Mapping[str, tuple[dict[str, Any], str]] = {
    "no message": ({}, "message.messageId"),
    "a number as message": ({"message": 5}, "message"),
    "no id": (params(text("x"), messageId=""), "message.messageId"),
    "a number as id": (params(text("x"), messageId=5), "message.messageId"),
    "a long id": (params(text("x"), messageId="x" * 257), "message.messageId"),
    "an id that does not print": (params(text("x"), messageId="a\nb"), "message.messageId"),
    "no role": (params(text("x"), role=None), "message.role"),
    "the agent's role": (params(text("x"), role="ROLE_AGENT"), "message.role"),
    "a role of 0.3": (params(text("x"), role="user"), "message.role"),
    "a list as role": (params(text("x"), role=[]), "message.role"),
    "no parts": (params(), "message.parts"),
    "a number as parts": (params(text("x"), parts=5), "message.parts"),
    "an object as parts": (params(text("x"), parts={"text": "x"}), "message.parts"),
    "a number as part": (params(text("x"), parts=[5]), "message.parts"),
    "null as part": (params(text("x"), parts=[None]), "message.parts"),
    "an empty part": (params({}), "message.parts[0]"),
    "a part of 0.3": (params({"kind": "text"}), "message.parts[0]"),
    "a part of two kinds": (params({"text": "x", "url": "https://x.example"}), "message.parts"),
    "a number as text": (params({"text": 5}), "message.parts.text"),
    "an object as url": (params({"url": {}}), "message.parts.url"),
    "a number as media type": (params({"text": "x", "mediaType": 5}), "message.parts.mediaType"),
    "a list as metadata": (params({"text": "x", "metadata": []}), "message.parts.metadata"),
    "no base64": (params({"raw": "%%%%"}), "message.parts[0].raw"),
    "half of base64": (params({"raw": "AAAAA"}), "message.parts.raw"),
    "a number as bytes": (params({"raw": 5}), "message.parts.raw"),
    "a long context": (params(text("x"), contextId="x" * 257), "message.contextId"),
    "a context that does not print": (params(text("x"), contextId="\u0000"), "message.contextId"),
    "a number as context": (params(text("x"), contextId=5), "message.contextId"),
    "a number as task": (params(text("x"), taskId=5), "message.taskId"),
    "a number as configuration": (params(text("x")) | {"configuration": 5}, "configuration"),
    "text as history": (params(text("x")) | {"configuration": {"historyLength": "x"}}, "configuration.historyLength"),
    "endless history": (
        params(text("x")) | {"configuration": {"historyLength": 10**12}},
        "configuration.historyLength",
    ),
    "a number as modes": (
        params(text("x")) | {"configuration": {"acceptedOutputModes": 5}},
        "configuration.acceptedOutputModes",
    ),
    "a number as metadata": (params(text("x")) | {"metadata": 5}, "metadata"),
    "a number as tenant": (params(text("x")) | {"tenant": 5}, "tenant"),
}


@EVERY_WAY
@pytest.mark.parametrize(("message", "field"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_message_is_refused_by_its_field(
    door: Door, odd: OddAgent, *, ask: Ask, message: dict[str, Any], field: str
) -> None:
    response = ask(door, "oddity", message)
    assert field in violations(response)
    is_plain(response.text)
    assert odd.turns == []


@EVERY_WAY
def test_members_nobody_knows_are_passed_over(door: Door, ask: Ask) -> None:
    message = params({"text": "x", "kind": "text", "colour": "red"}, shape="round") | {"size": 5}
    assert said_in(ask(door, "oddity", message)) == [text("x")]


def test_what_is_beside_the_message_is_not_read_for_it(door: Door, odd: OddAgent) -> None:
    """Over REST the body is the request: a member called params is nothing, even if it looks like one."""
    beside = {"jsonrpc": "2.0", "params": params({"data": {"drink": "me"}})}
    message = params({"data": {"eat": "me"}})
    answer = door.post(f"{door.of('oddity')}/message:send", message | beside)
    assert answer_of(result_of(answer)) == [{"data": {"eat": "me"}}]
    many = params(*[text("x")] * 1_000) | {"params": params(text("x"))}
    assert "message.parts" in violations(door.post(f"{door.of('oddity')}/message:send", many))


@EVERY_WAY
@pytest.mark.parametrize("task", ["t-1", "x" * 1_000, "00000000-0000-0000-0000-000000000000", "\u20ac", "a\nb"])
def test_a_task_there_is_not_is_not_found(door: Door, odd: OddAgent, *, ask: Ask, task: str) -> None:
    error_of(ask(door, "oddity", params(text("x"), taskId=task)), TASK_NOT_FOUND, "TASK_NOT_FOUND")
    assert odd.turns == []


@EVERY_WAY
def test_a_task_that_has_ended_takes_no_message(door: Door, *, ask: Ask) -> None:
    for way in ("hello", "status INTERNAL"):
        task = result_of(door.send("oddity", text(way)))
        message = params(text("more"), taskId=task["id"])
        error_of(ask(door, "oddity", message), UNSUPPORTED, "UNSUPPORTED_OPERATION")
        elsewhere = params(text("more"), taskId=task["id"], contextId="another")
        assert list(violations(ask(door, "oddity", elsewhere))) == ["message.contextId"]


@EVERY_WAY
def test_a_message_that_is_sent_again_is_carried_out_once(door: Door, odd: OddAgent, ask: Ask) -> None:
    message = params(text("only once"))
    first = result_of(door.post(f"{door.of('oddity')}/message:send", message))

    assert said_in(ask(door, "oddity", message)) == [text("only once")]
    assert result_of(door.post(f"{door.of('oddity')}/message:send", message))["id"] == first["id"]
    assert len(odd.turns) == 1


@EVERY_WAY
@pytest.mark.parametrize("context", [{}, {"contextId": "ours"}])
def test_another_message_under_the_same_id_is_refused(door: Door, *, ask: Ask, context: dict[str, str]) -> None:
    message = params(text("one"), **context)
    result_of(door.post(f"{door.of('oddity')}/message:send", message))

    other = {"message": {**message["message"], "parts": [text("two")]}}
    assert list(violations(ask(door, "oddity", other))) == ["message.messageId"]


def test_the_same_id_in_another_context_is_another_message(door: Door, odd: OddAgent) -> None:
    tasks = [result_of(door.send("oddity", text("x"), messageId="7", contextId=name))["id"] for name in ("a", "b")]
    assert len(set(tasks)) == len(odd.turns) == 2


@pytest.mark.parametrize("method", ["GetTask", "CancelTask", "SubscribeToTask"])
def test_no_operation_finds_a_task(door: Door, method: str) -> None:
    for task in ("t-1", "x" * 10_000, "../t-1"):
        error_of(door.rpc("oddity", method, {"id": task}), TASK_NOT_FOUND, "TASK_NOT_FOUND")
    for wrong in (5, ""):
        assert list(violations(door.rpc("oddity", method, {"id": wrong}))) == ["id"]


@pytest.mark.parametrize(
    ("verb", "path"), [("GET", ""), ("POST", ":cancel"), ("GET", ":subscribe"), ("POST", ":subscribe")]
)
def test_no_operation_finds_a_task_over_rest(door: Door, verb: str, path: str) -> None:
    for task in ("t-1", "x" * 1_000, "%E2%82%AC", "a%20b"):
        url = f"{door.of('oddity')}/tasks/{task}{path}"
        error_of(HTTP.request(verb, url, headers=door.sent(), content=b"{}"), TASK_NOT_FOUND, "TASK_NOT_FOUND")


OTHERS = pytest.mark.parametrize("persona", ["bob", "eve"])


@OTHERS
@pytest.mark.parametrize("method", ["GetTask", "CancelTask", "SubscribeToTask"])
def test_the_task_of_somebody_else_looks_like_none(door: Door, gateway: Served, *, persona: str, method: str) -> None:
    task = result_of(door.send("oddity", text("mine")))
    other = Door(gateway.url, gateway.token(persona))

    errors = [
        error_of(other.rpc("oddity", method, {"id": name}), TASK_NOT_FOUND, "TASK_NOT_FOUND")["message"].replace(
            name, ""
        )
        for name in (task["id"], "00000000-0000-7000-8000-000000000000")
    ]
    assert errors[0] == errors[1]
    assert words_of(door.send("oddity", text("again"))) == "again"


@OTHERS
def test_nobody_says_anything_to_the_task_of_somebody_else(
    door: Door, gateway: Served, odd: OddAgent, persona: str
) -> None:
    task = result_of(door.send("oddity", text("mine")))
    other = Door(gateway.url, gateway.token(persona))
    for context in ({}, {"contextId": task["contextId"]}):
        response = other.send("oddity", text("x"), taskId=task["id"], **context)
        error_of(response, TASK_NOT_FOUND, "TASK_NOT_FOUND")
    assert len(odd.turns) == 1


def test_a_task_is_found_at_its_own_agent_only(door: Door) -> None:
    task = result_of(door.send("oddity", text("mine")))
    headers = Door(door.url, door.token, {"a2a-extensions": REQUIRED})
    error_of(headers.rpc("clerk", "GetTask", {"id": task["id"]}), TASK_NOT_FOUND, "TASK_NOT_FOUND")
    assert headers.rpc("clerk", "ListTasks", {}).json()["result"]["totalSize"] == 0


def test_a_list_of_tasks_is_within_the_bounds_of_its_page(gateway: Served) -> None:
    nobody_yet = Door(gateway.url, gateway.token("eva"))
    for asked, size in (({}, 50), ({"pageSize": 7}, 7), ({"pageSize": 10**6}, 100)):
        assert nobody_yet.rpc("oddity", "ListTasks", asked).json()["result"] == {
            "tasks": [], "nextPageToken": "", "pageSize": size, "totalSize": 0
        }  # fmt: skip


def test_a_list_that_cannot_be_is_refused_by_its_field(door: Door) -> None:
    wrong: list[tuple[str, Any]] = [
        ("historyLength", -1), ("pageToken", "x"), ("status", "TASK_STATE_HAPPY"), ("statusTimestampAfter", "yesterday")
    ]  # fmt: skip
    for field, value in wrong:
        (named,) = violations(door.rpc("oddity", "ListTasks", {field: value}))
        assert named in {field, "the request"}


def test_the_pages_of_a_list_have_sizes(door: Door) -> None:
    wrong_sizes: list[Any] = [0, -1, "x", 10**12, [], 1.5]
    for wrong in wrong_sizes:
        (field,) = violations(door.rpc("oddity", "ListTasks", {"pageSize": wrong}))
        assert field in {"pageSize", "the request"}
    for wrong in ("0", "-1", "x"):
        response = HTTP.get(f"{door.of('oddity')}/tasks?pageSize={wrong}", headers=door.sent())
        (field,) = violations(response)
        assert field in {"pageSize", "the request"}
        is_plain(response.text)


# Webhooks


@EVERY_WAY
@pytest.mark.parametrize(
    "url", ["http://169.254.169.254/latest", "http://127.0.0.1:1/", "http://[::1]/", "ftp://x.example/", "nonsense"]
)
def test_a_webhook_that_may_not_be_told_is_refused_before_anything_is_done(
    door: Door, odd: OddAgent, *, ask: Ask, url: str
) -> None:
    config = {"taskPushNotificationConfig": {"url": url}}
    error_of(ask(door, "oddity", params(text("x")) | {"configuration": config}), INVALID_PARAMS, "INVALID_PARAMS")
    assert odd.turns == []


def test_the_webhooks_of_a_task_that_is_not_there_are_not_found(door: Door) -> None:
    given = {"taskId": "t-1", "id": "p-1", "url": "http://127.0.0.1:1/"}
    for method in ("CreateTaskPushNotificationConfig", "GetTaskPushNotificationConfig"):
        error_of(door.rpc("oddity", method, given), TASK_NOT_FOUND, "TASK_NOT_FOUND")
    for method in ("DeleteTaskPushNotificationConfig", "ListTaskPushNotificationConfigs"):
        error_of(door.rpc("oddity", method, {"taskId": "t-1", "id": "p-1"}), TASK_NOT_FOUND, "TASK_NOT_FOUND")


def test_a_task_that_has_ended_takes_no_webhook(door: Door) -> None:
    task = result_of(door.send("oddity", text("x")))
    given = {"taskId": task["id"], "url": "https://1.1.1.1/"}  # a public address; nothing is ever sent there
    response = door.rpc("oddity", "CreateTaskPushNotificationConfig", given)
    error_of(response, UNSUPPORTED, "UNSUPPORTED_OPERATION")


# What this agent does not do


@EVERY_WAY
def test_words_for_an_agent_that_only_has_skills_are_refused(door: Door, ask: Ask) -> None:
    error = error_of(ask(door, "odd", params(text("hello"))), UNSUPPORTED, "UNSUPPORTED_OPERATION")
    assert "odd.echo" in error["message"]


@EVERY_WAY
@pytest.mark.parametrize("media_type", ["image/png", "text/html", "nonsense"])
def test_a_part_of_a_type_that_the_agent_does_not_take_is_refused(
    door: Door, odd: OddAgent, *, ask: Ask, media_type: str
) -> None:
    error_of(ask(door, "oddity", params({"raw": "AAAA", "mediaType": media_type})), TYPE, "CONTENT_TYPE_NOT_SUPPORTED")
    assert odd.turns == []


# Skills


@EVERY_WAY
def test_wrong_arguments_of_a_skill_are_named(door: Door, ask: Ask) -> None:
    wrong = invoking("odd.echo", text=5, colour="red")
    assert violations(ask(door, "odd", params(wrong))).keys() == {
        "message.parts[0].data.arguments.text",
        "message.parts[0].data.arguments.colour",
    }


@EVERY_WAY
@pytest.mark.parametrize("skill", ["odd.nothing", "candidates.search", "odd", "odd.", "odd_echo", ""])
def test_a_skill_that_is_not_this_agents_is_refused_alike(door: Door, *, ask: Ask, skill: str) -> None:
    assert violations(ask(door, "odd", params(invoking(skill)))) == {
        "message.parts[0].data.skill": "names no skill of this agent"
    }


@pytest.mark.parametrize("arguments", [5, "x", [], None, True])
def test_arguments_that_are_no_object_are_refused(door: Door, arguments: Any) -> None:
    part = {"data": {"skill": "odd.echo", "arguments": arguments}}
    assert list(violations(door.send("odd", part))) == ["message.parts[0].data.arguments"]


def test_a_scope_that_is_missing_is_a_challenge(door: Door) -> None:
    for response in (door.send("odd", invoking("odd.scoped")), door.rest("odd", invoking("odd.scoped"))):
        assert response.status_code == 403
        assert 'error="insufficient_scope"' in response.headers["www-authenticate"]
        assert "odd.deep" in response.headers["www-authenticate"]


# Versions and extensions


@EVERY_WAY
@pytest.mark.parametrize("version", ["0.3", "0.2.5", "2.0", "1.1", "1", "", "v1.0", "1.0,1.0", "1.0.x", "x" * 500])
def test_another_version_is_not_supported(gateway: Served, odd: OddAgent, *, ask: Ask, version: str) -> None:
    door = Door(gateway.url, gateway.token("ada"), {"a2a-version": version})
    error = error_of(ask(door, "oddity", params(text("x"))), VERSION, "VERSION_NOT_SUPPORTED")
    assert "1.0" in error["message"]
    assert error["details"][0]["metadata"] == {"supported": "1.0"}
    assert odd.turns == []


@pytest.mark.parametrize("path", ["", "/message:send", "/message:stream", "/tasks/t-1:cancel"])
def test_who_does_not_say_a_version_speaks_an_old_one(door: Door, odd: OddAgent, path: str) -> None:
    headers = {name: value for name, value in door.sent().items() if name != "a2a-version"}
    message = params(text("x"))
    body = message if path else {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": message}
    error_of(HTTP.post(door.of("oddity") + path, json=body, headers=headers), VERSION, "VERSION_NOT_SUPPORTED")
    assert odd.turns == []


@pytest.mark.parametrize("versions", [["1.0", "0.3"], ["0.3", "1.0"], ["1.0", "1.0"]])
def test_two_versions_are_none(door: Door, odd: OddAgent, versions: list[str]) -> None:
    others = [(name, value) for name, value in door.sent().items() if name != "a2a-version"]
    headers = [*others, *(("a2a-version", version) for version in versions)]
    url = f"{door.of('oddity')}/message:send"
    error_of(HTTP.post(url, json=params(text("x")), headers=headers), VERSION, "VERSION_NOT_SUPPORTED")
    assert odd.turns == []


@EVERY_WAY
@pytest.mark.parametrize("activated", [None, OPTIONAL, OTHER, REQUIRED.upper(), REQUIRED + "/", f'"{REQUIRED}"'])
def test_a_required_extension_must_be_activated(
    gateway: Served, odd: OddAgent, *, ask: Ask, activated: str | None
) -> None:
    headers = {} if activated is None else {"a2a-extensions": activated}
    door = Door(gateway.url, gateway.token("ada"), headers)
    error = error_of(ask(door, "clerk", params(text("x"))), EXTENSION, "EXTENSION_SUPPORT_REQUIRED")
    assert REQUIRED in error["message"]
    assert odd.turns == []


@EVERY_WAY
@pytest.mark.parametrize(
    ("activated", "in_force"),
    [
        (REQUIRED, [REQUIRED]),
        (f"{OTHER},{REQUIRED}", [REQUIRED]),
        (f"{OPTIONAL} ,, {REQUIRED}", [REQUIRED, OPTIONAL]),
        (f"{REQUIRED},{REQUIRED}", [REQUIRED]),
    ],
)
def test_activated_extensions_reach_the_agent_and_are_named_in_the_answer(
    gateway: Served, odd: OddAgent, *, ask: Ask, activated: str, in_force: list[str]
) -> None:
    response = ask(Door(gateway.url, gateway.token("ada"), {"a2a-extensions": activated}), "clerk", params(text("x")))
    assert said_in(response) == [text("x")]
    assert response.headers["a2a-extensions"] == ", ".join(in_force)
    assert list(odd.turns[0].extensions) == in_force
