"""Inbound tokens: a good one proves who asks; a test for each way in which one does not."""

import base64
import hashlib
import hmac
import json
from collections.abc import Callable

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OKPKey, RSAKey

from policies.identity.directory import Directory, Listed
from policies.identity.keys import generate_signing_key
from policies.identity.keysets import KeysUnavailable, LocalKeys, PublicKey
from policies.identity.tokens import InboundIssuer, TokenVerifier
from registry.model import Domain, PrincipalKind, Unauthenticated
from tests.support.identity import GATEWAY, ISSUER, NOW, FakeClock, ForeignIssuer, claims, segment, unsigned

NOBODY_LISTED = Directory()

HEADER = {"alg": "ES256", "typ": "at+jwt"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def issuer() -> ForeignIssuer:
    return ForeignIssuer()


@pytest.fixture
def keys(issuer: ForeignIssuer) -> LocalKeys:
    return LocalKeys([issuer.key.public()])


@pytest.fixture
def verifier(keys: LocalKeys, clock: FakeClock) -> TokenVerifier:
    return verifier_for(keys, clock)


def verifier_for(keys: LocalKeys, clock: Callable[[], float], *, groups_claim: str = "") -> TokenVerifier:
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=keys, groups_claim=groups_claim)
    return TokenVerifier([inbound], directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY, clock=clock)


async def refusal(verifier: TokenVerifier, token: str) -> str:
    """Why a token is refused, as the log will say; the caller is told nothing of it."""
    with pytest.raises(Unauthenticated) as caught:
        await verifier.verify(token)
    assert caught.value.message == "The access token is invalid or has expired."
    return caught.value.reason


async def test_a_good_token_proves_who_asks(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    verified = await verifier.verify(issuer.token(scope="a b"))

    assert (verified.principal.kind, verified.principal.name) == (PrincipalKind.PERSON, "alice")
    assert verified.principal.issuer == ISSUER
    assert verified.scopes == {"a", "b"}
    assert verified.client_id == "editor"
    assert verified.expires_at == NOW + 900


async def test_the_token_of_somebody_disabled_proves_nothing(
    keys: LocalKeys, issuer: ForeignIssuer, clock: FakeClock
) -> None:
    in_force = [NOBODY_LISTED]
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=keys)
    verifier = TokenVerifier([inbound], directory=lambda: in_force[-1], own_issuer=GATEWAY, clock=clock)
    token = issuer.token()
    assert (await verifier.verify(token)).principal.name == "alice"

    in_force.append(Directory(persons={"alice": Listed(name="alice", disabled=True)}))
    assert await refusal(verifier, token) == "person:alice is disabled in the directory"

    in_force.append(Directory(persons={"alice": Listed(name="alice", domain=Domain("hiring"))}))
    assert (await verifier.verify(token)).principal.domain == "hiring"


async def test_an_agent_that_is_disabled_is_not_somebody_else_instead(
    keys: LocalKeys, issuer: ForeignIssuer, clock: FakeClock
) -> None:
    gone = Directory(agents={"bot": Listed(name="bot", client_ids=("bot-1",), disabled=True)})
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=keys)
    verifier = TokenVerifier([inbound], directory=lambda: gone, own_issuer=GATEWAY, clock=clock)
    for subject in ("bot-1", "alice"):
        assert "agent:bot is disabled" in await refusal(verifier, issuer.token(sub=subject, client_id="bot-1"))


async def test_an_audience_may_be_one_of_a_list(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    assert await verifier.verify(issuer.token(aud=["https://other.example", GATEWAY]))


async def test_the_long_form_of_the_type_is_accepted(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    assert await verifier.verify(issuer.token(typ="application/at+jwt"))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"aud": "https://other.example"}, "audience"),
        ({"aud": ["https://other.example"]}, "audience"),
        ({"aud": None}, "audience"),
        ({"aud": GATEWAY + "/"}, "audience"),
        ({"aud": {"x": GATEWAY}}, "audience"),
        ({"iss": "https://evil.example"}, "issuer"),
        ({"iss": ISSUER + "/"}, "issuer"),
        ({"iss": None}, "issuer"),
        ({"iss": GATEWAY}, "internal"),
        ({"exp": int(NOW) - 31}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": str(int(NOW) + 900)}, "number"),
        ({"exp": True}, "number"),
        ({"iat": None}, "iat"),
        ({"iat": int(NOW) + 31}, "not come"),
        ({"nbf": int(NOW) + 31}, "not come"),
        ({"nbf": "now"}, "number"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "sub"),
        ({"client_id": None}, "client_id"),
        ({"client_id": ""}, "client_id"),
        ({"sub": "operator@local"}, "reserved"),
        ({"scope": 7}, "scopes"),
        ({"scope": ["a", 7]}, "scopes"),
    ],
)
async def test_a_token_with_wrong_claims_is_refused(
    verifier: TokenVerifier, issuer: ForeignIssuer, changes: dict[str, object], why: str
) -> None:
    assert why in await refusal(verifier, issuer.key.sign(claims(**changes)))


@pytest.mark.parametrize("typ", ["JWT", "id_token", "turn+jwt", "", "at+jwt; x"])
async def test_a_token_of_another_type_is_refused(verifier: TokenVerifier, issuer: ForeignIssuer, typ: str) -> None:
    assert "type" in await refusal(verifier, issuer.token(typ=typ))


async def test_a_token_without_a_type_is_refused(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    token = jwt.encode({"alg": "ES256"}, claims(), issuer.key.key, default_type=None)

    assert "type" in await refusal(verifier, token)


@pytest.mark.parametrize(
    "algorithm", ["none", "None", "NONE", "", "HS256", "PS256", "ES384", "ES256K", None, ["ES256"]]
)
async def test_an_algorithm_that_is_not_on_the_list_is_refused(verifier: TokenVerifier, algorithm: object) -> None:
    token = unsigned({**HEADER, "alg": algorithm}, claims(), b"x")

    assert "algorithm" in await refusal(verifier, token)


async def test_a_public_key_does_not_verify_as_a_shared_secret(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    signed = f"{segment({**HEADER, 'alg': 'HS256', 'kid': issuer.key.kid})}.{segment(claims())}"
    mac = hmac.new(issuer.key.key.as_pem(private=False), signed.encode(), hashlib.sha256).digest()
    token = f"{signed}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"

    assert "algorithm" in await refusal(verifier, token)


@pytest.mark.parametrize("algorithm", ["RS256", "Ed25519", "EdDSA"])
async def test_a_key_serves_its_own_algorithm_only(
    verifier: TokenVerifier, issuer: ForeignIssuer, algorithm: str
) -> None:
    token = unsigned({**HEADER, "alg": algorithm, "kid": issuer.key.kid}, claims(), b"x" * 64)

    assert "no such key" in await refusal(verifier, token)


@pytest.mark.parametrize(
    "extra",
    [
        {"jwk": generate_signing_key().public()},
        {"jku": "https://evil.example/jwks"},
        {"x5u": "https://evil.example/cert"},
        {"x5c": ["MIIB"]},
        {"crit": ["x"], "x": 1},
        {"crit": ["b64"], "b64": False},
        {"b64": False},
    ],
)
async def test_a_token_may_not_bring_its_key_or_an_extension(verifier: TokenVerifier, extra: dict[str, object]) -> None:
    assert "header" in await refusal(verifier, unsigned({**HEADER, **extra}, claims(), b"x" * 64))


async def test_a_key_in_the_header_is_not_believed_even_if_it_fits(verifier: TokenVerifier) -> None:
    own = generate_signing_key()
    signed = f"{segment({**HEADER, 'jwk': own.public()})}.{segment(claims())}"
    stranger = jwt.encode({**HEADER}, claims(), own.key)

    assert await refusal(verifier, f"{signed}.{stranger.split('.')[2]}")


async def test_a_stranger_s_signature_under_a_known_kid_is_refused(
    verifier: TokenVerifier, issuer: ForeignIssuer
) -> None:
    token = jwt.encode({**HEADER, "kid": issuer.key.kid}, claims(), generate_signing_key().key)

    assert "signature" in await refusal(verifier, token)


async def test_a_changed_claim_breaks_the_signature(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    header, _, signature = issuer.token().split(".")

    assert "signature" in await refusal(verifier, f"{header}.{segment(claims(sub='root'))}.{signature}")


async def test_an_unknown_kid_is_refused(verifier: TokenVerifier) -> None:
    assert "no such key" in await refusal(verifier, generate_signing_key().sign(claims()))


async def test_a_kid_is_needed_where_there_are_several_keys(issuer: ForeignIssuer, clock: FakeClock) -> None:
    nameless = jwt.encode(HEADER, claims(), issuer.key.key)
    one = verifier_for(LocalKeys([issuer.key.public()]), clock)
    several = verifier_for(LocalKeys([issuer.key.public(), generate_signing_key().public()]), clock)

    assert await one.verify(nameless)
    assert "names no key" in await refusal(several, nameless)


@pytest.mark.parametrize(
    "token",
    ["", "x", "a.b", "a.b.c.d", "..", "é.é.é", "a" * 20_000, f"{segment([1])}.{segment({})}.x", "====.====.===="],
)
async def test_rubbish_is_refused(verifier: TokenVerifier, token: str) -> None:
    assert await refusal(verifier, token)


async def test_claims_that_are_not_strict_json_are_refused(verifier: TokenVerifier) -> None:
    header = segment(HEADER)
    for text in ('{"exp": NaN}', "[" * 5000, '"text"', "\xff"):
        body = base64.urlsafe_b64encode(text.encode("latin-1")).rstrip(b"=").decode()
        assert "JSON" in await refusal(verifier, f"{header}.{body}.x")


@pytest.mark.parametrize("algorithm", ["RS256", "Ed25519", "EdDSA"])
@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")
async def test_rsa_and_ed25519_are_accepted(clock: FakeClock, algorithm: str) -> None:
    key = RSAKey.generate_key(2048) if algorithm == "RS256" else OKPKey.generate_key("Ed25519")
    public = json.loads(json.dumps(key.as_dict(private=False, kid="k")))
    token = jwt.encode({**HEADER, "alg": algorithm, "kid": "k"}, claims(), key, algorithms=[algorithm])

    assert await verifier_for(LocalKeys([public]), clock).verify(token)


async def test_weak_and_foreign_keys_of_a_set_verify_nothing() -> None:
    weak = json.loads(json.dumps(RSAKey.generate_key(1024).as_dict(private=False, kid="w")))
    wide = json.loads(json.dumps(ECKey.generate_key("P-384").as_dict(private=False, kid="p")))
    private = generate_signing_key().key.as_dict(private=True)
    other = {**generate_signing_key().public(), "use": "enc"}
    shared = {"kty": "oct", "k": "c2VjcmV0", "kid": "s"}
    source = LocalKeys([weak, wide, json.loads(json.dumps(private)), other, shared, {"kty": "EC"}])

    for kid in ("w", "p", "s", None):
        with pytest.raises(Unauthenticated):
            await source.find(kid, "ES256")


async def test_scopes_may_come_as_scp(verifier: TokenVerifier, issuer: ForeignIssuer) -> None:
    assert (await verifier.verify(issuer.token(scope=None, scp=["a", "b"]))).scopes == {"a", "b"}
    assert (await verifier.verify(issuer.token(scope=None, scp="c d", jti="2"))).scopes == {"c", "d"}


async def test_groups_count_only_where_the_claim_is_configured(
    keys: LocalKeys, clock: FakeClock, issuer: ForeignIssuer
) -> None:
    token = issuer.token(roles=["admin"])

    assert (await verifier_for(keys, clock).verify(token)).groups == frozenset()
    assert (await verifier_for(keys, clock, groups_claim="roles").verify(token)).groups == {"admin"}
    assert "groups" in await refusal(verifier_for(keys, clock, groups_claim="roles"), issuer.token(roles="admin"))


async def test_of_several_issuers_each_speaks_under_its_alias(clock: FakeClock) -> None:
    corp, shop = ForeignIssuer(), ForeignIssuer()
    other = "https://shop.example"
    both = [
        InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=LocalKeys([corp.key.public()]), alias="corp"),
        InboundIssuer(
            issuer=other, audiences=(GATEWAY,), keys=LocalKeys([shop.key.public()]), alias="shop", groups_claim="groups"
        ),
    ]
    verifier = TokenVerifier(both, directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY, clock=clock)

    assert (await verifier.verify(corp.token())).principal.name == "corp/alice"
    from_shop = await verifier.verify(shop.token(iss=other, groups=["admins"]))
    assert (from_shop.principal.name, from_shop.groups) == ("shop/alice", {"shop/admins"})
    assert await refusal(verifier, shop.token(iss=ISSUER)), "an issuer speaks for nobody else"


async def test_a_verified_token_is_not_verified_again_within_a_minute(issuer: ForeignIssuer, clock: FakeClock) -> None:
    source = CountingKeys([issuer.key.public()])
    verifier = verifier_for(source, clock)
    token = issuer.token()

    first = await verifier.verify(token)
    assert await verifier.verify(token) is first
    assert source.asked == 1

    clock.advance(61)
    await verifier.verify(token)
    assert source.asked == 2


async def test_a_remembered_token_ends_with_its_time(
    verifier: TokenVerifier, issuer: ForeignIssuer, clock: FakeClock
) -> None:
    token = issuer.token(exp=int(NOW) + 10)
    assert await verifier.verify(token)

    clock.advance(41)

    assert "expired" in await refusal(verifier, token)


async def test_the_memory_is_bounded(issuer: ForeignIssuer, clock: FakeClock) -> None:
    source = CountingKeys([issuer.key.public()])
    inbound = InboundIssuer(issuer=ISSUER, audiences=(GATEWAY,), keys=source)
    verifier = TokenVerifier([inbound], directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY, clock=clock, capacity=2)
    first = issuer.token(jti="0")

    for token in (first, issuer.token(jti="1"), issuer.token(jti="2"), first):
        await verifier.verify(token)

    assert source.asked == 4


async def test_a_withdrawn_token_ends_at_once(verifier: TokenVerifier, keys: LocalKeys, issuer: ForeignIssuer) -> None:
    token = issuer.token(jti="stolen")
    assert await verifier.verify(token)

    keys.withdraw(["stolen"])

    assert "withdrawn" in await refusal(verifier, token)


async def test_keys_that_cannot_be_had_are_no_verdict_on_the_token(issuer: ForeignIssuer, clock: FakeClock) -> None:
    with pytest.raises(KeysUnavailable):
        await verifier_for(NoKeys([]), clock).verify(issuer.token())


@pytest.mark.parametrize(
    "issuers",
    [
        [],
        [InboundIssuer(issuer=ISSUER, audiences=(), keys=LocalKeys([]))],
        [InboundIssuer(issuer=GATEWAY, audiences=(GATEWAY,), keys=LocalKeys([]))],
        [InboundIssuer(issuer=name, audiences=(GATEWAY,), keys=LocalKeys([])) for name in ("a", "b")],
        [InboundIssuer(issuer="a", audiences=(GATEWAY,), keys=LocalKeys([]), alias=alias) for alias in ("x", "y")],
    ],
)
def test_issuers_that_could_be_taken_for_each_other_are_refused(issuers: list[InboundIssuer]) -> None:
    with pytest.raises(ValueError, match="issuer"):
        TokenVerifier(issuers, directory=lambda: NOBODY_LISTED, own_issuer=GATEWAY)


class CountingKeys(LocalKeys):
    asked = 0

    async def find(self, kid: str | None, algorithm: str) -> PublicKey:
        self.asked += 1
        return await super().find(kid, algorithm)


class NoKeys(LocalKeys):
    async def find(self, kid: str | None, algorithm: str) -> PublicKey:
        raise KeysUnavailable("The issuer does not answer.")
