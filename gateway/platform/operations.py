"""Doors for operators, and for agents: a service whose every method is one call, all by one translation.

A request becomes a call whose content is the request as proto3 JSON; the corridor decides it, and the result's JSON
becomes the response, or each item of a stream does. Nothing here knows what an operation does, and nothing has a way
around the corridor. Whoever calls is known, and has a place, before the request is read.
"""

import time
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from typing import Any, TypeAlias, cast

from google.protobuf import message_factory
from google.protobuf.descriptor import Descriptor, MethodDescriptor, ServiceDescriptor
from google.protobuf.json_format import MessageToDict, ParseDict, SerializeToJsonError
from google.protobuf.message import DecodeError, Message

from gateway.limits import PrincipalLimits
from gateway.operators import AskedBy
from gateway.platform.callers import Callers
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
    new_call_id,
    nowhere,
)

Handle: TypeAlias = Callable[[Call, Emit], Awaitable[Result]]
Check: TypeAlias = Callable[[Message], None]
"""Looks at a request before it is translated, which takes longer than to read it; raises where it is too much."""
Within: TypeAlias = Callable[[str, Verified], JsonObject]
"""What a request gets besides what it says, by its method and by whoever makes it; raises where they may not."""


MESSAGE = 16 << 20
"""Bytes of one message, either way: a manifest of 5,000 skills fits."""

SMALL_MESSAGE = 64 << 10

AT_A_TIME = 8
LARGE_AT_A_TIME = 2
"""RPCs of one service that a principal may have in hand; the corridor counts its calls besides. A large one takes up to
90 MB while its message is translated, and that is before anybody decides whether it is allowed."""


def _fine(_: Message) -> None:
    """Any request of the size that is allowed."""


def _nothing_besides(_method: str, _verified: Verified) -> JsonObject:
    return {}


class OperationsFace:
    """Answers one service. `large` are the methods that carry a manifest or a descriptor set; of others a request has
    at most `most` bytes. `door` is how the audit calls it. `at_a_time` and `streams_at_a_time` are how many RPCs a
    principal may have in hand."""

    def __init__(
        self,
        of: ServiceDescriptor,
        *,
        asked_by: AskedBy,
        handle: Handle,
        callers: Callers,
        large: frozenset[str] = frozenset(),
        door: str = "platform",
        within: Within = _nothing_besides,
        check: Check = _fine,
        most: int = SMALL_MESSAGE,
        at_a_time: int = AT_A_TIME,
        streams_at_a_time: int = AT_A_TIME,
    ) -> None:
        self._service = of
        self._asked_by = asked_by
        self._handle = handle
        self._callers = callers
        self._large = large
        self._door = door
        self._within = within
        self._check = check
        self._most = most
        self._places = PrincipalLimits(calls=at_a_time)
        self._large_places = PrincipalLimits(calls=LARGE_AT_A_TIME)
        self._streams = PrincipalLimits(calls=streams_at_a_time)

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
        verified = await self._callers.verified_of(context)
        take_place(context, places, verified.principal)
        besides = self._within(method.name, verified)
        most = MESSAGE if method.name in self._large else self._most
        said = await _content(context, method, most=most, check=self._check)
        content = {"operation": method.name, **said, **besides}
        asked = self._asked_by(method.name, content)
        return Call(
            id=new_call_id(),
            chain=verified.chain,
            action=asked.action,
            target=asked.target,
            content=content,
            deadline=deadline.sooner(verified.expires_at - time.time()) if method.server_streaming else deadline,
            scopes=verified.scopes,
            groups=verified.groups,
            groups_before=verified.groups_behind,
            turn=verified.turn,
            fence=verified.fence,
            door=self._door,
        )


def take_place(context: Context, places: PrincipalLimits, principal: Principal) -> None:
    """Count an RPC until its answer has gone out, which a client that does not read it can put off.

    Raises:
        Overloaded: the principal has as many as it may.
    """
    place = ExitStack()
    place.enter_context(places.call(principal))
    when_done(context, place.close)


async def _content(context: Context, method: MethodDescriptor, *, most: int, check: Check) -> JsonObject:
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
    check(asked)
    try:
        return cast("JsonObject", MessageToDict(asked))
    except SerializeToJsonError:
        raise BadRequest("The request has a number that JSON does not have.") from None


def _class(message: Descriptor) -> type[Message]:
    return message_factory.GetMessageClass(message)
