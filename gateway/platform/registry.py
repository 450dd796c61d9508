"""The operators' door to the registry: `interchange.v1.Registry`, all methods by one translation.

A request becomes a call on the catalog whose content is the request as proto3 JSON, and whose action is the
operation's; the corridor decides it, and the result's JSON becomes the response. Nothing here knows what an operation
does, and nothing has a way around the corridor. Whoever calls is known, and has a place, before the request is read.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import Any, TypeAlias, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message
from interchange.v1 import registry_pb2

from gateway.limits import PrincipalLimits
from gateway.platform.rpc import Behaviour, Context, GenericHandler, only_message, service, when_done
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    BadRequest,
    Call,
    Deadline,
    Emit,
    JsonObject,
    Principal,
    Result,
    Unauthenticated,
    new_call_id,
    nowhere,
)
from registry.operations import action_of

Verify: TypeAlias = Callable[[str], Awaitable[Verified]]
Handle: TypeAlias = Callable[[Call, Emit], Awaitable[Result]]

SERVICE = registry_pb2.DESCRIPTOR.services_by_name["Registry"]

MESSAGE = 16 << 20
"""Bytes of one message, either way: a manifest of 5,000 skills fits."""

LARGE = frozenset({"Publish", "Import", "Diff"})
"""The operations that carry a manifest or a descriptor set; the others carry names."""

SMALL_MESSAGE = 64 << 10

AT_A_TIME = 8
LARGE_AT_A_TIME = 2
"""RPCs that one principal may have in hand here; the corridor counts its calls besides. A large one takes up to 90 MB
while its message is translated, and that is before anybody decides whether it is allowed."""


class RegistryFace:
    """Answers `interchange.v1.Registry`."""

    def __init__(self, *, handle: Handle, verify: Verify) -> None:
        self._handle = handle
        self._verify = verify
        self._places = PrincipalLimits(calls=AT_A_TIME)
        self._large_places = PrincipalLimits(calls=LARGE_AT_A_TIME)

    def handler(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        return service(SERVICE.full_name, {method.name: self._answering(method) for method in SERVICE.methods})

    def _answering(self, method: MethodDescriptor) -> Behaviour:
        """The behaviour of one method."""
        response = _class(method.output_type)
        places = self._large_places if method.name in LARGE else self._places

        async def answer(context: Context, deadline: Deadline) -> Message:
            verified = await self._verify(_bearer(context))
            _take_place(context, places, verified.principal)
            content = await _content(context, method)
            result = await self._handle(_call(method.name, content, verified, deadline), nowhere)
            return ParseDict(cast("dict[str, Any]", result.structured), response())

        return answer


def _take_place(context: Context, places: PrincipalLimits, principal: Principal) -> None:
    """Count an RPC until its answer has gone out, which a client that does not read it can put off.

    Raises:
        Overloaded: the principal has as many as it may.
    """
    place = ExitStack()
    place.enter_context(places.call(principal))
    when_done(context, place.close)


def _call(operation: str, content: JsonObject, verified: Verified, deadline: Deadline) -> Call:
    return Call(
        id=new_call_id(),
        chain=verified.chain,
        action=action_of(operation, content),
        target=CATALOG,
        content={"operation": operation, **content},
        deadline=deadline,
        scopes=verified.scopes,
        groups=verified.groups,
        groups_before=verified.groups_behind,
        turn=verified.turn,
        door="platform",
    )


async def _content(context: Context, method: MethodDescriptor) -> JsonObject:
    """The request as proto3 JSON.

    Raises:
        BadRequest: it is not one message of the method's type.
        TooLarge, DeadlinePassed: it is too long, or too long in coming.
    """
    data = await only_message(context, most=MESSAGE if method.name in LARGE else SMALL_MESSAGE)
    try:
        asked = _class(method.input_type).FromString(data)
    except DecodeError:
        raise BadRequest(f"The request is not a {method.input_type.name}.") from None
    return cast("JsonObject", MessageToDict(asked))


def _bearer(context: Context) -> str:
    """The one token a call came with.

    Raises:
        Unauthenticated: there is none, or not one.
        BadRequest: a header that only the gateway may send.
    """
    metadata = [
        (str(key), value) for key, value in cast("Iterable[tuple[str, object]]", context.invocation_metadata() or ())
    ]
    if any(key.startswith("ix-") for key, _ in metadata):
        raise BadRequest("Metadata that begins with ix- is the gateway's own and may not be sent.")
    found = [value for key, value in metadata if key == "authorization"]
    scheme, _, token = str(found[0]).partition(" ") if len(found) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not token.strip():
        raise Unauthenticated("Send one access token as metadata, authorization: Bearer ….")
    return token.strip()


def _class(message: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(message)
