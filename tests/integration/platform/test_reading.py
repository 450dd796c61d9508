"""How a request of the gRPC port is read: late, whole, once, and never for somebody who is not known."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from interchange.v1 import registry_pb2

from gateway.platform import health, operations, rpc
from gateway.platform.server import serve_platform
from policies.identity.tokens import Verified
from registry.model import Call, Deadline, Emit, Principal, PrincipalKind, Result, Unauthenticated

LIST, PUBLISH, CHECK = (
    "/interchange.v1.Registry/List",
    "/interchange.v1.Registry/Publish",
    "/grpc.health.v1.Health/Check",
)
ManyPieces = Any


class Corridor:
    """Answers at once, or never while `open` is not set."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.open = asyncio.Event()
        self.open.set()
        self.entered = asyncio.Semaphore(0)

    async def handle(self, call: Call, _: Emit) -> Result:
        self.calls.append(call)
        self.entered.release()
        await self.open.wait()
        return Result(structured={})


def token(subject: str) -> tuple[tuple[str, str]]:
    return (("authorization", f"Bearer {subject}"),)


async def verify(token: str) -> Verified:
    if token == "bad":
        raise Unauthenticated("This token is invalid or has expired.")
    who = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.test", subject=token, name=token)
    return Verified(principal=who, scopes=frozenset(), groups=frozenset(), client_id="cli", expires_at=9e9)


@pytest.fixture
async def corridor() -> Corridor:
    return Corridor()


@pytest.fixture
async def channel(corridor: Corridor) -> AsyncIterator[grpc.aio.Channel]:
    server, port = await serve_platform("127.0.0.1:0", handle=corridor.handle, verify=verify)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as opened:
        yield opened
    await server.stop(0)


async def test_a_plain_unary_call_is_answered(corridor: Corridor, channel: grpc.aio.Channel) -> None:
    call = cast("Any", channel).unary_unary(LIST)
    assert await call(b"", metadata=token("olga"), timeout=5) == b""
    assert len(corridor.calls) == 1


async def test_who_is_not_known_is_told_so_before_sending_a_message(channel: grpc.aio.Channel) -> None:
    for metadata in ((), token("bad")):
        assert await ended(opened(channel, PUBLISH, metadata)) is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("messages", [[], [b"", b""]], ids=["none", "two"])
@pytest.mark.parametrize("path", [LIST, CHECK])
async def test_a_request_is_exactly_one_message(
    corridor: Corridor, channel: grpc.aio.Channel, path: str, messages: list[bytes]
) -> None:
    call = opened(channel, path, token("olga"))
    for message in messages:
        await call.write(message)
    await call.done_writing()
    assert await ended(call) is grpc.StatusCode.INVALID_ARGUMENT
    assert not corridor.calls


async def test_what_is_not_the_message_is_a_bad_request(corridor: Corridor, channel: grpc.aio.Channel) -> None:
    for path in (LIST, CHECK):
        call = opened(channel, path, token("olga"))
        await call.write(b"\xff\xff\xff")
        await call.done_writing()
        assert await ended(call) is grpc.StatusCode.INVALID_ARGUMENT
    assert not corridor.calls


async def test_only_what_carries_a_manifest_may_be_large(corridor: Corridor, channel: grpc.aio.Channel) -> None:
    large = registry_pb2.ShowRequest(name="x" * operations.SMALL_MESSAGE).SerializeToString()
    call = opened(channel, "/interchange.v1.Registry/Show", token("olga"))
    await call.write(large)
    await call.done_writing()
    assert await ended(call) is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not corridor.calls
    await cast("Any", channel).unary_unary(PUBLISH)(large, metadata=token("olga"), timeout=5)
    assert len(corridor.calls) == 1


@pytest.mark.parametrize("messages", [[], [b"first"]], ids=["no message", "no end"])
async def test_a_request_that_does_not_end_is_given_up(messages: list[bytes]) -> None:
    async def behaviour(context: rpc.Context, _: Deadline) -> health_pb2.HealthCheckResponse:
        await rpc.only_message(context, most=1000, seconds=0.05)
        return health_pb2.HealthCheckResponse()

    server = cast("Callable[[], grpc.aio.Server]", grpc.aio.server)()
    cast("Any", server).add_generic_rpc_handlers((rpc.service("test.Slow", {"Ask": behaviour}),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        call = opened(channel, "/test.Slow/Ask", ())
        for message in messages:
            await call.write(message)
        assert await ended(call) is grpc.StatusCode.DEADLINE_EXCEEDED
    await server.stop(0)


async def test_every_call_ends_in_time(
    corridor: Corridor, channel: grpc.aio.Channel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rpc, "SECONDS", 0.1)
    corridor.open.clear()
    call = cast("Any", channel).unary_unary(LIST)(b"", metadata=token("olga"), timeout=30)
    assert await ended(call) is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "longer than it may" in str(await call.details())


@pytest.mark.parametrize(("path", "most"), [(LIST, operations.AT_A_TIME), (PUBLISH, operations.LARGE_AT_A_TIME)])
async def test_a_principal_has_its_own_places(
    corridor: Corridor, channel: grpc.aio.Channel, path: str, most: int
) -> None:
    corridor.open.clear()
    ask = cast("Any", channel).unary_unary(path)
    held = [ask(b"", metadata=token("olga")) for _ in range(most)]
    for _ in held:
        await corridor.entered.acquire()
    assert await ended(opened(channel, path, token("olga"))) is grpc.StatusCode.UNAVAILABLE

    other = ask(b"", metadata=token("otto"))
    await corridor.entered.acquire()
    corridor.open.set()
    await asyncio.gather(*held, other)
    await ask(b"", metadata=token("olga"), timeout=5)


async def test_an_abandoned_call_gives_its_place_back(corridor: Corridor, channel: grpc.aio.Channel) -> None:
    ask = cast("Any", channel).unary_unary(PUBLISH)
    for _ in range(3 * operations.LARGE_AT_A_TIME):
        corridor.open.clear()
        call = ask(b"", metadata=token("olga"), wait_for_ready=True)
        await corridor.entered.acquire()
        call.cancel()
        corridor.open.set()
        await eventually(lambda: ask(b"", metadata=token("olga"), timeout=5))
        await corridor.entered.acquire()


async def test_a_connection_has_few_health_checks_in_hand(corridor: Corridor) -> None:
    server, port = await serve_platform("127.0.0.1:0", handle=corridor.handle, verify=verify)
    own = [("grpc.use_local_subchannel_pool", 1)]
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", own) as crowd,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", own) as other,
    ):
        silent = [opened(crowd, CHECK, ()) for _ in range(health.AT_A_TIME + 1)]
        first = next(asyncio.as_completed([asyncio.ensure_future(call.code()) for call in silent], timeout=8))
        assert await first is grpc.StatusCode.UNAVAILABLE
        answer = await health_pb2_grpc.HealthStub(other).Check(health_pb2.HealthCheckRequest(), timeout=5)
        assert answer.status == health_pb2.HealthCheckResponse.SERVING
    await server.stop(0)


async def test_an_unknown_service_has_no_health(channel: grpc.aio.Channel) -> None:
    call = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service="x"), timeout=5)
    assert await ended(call) is grpc.StatusCode.NOT_FOUND


async def test_nobody_watches_the_health(channel: grpc.aio.Channel) -> None:
    call = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=5)
    assert await ended(call) is grpc.StatusCode.UNIMPLEMENTED


def opened(channel: grpc.aio.Channel, path: str, metadata: tuple[tuple[str, str], ...]) -> ManyPieces:
    """A call whose messages are sent one by one, if at all."""
    return cast("Any", channel).stream_unary(path)(metadata=metadata, timeout=20)


async def ended(call: Any) -> grpc.StatusCode:
    """How a call ended, well before the time that its client would wait."""
    async with asyncio.timeout(8):
        return await call.code()


async def eventually(ask: Callable[[], Awaitable[object]]) -> None:
    """Ask again while there is no place: the server learns of a cancellation a moment after the client."""
    async with asyncio.timeout(5):
        while True:
            try:
                await ask()
            except grpc.aio.AioRpcError as error:
                assert error.code() is grpc.StatusCode.UNAVAILABLE
            else:
                return
