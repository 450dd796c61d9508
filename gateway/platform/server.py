"""The gRPC port: the platform face and gRPC's own health service, on one server.

There is no limit on RPCs in all, which one client without a token could use up for everybody. What there is instead:
a connection has few streams, RPCs wait for nobody who is not known (see `gateway.platform.rpc`), and each principal and
each connection has its own places.
"""

from collections.abc import Callable
from typing import Any, cast

import grpc
import grpc.aio

from gateway.platform.health import HealthFace
from gateway.platform.messages import SERVICE as MESSAGES
from gateway.platform.messages import messages_face
from gateway.platform.operations import MESSAGE, Handle, Verify
from gateway.platform.registry import SERVICE as REGISTRY
from gateway.platform.registry import registry_face
from registry.model import Refused

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.max_send_message_length", MESSAGE),
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.max_allowed_incoming_connections", 512),  # the HTTP door needs file descriptors too
    # What a stream may send before its message is asked for: never more than the first window.
    ("grpc.http2.lookahead_bytes", 64 << 10),
    ("grpc.http2.bdp_probe", 0),
    # Connections end: those that send nothing, those that answer no ping, and those that keep an answer waiting.
    ("grpc.server_handshake_timeout_ms", 10_000),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    ("grpc.max_connection_idle_ms", 300_000),
    ("grpc.max_connection_age_ms", 600_000),
    ("grpc.max_connection_age_grace_ms", 65_000),  # a little more than an RPC may take
)


async def serve_platform(
    address: str, *, handle: Handle, verify: Verify, credentials: grpc.ServerCredentials | None = None
) -> tuple[grpc.aio.Server, int]:
    """Start the server on `host:port` (port 0: a free one); return it with the port it has.

    Raises:
        Refused: the port is taken.
    """
    server = cast("Callable[..., grpc.aio.Server]", grpc.aio.server)(options=OPTIONS)
    faces = (
        registry_face(handle=handle, verify=verify),
        messages_face(handle=handle, verify=verify),
        HealthFace(("", REGISTRY.full_name, MESSAGES.full_name)),
    )
    cast("Any", server).add_generic_rpc_handlers(tuple(face.handler() for face in faces))
    try:
        port = (
            server.add_insecure_port(address) if credentials is None else server.add_secure_port(address, credentials)
        )
    except RuntimeError:
        raise Refused(
            f"Cannot listen on {address} for gRPC: it is taken or not this machine's. Choose another."
        ) from None
    await server.start()
    return server, port
