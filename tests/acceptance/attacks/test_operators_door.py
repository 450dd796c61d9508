"""Attacks on the operators' gRPC door of a whole gateway process: by clients that say nothing, and by large messages.

Whoever has no token can neither take the places of those who have one nor make the process hold what it sends.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Generator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from interchange.v1 import registry_pb2, registry_pb2_grpc

from tests.support.served import Served, served_gateway

MIB = 1 << 20
CONNECTIONS = 6
Connections = list[grpc.aio.Channel]


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Generator[Served]:
    with served_gateway(tmp_path_factory.mktemp("gateway")) as served:
        yield served


@pytest.fixture
async def connections(gateway: Served) -> AsyncIterator[Connections]:
    """The attacker's."""
    async with AsyncExitStack() as opened:
        yield [await opened.enter_async_context(connection(gateway)) for _ in range(CONNECTIONS)]


@pytest.mark.parametrize("method", ["interchange.v1.Registry/Publish", "grpc.health.v1.Health/Check"])
async def test_calls_without_a_message_or_a_token_take_nobodys_place(
    gateway: Served, connections: Connections, method: str
) -> None:
    silent = [cast("Any", connections[n % CONNECTIONS]).stream_unary(f"/{method}")() for n in range(300)]
    await first_ended(silent, 300 - 4 * CONNECTIONS)
    await serves(gateway)


async def test_nobody_watches_the_health_of_the_port(gateway: Served, connections: Connections) -> None:
    request = health_pb2.HealthCheckRequest()
    stubs = [health_pb2_grpc.HealthStub(each) for each in connections]
    watches: list[Any] = [stubs[n % CONNECTIONS].Watch(request) for n in range(300)]
    await first_ended(watches, 300)
    # A connection's streams beyond its 64 are refused as unavailable.
    codes = Counter([await watch.code() for watch in watches])
    assert codes[grpc.StatusCode.UNIMPLEMENTED] + codes[grpc.StatusCode.UNAVAILABLE] == 300
    assert codes[grpc.StatusCode.UNIMPLEMENTED] > 0
    await serves(gateway)


async def test_silent_calls_of_one_principal_leave_room_for_others(gateway: Served, connections: Connections) -> None:
    metadata = (("authorization", f"Bearer {gateway.token('tester')}"),)
    path = "/interchange.v1.Registry/List"
    silent = [cast("Any", connections[n % CONNECTIONS]).stream_unary(path)(metadata=metadata) for n in range(300)]
    await first_ended(silent, 292)
    assert {await call.code() for call in silent if call.done()} == {grpc.StatusCode.UNAVAILABLE}
    await serves(gateway)


async def test_large_messages_without_a_token_are_not_even_received(gateway: Served, connections: Connections) -> None:
    await serves(gateway)
    before = most_memory(gateway)
    request = registry_pb2.PublishRequest(manifest="x" * (15 * MIB))
    stubs = [cast("Any", registry_pb2_grpc).RegistryStub(each) for each in connections]
    calls = [stubs[n % CONNECTIONS].Publish(request, timeout=60) for n in range(24)]
    codes = Counter([await call.code() for call in calls])

    assert codes == {grpc.StatusCode.UNAUTHENTICATED: 24}
    assert most_memory(gateway) - before < 45 * MIB  # three of the messages
    await serves(gateway)


def connection(gateway: Served) -> grpc.aio.Channel:
    """A connection of its own: channels to one address share theirs otherwise."""
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_send_message_length", -1)]
    return grpc.aio.insecure_channel(gateway.grpc_address, options)


async def serves(gateway: Served) -> None:
    """An operator and a probe are answered."""
    async with connection(gateway) as channel:
        metadata = (("authorization", f"Bearer {gateway.token('operator')}"),)
        listing = cast("Any", registry_pb2_grpc).RegistryStub(channel).List
        await listing(registry_pb2.ListRequest(), metadata=metadata, timeout=5)
        health = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert health.status == health_pb2.HealthCheckResponse.SERVING


async def first_ended(calls: list[Any], number: int) -> None:
    """Wait until so many of the calls have ended: all are under way then."""
    ends = asyncio.as_completed([asyncio.ensure_future(call.code()) for call in calls], timeout=20)
    for _, end in zip(range(number), ends, strict=False):
        await end


def most_memory(gateway: Served) -> int:
    """Bytes that the process had resident at most."""
    status = Path(f"/proc/{gateway.process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
