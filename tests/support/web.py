"""A web server in a thread, on a loopback port of its own."""

import socket
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Literal

import uvicorn
from starlette.types import ASGIApp


@contextmanager
def bound() -> Generator[tuple[socket.socket, str]]:
    """A listening socket and the URL that leads to it, before there is an application."""
    with socket.create_server(("127.0.0.1", 0)) as door:
        yield door, f"http://127.0.0.1:{door.getsockname()[1]}"


@contextmanager
def serving(app: ASGIApp, door: socket.socket, *, lifespan: Literal["on", "off"] = "off") -> Generator[None]:
    """Serve an application until the context ends."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan=lifespan))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]}, daemon=True)
    thread.start()
    try:
        until = time.monotonic() + 10
        while not server.started and time.monotonic() < until:
            thread.join(0.01)
        assert server.started
        yield
    finally:
        server.should_exit = True
        thread.join(10)
