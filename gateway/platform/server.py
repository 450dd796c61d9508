"""The gRPC port: the platform face and gRPC's own health service, on one server."""

from collections.abc import Awaitable, Callable
from typing import Any, Protocol, cast

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from gateway.platform.registry import SERVICE, Handle, RegistryFace, Verify
from registry.model import Refused

MESSAGE = 16 << 20
"""Bytes of one message, either way: a manifest of 5,000 skills fits."""

CONCURRENT = 256


class Health(Protocol):
    """The part used here of `grpc_health.v1.health.aio.HealthServicer`, which its stubs leave out."""

    def set(self, service: str, status: object) -> Awaitable[None]: ...


async def serve_platform(
    address: str, *, handle: Handle, verify: Verify, credentials: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, int]:
    """Start the server on `host:port` (port 0: a free one); return it with the port it has.

    Raises:
        Refused: the port is taken.
    """
    server = cast("Callable[..., grpc.aio.Server]", grpc.aio.server)(
        maximum_concurrent_rpcs=CONCURRENT,
        options=[
            ("grpc.max_receive_message_length", MESSAGE),
            ("grpc.max_send_message_length", MESSAGE),
            ("grpc.so_reuseport", 0),
        ],
    )
    cast("Any", server).add_generic_rpc_handlers((RegistryFace(handle=handle, verify=verify).handlers(),))
    servicer = cast("Health", cast("Any", health).aio.HealthServicer())
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    try:
        port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
    except RuntimeError:
        raise Refused(
            f"Cannot listen on {address} for gRPC: it is taken or not this machine's. Choose another."
        ) from None
    await server.start()
    for name in ("", SERVICE.full_name):
        await servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    return server, port
