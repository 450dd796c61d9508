"""The operators' door, through a real channel: what arrives at the corridor, and how its errors come back."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, cast

import grpc
import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from interchange.v1 import registry_pb2, registry_pb2_grpc

from gateway.platform.operations import MESSAGE
from gateway.platform.rpc import STATUSES
from gateway.platform.server import serve_platform
from policies.identity.tokens import Verified
from registry.model import (
    CATALOG,
    Action,
    BadRequest,
    Call,
    Denied,
    Emit,
    InterchangeError,
    Principal,
    PrincipalKind,
    Refused,
    Result,
    Unauthenticated,
    Unknown,
    errors,
)
from registry.operations import ACTIONS

OLGA = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer.test", subject="olga", name="olga")
TOKEN = (("authorization", "Bearer good"),)
Stub = Any


@dataclass
class Corridor:
    """Notes the calls it is handed and answers what it was told to."""

    answer: Callable[[Call], Result] = lambda _: Result(structured={})
    calls: list[Call] = field(default_factory=list[Call])

    async def handle(self, call: Call, _: Emit) -> Result:
        self.calls.append(call)
        return self.answer(call)


async def verify(token: str) -> Verified:
    if token != "good":
        raise Unauthenticated("This token is invalid or has expired.", reason="it is not 'good'")
    return Verified(principal=OLGA, scopes=frozenset({"a"}), groups=frozenset({"ops"}), client_id="cli", expires_at=9e9)


@pytest.fixture
def corridor() -> Corridor:
    return Corridor()


@pytest.fixture
async def stub(corridor: Corridor) -> AsyncIterator[Stub]:
    server, port = await serve_platform("127.0.0.1:0", handle=corridor.handle, verify=verify)
    options = [("grpc.max_send_message_length", -1)]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", options) as channel:
        yield cast("Any", registry_pb2_grpc).RegistryStub(channel)
    await server.stop(0)


async def test_a_request_becomes_one_call_on_the_catalog(corridor: Corridor, stub: Stub) -> None:
    corridor.answer = lambda _: Result(
        structured={
            "changes": [{"name": "pets", "outcome": "live", "revision": 3}],
            "catalogVersion": "7",
        }
    )
    request = registry_pb2.ApproveRequest(name="pets", revision=3)
    response = await stub.Approve(request, metadata=TOKEN, timeout=5)

    assert (response.changes[0].outcome, response.changes[0].revision, response.catalog_version) == ("live", 3, 7)
    [call] = corridor.calls
    assert call.content == {"operation": "Approve", "name": "pets", "revision": 3}
    assert (call.action, call.target, call.door) == (Action.PIN, CATALOG, "platform")
    assert call.chain.links == (OLGA,)
    assert (call.scopes, call.groups) == (frozenset({"a"}), frozenset({"ops"}))
    assert 0 < call.deadline.remaining() <= 5.1  # on the wire it is rounded up


async def test_every_method_of_the_service_is_an_operation(corridor: Corridor, stub: Stub) -> None:
    service = registry_pb2.DESCRIPTOR.services_by_name["Registry"]
    for method in service.methods:
        request = getattr(registry_pb2, method.input_type.name)()
        await getattr(stub, method.name)(request, metadata=TOKEN)
    assert {str(call.content["operation"]) for call in corridor.calls} == set(ACTIONS)


async def test_bytes_arrive_as_base64(corridor: Corridor, stub: Stub) -> None:
    await stub.Import(registry_pb2.ImportRequest(descriptor_set=b"\x01\x02"), metadata=TOKEN)
    assert corridor.calls[0].content["descriptorSet"] == "AQI="


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        (("authorization", "Bearer bad"),),
        (("authorization", "Basic good"),),
        (("authorization", "good"),),
        (("authorization", "Bearer good"), ("authorization", "Bearer good")),
    ],
)
async def test_without_one_good_token_nothing_reaches_the_corridor(
    corridor: Corridor, stub: Stub, metadata: tuple[tuple[str, str], ...]
) -> None:
    error = await failure(stub, metadata=metadata)
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert "it is not 'good'" not in str(error.details())
    assert not corridor.calls


async def test_the_gateways_own_metadata_is_refused(corridor: Corridor, stub: Stub) -> None:
    error = await failure(stub, metadata=(*TOKEN, ("ix-principal", "x")))
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert not corridor.calls


async def test_the_token_of_a_turn_is_nothing_that_is_passed_over(corridor: Corridor, stub: Stub) -> None:
    error = await failure(stub, metadata=(*TOKEN, ("ix-turn-token", "x")))
    assert error.code() is grpc.StatusCode.UNAUTHENTICATED
    assert not corridor.calls


async def test_two_long_tokens_have_room_and_much_more_has_not(corridor: Corridor, stub: Stub) -> None:
    long = (("authorization", f"Bearer {'a' * 16_000}"), ("ix-turn-token", "b" * 16_000))
    for _ in range(8):
        assert (await failure(stub, metadata=long)).code() is grpc.StatusCode.UNAUTHENTICATED
    endless = (("authorization", f"Bearer {'a' * 60_000}"),)
    assert (await failure(stub, metadata=endless)).code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not corridor.calls


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (Unknown("There is no agent or skill x."), grpc.StatusCode.NOT_FOUND),
        (Denied("No."), grpc.StatusCode.PERMISSION_DENIED),
        (Refused("This would break callers."), grpc.StatusCode.FAILED_PRECONDITION),
        (BadRequest("name is missing."), grpc.StatusCode.INVALID_ARGUMENT),
    ],
)
async def test_an_error_comes_back_with_its_status_and_sentence(
    corridor: Corridor, stub: Stub, error: InterchangeError, status: grpc.StatusCode
) -> None:
    corridor.answer = raising(error)
    found = await failure(stub, metadata=TOKEN)
    assert (found.code(), found.details()) == (status, error.message)


async def test_what_nobody_expected_is_internal_and_says_nothing(corridor: Corridor, stub: Stub) -> None:
    corridor.answer = raising(RuntimeError("the password is swordfish"))
    error = await failure(stub, metadata=TOKEN)
    assert error.code() is grpc.StatusCode.INTERNAL
    assert "swordfish" not in str(error.details())


async def test_a_long_refusal_is_cut_so_that_it_arrives(corridor: Corridor, stub: Stub) -> None:
    corridor.answer = raising(Refused("ä" * 100_000))
    error = await failure(stub, metadata=TOKEN)
    assert error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert "more characters" in str(error.details())


async def test_a_message_over_the_limit_is_refused(corridor: Corridor, stub: Stub) -> None:
    request = registry_pb2.PublishRequest(manifest="x" * (MESSAGE + 1))
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Publish(request, metadata=TOKEN)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert not corridor.calls


async def test_the_port_says_that_it_is_healthy(corridor: Corridor) -> None:
    server, port = await serve_platform("127.0.0.1:0", handle=corridor.handle, verify=verify)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        health = health_pb2_grpc.HealthStub(channel)
        answer = await health.Check(health_pb2.HealthCheckRequest())
    await server.stop(0)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


async def test_a_taken_port_is_one_sentence(corridor: Corridor) -> None:
    server, port = await serve_platform("127.0.0.1:0", handle=corridor.handle, verify=verify)
    with pytest.raises(Refused, match=f"127.0.0.1:{port}"):
        await serve_platform(f"127.0.0.1:{port}", handle=corridor.handle, verify=verify)
    await server.stop(0)


def test_every_error_has_a_status() -> None:
    ours = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, InterchangeError)]
    assert {kind.code for kind in ours} - {"internal"} <= set(STATUSES)


def raising(error: Exception) -> Callable[[Call], Result]:
    def answer(_: Call) -> Result:
        raise error

    return answer


async def failure(stub: Stub, metadata: tuple[tuple[str, str], ...]) -> grpc.aio.AioRpcError:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Show(registry_pb2.ShowRequest(name="x"), metadata=metadata)
    return caught.value
