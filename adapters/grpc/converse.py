"""Turns of agents that are gRPC services: one order, one attempt, and a stream of events for an answer.

A turn is sent once. To answer it an agent calls skills, writes and spends, and when a connection breaks nobody here can
say whether it had begun: sent again, the turn might be done twice, and by an equal of the target that knows nothing of
the first time. Agents are told to deduplicate by the delivery, but a second attempt has a number, a fence and a token
of its own, and those are not ours to give. What can be known before anything is sent is whether a target is connected,
and `adapters.grpc.channels` passes over the ones that are not. So a failure is told to the caller, with the doubt.
"""

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Self

from google.protobuf.message import DecodeError
from grpc.aio import AioRpcError
from interchange.v1 import agent_pb2 as wire
from opentelemetry import trace
from opentelemetry.trace import Span

from adapters.base import Credentials, OpenTurn
from adapters.grpc import names
from adapters.grpc.channels import Channels
from adapters.grpc.line import Line
from adapters.grpc.metadata import Entries, audience, write_entries
from adapters.grpc.sending import Order, Sender, bound
from adapters.grpc.spans import Recorded, opening
from adapters.grpc.statuses import Asked, code_of
from adapters.grpc.streams import Heard
from adapters.turn_events import ENDS, TurnLimits, garbled, read_turn
from adapters.turns import deadline_of, write_foreign_turn, write_turn
from registry.model import Binding, BindingKind, Deadline, Emit, Result, TooLarge

log = logging.getLogger(__name__)

FAIR_CHANCE: Final = 60.0
"""Seconds. Agents think before they speak: who gave one less than this, and less than its timeout, cannot say that its
target hangs."""


class GrpcConverser:
    """Reaches agents that are gRPC services. One for the process; `channels` are closed by whoever made them."""

    def __init__(self, channels: Channels, credentials: Credentials, *, clock: Callable[[], float] = time.time) -> None:
        self._sender = Sender(channels, seat=Line.turn_seat)
        self._credentials = credentials
        self._limits = channels.limits
        self._turn_limits = TurnLimits(answer=channels.limits.answer, progress=channels.limits.progress)
        self._clock = clock
        self._tracer = trace.get_tracer(names.TRACER)

    async def converse(self, open_turn: OpenTurn, emit: Emit) -> Result:
        """Have the agent answer (`adapters.base.Converser` says what is raised)."""
        agent, turn = open_turn.entry.agent, open_turn.turn
        binding = bound(open_turn.entry.binding, agent.name)
        with Recorded(self._tracer, opening(agent.converse)) as span:
            order = await self._order(open_turn, binding, span)
            try:
                return await self._sender.listen(order, turn.attempt, partial(self._read, open_turn, emit))
            except AioRpcError as error:
                raise self._sender.failure(order, error) from error

    async def _order(self, open_turn: OpenTurn, binding: Binding, span: Span) -> Order:
        agent, deadline = open_turn.entry.agent, deadline_of(open_turn)
        ours = binding.kind is not BindingKind.FOREIGN
        return Order(
            call=open_turn.call,
            asked=Asked(name=agent.name, repeatable=False),
            method=agent.converse,
            binding=binding,
            request=self._request(open_turn, binding, deadline),
            deadline=deadline,
            fair_chance=min(agent.turns.timeout, FAIR_CHANCE),
            entries=await self._entries(open_turn, span) if ours else [],
            fence=open_turn.turn.fence,
            span=span,
        )

    def _request(self, open_turn: OpenTurn, binding: Binding, deadline: Deadline) -> bytes:
        write = write_foreign_turn if binding.kind is BindingKind.FOREIGN else write_turn
        request = write(open_turn, deadline, now=self._clock()).SerializeToString()
        if len(request) > self._limits.request:
            name = open_turn.entry.agent.name
            raise TooLarge(f"The message is {len(request)} bytes; {name} can be sent {self._limits.request}.")
        return request

    async def _entries(self, open_turn: OpenTurn, span: Span) -> Entries:
        call, turn = open_turn.call, open_turn.turn
        return write_entries(
            call,
            delivery=turn.delivery or turn.id,
            token=await self._credentials(call.chain, audience(turn.agent)),
            context=trace.set_span_in_context(span),
            limit=self._limits.metadata,
        )

    async def _read(self, open_turn: OpenTurn, emit: Emit, messages: Heard) -> Result:
        events = Events(messages, open_turn)
        return await read_turn(events, emit, turn=open_turn.turn, limits=self._turn_limits)


class Events:
    """The messages of a stream, as events. An answer that has ended stands, whatever becomes of its stream then."""

    def __init__(self, messages: Heard, open_turn: OpenTurn) -> None:
        self._messages = messages
        self._open_turn = open_turn
        self._ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> wire.TurnEvent:
        try:
            event = wire.TurnEvent.FromString(await anext(self._messages))
        except DecodeError as error:
            raise garbled(self._open_turn.turn, "bytes that are no event") from error
        except AioRpcError as error:
            if not self._ended:
                raise
            self._broke(error)
            raise StopAsyncIteration from None
        self._ended = event.WhichOneof("event") in ENDS
        return event

    def _broke(self, error: AioRpcError) -> None:
        fields = {"call": self._open_turn.call.id, "agent": self._open_turn.turn.agent, "status": code_of(error).name}
        log.warning("An agent failed after the end of its answer, which stands.", extra=fields)
