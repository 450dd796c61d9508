"""Serving: what every small gRPC server here does around its one service.

Listens, answers health checks and reflection, says where it listens in one line, and stops within a second when asked
to: `listening 127.0.0.1:PORT` on standard output means that calls are answered.
"""

import argparse
import asyncio
import signal
from collections.abc import Callable
from typing import Protocol, cast

import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

GRACE = 1.0


class Health(Protocol):
    """The part used here of `grpc_health.v1.health.aio.HealthServicer`, which its stubs leave out."""

    async def set(self, service: str, status: health_pb2.HealthCheckResponse.ServingStatus) -> None: ...

    async def enter_graceful_shutdown(self) -> None: ...


def run(service: str, register: Callable[[grpc.aio.Server], None]) -> None:
    """Serve one service, by its full name, until SIGTERM or SIGINT; `register` adds it to the server."""
    parser = argparse.ArgumentParser(description=f"Serves {service}.")
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0: any free one")
    arguments = parser.parse_args()
    asyncio.run(_serve(service, register, listen=arguments.listen))


async def _serve(service: str, register: Callable[[grpc.aio.Server], None], *, listen: str) -> None:
    server = cast("Callable[[], grpc.aio.Server]", grpc.aio.server)()
    register(server)
    checks = _health(server)
    reflection.enable_server_reflection((service, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    port = server.add_insecure_port(listen)
    stopped = _stop_signal()
    await server.start()
    for name in ("", service):
        await checks.set(name, health_pb2.HealthCheckResponse.SERVING)
    print(f"listening {listen.rpartition(':')[0]}:{port}", flush=True)
    await stopped.wait()
    await checks.enter_graceful_shutdown()
    await server.stop(GRACE)


def _health(server: grpc.aio.Server) -> Health:
    servicer = health.aio.HealthServicer()  # pyright: ignore
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)  # pyright: ignore
    return cast("Health", servicer)


def _stop_signal() -> asyncio.Event:
    """An event that SIGTERM and SIGINT set."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    return stopped
