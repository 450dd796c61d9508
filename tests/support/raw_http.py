"""Servers on loopback and clients that say byte for byte what a test wants said."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import cast

import orjson
import uvicorn
from starlette.types import ASGIApp
from uvicorn.server import ServerState

from gateway.connections import ConnectionLimits, Connections
from registry.model import JsonObject


@asynccontextmanager
async def serving(app: ASGIApp, limits: ConnectionLimits, *, keep_alive: int = 0) -> AsyncGenerator[int]:
    """Serve on a free loopback port with the gateway's connections, and yield the port.

    Without `keep_alive` a connection closes once everything on it is answered, so that a test need not wait for more.
    """
    config = uvicorn.Config(app, ws="none", lifespan="off", log_config=None, timeout_keep_alive=keep_alive)
    config.load()
    state, connections = ServerState(), Connections(limits)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: connections(config, state, {}), "127.0.0.1", 0, backlog=512)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for connection in list(connections):
            connection.cut()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.gather(*state.tasks, return_exceptions=True)


async def say(port: int, raw: bytes, *, seconds: float = 5.0) -> bytes:
    """Send bytes on a connection of their own and return everything that comes back until it is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(seconds):
            writer.write(raw)
            return await _until_closed(reader)
    finally:
        writer.close()


def statuses(answer: bytes) -> Sequence[int]:
    """The status of every response in what came back."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", answer)]


async def drip(port: int, first: bytes, more: bytes, *, every: float, seconds: float = 5.0) -> bytes:
    """Send a beginning and then a little at a time for as long as the server listens; what it said before it closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(seconds):
            writer.write(first)
            answer = asyncio.ensure_future(_until_closed(reader))
            while not (await asyncio.wait([answer], timeout=every))[0]:
                writer.write(more)
            return await answer
    finally:
        writer.close()


async def _until_closed(reader: asyncio.StreamReader) -> bytes:
    answer = bytearray()
    try:
        while data := await reader.read(65536):
            answer += data
    except ConnectionError:  # cut off: what came before is the answer
        pass
    return bytes(answer)


def json_body(answer: bytes) -> JsonObject:
    """The JSON that a response carries."""
    return cast("JsonObject", orjson.loads(answer.partition(b"\r\n\r\n")[2]))
