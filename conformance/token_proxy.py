"""A loopback proxy that adds a bearer token and changes nothing else.

The official MCP suite has no option for a token, and a gateway without anonymous access needs one. Host and Origin go
through as they came, so that checks about them still judge the server; bytes go through as they arrive, so that event
streams are not held back; when either side goes, the other is closed. HTTP/1.1 only, for tests only.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress

HEAD_BYTES = 64 * 1024
CHUNK = 64 * 1024
GONE = (ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError)


@asynccontextmanager
async def token_proxy(*, host: str, port: int, token: str) -> AsyncGenerator[int]:
    """Serve on a free loopback port, which is yielded, in front of `host:port`."""
    proxy = _Proxy(host, port, token)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0, limit=HEAD_BYTES)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await proxy.close()


class _Proxy:
    """Owns the connections in hand."""

    def __init__(self, host: str, port: int, token: str) -> None:
        self._host = host
        self._port = port
        self._authorization = f"Authorization: Bearer {token}\r\n".encode()
        self._open: set[asyncio.Task[None]] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of a client, with a connection upstream of its own."""
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            # Only `close` cancels, and a connection's task that ends cancelled is an error to asyncio.streams.
            with suppress(*GONE, asyncio.CancelledError):
                await self._join(reader, writer)
        finally:
            self._open.discard(task)
            writer.close()

    async def close(self) -> None:
        """End all connections."""
        for task in self._open:
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        try:
            async with asyncio.TaskGroup() as group:
                ways = (
                    group.create_task(self._requests(reader, up_writer)),
                    group.create_task(_copy(up_reader, writer)),
                )
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
        finally:
            up_writer.close()

    async def _requests(self, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
        """Pass request after request, until the client goes."""
        with suppress(*GONE):
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                upstream.write(_with_header(head, self._authorization))
                await _pass_body(head, reader, upstream)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(*GONE):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()


def _with_header(head: bytes, header: bytes) -> bytes:
    """A request's head with one more header, first, in place of any of its own."""
    name = header.partition(b":")[0].lower()
    start, *lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    kept = [line for line in lines if line.partition(b":")[0].strip().lower() != name]
    return b"\r\n".join([start, header.removesuffix(b"\r\n"), *kept]) + b"\r\n\r\n"


async def _pass_body(head: bytes, reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (line.partition(b":") for line in head.split(b"\r\n")[1:])
    }
    if b"chunked" in headers.get(b"transfer-encoding", b"").lower():
        await _pass_chunks(reader, upstream)
    else:
        upstream.write(await reader.readexactly(int(headers.get(b"content-length", b"0"))))
    await upstream.drain()


async def _pass_chunks(reader: asyncio.StreamReader, upstream: asyncio.StreamWriter) -> None:
    size = 1
    while size:
        line = await reader.readuntil(b"\r\n")
        size = int(line.partition(b";")[0], 16)
        upstream.write(line + await reader.readexactly(size + 2))
