"""The express lane answers exactly as the ordinary way does: same status, same headers that matter, same JSON."""

import base64
import json
import re
from collections.abc import Generator
from typing import Any

import httpx
import pytest

from gateway.mcp.express import read_express
from tests.support.odd_service import Odd, odd_manifest, odd_service
from tests.support.served import Served, published, served_gateway, tools_call

VERSION = "2026-07-28"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Generator[Odd]:
    with odd_service(tmp_path_factory.mktemp("odd")) as service:
        yield service


@pytest.fixture(scope="module")
def gateway(odd: Odd, tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    folder = tmp_path_factory.mktemp("gateway")
    with served_gateway(folder) as served:
        published(served, odd_manifest(folder), odd.target)
        yield served


def both_ways(gateway: Served, tool: str, arguments: Any, *, person: str) -> tuple[httpx.Response, httpx.Response]:
    """The answers to a regular call, and to the same call made irregular by a mirrored name in base64 form."""
    token = gateway.token(person)
    headers = {"mcp_protocol_version": VERSION, "mcp_method": "tools/call"}
    encoded = "=?base64?" + base64.b64encode(tool.encode()).decode() + "?="
    express = gateway.post(tools_call(tool, arguments), token=token, mcp_name=tool, **headers)
    ordinary = gateway.post(tools_call(tool, arguments), token=token, mcp_name=encoded, **headers)
    return express, ordinary


@pytest.mark.parametrize(
    ("tool", "arguments", "person"),
    [
        ("odd_echo", {"text": "hello", "times": 3}, "tester"),
        ("odd.echo", {"text": "by its id"}, "tester"),
        ("odd_echo", {}, "tester"),
        ("odd_echo", {"text": 5, "colour": "red"}, "tester"),
        ("odd_echo", {"text": "hello"}, "stranger"),
        ("odd_nothing", {}, "tester"),
        ("odd_huge", {}, "tester"),
        ("odd_fail", {}, "tester"),
        ("odd_late", {}, "tester"),
        ("odd_scoped", {}, "tester"),
    ],
)
def test_both_ways_answer_alike(gateway: Served, tool: str, arguments: Any, person: str) -> None:
    express, ordinary = both_ways(gateway, tool, arguments, person=person)
    assert express.status_code == ordinary.status_code
    assert without_call_ids(express.json()) == without_call_ids(ordinary.json())
    for header in ("content-type", "www-authenticate"):
        assert express.headers.get(header) == ordinary.headers.get(header)


def without_call_ids(answer: dict[str, Any]) -> dict[str, Any]:
    """An answer without the names of calls, which always differ."""
    return json.loads(re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "a call", json.dumps(answer)))


def head(**changed: str) -> dict[str, Any]:
    headers = {
        "mcp-protocol-version": VERSION,
        "mcp-method": "tools/call",
        "mcp-name": "odd_echo",
        "accept": "application/json, text/event-stream",
    } | {name.replace("_", "-"): value for name, value in changed.items()}
    return {"method": "POST", "headers": [(name.encode(), value.encode()) for name, value in headers.items()]}


def body(**changed: Any) -> dict[str, Any]:
    return {**tools_call("odd_echo", {}), **changed}


def test_a_regular_call_is_read() -> None:
    express = read_express(head(), tools_call("odd_echo", {"text": "x"}))
    assert express is not None
    assert (express.id, express.tool, express.arguments) == (1, "odd_echo", {"text": "x"})


@pytest.mark.parametrize(
    ("scope", "request_body"),
    [
        (head(mcp_protocol_version="2025-11-25"), body()),
        (head(mcp_method="tools/list"), body()),
        (head(mcp_name="odd_other"), body()),
        (head(mcp_name="=?base64?b2RkX2VjaG8=?="), body()),
        (head(accept="application/json"), body()),
        (head(accept="application/json, text/event-stream;q=0"), body()),
        (head() | {"method": "GET"}, body()),
        (head(), None),
        (head(), body(jsonrpc="1.0")),
        (head(), body(id=None)),
        (head(), body(id=1.5)),
        (head(), body(id=True)),
        (head(), body(method="tools/list")),
        (head(), body(params=[])),
        (head(), body(extra=1)),
        (head(), body(params={"name": "odd_echo", "arguments": []})),
        (head(), body(params={"name": "odd_echo", "arguments": {}})),
        (head(), body(params={**body()["params"], "requestState": "x"})),
        (head(), body(params={**body()["params"], "_meta": {**body()["params"]["_meta"], "progressToken": 1}})),
        (head(), body(params={**body()["params"], "_meta": {**body()["params"]["_meta"], "traceparent": 5}})),
        (head(), body(params={**body()["params"], "_meta": {**body()["params"]["_meta"], "tracestate": [1]}})),
        (head(), body(params={**body()["params"], "_meta": {"io.modelcontextprotocol/protocolVersion": VERSION}})),
    ],
)
def test_whatever_is_not_plainly_regular_is_left_to_the_sdk(scope: dict[str, Any], request_body: Any) -> None:
    assert read_express(scope, request_body) is None
