"""Agents on real gRPC servers, and a caller that speaks to them as the gateway does."""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from interchange.v1 import agent_pb2
from interchange.v1.agent_pb2_grpc import add_ConversingAgentServicer_to_server
from interchange_client.agent import Answer, ConversingAgent, InternalTokens

from tests.support.client_turns import QuietGateway

CONVERSE = "/interchange.v1.ConversingAgent/Converse"
Metadata = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a turn: its events, and the status that gRPC ended it with."""

    events: list[agent_pb2.TurnEvent]
    code: grpc.StatusCode
    details: str = ""

    @property
    def kinds(self) -> list[str | None]:
        return [event.WhichOneof("event") for event in self.events]


@dataclass(slots=True)
class Caller:
    """A channel to an agent. `stream` begins a turn, `converse` sees it to its end."""

    channel: Any
    metadata: Metadata = ()
    calls: list[Any] = field(default_factory=list[Any])

    def stream(self, turn: agent_pb2.Turn, *metadata: tuple[str, str], timeout: float | None = None) -> Any:
        method = self.channel.unary_stream(
            CONVERSE,
            request_serializer=agent_pb2.Turn.SerializeToString,
            response_deserializer=agent_pb2.TurnEvent.FromString,
        )
        return method(turn, metadata=metadata or self.metadata, timeout=timeout)

    async def converse(self, turn: agent_pb2.Turn, *metadata: tuple[str, str], timeout: float | None = None) -> Ended:
        return await ended(self.stream(turn, *metadata, timeout=timeout))


async def ended(call: Any) -> Ended:
    """See a turn that has begun to its end."""
    events: list[agent_pb2.TurnEvent] = []
    try:
        async for event in cast("AsyncIterator[agent_pb2.TurnEvent]", call):
            events.append(event)  # noqa: PERF401 - those before an error count
    except grpc.aio.AioRpcError as error:
        return Ended(events, error.code(), error.details() or "")
    return Ended(events, await call.code())


@asynccontextmanager
async def _answering(agent: ConversingAgent) -> AsyncGenerator[Caller]:
    server = cast("Any", grpc.aio).server()
    add_ConversingAgentServicer_to_server(cast("Any", agent), server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with cast("Any", grpc.aio).insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Caller(channel)
    finally:
        await server.stop(None)


Serve = Callable[..., Any]


@pytest.fixture
async def answering() -> AsyncGenerator[Serve]:
    """Serve an agent for the time of a test; returns a caller of it."""
    async with AsyncExitStack() as opened:

        async def serve(
            answer: Answer, *, tokens: InternalTokens | None = None, gateway: QuietGateway | None = None
        ) -> Caller:
            agent = ConversingAgent(answer, gateway=gateway or QuietGateway(), tokens=tokens)
            return await opened.enter_async_context(_answering(agent))

        yield serve
