"""The gRPC binding: `lf.a2a.v1.A2AService`, beside the platform face on its port. A request's `tenant` names the agent.

It answers by the handler that answers over HTTP. As everywhere on this port, whoever may not call costs nothing: who it
is and whether it has a place is known before its message is read. Whoever may not list an agent is answered exactly as
if there were none.
"""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, MutableMapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias
from weakref import WeakValueDictionary

from a2a.server.context import ServerCallContext
from a2a.server.request_handlers.request_handler import RequestHandler
from a2a.types import a2a_pb2 as wire
from a2a.utils.proto_utils import to_stream_response
from google.protobuf import message_factory
from google.protobuf.empty_pb2 import Empty
from google.protobuf.message import DecodeError, Message
from google.protobuf.struct_pb2 import Struct
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from starlette.types import Message as AsgiMessage

from adapters.values import read_struct, read_value
from gateway.a2a.asked import Asked, activated, read_extensions, read_version
from gateway.a2a.asking import invalid
from gateway.a2a.contexts import context_of
from gateway.a2a.grpc_errors import in_grpcs_words
from gateway.a2a.reading import check_size, look_at
from gateway.a2a.telling import Event
from gateway.bodies import Budget, Holding
from gateway.config import Limits
from gateway.headers import TooBusy
from gateway.limits import PrincipalLimits
from gateway.platform.callers import Callers, metadata_of
from gateway.platform.operations import Handle, take_place
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
from gateway.sight import Sight
from gateway.telemetry import names
from gateway.telemetry.parents import under_callers_trace
from policies.identity.tokens import Verified
from registry.catalog import AgentEntry
from registry.model import BadRequest, Deadline, DeadlinePassed, NeedsScope, Overloaded, Principal, Unknown, nowhere

SERVICE: Final = wire.DESCRIPTOR.services_by_name["A2AService"]

IN_HAND: Final = 64 << 20
"""Bytes of all requests in hand; a quarter of it is for one principal."""
READING: Final = 4
"""Requests of one principal that are being read."""

_LOOKING: Final = 10.0
"""Seconds that looking at an agent may take."""
_LAST_WORDS: Final = 5.0
"""Seconds that are left to say so when a call took all the time that it may."""
_LONGEST_NAME: Final = 256

Answer: TypeAlias = Callable[[Any, ServerCallContext], Awaitable[Message | None]]
Stream: TypeAlias = Callable[[Any, ServerCallContext], AsyncGenerator[Event]]
Metadata: TypeAlias = list[tuple[str, str]]

_tracer = trace.get_tracer("interchange.a2a")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """A request that may be answered. `demands` are the scopes that its token turned out to lack."""

    request: Any
    asked: Asked
    context: ServerCallContext
    demands: list[NeedsScope]

    def check_demands(self) -> None:
        """See that nothing was demanded of the token.

        Raises:
            NeedsScope: it was.
        """
        if self.demands:
            raise self.demands[0]


class GrpcBinding:
    """Answers the service. `default_agent` is meant where a request names no agent; empty: none is."""

    def __init__(
        self,
        operations: RequestHandler,
        *,
        handle: Handle,
        sight: Sight,
        callers: Callers,
        limits: Limits,
        default_agent: str = "",
    ) -> None:
        self._operations = operations
        self._handle = handle
        self._sight = sight
        self._callers = callers
        self._limits = limits
        self._default = default_agent
        self._calls = PrincipalLimits(calls=limits.calls_per_principal)
        self._streams = PrincipalLimits(calls=limits.subscriptions_per_principal)
        self._budget = Budget(max(IN_HAND, 4 * limits.body_bytes))
        self._reading: MutableMapping[Principal, asyncio.Semaphore] = WeakValueDictionary()

    def handler(self) -> GenericHandler:
        """The service, ready to be added to a server."""
        to = self._operations
        answers: Mapping[str, Answer] = {
            "SendMessage": to.on_message_send,
            "GetTask": to.on_get_task,
            "ListTasks": to.on_list_tasks,
            "CancelTask": to.on_cancel_task,
            "CreateTaskPushNotificationConfig": to.on_create_task_push_notification_config,
            "GetTaskPushNotificationConfig": to.on_get_task_push_notification_config,
            "ListTaskPushNotificationConfigs": to.on_list_task_push_notification_configs,
            "DeleteTaskPushNotificationConfig": to.on_delete_task_push_notification_config,
            "GetExtendedAgentCard": to.on_get_extended_agent_card,
        }
        streams: Mapping[str, Stream] = {
            "SendStreamingMessage": to.on_message_send_stream,
            "SubscribeToTask": to.on_subscribe_to_task,
        }
        return service(
            SERVICE.full_name,
            {name: self._answering(name, answer) for name, answer in answers.items()},
            {name: self._streaming(name, stream) for name, stream in streams.items()},
            answered_within=self._limits.call_seconds + _LAST_WORDS,
        )

    def _answering(self, name: str, answer: Answer) -> Behaviour:
        """The behaviour of a method with one answer."""

        async def behaviour(context: Context, deadline: Deadline) -> Message:
            async with self._admitted(context, name, deadline, self._calls) as admitted:
                found = await answer(admitted.request, admitted.context)
                admitted.check_demands()
                return _written(found, admitted.request)

        return behaviour

    def _streaming(self, name: str, stream: Stream) -> Streaming:
        """The behaviour of a method whose answer is a stream."""

        async def behaviour(context: Context, deadline: Deadline, send: Send) -> None:
            async with self._admitted(context, name, deadline, self._streams) as admitted, _until_its_end(admitted):
                events = stream(admitted.request, admitted.context)
                try:
                    async for event in events:
                        admitted.check_demands()
                        await send(to_stream_response(event))
                finally:
                    await events.aclose()

        return behaviour

    @asynccontextmanager
    async def _admitted(
        self, context: Context, name: str, deadline: Deadline, places: PrincipalLimits
    ) -> AsyncGenerator[Admitted]:
        """A request of somebody who has a place, to an agent that it may see; what happens in here is its answering.

        Raises:
            Unauthenticated, Overloaded, TooLarge, BadRequest, Unknown: it is not let in.
            Ended: it is none of A2A, or its answering raised an error of A2A.
        """
        verified = await self._callers.verified_of(context)
        take_place(context, places, verified.principal)
        request = await self._read(context, name, verified.principal)
        metadata = metadata_of(context)
        ends = deadline.sooner(verified.expires_at - time.time()) if places is self._streams else deadline
        with in_grpcs_words(), under_callers_trace(_as_headers(metadata)):
            entry = await self._seen(verified, request.tenant or self._default)
            demands: list[NeedsScope] = []
            asked = Asked(
                entry=entry,
                skills=partial(self._sight.skills_of, verified, entry),
                verified=verified,
                version=read_version([value for key, value in metadata if key == "a2a-version"]),
                extensions=read_extensions(value for key, value in metadata if key == "a2a-extensions"),
                params=_params(request),
                demand=demands.append,
                seconds=ends.remaining(),
            )
            await _name_extensions(context, asked)
            async with AsyncExitStack() as opened:
                opened.enter_context(_span(entry))
                known = context_of(asked, receive=_silence, opened=opened)
                yield Admitted(request=request, asked=asked, context=known, demands=demands)

    async def _read(self, context: Context, name: str, principal: Principal) -> Any:
        """The one message of a request; a principal's wait for each other, but for a few.

        Raises:
            BadRequest, TooLarge, DeadlinePassed: it is not one message of the method's type, too long, or too slow.
            Overloaded: the principal has too much in hand.
        """
        async with self._reading.setdefault(principal, asyncio.Semaphore(READING)):
            data = await only_message(context, most=self._limits.body_bytes, seconds=self._limits.body_seconds)
        holding = Holding(self._budget, principal)
        when_done(context, holding.release)
        try:
            holding.add(len(data))
        except TooBusy as busy:
            raise Overloaded(busy.message) from None
        kind = SERVICE.methods_by_name[name].input_type
        try:
            return message_factory.GetMessageClass(kind).FromString(data)
        except DecodeError:
            raise BadRequest(f"The request is not a {kind.name}.") from None

    async def _seen(self, verified: Verified, agent: str) -> AgentEntry:
        """The agent of this name.

        Raises:
            Unknown: there is none, or not for this caller.
            InterchangeError: it cannot be told at the moment.
        """
        found = self._sight.agent(verified, agent)
        if found is not None:
            return found
        if agent and len(agent) <= _LONGEST_NAME:
            with suppress(Unknown):  # so that it is on record
                await self._handle(look_at(verified, agent, seconds=_LOOKING), nowhere)
        raise Unknown("There is no such agent, or it is not for you.")


@asynccontextmanager
async def _until_its_end(admitted: Admitted) -> AsyncGenerator[None]:
    """A stream for as long as it may last: whatever it tells of goes on, and can be subscribed to again.

    Raises:
        DeadlinePassed: its time is over, or its token has expired.
    """
    limit = asyncio.timeout(admitted.asked.seconds)
    try:
        async with limit:
            yield
    except TimeoutError:
        if not limit.expired():
            raise
        raise DeadlinePassed("The stream, or the token, has come to its end: subscribe again.") from None


def _written(found: Message | None, request: Any) -> Message:
    """What an operation found, as its method answers."""
    match found:
        case None:
            return Empty()
        case wire.Task() if isinstance(request, wire.SendMessageRequest):
            return wire.SendMessageResponse(task=found)
        case wire.Message():
            return wire.SendMessageResponse(message=found)
        case wire.ListTasksResponse() if not request.include_artifacts:
            for task in found.tasks:
                task.ClearField("artifacts")
            return found
        case _:
            return found


def _params(request: Any) -> object:
    """What a request says of its message, in the JSON of A2A.

    Raises:
        A2AError: it has very many parts, or a number that JSON does not have.
    """
    if not isinstance(request, wire.SendMessageRequest):
        return None
    message = request.message
    check_size({"message": {"parts": [None] * len(message.parts)}})
    _check_numbers({"metadata": request.metadata, "message.metadata": message.metadata})
    _check_numbers({f"message.parts[{number}].metadata": part.metadata for number, part in enumerate(message.parts)})
    return {"message": {"parts": [_data(number, part) for number, part in enumerate(message.parts)]}}


def _data(number: int, part: wire.Part) -> object:
    """The data of a part: over gRPC all numbers are doubles, and whole ones are integers again."""
    if part.WhichOneof("content") != "data":
        return {}
    try:
        return {"data": read_value(part.data)}
    except ValueError:
        raise invalid({f"message.parts[{number}].data": "holds a number that JSON does not have"}) from None


def _check_numbers(structs: Mapping[str, Struct]) -> None:
    for field, struct in structs.items():
        try:
            read_struct(struct)
        except ValueError:
            raise invalid({field: "holds a number that JSON does not have"}) from None


async def _name_extensions(context: Context, asked: Asked) -> None:
    """Say at the head of the answer which extensions are in force (section 3.2.6)."""
    if extensions := activated(asked):
        await context.send_initial_metadata((("a2a-extensions", ", ".join(extensions)),))


def _as_headers(metadata: Metadata) -> dict[str, Any]:
    return {"headers": [(key.encode(), value.encode("latin-1", "replace")) for key, value in metadata]}


def _span(entry: AgentEntry) -> Any:
    """The span of an operation of an agent."""
    attributes = {names.OPERATION: "invoke_agent", names.AGENT_NAME: entry.agent.name}
    return _tracer.start_as_current_span(
        f"invoke_agent {entry.agent.name}", kind=SpanKind.SERVER, attributes=attributes
    )


async def _silence() -> AsgiMessage:
    """What is still to come of a request: nothing. If its client leaves, whatever is done for it is cancelled."""
    await asyncio.Event().wait()
    raise AssertionError
