"""How `interchange registry` reaches a registry: a running gateway by gRPC, or a state folder that no gateway holds.

Both take an operation and its request as proto3 JSON and give the answer the same way. A token goes to another machine
only by TLS.
"""

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol, cast

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import Message
from interchange.v1 import registry_pb2

from gateway.cli.login import persona_token, stored_token
from gateway.state import Whereabouts, hold, read_whereabouts
from policies.identity.urls import is_loopback_host
from registry.model import BadRequest, Denied, InterchangeError, JsonObject, Refused, Unauthenticated, Unknown

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
SECONDS = 60.0
MESSAGE = 16 << 20
DEFAULT_STATES = (Path("state/demo"), Path("state"))
"""Where a gateway on this machine is looked for, in this order."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 what a server listens on is not where one calls


class Operations(Protocol):
    """A registry, however it is reached."""

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """Carry out one operation of `registry.proto`.

        Raises:
            InterchangeError: it was refused, or the registry cannot be reached.
        """
        ...


def find_operations(options: argparse.Namespace) -> Operations:
    """The registry that a command line means.

    Raises:
        InterchangeError: none, or no token for it; the message says what to do.
    """
    address = options.gateway or os.environ.get("INTERCHANGE_GATEWAY", "")
    if address:
        return GrpcOperations(address, _token(options, _whose(options, address)), ca=options.gateway_ca)
    folders = (options.state,) if options.state else DEFAULT_STATES
    running = next((where for folder in folders if (where := _running(folder)) is not None), None)
    if running is not None:
        return GrpcOperations(_reachable(running.grpc_address), _token(options, running), ca=options.gateway_ca)
    if options.state:
        from gateway.offline import open_offline  # noqa: PLC0415  the whole gateway, which a client has no need of

        return open_offline(options.state)
    raise Refused(
        "No gateway runs here. Name one with --gateway HOST:PORT, start one (interchange serve), or work on a state"
        " folder without a gateway with --state DIR."
    )


class GrpcOperations:
    """The platform face of a running gateway."""

    def __init__(self, address: str, token: str, *, ca: Path | None = None) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._credentials = _credentials(address, ca)

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """One call; see `Operations`."""
        method = SERVICE.methods_by_name[operation]
        request = ParseDict(cast("dict[str, Any]", content), _class(method.input_type)())
        with self._channel() as channel:
            call = cast("Any", channel).unary_unary(
                f"/{SERVICE.full_name}/{operation}",
                request_serializer=_class(method.input_type).SerializeToString,
                response_deserializer=_class(method.output_type).FromString,
            )
            try:
                answer = call(request, metadata=self._metadata, timeout=SECONDS)
            except grpc.RpcError as error:
                raise _ours(error, self._address) from None
        return cast("JsonObject", MessageToDict(answer))

    def _channel(self) -> grpc.Channel:
        options = [("grpc.max_receive_message_length", MESSAGE), ("grpc.enable_http_proxy", 0)]
        if self._credentials is None:
            return grpc.insecure_channel(self._address, options)
        return grpc.secure_channel(self._address, self._credentials, options)


def _running(folder: Path) -> Whereabouts | None:
    """Where the gateway is that holds a state folder now."""
    where = read_whereabouts(folder)
    if where is None or not (folder / "lock").exists():
        return None
    try:
        with hold(folder):
            return None
    except Refused:
        return where


def _whose(options: argparse.Namespace, address: str) -> Whereabouts | None:
    """The gateway of a state folder on this machine, if that is the one at the address."""
    for folder in (options.state,) if options.state else DEFAULT_STATES:
        where = read_whereabouts(folder)
        if where is not None and address in (where.grpc_address, _reachable(where.grpc_address)):
            return where
    return None


def _token(options: argparse.Namespace, where: Whereabouts | None) -> str:
    token = options.token or os.environ.get("INTERCHANGE_TOKEN", "")
    if token:
        return token
    if options.persona and where is not None:
        return persona_token(options.persona, state=_state_of(options, where), url=where.public_url)
    url = options.url or (where.public_url if where is not None else "")
    if url and (kept := stored_token(url)):
        return kept
    raise Unauthenticated(
        "Who are you? Log in (interchange login, then name the same --url here), or give --as PERSONA, --token or"
        " INTERCHANGE_TOKEN."
    )


def _state_of(options: argparse.Namespace, where: Whereabouts) -> Path:
    folders = (options.state,) if options.state else DEFAULT_STATES
    return next(folder for folder in folders if read_whereabouts(folder) == where)


def _reachable(address: str) -> str:
    host, _, port = address.rpartition(":")
    return f"{EVERYWHERE.get(host, host)}:{port}"


def _credentials(address: str, ca: Path | None) -> grpc.ChannelCredentials | None:
    """None: plain text, which only this machine is spoken to in."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise BadRequest(f"--gateway takes host:port, such as 127.0.0.1:8421, and not {address}.")
    if ca is None and is_loopback_host(host.strip("[]")):
        return None
    try:
        return grpc.ssl_channel_credentials(ca.read_bytes() if ca is not None else None)
    except OSError as error:
        raise BadRequest(f"--gateway-ca: {ca} cannot be read ({error.strerror}).") from None


STATUSES: Mapping[grpc.StatusCode, type[InterchangeError]] = MappingProxyType(
    {
        grpc.StatusCode.NOT_FOUND: Unknown,
        grpc.StatusCode.PERMISSION_DENIED: Denied,
        grpc.StatusCode.INVALID_ARGUMENT: BadRequest,
    }
)


def _ours(error: grpc.RpcError, address: str) -> InterchangeError:
    """What came back, in our own words."""
    call = cast("grpc.Call", error)
    code, details = call.code(), call.details() or ""
    trailers = {str(key): value for key, value in cast("Any", call.trailing_metadata()) or ()}
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return Unauthenticated(f"The gateway does not accept the token: {details} Log in again (interchange login).")
    if "ix-error" in trailers:
        return STATUSES.get(code, Refused)(details)
    if code is grpc.StatusCode.UNAVAILABLE:
        return Refused(
            f"No gateway answers at {address}. Is it running (interchange serve), and is that its gRPC address"
            " (gateway.json in its state folder says)?"
        )
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return Refused(f"The gateway at {address} did not answer within {SECONDS:.0f} s.")
    return Refused(f"The gateway at {address} answered {code.name.lower()}: {details}")


def _class(message: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(message)
