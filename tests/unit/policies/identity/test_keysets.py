"""Key sets of issuers elsewhere: discovered exactly, fetched rarely, kept while the issuer is away."""

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
import respx

from policies.identity.directory import Directory
from policies.identity.fetch import Fetcher
from policies.identity.keys import generate_signing_key
from policies.identity.keysets import KeysUnavailable, RemoteKeys
from policies.identity.tokens import InboundIssuer, TokenVerifier
from registry.model import Unauthenticated
from tests.support.identity import (
    GATEWAY,
    ISSUER,
    PUBLIC_ADDRESS,
    FakeClock,
    ForeignIssuer,
    claims,
    one_public_address,
)

NOBODY_LISTED = Directory()
THERE = f"https://{PUBLIC_ADDRESS}"
METADATA = f"{THERE}/.well-known/oauth-authorization-server/realms/prod"
OPENID = f"{THERE}/realms/prod/.well-known/openid-configuration"
JWKS = "https://login.example.com/jwks"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer() -> ForeignIssuer:
    return ForeignIssuer()


@pytest.fixture
def net(issuer: ForeignIssuer) -> respx.MockRouter:
    router = respx.mock(assert_all_called=False)
    router.get(METADATA, name="metadata").respond(json={"issuer": ISSUER, "jwks_uri": JWKS})
    router.get(f"{THERE}/jwks", name="jwks").respond(json=issuer.jwks())
    return router


@pytest.fixture
async def keys(clock: FakeClock, net: respx.MockRouter) -> AsyncIterator[RemoteKeys]:
    with net:
        source = RemoteKeys(ISSUER, Fetcher(resolve=one_public_address), clock=clock)
        yield source
        await source.close()


@pytest.fixture
def verifier(keys: RemoteKeys, clock: FakeClock) -> TokenVerifier:
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=keys)
    return TokenVerifier([inbound], directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY, clock=clock)


async def test_keys_are_discovered_at_the_first_token(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter
) -> None:
    assert not net["jwks"].called

    await verifier.verify(issuer.token())
    await verifier.verify(issuer.token(jti="another"))

    assert (net["metadata"].call_count, net["jwks"].call_count) == (1, 1)


async def test_openid_discovery_serves_where_there_is_no_other(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter
) -> None:
    net["metadata"].respond(404)
    net.get(OPENID).respond(json={"issuer": ISSUER, "jwks_uri": JWKS})

    assert await verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": ISSUER + "/", "jwks_uri": JWKS},
        {"issuer": "https://evil.example", "jwks_uri": JWKS},
        {"jwks_uri": JWKS},
        {"issuer": ISSUER},
        {"issuer": ISSUER, "jwks_uri": 7},
        {"issuer": ISSUER, "jwks_uri": "http://login.example.com/jwks"},
        {"issuer": ISSUER, "jwks_uri": "https://127.0.0.1/jwks"},
        {"issuer": ISSUER, "jwks_uri": "https://user@login.example.com/jwks"},
    ],
)
async def test_metadata_that_is_not_exactly_the_issuer_s_gives_no_keys(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter, metadata: dict[str, object]
) -> None:
    net["metadata"].respond(json=metadata)

    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token())
    assert not net["jwks"].called


async def test_10_000_unknown_kids_cause_one_fetch_in_30_seconds(
    verifier: TokenVerifier, keys: RemoteKeys, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token())
    clock.advance(31)

    async def ask(number: int) -> None:
        with pytest.raises(Unauthenticated):
            await keys.find(f"kid-{number}", "ES256")

    for start in range(0, 10_000, 1000):
        await asyncio.gather(*(ask(number) for number in range(start, start + 1000)))
        clock.advance(2.9)
    assert net["jwks"].call_count == 2

    clock.advance(30)
    await ask(0)
    assert net["jwks"].call_count == 3


async def test_callers_that_come_together_share_one_fetch(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter
) -> None:
    await asyncio.gather(*(verifier.verify(issuer.token(jti=str(number))) for number in range(50)))

    assert net["jwks"].call_count == 1


async def test_a_caller_that_goes_away_does_not_end_the_fetch_for_others(
    keys: RemoteKeys, issuer: ForeignIssuer, net: respx.MockRouter
) -> None:
    begun, opened = asyncio.Event(), asyncio.Event()

    async def slowly(_: httpx.Request) -> httpx.Response:
        begun.set()
        await opened.wait()
        return httpx.Response(200, json=issuer.jwks())

    net["jwks"].mock(side_effect=slowly)
    impatient = asyncio.ensure_future(keys.find(issuer.key.kid, "ES256"))
    patient = asyncio.ensure_future(keys.find(issuer.key.kid, "ES256"))
    await begun.wait()
    impatient.cancel()
    opened.set()

    assert (await patient).kid == issuer.key.kid
    assert net["jwks"].call_count == 1


async def test_a_new_key_is_found_and_what_was_verified_is_forgotten(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    old = issuer.token()
    await verifier.verify(old)
    new = generate_signing_key()
    net["jwks"].respond(json={"keys": [new.public()]})
    clock.advance(31)

    assert await verifier.verify(new.sign(claims()))
    with pytest.raises(Unauthenticated):
        await verifier.verify(old)


async def test_keys_serve_on_while_the_issuer_is_away(
    verifier: TokenVerifier, keys: RemoteKeys, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token())
    net["metadata"].mock(side_effect=httpx.ConnectError("away"))
    net["jwks"].mock(side_effect=httpx.ConnectError("away"))

    clock.advance(800)
    assert await verifier.verify(issuer.token(jti="2"))
    await settled(keys)

    assert await verifier.verify(issuer.token(jti="3", exp=int(clock()) + 60))
    with pytest.raises(Unauthenticated):
        await keys.find("unknown", "ES256")


async def test_a_key_that_was_taken_away_ends_within_ten_minutes(
    verifier: TokenVerifier, keys: RemoteKeys, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token())
    net["jwks"].respond(json={"keys": [generate_signing_key().public()]})

    clock.advance(601)
    await verifier.verify(issuer.token(jti="2"))  # served from what is held, while the fetch runs
    await settled(keys)

    with pytest.raises(Unauthenticated):
        await verifier.verify(issuer.token(jti="3"))


async def test_keys_do_not_outlive_their_issuer_for_more_than_a_day(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    await verifier.verify(issuer.token())
    net["metadata"].mock(side_effect=httpx.ConnectError("away"))
    net["jwks"].mock(side_effect=httpx.ConnectError("away"))

    clock.advance(24 * 3600 + 1)

    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token(exp=int(clock()) + 60))


async def test_before_there_are_keys_it_is_tried_again_after_five_seconds(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter, clock: FakeClock
) -> None:
    net["jwks"].mock(side_effect=[httpx.Response(503), httpx.Response(200, json=issuer.jwks())])
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            await verifier.verify(issuer.token())
    assert net["jwks"].call_count == 1

    clock.advance(5)

    assert await verifier.verify(issuer.token())


@pytest.mark.parametrize("content", [b"{}", b'{"keys": 7}', b'{"keys": [7]}', b" " * 300_000, b"<html>"])
async def test_a_key_set_that_is_none_gives_no_keys(
    verifier: TokenVerifier, issuer: ForeignIssuer, net: respx.MockRouter, content: bytes
) -> None:
    net["jwks"].respond(content=content)

    with pytest.raises(KeysUnavailable):
        await verifier.verify(issuer.token())


async def settled(keys: RemoteKeys) -> None:
    """Wait for a fetch in the background."""
    flight = keys._flight
    assert flight is not None
    await flight
