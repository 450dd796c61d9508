"""The wire: it sends what it is given and nothing more, reads whatever comes, and shows no token."""

import asyncio
import json
from collections.abc import AsyncIterator

import httpx
import pytest

from conformance.wire import SECRET, Exchange, Wire, Wires

TOKEN = "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJlc2lnbmF0dXJl"
OPAQUE = 'opaque/"token"+1'


def echo(request: httpx.Request) -> httpx.Response:
    """Everything of the request, in headers and body alike."""
    said = {"url": str(request.url), "headers": dict(request.headers), "body": request.content.decode()}
    headers = [("x-token", request.headers.get("authorization", "")), ("set-cookie", "session=1"), ("x-two", "a")]
    return httpx.Response(200, headers=[*headers, ("x-two", "b")], json=said)


async def exchanged(wire: Wire, token_in_body: str = "") -> Exchange:
    return await wire.post("http://server.test/x", {"said": token_in_body}, headers={"mcp-name": "é"})


@pytest.mark.parametrize("token", [TOKEN, OPAQUE])
async def test_no_token_is_ever_in_evidence(token: str) -> None:
    async with Wires(token=token, seconds=5, transport=httpx.MockTransport(echo)).open() as wire:
        await exchanged(wire, token)
        await wire.post_with_token_in_query("http://server.test/x", {})
        await wire.post_with_altered_token("http://server.test/x", {})
        shown = repr(wire.exchanges)
    for form in (token, json.dumps(token)[1:-1], httpx.QueryParams({"t": token})["t"], "session=1"):
        assert form not in shown
    assert SECRET in shown


async def test_a_token_of_somebody_else_is_not_in_evidence_either() -> None:
    async with Wires(token=None, seconds=5, transport=httpx.MockTransport(echo)).open() as wire:
        await exchanged(wire, TOKEN)
        assert TOKEN not in repr(wire.exchanges)


async def test_the_check_itself_sees_the_answer_as_it_came() -> None:
    async with Wires(token=TOKEN, seconds=5, transport=httpx.MockTransport(echo)).open() as wire:
        exchange = await exchanged(wire)
    assert exchange.header("X-Token") == f"Bearer {TOKEN}"
    assert exchange.header("x-two") == "a, b"
    assert exchange.media_type == "application/json"


async def test_a_request_has_no_headers_but_those_it_is_given() -> None:
    heard: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 204 No Content\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server, Wires(token=None, seconds=5).open() as wire:
        port = server.sockets[0].getsockname()[1]
        await wire.post(f"http://127.0.0.1:{port}/", b"{}", headers={"MCP-METHOD": "tools/list"})
    lines = heard[0].decode().split("\r\n")[1:-2]
    assert sorted(lines) == sorted([f"Host: 127.0.0.1:{port}", "MCP-METHOD: tools/list", "Content-Length: 2"])


@pytest.mark.parametrize("token", [TOKEN, "opaque", "x"])
async def test_an_altered_token_is_another_token(token: str) -> None:
    async with Wires(token=token, seconds=5, transport=httpx.MockTransport(echo)).open() as wire:
        exchange = await wire.post_with_altered_token("http://server.test/", {})
    assert exchange.header("x-token") != f"Bearer {token}"
    assert len(exchange.header("x-token")) == len(f"Bearer {token}")


async def test_events_are_read_whole_and_one_by_one() -> None:
    stream = (
        b': ping\r\n\r\nevent: message\r\ndata: {"n":\r\ndata: 1}\r\n\r\ndata: no json\r\n\r\ndata: {"n": 2}\r\n\r\n'
    )
    kind = {"content-type": "text/event-stream; charset=utf-8"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=kind, content=stream))
    async with Wires(token=None, seconds=5, transport=transport).open() as wire:
        whole = (await wire.get("http://server.test/")).events()
        async with wire.open("GET", "http://server.test/") as opened:
            one_by_one = [event async for event in opened.events()]
    assert whole == one_by_one == [{"n": 1}, None, {"n": 2}]


async def test_only_what_ends_a_line_in_a_stream_of_events_ends_one() -> None:
    said = "one \u2028two\x85three"
    stream = f"data: {json.dumps(said, ensure_ascii=False)}\r\rdata: 2\n\r\n".encode()
    kind = {"content-type": "text/event-stream"}

    async def by_the_byte() -> AsyncIterator[bytes]:
        for at in range(len(stream)):
            yield stream[at : at + 1]

    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=kind, content=by_the_byte()))
    async with Wires(token=None, seconds=5, transport=transport).open() as wire:
        whole = (await wire.get("http://server.test/")).events()
        async with wire.open("GET", "http://server.test/") as opened:
            one_by_one = [event async for event in opened.events()]
    assert whole == one_by_one == [said, 2]


async def test_a_stream_that_was_left_early_is_still_evidence() -> None:
    kind = {"content-type": "text/event-stream"}
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=kind, content=b"data: 1\n\ndata: 2\n\n"))
    async with Wires(token=None, seconds=5, transport=transport).open() as wire:
        async with wire.open("GET", "http://server.test/") as opened:
            await anext(opened.events())
        assert wire.exchanges[0].came.startswith(b"data: 1")
