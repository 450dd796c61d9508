"""The proxy that lends the official suite a token must change nothing else, or the suite would judge the proxy."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager

from conformance.token_proxy import token_proxy

Answer = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]
EMPTY = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@asynccontextmanager
async def proxied(
    answer: Answer, gone: asyncio.Event | None = None
) -> AsyncGenerator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection to a proxy in front of a server that reads one request after another."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(65536):
            await answer(request, writer)
        if gone is not None:
            gone.set()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, token_proxy(host="127.0.0.1", port=port, token="secret") as through:
        reader, writer = await asyncio.open_connection("127.0.0.1", through)
        try:
            yield reader, writer
        finally:
            writer.close()


async def test_only_the_token_is_added() -> None:
    seen: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        writer.write(EMPTY)

    async with proxied(answer) as (reader, writer):
        head = b"Host: evil.example.com\r\nOrigin: http://evil.example.com\r\nContent-Length: 2"
        request = b"POST /mcp HTTP/1.1\r\n" + head + b"\r\n\r\n{}"
        writer.write(request)
        await reader.readuntil(b"\r\n\r\n")

    start, rest = request.split(b"\r\n", 1)
    assert b"".join(seen) == start + b"\r\nAuthorization: Bearer secret\r\n" + rest


async def test_a_token_of_the_clients_own_is_replaced_on_every_request_of_a_connection() -> None:
    seen: list[bytes] = []

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        seen.append(request)
        writer.write(EMPTY)

    async with proxied(answer) as (reader, writer):
        for _ in range(2):
            writer.write(b"GET / HTTP/1.1\r\nHost: a\r\nauthorization: Bearer other\r\n\r\n")
            await reader.readuntil(b"\r\n\r\n")

    assert [request.lower().count(b"authorization") for request in seen] == [1, 1]
    assert all(b"Bearer secret" in request for request in seen)


async def test_a_chunked_body_arrives_whole() -> None:
    arrived = bytearray()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        arrived.extend(request)
        if arrived.endswith(b"0\r\n\r\n"):
            writer.write(EMPTY)

    async with proxied(answer) as (reader, writer):
        body = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
        await reader.readuntil(b"\r\n\r\n")

    assert arrived.endswith(body)


async def test_events_are_passed_on_while_the_stream_is_open() -> None:
    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")

    async with proxied(answer) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await asyncio.wait_for(reader.readuntil(b"data: 1\n\n"), 5)).endswith(b"data: 1\n\n")


async def test_the_server_learns_that_the_client_went() -> None:
    gone = asyncio.Event()

    async def answer(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(EMPTY)

    async with proxied(answer, gone) as (reader, writer):
        writer.write(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        await reader.readuntil(b"\r\n\r\n")
        writer.close()
        await asyncio.wait_for(gone.wait(), 5)
