"""The operators' door, from outside: a running gateway by gRPC, or a state folder that no gateway holds.

Both take an operation of a service and its request as proto3 JSON, and give the answer the same way. A token goes to
another machine only by TLS.
"""

import argparse
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol, cast

import grpc
from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict, ParseError
from google.protobuf.message import Message

from gateway.cli.login import find_token
from gateway.cli.places import Place, find_places, is_same, named_state
from policies.identity.urls import is_loopback_host
from registry.model import BadRequest, Denied, InterchangeError, JsonObject, Refused, Unauthenticated, Unknown

SECONDS = 60.0
STREAM_SECONDS = 600.0
MESSAGE = 16 << 20
EVERYWHERE = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 what a server listens on is not where one calls


class Operations(Protocol):
    """A service for operators, however it is reached. `lasts`: there is more to come, if one waits for it."""

    lasts: bool

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """Carry out one operation of the service.

        Raises:
            InterchangeError: it was refused, or the service cannot be reached.
        """
        ...

    def stream(self, operation: str, content: JsonObject, tell: Callable[[JsonObject], None]) -> None:
        """The same of an operation whose answer comes in pieces; returns when there are no more."""
        ...


class Door(NamedTuple):
    """One service of the door, and how its operations are carried out on a state folder that no gateway holds."""

    service: ServiceDescriptor
    offline: Callable[[Path], Operations]


def add_door(parser: argparse.ArgumentParser, title: str) -> None:
    """The options that say which gateway, and as whom."""
    where = parser.add_argument_group(title)
    where.add_argument("--gateway", metavar="HOST:PORT", help="a gateway's gRPC address (or INTERCHANGE_GATEWAY)")
    where.add_argument("--gateway-ca", type=Path, metavar="FILE", help="PEM roots for a gateway with a private CA")
    where.add_argument("--state", type=Path, metavar="DIR", help="a state folder: its gateway if one runs, or offline")
    where.add_argument("--url", help="the gateway's URL that you logged in to, where --state does not tell")
    where.add_argument("--as", dest="persona", help="as a demo persona")
    where.add_argument("--token", help="an access token (or INTERCHANGE_TOKEN)")


def find_operations(options: argparse.Namespace, door: Door) -> Operations:
    """The service that a command line means.

    Raises:
        InterchangeError: none, or no token for it; the message says what to do.
    """
    address = options.gateway or ("" if options.state else os.environ.get("INTERCHANGE_GATEWAY", ""))
    if address:
        return _at(address, options, _whose(options, address), door)
    running = _running(options)
    if running is not None:
        return _at(_reachable(running.where.grpc_address), options, running, door)
    state = named_state(options.state)
    if state is None:
        raise Refused(
            "No gateway runs here. Name one with --gateway HOST:PORT, start one (interchange serve), or work on a state"
            " folder without a gateway with --state DIR."
        )
    if options.persona is not None or options.token is not None:
        raise BadRequest(
            f"No gateway holds {state}, so this would be done as operator@local: leave out --as and --token, or start"
            " the gateway first."
        )
    return door.offline(state)


def _at(address: str, options: argparse.Namespace, place: Place | None, door: Door) -> "GrpcOperations":
    return GrpcOperations(address, _token(options, place), service=door.service, ca=options.gateway_ca)


class GrpcOperations:
    """A service of the platform face of a running gateway."""

    lasts = True

    def __init__(self, address: str, token: str, *, service: ServiceDescriptor, ca: Path | None = None) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),)
        self._service = service
        self._credentials = _credentials(address, ca)

    def perform(self, operation: str, content: JsonObject) -> JsonObject:
        """One call; see `Operations`."""
        method = self._service.methods_by_name[operation]
        request = _request(method, content)
        with self._channel() as channel:
            call = self._method(cast("Any", channel).unary_unary, method)
            try:
                answer = call(request, metadata=self._metadata, timeout=SECONDS)
            except grpc.RpcError as error:
                raise _ours(error, self._address) from None
        return cast("JsonObject", MessageToDict(answer))

    def stream(self, operation: str, content: JsonObject, tell: Callable[[JsonObject], None]) -> None:
        """One call; see `Operations`."""
        method = self._service.methods_by_name[operation]
        request = _request(method, content)
        with self._channel() as channel:
            call = self._method(cast("Any", channel).unary_stream, method)
            try:
                for answer in call(request, metadata=self._metadata, timeout=STREAM_SECONDS):
                    tell(cast("JsonObject", MessageToDict(answer)))
            except grpc.RpcError as error:
                raise _ours(error, self._address) from None

    def _method(self, calls: Any, method: MethodDescriptor) -> Any:
        return calls(
            f"/{self._service.full_name}/{method.name}",
            request_serializer=_class(method.input_type).SerializeToString,
            response_deserializer=_class(method.output_type).FromString,
        )

    def _channel(self) -> grpc.Channel:
        options = [("grpc.max_receive_message_length", MESSAGE), ("grpc.enable_http_proxy", 0)]
        if self._credentials is None:
            return grpc.insecure_channel(self._address, options)
        return grpc.secure_channel(self._address, self._credentials, options)


def _request(method: MethodDescriptor, content: JsonObject) -> Message:
    try:
        return ParseDict(cast("dict[str, Any]", content), _class(method.input_type)())
    except (ParseError, UnicodeEncodeError) as error:
        raise BadRequest(f"This cannot be asked: {error}.") from None


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
