"""The gateway's own keys and the internal tokens that it signs with them."""

from pathlib import Path

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

from policies.identity.cache import Recent
from policies.identity.directory import Directory
from policies.identity.internal import InternalIssuer
from policies.identity.keys import generate_signing_key, load_signing_key
from policies.identity.keysets import LocalKeys
from policies.identity.private import read_or_create, read_private, write_private
from policies.identity.tokens import InboundIssuer, TokenVerifier
from registry.model import BadRequest, Chain, Principal, PrincipalKind, Unauthenticated, alone
from tests.support.identity import GATEWAY, ISSUER, NOW, FakeClock, read_claims, read_header

NOBODY_LISTED = Directory()

ALICE = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="alice", name="alice")
ASSISTANT = Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject="client-7", name="assistant")
SCHEDULER = Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject="client-8", name="scheduler")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer(clock: FakeClock) -> InternalIssuer:
    return InternalIssuer(issuer=GATEWAY, key=generate_signing_key(), clock=clock)


def test_a_key_is_made_once_and_only_its_owner_can_read_it(tmp_path: Path) -> None:
    first = load_signing_key(tmp_path / "keys", "internal")
    again = load_signing_key(tmp_path / "keys", "internal")

    assert again.kid == first.kid == first.key.thumbprint()
    assert (tmp_path / "keys").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "keys" / "internal.pem").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in (tmp_path / "keys").iterdir()] == ["internal.pem"]


def test_the_published_half_has_no_private_part() -> None:
    assert set(generate_signing_key().public()) == {"kty", "crv", "x", "y", "kid", "use", "alg"}


def test_a_key_that_others_may_read_is_refused(tmp_path: Path) -> None:
    load_signing_key(tmp_path, "internal")
    (tmp_path / "internal.pem").chmod(0o644)

    with pytest.raises(BadRequest, match="chmod 600"):
        load_signing_key(tmp_path, "internal")


@pytest.mark.parametrize("content", [b"rubbish", ECKey.generate_key("P-384").as_pem(private=True)])
def test_a_file_that_is_no_such_key_is_refused(tmp_path: Path, content: bytes) -> None:
    write_private(tmp_path / "internal.pem", content)

    with pytest.raises(BadRequest, match=r"internal\.pem"):
        load_signing_key(tmp_path, "internal")


def test_of_two_creators_of_a_secret_one_wins(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    def late() -> bytes:
        write_private(path, b"first")
        return b"second"

    assert read_or_create(path, late) == b"first"
    assert [found.name for found in tmp_path.iterdir()] == ["secret"]
    with pytest.raises(BadRequest, match="no such file"):
        read_private(tmp_path / "other")


async def test_an_internal_token_tells_the_target_for_whom_we_call(issuer: InternalIssuer) -> None:
    token = await issuer.token_for(Chain((ALICE, ASSISTANT, SCHEDULER)), "candidates")

    assert read_header(token)["typ"] == "at+jwt"
    said = jwt.decode(token, KeySet.import_key_set(issuer.jwks()), algorithms=["ES256"]).claims  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    assert (said["iss"], said["aud"], said["sub"]) == (GATEWAY, "candidates", "alice")
    assert said["act"] == {"sub": "agent:scheduler", "act": {"sub": "agent:assistant"}}
    assert said["client_id"] == "agent:scheduler"
    assert said["exp"] - said["iat"] <= 300


async def test_a_chain_of_one_has_no_actor_and_an_agent_is_no_person(issuer: InternalIssuer) -> None:
    person = read_claims(await issuer.token_for(alone(ALICE), "candidates"))
    agent = read_claims(await issuer.token_for(alone(ASSISTANT), "candidates"))

    assert (person["sub"], agent["sub"]) == ("alice", "agent:assistant")
    assert "act" not in person
    assert person["jti"] != agent["jti"]


async def test_a_token_is_signed_once_for_a_chain_and_target_until_near_its_end(
    issuer: InternalIssuer, clock: FakeClock
) -> None:
    first = await issuer.token_for(alone(ALICE), "candidates")
    assert await issuer.token_for(alone(ALICE), "candidates") is first
    assert await issuer.token_for(alone(ALICE), "outreach") != first
    assert await issuer.token_for(alone(ASSISTANT), "candidates") != first

    clock.advance(239)
    assert await issuer.token_for(alone(ALICE), "candidates") is first
    clock.advance(2)
    renewed = await issuer.token_for(alone(ALICE), "candidates")
    assert read_claims(renewed)["exp"] == int(NOW) + 241 + 300


async def test_an_internal_token_opens_no_door(clock: FakeClock) -> None:
    key = generate_signing_key()
    internal = InternalIssuer(issuer=GATEWAY, key=key, clock=clock)
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=LocalKeys([key.public()]))
    verifier = TokenVerifier([inbound], directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY, clock=clock)

    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(await internal.token_for(alone(ALICE), GATEWAY))

    assert "internal" in caught.value.reason


def test_what_is_kept_is_bounded_and_ends_in_time() -> None:
    kept: Recent[str, int] = Recent(2)
    kept.put("a", 1, until=10)
    kept.put("b", 2, until=10)
    assert kept.get("a", 0) == 1
    kept.put("c", 3, until=10)

    assert kept.get("b", 0) is None, "the least recently used one went"
    assert kept.get("a", 10) is None
    assert (kept.take("c", 0), kept.take("c", 0)) == (3, None)
    assert len(kept) == 0
