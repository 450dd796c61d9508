"""Internal tokens as an agent verifies them: written by the gateway's own issuer, and in every way that is wrong."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import respx
from interchange.v1 import agent_pb2
from interchange_client.errors import GatewayError, TokenRefused
from interchange_client.tokens import KEPT_SECONDS, PATIENCE_SECONDS, InternalTokens, spoken_names

from policies.identity.internal import InternalIssuer
from policies.identity.keys import SigningKey, generate_signing_key
from registry.model import Chain, Principal, PrincipalKind
from tests.support.identity import FakeClock, claims, unsigned

GATEWAY = "https://gateway.example.com"
JWKS = f"{GATEWAY}/.well-known/jwks.json"
AUDIENCE = "grpc://greeter"


def principal(kind: PrincipalKind, name: str) -> Principal:
    return Principal(kind=kind, issuer="https://login.example.com", subject=name, name=name)


PERSON = principal(PrincipalKind.PERSON, "alice")
CHAIN = Chain((PERSON, principal(PrincipalKind.AGENT, "assistant"), principal(PrincipalKind.SERVICE, "desk")))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def key() -> SigningKey:
    return generate_signing_key()


@pytest.fixture
def net(key: SigningKey) -> respx.MockRouter:
    router = respx.mock(assert_all_called=False)
    router.get(JWKS, name="keys").respond(json={"keys": [key.public()]})
    return router


@pytest.fixture
async def tokens(clock: FakeClock, net: respx.MockRouter) -> AsyncIterator[InternalTokens]:
    with net:
        yield InternalTokens(GATEWAY, AUDIENCE, clock=clock)


def token(key: SigningKey, *, typ: str = "at+jwt", **changes: Any) -> str:
    return key.sign(claims(iss=GATEWAY, aud=AUDIENCE, scope=None, **changes), typ=typ)


async def test_the_gateways_own_tokens_say_the_chain(tokens: InternalTokens, key: SigningKey, clock: FakeClock) -> None:
    issuer = InternalIssuer(issuer=GATEWAY, key=key, clock=clock)

    assert await tokens.verify(await issuer.token_for(CHAIN, AUDIENCE)) == ("alice", "agent:assistant", "service:desk")
    assert await tokens.verify(await issuer.token_for(Chain((PERSON,)), AUDIENCE)) == ("alice",)


async def test_the_chain_of_a_turn_is_written_as_the_token_writes_it(
    tokens: InternalTokens, key: SigningKey, clock: FakeClock
) -> None:
    issuer = InternalIssuer(issuer=GATEWAY, key=key, clock=clock)
    links = [agent_pb2.Principal(kind=link.kind.name, name=link.name) for link in CHAIN]  # pyright: ignore[reportArgumentType]

    assert spoken_names(links) == await tokens.verify(await issuer.token_for(CHAIN, AUDIENCE))


def test_a_person_cannot_be_written_as_an_agent() -> None:
    with pytest.raises(TokenRefused):
        spoken_names([agent_pb2.Principal(name="agent:assistant")])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": "https://elsewhere.example.com"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"aud": "grpc://another"}, "not for"),
        ({"aud": None}, "not for"),
        ({"aud": [AUDIENCE, "grpc://another"]}, "not for"),
        ({"exp": None}, "exp"),
        ({"exp": "tomorrow"}, "exp"),
        ({"exp": 1_700_000_000}, "expired"),
        ({"nbf": 1_900_000_000}, "has not come"),
        ({"sub": None}, "who asks"),
        ({"sub": ""}, "who asks"),
        ({"act": {"act": {"sub": "x"}}}, "who asks"),
        ({"act": "assistant"}, "who asks"),
        ({"typ": "turn+jwt"}, "at[+]jwt"),
        ({"typ": "JWT"}, "at[+]jwt"),
    ],
)
async def test_whatever_is_wrong_with_a_token_is_a_refusal(
    tokens: InternalTokens, key: SigningKey, changes: dict[str, Any], reason: str
) -> None:
    assert await tokens.verify(token(key)) == ("alice",)
    with pytest.raises(TokenRefused, match=reason):
        given = {"iss": GATEWAY, "aud": AUDIENCE, "scope": None} | {k: v for k, v in changes.items() if k != "typ"}
        await tokens.verify(key.sign(claims(**given), typ=changes.get("typ", "at+jwt")))


async def test_a_chain_without_end_is_refused(tokens: InternalTokens, key: SigningKey) -> None:
    act: dict[str, Any] = {"sub": "agent:one"}
    for _ in range(40):
        act = {"sub": "agent:one", "act": act}
    with pytest.raises(TokenRefused, match="too long"):
        await tokens.verify(token(key, act=act))


async def test_signatures_that_are_none_are_refused(tokens: InternalTokens, key: SigningKey) -> None:
    body = claims(iss=GATEWAY, aud=AUDIENCE)
    good = token(key)
    for forged in (
        unsigned({"alg": "none", "typ": "at+jwt", "kid": key.kid}, body),
        unsigned({"alg": "HS256", "typ": "at+jwt", "kid": key.kid}, body, b"signature"),
        unsigned({"alg": "ES256", "typ": "at+jwt", "kid": key.kid}, body, b"x" * 64),
        unsigned({"alg": "ES256", "typ": "at+jwt"}, body, b"x" * 64),
        good[:-4] + "AAAA",
        good + ".more",
        f"{good.rpartition('.')[0]}.",
        "", ".", "..", "x.y.z", "é", "a" * 20_000,
    ):  # fmt: skip
        with pytest.raises(TokenRefused):
            await tokens.verify(forged)


async def test_a_key_brought_along_is_not_used(tokens: InternalTokens, key: SigningKey) -> None:
    mallory = generate_signing_key()
    with pytest.raises(TokenRefused, match="does not publish"):
        await tokens.verify(token(mallory))


async def test_keys_are_fetched_once_and_tokens_of_strangers_do_not_fetch_them_again_and_again(
    tokens: InternalTokens, key: SigningKey, net: respx.MockRouter, clock: FakeClock
) -> None:
    stranger = generate_signing_key()
    for _ in range(3):
        await tokens.verify(token(key))
        with pytest.raises(TokenRefused):
            await tokens.verify(token(stranger))
    assert net["keys"].call_count == 1

    clock.advance(PATIENCE_SECONDS)
    with pytest.raises(TokenRefused):
        await tokens.verify(token(stranger))
    assert net["keys"].call_count == 2


async def test_a_new_key_of_the_gateway_is_found(
    tokens: InternalTokens, key: SigningKey, net: respx.MockRouter, clock: FakeClock
) -> None:
    await tokens.verify(token(key))
    renewed = generate_signing_key()
    net["keys"].respond(json={"keys": [{"kty": "RSA", "kid": "old"}, "rubbish", renewed.public()]})
    clock.advance(PATIENCE_SECONDS)

    assert await tokens.verify(token(renewed)) == ("alice",)
    with pytest.raises(TokenRefused):
        await tokens.verify(token(key))


async def test_known_keys_outlast_a_gateway_that_is_away(
    tokens: InternalTokens, key: SigningKey, net: respx.MockRouter, clock: FakeClock
) -> None:
    await tokens.verify(token(key))
    net["keys"].respond(503)
    clock.advance(KEPT_SECONDS + 1)

    assert await tokens.verify(token(key)) == ("alice",)


async def test_without_keys_nothing_is_proved_and_nobody_is_refused(
    tokens: InternalTokens, key: SigningKey, net: respx.MockRouter
) -> None:
    net["keys"].respond(503)
    for _ in range(2):
        with pytest.raises(GatewayError) as raised:
            await tokens.verify(token(key))
        assert raised.value.code == "unavailable"
    assert net["keys"].call_count == 1
