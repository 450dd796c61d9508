"""The operators' doors: a service whose every method is one call, all by one translation.

A request becomes a call whose content is the request as proto3 JSON; the corridor decides it, and the result's JSON
becomes the response, or each item of a stream does. Nothing here knows what an operation does, and nothing has a way
around the corridor. Whoever calls is known, and has a place, before the request is read.
"""

import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import ExitStack
from typing import Any, TypeAlias, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.message import DecodeError, Message

from gateway.limits import PrincipalLimits
from gateway.operators import AskedBy
from gateway.platform.rpc import (
    Behaviour,
    Context,
    GenericHandler,
    Send,
    Streaming,
    only_message,
    service,
    when_done,
)
from policies.identity.tokens import Verified
from registry.model import (
    BadRequest,
    Call,
    Deadline,
    Emission,
    Emit,
    Item,
    JsonObject,
    Principal,
    Result,
    Unauthenticated,
    new_call_id,
    nowhere,
)

Verify: TypeAlias = Callable[[str], Awaitable[Verified]]
Handle: TypeAlias = Callable[[Call, Emit], Awaitable[Result]]


MESSAGE = 16 << 20
"""Bytes of one message, either way: a manifest of 5,000 skills fits."""

SMALL_MESSAGE = 64 << 10

AT_A_TIME = 8
LARGE_AT_A_TIME = 2
"""RPCs of one service that a principal may have in hand; the corridor counts its calls besides. A large one takes up to
90 MB while its message is translated, and that is before anybody decides whether it is allowed."""


class OperationsFace:
    """Answers one service. `large` are the methods that carry a manifest or a descriptor set; others carry names."""

    def __init__(
        self,
        of: ServiceDescriptor,
        *,
        asked_by: AskedBy,
        handle: Handle,
        verify: Verify,
        large: frozenset[str] = frozenset(),
    ) -> None:
        self._service = of
        self._asked_by = asked_by
        self._handle = handle
        self._verify = verify
        self._large = large
        self._places = PrincipalLimits(calls=AT_A_TIME)
        self._large_places = PrincipalLimits(calls=LARGE_AT_A_TIME)
        self._streams = PrincipalLimits(calls=AT_A_TIME)

    def handler(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        methods = self._service.methods
        return service(
            self._service.full_name,
            {method.name: self._answering(method) for method in methods if not method.server_streaming},
            {method.name: self._streaming(method) for method in methods if method.server_streaming},
        )

    def _answering(self, method: MethodDescriptor) -> Behaviour:
        """The behaviour of one method."""
        response = _class(method.output_type)
        places = self._large_places if method.name in self._large else self._places

        async def answer(context: Context, deadline: Deadline) -> Message:
            call = await self._call(context, method, deadline, places)
            result = await self._handle(call, nowhere)
            return ParseDict(cast("dict[str, Any]", result.structured), response())

        return answer

    def _streaming(self, method: MethodDescriptor) -> Streaming:
        """The behaviour of one method whose answer is a stream: it ends with the token, if not before."""
        response = _class(method.output_type)

        async def answer(context: Context, deadline: Deadline, send: Send) -> None:
            async def emit(emission: Emission) -> None:
                if isinstance(emission, Item):
                    await send(ParseDict(cast("dict[str, Any]", emission.content), response()))

            await self._handle(await self._call(context, method, deadline, self._streams), emit)

        return answer

    async def _call(
        self, context: Context, method: MethodDescriptor, deadline: Deadline, places: PrincipalLimits
    ) -> Call:
        verified = await self._verify(_bearer(context))
        _take_place(context, places, verified.principal)
        content = await _content(context, method, most=MESSAGE if method.name in self._large else SMALL_MESSAGE)
        asked = self._asked_by(method.name, content)
        return Call(
            id=new_call_id(),
            chain=verified.chain,
            action=asked.action,
            target=asked.target,
            content={"operation": method.name, **content},
            deadline=deadline.sooner(verified.expires_at - time.time()) if method.server_streaming else deadline,
            scopes=verified.scopes,
            groups=verified.groups,
            groups_before=verified.groups_behind,
            turn=verified.turn,
            door="platform",
        )


def _take_place(context: Context, places: PrincipalLimits, principal: Principal) -> None:
    """Count an RPC until its answer has gone out, which a client that does not read it can put off.

    Raises:
        Overloaded: the principal has as many as it may.
    """
    place = ExitStack()
    place.enter_context(places.call(principal))
    when_done(context, place.close)


async def _content(context: Context, method: MethodDescriptor, *, most: int) -> JsonObject:
    """The request as proto3 JSON.

    Raises:
        BadRequest: it is not one message of the method's type.
        TooLarge, DeadlinePassed: it is too long, or too long in coming.
    """
    data = await only_message(context, most=most)
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
