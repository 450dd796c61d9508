"""Publishing: an agent puts itself into the gateway's registry, through the operators' door and as itself.

Policy lets an agent publish nothing but itself. The first manifest is live at once, and so is one that changes nothing
anybody sees; a changed one waits until somebody approves it, while the one before stays in force.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

import grpc
import grpc.aio
from interchange.v1 import registry_pb2

from interchange_client.credentials import AgentCredentials
from interchange_client.errors import GatewayError, PublishRefused
from interchange_client.wire import get_document, is_loopback, well_known

SECONDS: Final = 60.0
MESSAGE: Final = 16 << 20
DOORS: Final = "interchange.json"
"""The well-known document that says where a gateway's doors are."""

CODES = {
    grpc.StatusCode.UNAVAILABLE: "unavailable",
    grpc.StatusCode.DEADLINE_EXCEEDED: "deadline_passed",
    grpc.StatusCode.UNAUTHENTICATED: "unauthenticated",
    grpc.StatusCode.PERMISSION_DENIED: "denied",
    grpc.StatusCode.INVALID_ARGUMENT: "bad_request",
    grpc.StatusCode.NOT_FOUND: "unknown",
    grpc.StatusCode.FAILED_PRECONDITION: "refused",
    grpc.StatusCode.RESOURCE_EXHAUSTED: "too_large",
}
_ANYWHERE: Final = frozenset({"0.0.0.0", "[::]"})  # noqa: S104 - what a gateway listens on is not where one calls


async def publish(
    manifest: str,
    *,
    credentials: AgentCredentials,
    target: str = "",
    tls: registry_pb2.Tls | None = None,
    gateway: str = "",
    door: str = "",
    ca: Path | None = None,
    if_vacant: bool = False,
) -> Sequence[registry_pb2.Change]:
    """Publish a manifest and bind its agent to `target` (`host:port`, as the gateway reaches it), in one step; without
    one, to its mailbox, which whoever attaches is brought the work of.

    With `if_vacant`, an agent that is bound to something else stays there, and the change `elsewhere` says so.

    `tls` says how the gateway is to connect, `door` where its gRPC door is (else `gateway` is asked, or the gateway of
    the credentials), `ca` which authority's certificate that has (else the system's). Returns what became of it:
    `live`, `unchanged`, `waiting`, `bound`.

    Raises:
        PublishRefused: the gateway does not take it.
        GatewayError: it cannot be reached at the moment.
    """
    kind, targets = ("grpc", [target]) if target else ("mailbox", [])
    binding = registry_pb2.Binding(kind=kind, targets=targets, tls=tls)
    request = registry_pb2.PublishRequest(manifest=manifest, binding=binding, if_vacant=if_vacant)
    address = door or await find_door(gateway or credentials.gateway_url)
    token = await credentials.token()
    try:
        return await _publish(request, address, token, ca)
    except PublishRefused as refused:
        if refused.code != "unauthenticated":
            raise
    credentials.forget(token)
    return await _publish(request, address, await credentials.token(), ca)


async def find_door(gateway_url: str) -> str:
    """Where the gRPC door of a gateway is, `host:port`, as it says itself.

    Raises:
        GatewayError: it does not say, or cannot be reached.
    """
    place = well_known(gateway_url, DOORS)
    address = (await get_document(place)).get("grpc")
    host, _, port = address.rpartition(":") if isinstance(address, str) else ("", "", "")
    if not host or not port.isdecimal() or not int(port):
        raise GatewayError(f"{place} does not say where the gRPC door is.", "garbled")
    if host in _ANYWHERE:
        known = urlsplit(gateway_url).hostname or ""
        host = f"[{known}]" if ":" in known else known
    return f"{host}:{port}"


async def registry_mark(gateway_url: str) -> str:
    """A word that is another whenever the gateway's registry is; empty where the gateway says none.

    Raises:
        GatewayError: it cannot be reached.
    """
    return str((await get_document(well_known(gateway_url, DOORS))).get("registry", ""))


async def _publish(
    request: registry_pb2.PublishRequest, address: str, token: str, ca: Path | None
) -> Sequence[registry_pb2.Change]:
    async with open_channel(address, ca) as channel:
        call = channel.unary_unary(
            "/interchange.v1.Registry/Publish",
            request_serializer=registry_pb2.PublishRequest.SerializeToString,
            response_deserializer=registry_pb2.PublishResponse.FromString,
        )
        try:
            answer = await call(request, metadata=(("authorization", f"Bearer {token}"),), timeout=SECONDS)
        except grpc.aio.AioRpcError as error:
            raise _ours(error, address) from None
    return cast("registry_pb2.PublishResponse", answer).changes


def open_channel(address: str, ca: Path | None) -> Any:
    """A channel of its own to a gRPC door. Plain text on this machine only, since the token goes along."""
    options = (
        ("grpc.max_receive_message_length", MESSAGE),
        ("grpc.enable_http_proxy", 0),
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.keepalive_time_ms", 30_000),  # a gateway that is gone is noticed
        ("grpc.keepalive_timeout_ms", 10_000),
    )
    aio = cast("Any", grpc.aio)
    if ca is None and is_loopback(address.rpartition(":")[0]):
        return aio.insecure_channel(address, options=options)
    credentials = grpc.ssl_channel_credentials(ca.read_bytes() if ca is not None else None)
    return aio.secure_channel(address, credentials, options=options)


def _ours(error: grpc.aio.AioRpcError, address: str) -> GatewayError:
    """What came back, in the gateway's own words where it said any."""
    code, details = error.code(), error.details() or ""
    trailers = dict(cast("Iterable[tuple[str, str]]", error.trailing_metadata() or ()))
    if "ix-error" not in trailers and code is grpc.StatusCode.UNAVAILABLE:
        return GatewayError(f"No gateway answers at {address}.", "unavailable")
    word = trailers.get("ix-error") or CODES.get(code, "internal")
    known = GatewayError(details or code.name.lower(), word)
    if known.retryable or code in {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}:
        return GatewayError(known.message, word if known.retryable else "unavailable")
    return PublishRefused(f"The gateway at {address} does not take what is published: {known.message}", word)
