"""An agent makes itself known at a gateway's gRPC door, and goes in order: with a registry that does as it is told."""

import asyncio
import os
import signal
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
import grpc.aio
import httpx
import pytest
import respx
from grpc_health.v1 import health_pb2
from interchange.v1 import agent_pb2, registry_pb2
from interchange_client.agent import AgentCredentials, GatewayError, PublishRefused, TurnInHand, serve
from interchange_client.manifest import write_manifest
from interchange_client.publish import publish

from policies.identity.internal import InternalIssuer
from policies.identity.keys import generate_signing_key
from registry.model import Principal, PrincipalKind, alone
from tests.integration.adapters_grpc.certificates import Authority
from tests.integration.client.conftest import Caller, ended
from tests.support.client_turns import turn_of

GATEWAY = "http://127.0.0.1:8420"
ISSUER = f"{GATEWAY}/issuer"
MANIFEST = write_manifest({"name": "greeter", "domain": "tests"})
ALICE = Principal(kind=PrincipalKind.PERSON, issuer="https://login.example.com", subject="alice", name="alice")

Outcome = Sequence[registry_pb2.Change] | tuple[grpc.StatusCode, str, str]


class Registry:
    """Answers each Publish with the next outcome, the last for ever; remembers what came."""

    def __init__(self, *outcomes: Outcome) -> None:
        self._outcomes = list(outcomes)
        self.requests: asyncio.Queue[registry_pb2.PublishRequest] = asyncio.Queue()
        self.tokens: list[str] = []

    async def publish(self, request: registry_pb2.PublishRequest, context: Any) -> registry_pb2.PublishResponse:
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        self.requests.put_nowait(request)
        outcome = self._outcomes.pop(0) if len(self._outcomes) > 1 else self._outcomes[0]
        if isinstance(outcome, tuple) and outcome and isinstance(outcome[0], grpc.StatusCode):
            code, details, word = cast("tuple[grpc.StatusCode, str, str]", outcome)
            await context.abort(code, details, (("ix-error", word),) if word else ())
        return registry_pb2.PublishResponse(changes=cast("Sequence[registry_pb2.Change]", outcome))


LIVE = [registry_pb2.Change(name="greeter", kind="agent", outcome="live")]


@asynccontextmanager
async def door_to(registry: Registry, certificate: grpc.ServerCredentials | None = None) -> AsyncGenerator[str]:
    server = cast("Any", grpc.aio).server()
    untyped = cast("Any", grpc)
    publishing = untyped.unary_unary_rpc_method_handler(
        registry.publish,
        request_deserializer=registry_pb2.PublishRequest.FromString,
        response_serializer=registry_pb2.PublishResponse.SerializeToString,
    )
    handlers = untyped.method_handlers_generic_handler("interchange.v1.Registry", {"Publish": publishing})
    server.add_generic_rpc_handlers((handlers,))
    port = (
        server.add_secure_port("127.0.0.1:0", certificate) if certificate else server.add_insecure_port("127.0.0.1:0")
    )
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


@pytest.fixture
def internal() -> InternalIssuer:
    return InternalIssuer(issuer=GATEWAY, key=generate_signing_key())


@pytest.fixture(autouse=True)
def net(internal: InternalIssuer) -> Iterator[respx.MockRouter]:
    counted = iter(range(1, 100))

    def token(_: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json={"access_token": f"token-{next(counted)}", "token_type": "Bearer"})

    with respx.mock(assert_all_called=False) as router:
        resource = {"resource": GATEWAY, "authorization_servers": [ISSUER]}
        router.get(f"{GATEWAY}/.well-known/oauth-protected-resource").respond(json=resource)
        metadata = {"issuer": ISSUER, "token_endpoint": f"{ISSUER}/token"}
        router.get(f"{GATEWAY}/.well-known/oauth-authorization-server/issuer").respond(json=metadata)
        router.post(f"{ISSUER}/token").mock(side_effect=token)
        router.get(f"{GATEWAY}/.well-known/jwks.json").respond(json=internal.jwks())
        yield router


@pytest.fixture
def credentials() -> AgentCredentials:
    return AgentCredentials(GATEWAY, "greeter-client", "secret")


async def test_manifest_and_address_go_together_and_as_the_agent(credentials: AgentCredentials) -> None:
    registry = Registry(LIVE)
    async with door_to(registry) as door:
        (change,) = await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9", door=door)

    assert change.outcome == "live"
    request = registry.requests.get_nowait()
    assert (request.manifest, list(request.binding.targets), request.binding.kind) == (
        MANIFEST,
        ["127.0.0.1:9"],
        "grpc",
    )
    assert not request.force
    assert registry.tokens == ["Bearer token-1"]


async def test_the_door_is_where_the_gateway_says(credentials: AgentCredentials, net: respx.MockRouter) -> None:
    async with door_to(Registry(LIVE)) as door:
        net.get(f"{GATEWAY}/.well-known/interchange.json").respond(json={"grpc": door})
        assert await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9")


async def test_a_token_that_is_not_taken_is_renewed_once(credentials: AgentCredentials) -> None:
    refused = (grpc.StatusCode.UNAUTHENTICATED, "The access token is invalid or has expired.", "unauthenticated")
    registry = Registry(refused, LIVE, refused)
    async with door_to(registry) as door:
        await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9", door=door)
        with pytest.raises(PublishRefused, match="is invalid or has expired"):
            await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9", door=door)
    assert registry.tokens == ["Bearer token-1", "Bearer token-2", "Bearer token-2", "Bearer token-3"]


@pytest.mark.parametrize(
    ("outcome", "code", "retryable"),
    [
        ((grpc.StatusCode.PERMISSION_DENIED, "Policy does not allow this.", "denied"), "denied", False),
        ((grpc.StatusCode.INVALID_ARGUMENT, "name: no.", "bad_request"), "bad_request", False),
        ((grpc.StatusCode.FAILED_PRECONDITION, "A breaking change.", "refused"), "refused", False),
        ((grpc.StatusCode.UNIMPLEMENTED, "", ""), "internal", False),
        ((grpc.StatusCode.UNAVAILABLE, "Too many.", "overloaded"), "overloaded", True),
        ((grpc.StatusCode.UNAVAILABLE, "The audit log cannot be written.", "audit_unavailable"), "unavailable", True),
        ((grpc.StatusCode.UNAVAILABLE, "", ""), "unavailable", True),
        ((grpc.StatusCode.DEADLINE_EXCEEDED, "Too slow.", "deadline_passed"), "deadline_passed", True),
    ],
)
async def test_what_the_gateway_says_tells_whether_to_try_again(
    credentials: AgentCredentials, outcome: Outcome, code: str, retryable: bool
) -> None:
    async with door_to(Registry(outcome)) as door:
        with pytest.raises(GatewayError) as raised:
            await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9", door=door)
    assert (raised.value.code, raised.value.retryable) == (code, retryable)
    assert isinstance(raised.value, PublishRefused) is not retryable
    assert cast("tuple[Any, str, str]", outcome)[1] in raised.value.message


async def test_a_door_with_a_certificate_is_spoken_to_by_tls_only(
    credentials: AgentCredentials, tmp_path: Path
) -> None:
    authority = Authority(tmp_path, "authority")
    pair = authority.sign("door", "127.0.0.1")
    certificate = grpc.ssl_server_credentials([(pair.key.read_bytes(), pair.certificate.read_bytes())])
    encrypted, plain = Registry(LIVE), Registry(LIVE)
    async with door_to(encrypted, certificate) as safe, door_to(plain) as unsafe:
        await publish(MANIFEST, credentials=credentials, target="127.0.0.1:9", door=safe, ca=authority.certificate)
        with pytest.raises(GatewayError):
            await publish(
                MANIFEST, credentials=credentials, target="127.0.0.1:9", door=unsafe, ca=authority.certificate
            )
    assert (len(encrypted.tokens), plain.tokens) == (1, [])


class Waiting:
    """An agent that says one word, and the rest when it is let go."""

    def __init__(self) -> None:
        self.begun, self.go, self.cancelled = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def answer(self, _: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
        try:
            yield "Wait"
            self.begun.set()
            await self.go.wait()
            yield "ed"
        except asyncio.CancelledError:
            self.cancelled.set()
            raise


@asynccontextmanager
async def calling(target: str, internal: InternalIssuer) -> AsyncGenerator[Caller]:
    """A caller of the agent at the target, for alice."""
    token = await internal.token_for(alone(ALICE), "grpc://greeter")
    async with cast("Any", grpc.aio).insecure_channel(target) as channel:
        yield Caller(channel, (("authorization", f"Bearer {token}"),))


async def is_healthy(caller: Caller) -> bool:
    check = caller.channel.unary_unary(
        "/grpc.health.v1.Health/Check",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
    answer = await check(health_pb2.HealthCheckRequest(service="interchange.v1.ConversingAgent"))
    return answer.status == health_pb2.HealthCheckResponse.SERVING


def served(agent: Waiting, credentials: AgentCredentials, door: str, *, grace: float = 30.0) -> "asyncio.Task[None]":
    return asyncio.create_task(
        serve(
            agent.answer,
            name="greeter",
            domain="tests",
            listen="127.0.0.1:0",
            gateway=GATEWAY,
            credentials=credentials,
            door=door,
            grace=grace,
        )
    )


@pytest.mark.parametrize("how", ["signal", "cancel"])
async def test_a_turn_in_hand_is_finished_before_the_process_ends(
    credentials: AgentCredentials, internal: InternalIssuer, how: str, capsys: pytest.CaptureFixture[str]
) -> None:
    agent, registry = Waiting(), Registry(LIVE)
    async with door_to(registry) as door:
        serving = served(agent, credentials, door)
        (target,) = (await registry.requests.get()).binding.targets
        async with calling(target, internal) as caller:
            assert await is_healthy(caller)
            call = caller.stream(turn_of("x"))
            await agent.begun.wait()
            if how == "signal":
                os.kill(os.getpid(), signal.SIGTERM)
            else:
                serving.cancel()
            agent.go.set()
            assert (await ended(call)).kinds == ["delta", "delta", "done"]
            await asyncio.wait([serving])
    assert serving.cancelled() is (how == "cancel")
    assert capsys.readouterr().out.splitlines() == [f"listening {target}", "published greeter"]


async def test_a_turn_that_takes_longer_than_the_grace_is_cancelled(
    credentials: AgentCredentials, internal: InternalIssuer
) -> None:
    agent, registry = Waiting(), Registry(LIVE)
    async with door_to(registry) as door:
        serving = served(agent, credentials, door, grace=0.0)
        (target,) = (await registry.requests.get()).binding.targets
        async with calling(target, internal) as caller:
            call = caller.stream(turn_of("x"))
            await agent.begun.wait()
            serving.cancel()
            await agent.cancelled.wait()
            assert (await ended(call)).code is not grpc.StatusCode.OK
            await asyncio.wait([serving])


async def test_a_refusal_ends_the_process_with_its_reason(credentials: AgentCredentials) -> None:
    denied = (grpc.StatusCode.PERMISSION_DENIED, "Policy does not allow this.", "denied")
    async with door_to(Registry(denied)) as door:
        with pytest.raises(PublishRefused, match="Policy does not allow this"):
            await served(Waiting(), credentials, door)


async def test_waiting_for_the_gateway_ends_with_the_process(
    credentials: AgentCredentials, net: respx.MockRouter, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = asyncio.Event()

    def away(_: httpx.Request) -> httpx.Response:
        asked.set()
        raise httpx.ConnectError("refused")

    net.get(f"{GATEWAY}/.well-known/oauth-protected-resource").mock(side_effect=away)
    serving = served(Waiting(), credentials, "127.0.0.1:9")
    await asked.wait()
    os.kill(os.getpid(), signal.SIGTERM)
    await serving
    assert "published" not in capsys.readouterr().out
