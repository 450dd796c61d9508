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

from gateway.cli.login import find_token
from gateway.cli.places import Place, find_places, is_same, named_state
from policies.identity.urls import is_loopback_host
from registry.model import BadRequest, Denied, InterchangeError, JsonObject, Refused, Unauthenticated, Unknown

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
SECONDS = 60.0
MESSAGE = 16 << 20
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
    address = options.gateway or ("" if options.state else os.environ.get("INTERCHANGE_GATEWAY", ""))
    if address:
        return GrpcOperations(address, _token(options, _whose(options, address)), ca=options.gateway_ca)
    running = _running(options)
    if running is not None:
        return GrpcOperations(_reachable(running.where.grpc_address), _token(options, running), ca=options.gateway_ca)
    state = named_state(options.state)
    if state is None:
        raise Refused(
            "No gateway runs here. Name one with --gateway HOST:PORT, start one (interchange serve), or work on a state"
            " folder without a gateway with --state DIR."
        )
    return _offline(options, state)


def _offline(options: argparse.Namespace, state: Path) -> Operations:
    if options.persona is not None or options.token is not None:
        raise BadRequest(
            f"No gateway holds {state}, so this would be done as operator@local: leave out --as and --token, or start"
            " the gateway first."
        )
    from gateway.offline import open_offline  # noqa: PLC0415  the whole gateway, which a client has no need of

    return open_offline(state)


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


def _running(options: argparse.Namespace) -> Place | None:
    """The gateway that runs on this machine and is meant: of the state folder that is named, or at the URL."""
    running = [place for place in find_places(options.state) if place.runs]
    if options.state or not options.url or not running:
        return next(iter(running), None)
    meant = next((place for place in running if is_same(place.where.public_url, options.url)), None)
    if meant is None:
        raise Refused(
            f"What runs here is the gateway at {running[0].where.public_url}, not at {options.url}: name the gRPC"
            " address of the one you mean with --gateway."
        )
    return meant


def _whose(options: argparse.Namespace, address: str) -> Place | None:
    """The gateway of a state folder on this machine, if that is the one at the address."""
    for place in find_places(options.state):
        known = place.where.grpc_address
        if address in (known, _reachable(known)) or is_same(f"//{_reachable(known)}", f"//{address}"):
            return place
    return None


def _token(options: argparse.Namespace, place: Place | None) -> str:
    url = options.url or (place.where.public_url if place is not None else "")
    found = place.folder if place is not None and not options.url else None
    return find_token(options, url=url, state=options.state or found)


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
