"""The gRPC port: the platform face and gRPC's own health service, on one server.

There is no limit on RPCs in all, which one client without a token could use up for everybody. What there is instead:
a connection has few streams, RPCs wait for nobody who is not known (see `gateway.platform.rpc`), and each principal and
each connection has its own places.
"""

from collections.abc import Callable
from typing import Any, Final, Protocol, TypeAlias, cast

import grpc
import grpc.aio

from gateway.platform.callers import Callers, Verify
from gateway.platform.conversations import SERVICE as CONVERSATIONS
from gateway.platform.conversations import conversations_face
from gateway.platform.health import HealthFace
from gateway.platform.messages import SERVICE as MESSAGES
from gateway.platform.messages import messages_face
from gateway.platform.operations import MESSAGE, Handle
from gateway.platform.registry import SERVICE as REGISTRY
from gateway.platform.registry import registry_face
from gateway.platform.rpc import GenericHandler
from gateway.platform.work import LASTING_SECONDS, WorkFace, Workplace
from gateway.principal import Acting, no_turns
from registry.model import Refused

OPTIONS = (
    ("grpc.max_receive_message_length", MESSAGE),
    ("grpc.max_send_message_length", MESSAGE),
    ("grpc.so_reuseport", 0),
    ("grpc.max_concurrent_streams", 64),
    ("grpc.max_metadata_size", 36 << 10),  # two tokens of 16 kB, and what else belongs to a head
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
    # Every RPC ends by itself long before, but an attachment, which finishes what it has in hand.
    ("grpc.max_connection_age_grace_ms", int(LASTING_SECONDS * 1000)),
    # Who is attached may ask whether we are there: else it would learn of a gateway that is gone only by and by.
    ("grpc.http2.min_ping_interval_without_data_ms", 20_000),
)


class Face(Protocol):
    """Answers one service."""

    def handler(self) -> GenericHandler: ...


Agents: TypeAlias = Callable[[Callers], Face]
"""The face of the agents, which asks who calls as all others do."""

A2A: Final = "lf.a2a.v1.A2AService"


async def serve_platform(
    address: str,
    *,
    handle: Handle,
    verify: Verify,
    acting: Acting = no_turns,
    workplace: Workplace | None = None,
    agents: Agents | None = None,
    credentials: grpc.ServerCredentials | None = None,
) -> tuple[grpc.aio.Server, int]:
    """Start the server on `host:port` (port 0: a free one); return it with the port it has. Without a `workplace`
    nobody attaches, and without `agents` no agent is to be reached here.

    Raises:
        Refused: the port is taken.
    """
    server = cast("Callable[..., grpc.aio.Server]", grpc.aio.server)(options=OPTIONS)
    operators = Callers(verify=verify)  # whoever operates does so in their own name
    callers = Callers(verify=verify, acting=acting)
    faces = (
        registry_face(handle=handle, callers=operators),
        messages_face(handle=handle, callers=operators),
        conversations_face(handle=handle, callers=callers),
        HealthFace(("", REGISTRY.full_name, MESSAGES.full_name, CONVERSATIONS.full_name, *([A2A] if agents else []))),
    )
    reaching = () if agents is None else (agents(callers),)
    attaching = () if workplace is None else (WorkFace(workplace, handle=handle, callers=callers),)
    cast("Any", server).add_generic_rpc_handlers(tuple(face.handler() for face in (*faces, *attaching, *reaching)))
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
