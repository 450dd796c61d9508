"""The gateway as a process: doors opened, ready, drained, closed.

Stopping (SIGTERM, SIGINT) drains: subscriptions end with their closing result, calls in hand may finish within a few
seconds, then everything closes. `gateway.app` puts the parts together; this gives them sockets and a life.
"""

import asyncio
import gc
import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import uvicorn
import uvloop

from gateway.app import Gateway, open_gateway
from gateway.config import Config
from gateway.connections import http_protocol
from gateway.graphs import publish_graphs
from gateway.logs import log_to_stderr
from gateway.platform.server import serve_platform
from gateway.state import Whereabouts, hold, write_whereabouts
from registry.model import BadRequest, InterchangeError, Refused

logger = logging.getLogger(__name__)

GRACE = 3.0
"""Seconds that calls in hand have to finish once the process is told to stop."""
LAST_WORDS = 1.0
"""Seconds of these in which the callers of what did not finish are told so."""
KEPT = 75
"""Seconds that a connection stays open between two requests: longer than clients keep theirs (5 s is what most Python
clients do), so that nobody sends a request into a connection that is just being closed."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A gateway that is open, and where."""

    gateway: Gateway
    whereabouts: Whereabouts


WhenReady = Callable[[Serving], Awaitable[None]]


class _HttpServer(uvicorn.Server):
    """uvicorn without its signal handling, and with a drain before it waits for open answers."""

    def __init__(self, config: uvicorn.Config, *, drain: Callable[[], None]) -> None:
        super().__init__(config)
        self._drain = drain
        self.ready = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        # uvicorn raises a captured signal anew when it ends, which would skip the closing of everything around it.
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._drain()
        await super().shutdown(sockets)


async def serve(config: Config, *, config_path: Path | None, when_ready: WhenReady) -> None:
    """Hold the state folder, open all doors, and serve until a signal says to stop.

    Raises:
        BadRequest, Refused: the configuration does not hold together, or something else has the state or a port.
    """
    log_to_stderr()
    with hold(config.state), _bound(config.listen.http, option="--port") as door:
        with _bound(config.listen.grpc, option="--grpc-port") as free:  # gRPC would say it in its own words, and late
            grpc = f"{config.listen.grpc.rpartition(':')[0]}:{free.getsockname()[1]}"
        config = replace(config, public_url=_public_url(config, door), listen=replace(config.listen, grpc=grpc))
        async with _open(config, config_path) as serving:
            server = _http_server(serving.gateway, config)
            async with asyncio.TaskGroup() as tasks:
                with _listening_to_signals(server, lambda: tasks.create_task(_reload(serving.gateway))):
                    running = tasks.create_task(server.serve(sockets=[door]))
                    await server.ready.wait()
                    await when_ready(serving)
                    _settle()
                    await running


def run_until_stopped(serving: Coroutine[None, None, None]) -> None:
    """Run on the event loop that the gateway is measured with."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serving)


@asynccontextmanager
async def _open(config: Config, config_path: Path | None) -> AsyncGenerator[Serving]:
    """Open the gateway and its gRPC door, and say where they are."""
    async with open_gateway(config) as gateway:
        await publish_graphs(gateway.corridor, config.graphs)
        platform, port = await serve_platform(
            config.listen.grpc,
            handle=gateway.corridor.handle,
            verify=gateway.verify,
            acting=gateway.acting,
            workplace=gateway.workplace,
            agents=gateway.agents,
        )
        host = config.listen.grpc.rpartition(":")[0]
        whereabouts = Whereabouts(
            public_url=config.public_url,
            mcp_url=f"{config.public_url}/mcp",
            grpc_address=f"{host}:{port}",
            issuer=gateway.issuer,
            config=str(config_path or ""),
            pid=os.getpid(),
        )
        write_whereabouts(config.state, whereabouts)
        try:
            yield Serving(gateway, whereabouts)
        finally:
            await platform.stop(GRACE)


def _http_server(gateway: Gateway, config: Config) -> _HttpServer:
    settings = uvicorn.Config(
        gateway.asgi,
        loop="none",
        http=http_protocol(config.limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,  # whose word counts is the guard's business
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=int(GRACE),
        timeout_keep_alive=KEPT,
        backlog=2048,
    )
    return _HttpServer(settings, drain=lambda: gateway.drain(GRACE - LAST_WORDS))


async def _reload(gateway: Gateway) -> None:
    """Put policies and directory in force as they are now; a mistake in either leaves the old ones in force, both."""
    try:
        await gateway.reload()
    except InterchangeError as error:
        logger.error(  # noqa: TRY400
            "Policies and directory were not reloaded; those of before stay in force:\n%s", error.message
        )
    except Exception:  # whatever broke, the gateway goes on
        logger.exception("Policies and directory may not have been reloaded.")
    else:
        logger.warning("Policies and directory were reloaded.")


@contextmanager
def _listening_to_signals(server: uvicorn.Server, reload: Callable[[], object]) -> Generator[None]:
    """Let SIGTERM and SIGINT end the server (a second one at once), and SIGHUP reload what it judges by."""
    loop = asyncio.get_running_loop()

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    loop.add_signal_handler(signal.SIGHUP, reload)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(number)


def _settle() -> None:
    """Take what was loaded at the start out of the garbage collector's sight, which would look at it again and again
    while large answers are read; and let the threads that write audit and spans interrupt calls only briefly."""
    sys.setswitchinterval(0.0005)
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(20_000, 5, 20)  # a stream that ended badly leaves few objects, and large ones


@contextmanager
def _bound(address: str, *, option: str) -> Generator[socket.socket]:
    """A listening socket's address, taken before anything else is opened."""
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    door = socket.socket(family, socket.SOCK_STREAM)
    door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        door.bind((host.strip("[]"), int(port)))
    except (OSError, ValueError) as error:
        door.close()
        reason = error.strerror if isinstance(error, OSError) else "not a host:port"
        raise Refused(f"Cannot listen on {address}: {reason}. Choose another with {option}.") from None
    with door:
        yield door


def _public_url(config: Config, door: socket.socket) -> str:
    """How clients reach us: as configured, or the loopback address that was bound."""
    host, port = door.getsockname()[:2]
    loopback = ipaddress.ip_address(host).is_loopback
    if config.auth.embedded and not loopback:
        raise BadRequest(
            f"The development issuer speaks for anybody, so it cannot listen on {host}: set [auth] issuer and audience."
        )
    if config.public_url:
        return config.public_url.rstrip("/")
    if not loopback:
        raise BadRequest(f"public_url is required when listening on {host}: it is the audience of every token.")
    return f"http://{f'[{host}]' if ':' in host else host}:{port}"
