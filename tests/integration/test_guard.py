"""The guard in front of a real server, spoken to over raw sockets: what each attack gets, on every kind of path.

The application behind it stands for all faces: it says what reached it. Case numbers are those of the attack list.
"""

import asyncio
import contextlib
import itertools
import socket
import subprocess
import sys
import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

import orjson
import pytest
import pytest_asyncio
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.bodies import JSON_KEY, Bodies, BodyRules
from gateway.connections import ConnectionLimits
from gateway.guard import Guard, GuardRules
from gateway.principal import VERIFIED
from policies.identity.tokens import Verified
from registry.model import Principal, PrincipalKind
from tests.support.attacks import AMBIGUOUS, BAD_BODIES, BAD_HOSTS, METHODS, PATHS, SINGLE, request
from tests.support.raw_http import drip, json_body, say, serving, statuses

LIMITS = ConnectionLimits(head_seconds=0.3, body_seconds=0.6, stall_seconds=0.3, connections=64)
LARGE = 4_000_000


Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass
class Behind:
    """An application that answers 200 with what it was given, and remembers."""

    scopes: list[Scope] = field(default_factory=list[Scope])
    bodies: list[bytes] = field(default_factory=list[bytes])
    arrived: asyncio.Event = field(default_factory=asyncio.Event)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    gone: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        message = await receive()
        self.bodies.append(message.get("body", b""))
        self.arrived.set()
        if scope["path"] == "/slow":
            await self.release.wait()
        if scope["path"] == "/stream":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"begun", "more_body": True})
        if scope["path"] in {"/wait", "/stream"}:
            assert (await receive())["type"] == "http.disconnect"
        else:
            await self._answer(send, size=LARGE if scope["path"] == "/large" else 1)
        self.gone.set()

    async def _answer(self, send: Send, *, size: int) -> None:
        length = (b"content-length", b"%d" % (2 * size))
        await send({"type": "http.response.start", "status": 200, "headers": [length]})
        await send({"type": "http.response.body", "body": b"o" * size, "more_body": True})
        await send({"type": "http.response.body", "body": b"k" * size})


@dataclass
class Door:
    """Stands for the door that verifies tokens: everybody is let in, under the name that the request says, if any."""

    app: ASGIApp

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope["headers"]).get(b"x-name", b"tester").decode()
        if name == "nobody":
            answer = JSONResponse({"error": "unauthorized"}, 401)
            await answer(scope, receive, send)
            return
        if name != "stranger":
            principal = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.example", subject=name, name=name)
            nothing = frozenset[str]()
            scope[VERIFIED] = Verified(principal=principal, scopes=nothing, groups=nothing, client_id="", expires_at=0)
        await self.app(scope, receive, send)


@pytest.fixture
def behind() -> Behind:
    return Behind()


@pytest_asyncio.fixture
async def port(behind: Behind) -> AsyncGenerator[int]:
    # `public_url` names no port: on loopback any will do, as behind a forwarded one
    rules = GuardRules(public_url="http://127.0.0.1", origins=("https://ide.example",), linger_seconds=0.3)
    async with serving(Guard(Door(Bodies(behind, BodyRules(seconds=0.3))), rules), LIMITS) as port:
        yield port


async def test_a_well_formed_request_comes_in_with_its_body_read(port: int, behind: Behind) -> None:
    assert statuses(await say(port, request(body=b'{"method": "tools/call"}'))) == [200]
    assert behind.bodies == [b'{"method":"tools/call"}']
    assert behind.scopes[0][JSON_KEY] == {"method": "tools/call"}
    assert dict(behind.scopes[0]["headers"])[b"content-length"] == b"23"


# Case 24: Host and Origin


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
async def test_attack_24_foreign_hosts_and_origins_on_every_path_and_method(
    port: int, behind: Behind, method: str, path: str
) -> None:
    async def status(*headers: str, host: str = "127.0.0.1") -> int:
        return statuses(await say(port, request(*headers, method=method, path=path, host=host)))[0]

    assert await status(host="evil.example.com") == 421
    assert await status("Origin: http://evil.example.com") == 403
    assert await status("Origin: null") == 403
    assert behind.scopes == []
    assert await status("Origin: https://ide.example") == 200


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LocalHost", "[::1]"])
async def test_loopback_names_and_pages_are_ours_on_any_port(port: int, name: str) -> None:
    for suffix in ("", f":{port}", ":6274"):
        raw = request(f"Origin: http://{name}{suffix}", host=name + suffix)
        assert statuses(await say(port, raw)) == [200]


# Case 25: names that readers of Host have disagreed about


@pytest.mark.parametrize(("host", "status"), BAD_HOSTS)
async def test_attack_25_bad_hosts(port: int, behind: Behind, host: str, status: int) -> None:
    assert statuses(await say(port, request(host=host))) == [status]
    assert behind.scopes == []


# Cases 2, 15 and 26: requests that two readers would read differently


@pytest.mark.parametrize("raw", AMBIGUOUS.values(), ids=AMBIGUOUS.keys())
async def test_attack_26_ambiguous_requests_are_refused(port: int, behind: Behind, raw: bytes) -> None:
    assert statuses(await say(port, raw)) == [400]
    assert behind.scopes == []


@pytest.mark.parametrize("name", SINGLE)
async def test_attack_02_and_26_what_must_be_single_is_refused_twice(port: int, behind: Behind, name: str) -> None:
    value = "http://127.0.0.1" if name == "Origin" else "application/json"
    raw = request(f"{name}: {value}", f"{name.lower()}: {value}", body=None, method="GET")
    answer = await say(port, raw)
    assert statuses(answer) == [400]
    assert "occurs twice" in str(json_body(answer))
    assert behind.scopes == []


async def test_attack_02_a_token_in_the_url_is_refused(port: int, behind: Behind) -> None:
    assert statuses(await say(port, request(method="GET", path="/mcp?access_token=abc", body=None))) == [400]
    assert behind.scopes == []


async def test_attack_15_internal_headers_do_not_come_in(port: int, behind: Behind) -> None:
    stripped = (
        "X-Gw-Target: a",
        "X-Forwarded-For: 1.1.1.1",
        "X-Forwarded-Host: b",
        "Forwarded: for=a",
        "Router-Key: k",
    )
    assert statuses(await say(port, request(*stripped, "Ix-Turn-Token: t", "X-Mine: kept"))) == [200]
    names = [name for name, _ in behind.scopes[0]["headers"]]
    assert names == [b"host", b"ix-turn-token", b"x-mine", b"content-type", b"content-length"]
    assert statuses(await say(port, request("Ix-Call: 1"))) == [400]


async def test_blanks_round_a_header_value_are_not_part_of_it(port: int, behind: Behind) -> None:
    assert statuses(await say(port, request("Mcp-Method: \t tools/call \t "))) == [200]
    assert dict(behind.scopes[0]["headers"])[b"mcp-method"] == b"tools/call"


async def test_trailers_never_become_headers(port: int, behind: Behind) -> None:
    raw = (
        b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"1\r\na\r\n0\r\nAuthorization: Bearer smuggled\r\n\r\n"
    )
    assert statuses(await say(port, raw)) == [200]
    assert [name for name, _ in behind.scopes[0]["headers"]] == [b"host", b"transfer-encoding"]


async def test_an_upgrade_nobody_offers_is_ignored(port: int) -> None:
    upgrade = ("Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAAQAAP__")
    assert statuses(await say(port, request(*upgrade))) == [200]


async def test_pipelined_requests_are_answered_one_by_one(port: int, behind: Behind) -> None:
    raw = request(path="/one") + request("Ix-Call: 1", path="/two", method="GET", body=None)
    assert statuses(await say(port, raw)) == [200, 400]


async def test_a_request_that_we_make_wait_is_not_late(port: int, behind: Behind) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    waiting = request(path="/two", body=b'{"a":1}')
    writer.write(request(path="/slow") + waiting[:-3])
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), timeout=1.0)  # longer than any deadline of a request
    behind.release.set()
    writer.write(waiting[-3:])
    assert statuses(await asyncio.wait_for(reader.read(), timeout=5)) == [200, 200]
    writer.close()


# Case 27: slow clients


@pytest.mark.parametrize(
    ("first", "more"),
    [
        (b"", b""),
        (b"", b"\r\n"),
        (b"POST / HTTP/1.1\r\nHost: localhost\r\n", b"X-a: b\r\n"),
        (b"GET /", b"a"),
        (request(path="/x", method="GET", body=None) + b"GET", b"G"),
    ],
    ids=["silence", "blank lines", "headers", "url", "the second head"],
)
async def test_attack_27_a_head_that_does_not_end_is_cut_off(port: int, first: bytes, more: bytes) -> None:
    started = time.monotonic()
    await drip(port, first, more, every=0.05)
    assert time.monotonic() - started < 10


async def test_attack_27_a_body_that_drips_is_answered_and_cut_off(port: int, behind: Behind) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
    started = time.monotonic()
    answer = await drip(port, head, b" ", every=0.05)
    assert time.monotonic() - started < 10
    assert statuses(answer) == [408]
    assert behind.scopes == []


async def test_attack_27_a_body_that_nobody_reads_is_cut_off(behind: Behind) -> None:
    async with serving(behind, LIMITS, keep_alive=5) as unguarded:  # answers before the body is whole
        head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n "
        started = time.monotonic()
        assert statuses(await drip(unguarded, head, b" ", every=0.05)) == [200]
        assert 0.5 < time.monotonic() - started < 10


async def test_attack_27_a_client_that_does_not_read_is_cut_off(port: int, behind: Behind) -> None:
    with socket.socket() as small:
        small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)  # or the system takes all of it on its behalf
        small.setblocking(False)
        await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", port))
        reader, writer = await asyncio.open_connection(sock=small, limit=1024)
        writer.write(request(path="/large"))
        await asyncio.wait_for(behind.gone.wait(), timeout=5)
        with pytest.raises((ConnectionError, asyncio.IncompleteReadError)):
            await reader.readexactly(2 * LARGE)
        writer.close()


@pytest_asyncio.fixture
async def patient_port(behind: Behind) -> AsyncGenerator[int]:
    """A server that has no deadlines worth waiting for, and few connections."""
    rules = GuardRules(public_url="http://127.0.0.1")
    async with serving(Guard(Door(Bodies(behind, BodyRules())), rules), ConnectionLimits(connections=64)) as port:
        yield port


async def test_attack_27_idle_connections_make_room_for_new_ones(patient_port: int) -> None:
    idle = [await asyncio.open_connection("127.0.0.1", patient_port) for _ in range(200)]
    assert statuses(await say(patient_port, request())) == [200]
    assert await asyncio.wait_for(idle[0][0].read(), timeout=5) == b""  # the longest idle went
    assert not idle[-1][0].at_eof()
    for _, writer in idle:
        writer.close()


async def test_connections_in_use_stay_when_idle_ones_must_go(patient_port: int, behind: Behind) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", patient_port)
    writer.write(request(path="/wait"))
    await asyncio.wait_for(behind.arrived.wait(), timeout=5)
    idle = [await asyncio.open_connection("127.0.0.1", patient_port) for _ in range(200)]
    assert statuses(await say(patient_port, request())) == [200]
    assert not reader.at_eof()
    for _, other in [*idle, (reader, writer)]:
        other.close()


SLOW_BODY = b"POST /x HTTP/1.1\r\nHost: localhost\r\nX-Name: %s\r\nContent-Length: 1000\r\n\r\n "


@pytest.mark.parametrize("name", [b"stranger", b"nobody"])
async def test_attack_27_slow_bodies_make_room_for_new_connections(patient_port: int, name: bytes) -> None:
    slow = [await asyncio.open_connection("127.0.0.1", patient_port) for _ in range(64)]
    for _, writer in slow:
        writer.write(SLOW_BODY % name)
    for _ in range(20):
        assert statuses(await say(patient_port, request())) == [200]
    assert statuses(await slow[0][0].read()) in ([], [401])  # the slowest went
    for _, writer in slow:
        writer.close()


async def test_attack_27_clients_that_take_no_answer_make_room_for_new_connections(
    patient_port: int, behind: Behind
) -> None:
    slow = [await connected_narrowly(patient_port) for _ in range(64)]
    paths = itertools.cycle(["/large", "/slow"])  # too few streams for any to go as such
    for _, writer in slow:
        behind.arrived.clear()
        writer.write(request("X-Name: stranger", path=next(paths), method="GET", body=None))
        await asyncio.wait_for(behind.arrived.wait(), timeout=5)
    for _ in range(5):
        assert statuses(await say(patient_port, request())) == [200]
    for _, writer in slow:
        writer.close()


async def test_event_streams_leave_a_quarter_of_the_places_to_others(patient_port: int) -> None:
    async def stream(name: str) -> Connection:
        reader, writer = await asyncio.open_connection("127.0.0.1", patient_port)
        writer.write(request(f"X-Name: {name}", path="/stream"))
        await asyncio.wait_for(reader.readuntil(b"begun"), timeout=5)
        return reader, writer

    modest = await stream("modest")
    greedy = [await stream("greedy") for _ in range(63)]
    for _ in range(5):
        assert statuses(await say(patient_port, request())) == [200]
    assert not modest[0].at_eof()
    assert await asyncio.wait_for(ended(greedy[0]), timeout=5)
    for _, writer in [modest, *greedy]:
        writer.close()


async def test_calls_under_way_are_never_ended_for_a_newcomer(patient_port: int, behind: Behind) -> None:
    calls = [await asyncio.open_connection("127.0.0.1", patient_port) for _ in range(64)]
    for _, writer in calls:
        writer.write(request(path="/slow"))
    while len(behind.scopes) < 64:
        behind.arrived.clear()
        await asyncio.wait_for(behind.arrived.wait(), timeout=5)
    with contextlib.suppress(ConnectionError):
        assert statuses(await say(patient_port, request())) == []
    behind.release.set()
    for reader, writer in calls:
        assert b" 200 " in await asyncio.wait_for(reader.readline(), timeout=5)
        writer.close()


async def connected_narrowly(port: int) -> Connection:
    """A connection that takes little of an answer unless it is read: the kernel would else take all of a large one."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=narrow, limit=1024)


async def ended(connection: Connection) -> bool:
    """Whether the server ends this connection, in whatever way."""
    with contextlib.suppress(ConnectionError):
        await connection[0].read()
    return True


def test_a_gateway_takes_as_many_open_files_as_it_may() -> None:
    lowered = (
        "import resource as r; h = min(r.getrlimit(r.RLIMIT_NOFILE)[1], 2048); r.setrlimit(r.RLIMIT_NOFILE, (512, h))"
    )
    started = (
        "from gateway.connections import http_protocol; from gateway.config import Limits; http_protocol(Limits())"
    )
    shown = "print(r.getrlimit(r.RLIMIT_NOFILE) == (h, h))"
    run = subprocess.run([sys.executable, "-c", f"{lowered}; {started}; {shown}"], capture_output=True, check=True)
    assert run.stdout == b"True\n"


async def test_a_head_without_end_is_refused_by_its_size(port: int) -> None:
    raw = b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 200_000
    assert statuses(await say(port, raw)) in ([431], [])  # the reset may overtake the answer


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        (("X: " + "a" * 40_000,), "/", 431),
        (tuple(f"X-{n}: a" for n in range(120)), "/", 431),
        ((), "/" + "a" * 9000, 414),
        ((), "/?" + "a" * 9000, 414),
    ],
    ids=["large", "many", "long path", "long query"],
)
async def test_heads_are_bounded(port: int, behind: Behind, headers: tuple[str, ...], path: str, status: int) -> None:
    assert statuses(await say(port, request(*headers, path=path))) == [status]
    assert behind.scopes == []


# Case 28: bodies

LIMIT = BodyRules().most


async def test_attack_28_a_body_may_be_as_large_as_the_limit_and_no_byte_larger(port: int, behind: Behind) -> None:
    fits = b'{"a":"' + b"a" * (LIMIT - 8) + b'"}'
    assert statuses(await say(port, request(body=fits))) == [200]
    assert behind.bodies == [fits]
    answer = await say(port, request(body=fits + b" "))
    assert statuses(answer) == [413]
    assert json_body(answer) == {
        "jsonrpc": "2.0",
        "id": None,
        "error": {"code": -32600, "message": "The body is larger than 4194304 bytes"},
    }


async def test_attack_28_a_chunked_body_is_counted_while_it_is_read(port: int, behind: Behind) -> None:
    head = b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunks = (b"%x\r\n" % 65536 + b"a" * 65536 + b"\r\n") * (LIMIT // 65536)
    assert statuses(await say(port, head + chunks + b"0\r\n\r\n")) == [200]
    answer = await say(port, head + chunks + b"1\r\na\r\n0\r\n\r\n")
    assert statuses(answer) == [413]
    assert json_body(answer) == {"error": {"code": "bad_request", "message": "The body is larger than 4194304 bytes"}}
    assert len(behind.bodies) == 1


async def test_a_client_that_asks_first_is_told_before_it_sends(port: int) -> None:
    raw = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Type: application/json\r\n"
    assert statuses(await say(port, raw + b"Content-Length: 9999999\r\n\r\n")) == [413]


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd", "gzip, gzip", "identity, gzip"])
async def test_attack_28_compressed_bodies_are_refused(port: int, behind: Behind, coding: str) -> None:
    assert statuses(await say(port, request(f"Content-Encoding: {coding}"))) == [415]
    assert behind.scopes == []


@pytest.mark.parametrize(("body", "code", "words"), BAD_BODIES, ids=lambda value: repr(value)[:32])
async def test_attack_28_and_29_bodies_with_no_or_two_meanings(
    port: int, behind: Behind, body: bytes, code: int, words: str
) -> None:
    started = time.monotonic()
    answer = await say(port, request(body=body))
    assert time.monotonic() - started < 10
    assert statuses(answer) == [400]
    reply = orjson.loads(answer.partition(b"\r\n\r\n")[2])
    assert (reply["jsonrpc"], reply["id"], reply["error"]["code"]) == ("2.0", None, code)
    assert words in reply["error"]["message"]
    assert behind.scopes == []


async def test_a_post_to_a_json_rpc_path_must_say_that_it_is_json(port: int, behind: Behind) -> None:
    raw = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n{}"
    assert statuses(await say(port, raw)) == [415]
    assert behind.scopes == []


async def test_other_content_types_come_in_as_they_are(port: int, behind: Behind) -> None:
    raw = b"POST /issuer/token HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    assert statuses(await say(port, raw + b"Content-Length: 3\r\n\r\na=b")) == [200]
    assert behind.bodies == [b"a=b"]


# Whose body is read


async def test_who_is_turned_away_at_the_door_has_nothing_read_or_parsed(port: int, behind: Behind) -> None:
    assert statuses(await say(port, request("X-Name: nobody", body=b"[not JSON"))) == [401]
    assert statuses(await say(port, request("X-Name: nobody", body=b"{" + b" " * LIMIT))) == [401]
    assert behind.scopes == []


@pytest.mark.parametrize(
    ("headers", "status"),
    [(("X-Name: nobody",), 401), (("X-Name: stranger",), 413), (("Ix-Call: 1",), 400), (("Origin: null",), 403)],
    ids=str,
)
@pytest.mark.parametrize("connection", ["close", "keep-alive"])
async def test_an_answer_that_comes_before_the_body_is_read_by_its_sender(
    patient_port: int, headers: tuple[str, ...], status: int, connection: str
) -> None:
    raw = request(f"Connection: {connection}", *headers, body=b" " * LIMIT)
    reader, writer = await asyncio.open_connection("127.0.0.1", patient_port)
    for begin in range(0, len(raw), 65536):  # a reset would end this with an error
        writer.write(raw[begin : begin + 65536])
        await asyncio.wait_for(writer.drain(), timeout=5)
    assert statuses(await asyncio.wait_for(reader.read(), timeout=5)) == [status]
    writer.close()


async def test_a_connection_goes_on_after_a_refusal_at_the_door(behind: Behind) -> None:
    rules = GuardRules(public_url="http://127.0.0.1")
    async with serving(Guard(Door(Bodies(behind, BodyRules())), rules), LIMITS, keep_alive=5) as port:
        refused = request("X-Name: nobody", body=b" " * LIMIT)
        answer = await say(port, refused + request("Connection: close", body=b'{"a":1}'))
    assert statuses(answer) == [401, 200]
    assert behind.bodies == [b'{"a":1}']


async def test_who_asks_first_and_is_refused_at_the_door_is_told_to_close(patient_port: int) -> None:
    started = time.monotonic()
    raw = (
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nX-Name: nobody\r\nExpect: 100-continue\r\nContent-Length: 99\r\n\r\n"
    )
    answer = await say(patient_port, raw)
    assert statuses(answer) == [401]
    assert b"connection: close" in answer
    assert time.monotonic() - started < 10


async def test_strangers_may_send_little(port: int, behind: Behind) -> None:
    most = BodyRules().most_of_strangers
    assert statuses(await say(port, request("X-Name: stranger", path="/x", body=b"{" + b" " * (most - 2) + b"}"))) == [
        200
    ]
    answer = await say(port, request("X-Name: stranger", path="/x", body=b"{" + b" " * (most - 1) + b"}"))
    assert statuses(answer) == [413]
    assert json_body(answer)["error"] == {"code": "bad_request", "message": "The body is larger than 65536 bytes"}


async def test_what_is_in_hand_is_bounded_for_each_and_for_all(behind: Behind) -> None:
    guard = Guard(Door(Bodies(behind, BodyRules(most=1000, in_hand=4000))), GuardRules(public_url="http://127.0.0.1"))
    large = b'{"a":"' + b"a" * 900 + b'"}'

    async def status(name: str) -> int:
        answer = await say(port, request(f"X-Name: {name}", body=large))
        assert (b"retry-after: 1" in answer) is (statuses(answer) == [503])
        return statuses(answer)[0]

    async with serving(guard, ConnectionLimits()) as port:
        held: list[Connection] = []
        for name in ("one", "two", "three", "four"):
            assert await status(name) == 200
            held.append(await asyncio.open_connection("127.0.0.1", port))
            behind.arrived.clear()
            held[-1][1].write(request(f"X-Name: {name}", path="/slow", body=large))
            await asyncio.wait_for(behind.arrived.wait(), timeout=5)
            assert await status(name) == 503
        assert await status("five") == 503
        behind.release.set()
        for reader, writer in held:
            assert statuses(await asyncio.wait_for(reader.read(), timeout=5)) == [200]
            writer.close()
        assert await status("one") == 200


async def test_a_body_that_is_over_what_is_left_is_answered_as_json_rpc(behind: Behind) -> None:
    guard = Guard(Door(Bodies(behind, BodyRules(most=100, in_hand=0))), GuardRules(public_url="http://127.0.0.1"))
    async with serving(guard, ConnectionLimits()) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(request(path="/slow", body=b'{"a":"' + b"a" * 90 + b'"}'))
        await asyncio.wait_for(behind.arrived.wait(), timeout=5)
        answer = await say(port, request(body=b'{"a":1234}'))
        writer.close()
    assert json_body(answer)["error"] == {
        "code": -32603,
        "message": "You have too many large requests in hand: try again when some have ended",
    }


# What the guard must not break


async def test_a_client_that_goes_away_is_noticed_after_the_body_was_read(port: int, behind: Behind) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(path="/wait"))
    await asyncio.wait_for(behind.arrived.wait(), timeout=5)
    writer.close()
    await asyncio.wait_for(behind.gone.wait(), timeout=5)


async def test_a_long_answer_outlives_the_deadlines_of_requests(port: int, behind: Behind) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request(path="/wait"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(1), timeout=1.0)
    assert not behind.gone.is_set()
    writer.close()
