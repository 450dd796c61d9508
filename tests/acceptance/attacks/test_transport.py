"""Attacks on the transport of a whole gateway process: cases 2, 15 and 24 to 29 of the attack list.

What each is answered with is also tested on the guard alone (`tests/integration/test_guard.py`); here it is shown that
no path of the real application goes round it, that nothing behind it breaks, and that the process lives.
"""

import asyncio
import resource
import time
from collections.abc import Generator
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from tests.support.attacks import AMBIGUOUS, BAD_BODIES, BAD_HOSTS, METHODS, PATHS, SINGLE, request
from tests.support.raw_http import drip, json_body, say, statuses
from tests.support.served import VERSION, Served, served_gateway, tools_call

SETTINGS = "[limits]\nheader_seconds = 1.5\nbody_seconds = 1.5\n"


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served_gateway(tmp_path_factory.mktemp("gateway"), settings=SETTINGS) as served:
        yield served


@pytest.fixture(scope="module")
def port(gateway: Served) -> int:
    return int(gateway.url.rpartition(":")[2])


@pytest.fixture(scope="module")
def token(gateway: Served) -> str:
    return gateway.token("tester")


@pytest.fixture(autouse=True)
def alive(gateway: Served) -> Generator[None]:
    """After every attack the same process goes on."""
    yield
    assert gateway.process.poll() is None


@pytest.fixture(scope="module", autouse=True)
def in_health(gateway: Served, token: str) -> Generator[None]:
    """And after all of them it serves as before."""
    yield
    response = gateway.call("no_such_tool", {}, token=token)
    assert response.json()["error"]["message"] == "Unknown tool: no_such_tool"


def closing(raw: bytes) -> bytes:
    """The request, with the wish that the connection be closed after the answer."""
    return raw.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)


@pytest.mark.parametrize("name", SINGLE)
async def test_attack_02_and_26_what_must_be_single_is_refused_twice(port: int, name: str) -> None:
    value = f"http://127.0.0.1:{port}" if name == "Origin" else "application/json"
    for path in PATHS:
        raw = request(f"{name}: {value}", f"{name}: {value}", method="GET", path=path, body=None)
        assert statuses(await say(port, raw)) == [400]


async def test_attack_02_a_token_in_the_url_is_no_token(token: str, port: int) -> None:
    assert statuses(await say(port, request(path=f"/mcp?access_token={token}"))) == [400]


async def test_attack_15_internal_headers_change_nothing(gateway: Served, token: str) -> None:
    plain = gateway.call("no_such_tool", {}, token=token)
    headers = {"x_forwarded_host": "evil", "x_gw_target": "evil", "router_key": "evil", "forwarded": "host=evil"}
    assert gateway.call("no_such_tool", {}, token=token, **headers).content == plain.content
    assert gateway.call("no_such_tool", {}, token=token, ix_call="evil").status_code == 400


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
async def test_attack_24_foreign_hosts_and_origins_on_every_path_and_method(port: int, method: str, path: str) -> None:
    async def status(*headers: str, host: str = f"127.0.0.1:{port}") -> int:
        return statuses(await say(port, request(*headers, method=method, path=path, host=host)))[0]

    assert await status(host="evil.example.com") == 421
    assert await status("Origin: http://evil.example.com") == 403
    assert await status("Origin: null") == 403


@pytest.mark.parametrize(("host", "status"), BAD_HOSTS)
async def test_attack_25_bad_hosts(port: int, host: str, status: int) -> None:
    assert statuses(await say(port, request(host=host))) == [status]


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_attack_26_ambiguous_requests_are_refused(port: int, raw: bytes) -> None:
    assert statuses(await say(port, raw, seconds=10)) == [400]


HEADERS = {"mcp_protocol_version": VERSION, "mcp_method": "tools/call", "mcp_name": "no_such_tool"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"mcp_name": "another_tool"},
        {"mcp_name": "=?base64?YW5vdGhlcl90b29s?="},
        {"mcp_method": "tools/list"},
        {"mcp_method": "TOOLS/CALL"},
    ],
    ids=str,
)
def test_attack_26_headers_that_say_something_else_than_the_body(
    gateway: Served, token: str, wrong: dict[str, str]
) -> None:
    headers = {**HEADERS, **wrong}
    response = gateway.post(tools_call("no_such_tool", {}), token=token, **headers)
    assert response.status_code == 400
    assert response.json()["error"]["code"] in {-32020, -32600}


async def test_attack_27_slow_heads_and_bodies_are_cut_off(port: int, token: str) -> None:
    started = time.monotonic()
    body = (
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n"
        b"Authorization: Bearer " + token.encode() + b"\r\n\r\n"
    )
    head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
    answers = await asyncio.gather(
        drip(port, b"", b"", every=0.1),
        drip(port, head, b"X-a: b\r\n", every=0.1),
        drip(port, body, b" ", every=0.1),
    )
    assert time.monotonic() - started < 4
    assert list(map(statuses, answers)) == [[], [], [408]]


async def test_attack_27_a_thousand_idle_connections_leave_the_others_in_health(port: int) -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    idle = [await asyncio.open_connection("127.0.0.1", port) for _ in range(1000)]
    times: list[float] = []
    for _ in range(100):
        started = time.monotonic()
        assert statuses(await say(port, closing(request(method="GET", path="/healthz", body=None)))) == [200]
        times.append(time.monotonic() - started)
    assert sorted(times)[98] < 0.5
    for _, writer in idle:
        writer.close()


async def test_attack_28_large_bodies_without_a_token_are_not_held(gateway: Served, port: int) -> None:
    before = resident(gateway)
    most = before

    async def send() -> bytes:
        nonlocal most
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(body=b" " * (4 * 1024 * 1024))[:-1])  # it never ends
        answer = await reader.readuntil(b"\r\n\r\n")
        most = max(most, resident(gateway))
        writer.close()
        return answer

    assert [statuses(answer) for answer in await asyncio.gather(*(send() for _ in range(100)))] == [[401]] * 100
    assert most - before < 100_000_000


def resident(gateway: Served) -> int:
    """Bytes of memory that the process has."""
    pages = Path(f"/proc/{gateway.process.pid}/statm").read_text().split()[1]
    return int(pages) * resource.getpagesize()


@pytest.mark.parametrize("path", ["/issuer/token", "/healthz", "/nowhere"])
async def test_attack_28_public_paths_take_small_bodies_only(port: int, path: str) -> None:
    assert statuses(await say(port, closing(request(path=path, body=b" " * 65_537)))) == [413]


@pytest.mark.parametrize(("body", "code", "words"), BAD_BODIES, ids=lambda value: repr(value)[:32])
async def test_attack_28_and_29_bodies_with_no_or_two_meanings(
    port: int, token: str, body: bytes, code: int, words: str
) -> None:
    assert statuses(await say(port, closing(request(body=body)))) == [401]
    answer = await say(port, closing(request(f"Authorization: Bearer {token}", body=body)))
    assert statuses(answer) == [400]
    reply: Any = json_body(answer)
    assert reply["error"]["code"] == code
    assert words in reply["error"]["message"]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "zstd", "br"])
def test_attack_28_compressed_bodies_are_refused(gateway: Served, token: str, coding: str) -> None:
    response = gateway.post(b"\x1f\x8b" + bytes(100), token=token, content_encoding=coding)
    assert response.status_code == 415


@pytest.mark.parametrize("over", [0, 1])
def test_attack_28_a_body_at_the_limit_and_one_byte_over(gateway: Served, token: str, over: int) -> None:
    body = b'{"a":"' + b"a" * (4 * 1024 * 1024 - 8 + over) + b'"}'
    status = gateway.post(body, token=token, **HEADERS).status_code
    assert (status == 413) is bool(over)
    assert status < 500


ODD_CALLS: list[dict[str, Any]] = [
    {"id": None},
    {"id": 1.5},
    {"id": 2**63},
    {"id": "x" * 100_000},
    {"id": {"a": 1}},
    {"id": [1]},
    {"id": True},
    {"jsonrpc": "1.0"},
    {"jsonrpc": None},
    {"method": None},
    {"method": 7},
    {"method": "tools/call\n"},
    {"method": "__class__"},
    {"params": []},
    {"params": "x"},
    {"params": None},
    {"params": {}},
    {"params": {"name": ["no_such_tool"], "_meta": None}},
    {"result": {}, "error": {}},
]


@pytest.mark.parametrize("headers", [HEADERS, {}], ids=["modern", "legacy"])
@pytest.mark.parametrize("odd", ODD_CALLS, ids=lambda odd: repr(odd)[:32])
def test_attack_29_odd_json_rpc_is_answered_with_an_error(
    gateway: Served, token: str, odd: dict[str, Any], headers: dict[str, str]
) -> None:
    response = gateway.post(tools_call("no_such_tool", {}) | odd, token=token, **headers)
    assert response.status_code < 500
    assert "error" in orjson.loads(response.content.removeprefix(b"event: message\r\ndata: "))


def test_attack_29_a_flood_of_notifications_is_swallowed(gateway: Served, token: str) -> None:
    notification = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    headers = {"authorization": f"Bearer {token}", "accept": "application/json, text/event-stream"}
    with httpx.Client(headers=headers) as client:
        for _ in range(500):
            assert client.post(gateway.mcp_url, json=notification).status_code < 500
