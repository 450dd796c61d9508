"""The guard as an ASGI application: odd scopes, and anything at all in heads and bodies."""

import asyncio
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.types import Message, Receive, Scope, Send

from gateway.bodies import Bodies, BodyRules
from gateway.guard import Guard, GuardRules
from gateway.headers import HeadLimits, TurnedAway, read_headers
from gateway.hosts import Doors, read_authority, read_origin
from registry.model import BadRequest

RULES = GuardRules(public_url="http://localhost:8420", linger_seconds=0.2)
BODIES = BodyRules(most=1000, seconds=0.2)


class Wire:
    """One request's messages in and answers out."""

    def __init__(self, incoming: Sequence[Message]) -> None:
        self.incoming = list(incoming)
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        return self.incoming.pop(0) if self.incoming else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    @property
    def status(self) -> int | None:
        return self.sent[0]["status"] if self.sent else None


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 204 to what came in; a body that was read comes in one piece and is followed by the client leaving."""
    first = await receive()
    if first["type"] == "http.request" and "interchange.json" in scope:
        assert not first["more_body"]
        assert (await receive())["type"] == "http.disconnect"
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def scope(headers: Sequence[tuple[bytes, bytes]], **more: object) -> Scope:
    return {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "query_string": b"",
        "headers": list(headers),
        **more,
    }


def passed(scope: Scope, *incoming: Message) -> Wire:
    wire = Wire(incoming)
    asyncio.run(Guard(Bodies(echo, BODIES), RULES)(scope, wire.receive, wire.send))
    return wire


JSON = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"2")]

known_names = st.sampled_from(
    b"host origin authorization content-type content-length content-encoding transfer-encoding mcp-name ix-call "
    b"x-forwarded-for expect connection".split()
)
known_values = st.sampled_from(
    [
        b"localhost:8420",
        b"http://localhost",
        b"application/json",
        b"2",
        b"99999999999999999999",
        b"chunked",
        b"gzip",
        b"",
    ]
)
headers = st.lists(
    st.tuples(known_names | st.binary(min_size=1, max_size=9), known_values | st.binary(max_size=30)), max_size=9
)
chunks = st.lists(st.sampled_from([b"{}", b'{"a":1,', b'"a":2}']) | st.binary(max_size=600), max_size=4)


@given(
    headers, chunks, st.sampled_from(["GET", "POST", "BREW"]), st.text(max_size=9), st.binary(max_size=9), st.booleans()
)
def test_whatever_comes_is_let_in_or_answered_with_a_4xx(
    headers: list[tuple[bytes, bytes]], body: list[bytes], method: str, path: str, query: bytes, whole: bool
) -> None:
    incoming = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in body]
    incoming += [{"type": "http.request", "body": b"", "more_body": False}] if whole else []
    request = scope([*JSON[:1], *headers], method=method, path="/" + path, query_string=query)
    status = passed(request, *incoming).status
    assert status is None or status == 204 or 400 <= status < 500


def test_a_client_that_leaves_in_its_body_gets_nothing_and_reaches_nobody() -> None:
    assert passed(scope(JSON), {"type": "http.request", "body": b"{", "more_body": True}).sent == []


def test_a_body_in_pieces_is_handed_on_in_one() -> None:
    pieces = [{"type": "http.request", "body": piece, "more_body": piece != b"}"} for piece in (b"{", b"", b"}")]
    assert passed(scope(JSON), *pieces).status == 204


async def test_lifespan_passes_websockets_are_closed_and_other_scopes_ignored() -> None:
    seen: list[str] = []

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    guard, wire = Guard(Bodies(application, BODIES), RULES), Wire([])
    for kind in ("lifespan", "websocket", "something-new"):
        await guard({"type": kind}, wire.receive, wire.send)
    assert seen == ["lifespan"]
    assert [message["type"] for message in wire.sent] == ["websocket.close"]


def test_what_a_trusted_proxy_says_stays() -> None:
    said = [(b"x-forwarded-for", b"1.1.1.1"), (b"forwarded", b"for=1.1.1.1"), (b"x-gw-route", b"a")]
    assert read_headers(said, HeadLimits(), trust_forwarded=True).headers == said[:2]
    assert read_headers(said, HeadLimits(), trust_forwarded=False).headers == []


@pytest.mark.parametrize("count", [100, 101])
def test_as_many_headers_as_the_limit_come_in(count: int) -> None:
    said = [(b"x-%d" % n, b"a") for n in range(count)]
    if count <= HeadLimits().count:
        assert len(read_headers(said, HeadLimits(), trust_forwarded=False).headers) == count
    else:
        with pytest.raises(TurnedAway) as refused:
            read_headers(said, HeadLimits(), trust_forwarded=False)
        assert refused.value.status == 431


@pytest.mark.parametrize(
    ("public_url", "host", "ours"),
    [
        ("https://gw.example.com", "gw.example.com", True),
        ("https://gw.example.com", "GW.example.com:443", True),
        ("https://gw.example.com", "gw.example.com:80", False),
        ("https://gw.example.com", "gw.example.com:8420", False),
        ("https://gw.example.com", "localhost", False),
        ("https://gw.example.com", "127.0.0.1:443", False),
        ("https://gw.example.com", "internal:8420", True),
        ("https://gw.example.com", "internal", False),
        ("http://gw.example.com:8420", "gw.example.com:8420", True),
        ("http://gw.example.com:8420", "gw.example.com", False),
        ("http://[::1]:8420", "localhost:8420", True),
        ("http://[::1]:8420", "[::1]:9000", True),
        ("http://127.0.0.1:8420", "127.0.0.2:8420", False),
    ],
)
def test_hosts_that_are_ours(public_url: str, host: str, ours: bool) -> None:
    doors = Doors(public_url, hosts=["internal:8420"])
    authority = doors.read_host(host)
    assert authority is not None
    assert doors.answers_to(authority) is ours


@pytest.mark.parametrize(
    ("public_url", "origin", "trusted"),
    [
        ("https://gw.example.com", "https://gw.example.com", True),
        ("https://gw.example.com", "https://gw.example.com:443", True),
        ("https://gw.example.com", "http://gw.example.com", False),
        ("https://gw.example.com", "https://gw.example.com:8443", False),
        ("https://gw.example.com", "https://ide.example", True),
        ("https://gw.example.com", "http://localhost:6274", False),
        ("https://gw.example.com", "https://evil.gw.example.com", False),
        ("http://localhost:8420", "http://localhost:6274", True),
        ("http://localhost:8420", "http://localhost.evil.example", False),
        ("http://localhost:8420", "https://[::1]", True),
    ],
)
def test_origins_that_are_trusted(public_url: str, origin: str, trusted: bool) -> None:
    read = read_origin(origin)
    assert read is not None
    assert Doors(public_url, origins=["https://ide.example/"]).trusts(*read) is trusted


@pytest.mark.parametrize(
    "origin",
    ["null", "", "localhost", "file://", "http://", "http://a/b", "http://a b", "ws://localhost", "http://u@a"],
)
def test_what_is_no_web_origin_is_read_as_none(origin: str) -> None:
    assert read_origin(origin) is None


@given(st.text())
def test_an_authority_is_read_or_not_and_never_fails(text: str) -> None:
    read = read_authority(text, "http")
    assert read is None or text.lower().startswith(read.name)


@pytest.mark.parametrize(
    "wrong", [{"hosts": ["https://a"]}, {"hosts": ["*"]}, {"origins": ["*"]}, {"origins": ["a.example"]}]
)
def test_a_rule_that_cannot_be_meant_ends_the_start(wrong: dict[str, list[str]]) -> None:
    with pytest.raises(BadRequest, match="allowed_"):
        Doors("https://gw.example.com", **cast("dict[str, tuple[str, ...]]", wrong))
