"""Turn tokens: what is issued reads back as it was, and nothing else reads at all."""

import base64
from dataclasses import replace

import pytest

from policies.identity.internal import InternalIssuer
from policies.identity.keys import SigningKey, generate_signing_key
from policies.identity.turn_tokens import TYPE, TurnClaims, TurnTokens
from registry.model import (
    AgentName,
    Chain,
    Domain,
    Principal,
    PrincipalKind,
    TooLarge,
    TurnId,
    Unauthenticated,
    alone,
)
from tests.support.calls import ASSISTANT, RECRUITER
from tests.support.identity import GATEWAY, NOW, FakeClock, read_claims, read_header, segment, unsigned

CLAIMS = TurnClaims(
    chain=Chain((RECRUITER, ASSISTANT)),
    groups=(frozenset({"recruiters", "staff"}), frozenset()),
    turn=TurnId("0197-turn"),
    agent=AgentName("scout"),
    attempt=2,
    fence=7,
    expires_at=NOW + 300.5,
)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def key() -> SigningKey:
    return generate_signing_key()


@pytest.fixture
def tokens(key: SigningKey, clock: FakeClock) -> TurnTokens:
    return TurnTokens(issuer=GATEWAY, key=key, clock=clock)


def refusal(tokens: TurnTokens, token: str) -> str:
    with pytest.raises(Unauthenticated) as refused:
        tokens.read(token)
    assert refused.value.message == "The turn token is invalid or has expired."
    return refused.value.reason


def test_what_was_issued_reads_back_as_it_was_however_often(tokens: TurnTokens) -> None:
    token = tokens.issue(CLAIMS)
    assert tokens.read(token) == CLAIMS
    assert tokens.read(token) is tokens.read(token)


def test_a_token_is_read_by_any_replica_that_has_the_key(key: SigningKey, tokens: TurnTokens, clock: FakeClock) -> None:
    other = TurnTokens(issuer=GATEWAY, key=key, clock=clock)
    assert other.read(tokens.issue(CLAIMS)) == CLAIMS


def test_a_token_says_what_it_is_from_whom_and_for_whom(tokens: TurnTokens, key: SigningKey) -> None:
    token = tokens.issue(CLAIMS)
    assert read_header(token) == {"alg": "ES256", "typ": "turn+jwt", "kid": key.kid}
    said = read_claims(token)
    assert (said["iss"], said["aud"], said["exp"]) == (GATEWAY, GATEWAY, NOW + 300.5)
    assert "sub" not in said, "it is nobody's access token"


def test_a_token_ends_at_its_instant_though_it_was_read_before(tokens: TurnTokens, clock: FakeClock) -> None:
    token = tokens.issue(CLAIMS)
    clock.advance(300)
    assert tokens.read(token) == CLAIMS
    clock.advance(0.5)
    assert refusal(tokens, token) == "it has expired"


def test_every_token_differs_though_it_says_the_same(tokens: TurnTokens) -> None:
    assert tokens.issue(CLAIMS) != tokens.issue(CLAIMS)


def test_a_changed_token_is_refused(tokens: TurnTokens) -> None:
    header, body, signature = tokens.issue(CLAIMS).split(".")
    other = tokens.issue(replace(CLAIMS, agent=AgentName("thief"))).split(".")[1]
    assert refusal(tokens, f"{header}.{other}.{signature}") == "its signature does not hold"
    assert refusal(tokens, f"{header}.{body}.") == "its signature does not hold"
    assert refusal(tokens, f"{header}.{body}") == "its signature does not hold"
    assert refusal(tokens, f"{header}.{body}.{signature}.") == "its signature does not hold"
    assert refusal(tokens, f"{header}.{body}.{signature}.a.b") == "its signature does not hold"


def test_a_header_of_another_kind_is_refused_before_anything_is_verified(tokens: TurnTokens, key: SigningKey) -> None:
    body = {"iss": GATEWAY, "aud": GATEWAY, "exp": NOW + 60}
    wrong = "its header is not that of a turn token of this gateway"
    assert refusal(tokens, key.sign(body)) == wrong
    assert refusal(tokens, key.sign(body, typ="TURN+JWT")) == wrong
    assert refusal(tokens, unsigned({"alg": "none", "typ": TYPE}, body)) == wrong
    assert refusal(tokens, unsigned({"alg": "HS256", "typ": TYPE, "kid": key.kid}, body, b"x")) == wrong
    assert refusal(tokens, unsigned({"alg": "ES256", "typ": TYPE, "kid": key.kid, "jwk": {}}, body, b"x")) == wrong
    assert refusal(tokens, "[" * 9_000 + "." + segment(body) + ".x") == wrong


async def test_an_internal_token_is_no_turn_token(tokens: TurnTokens, key: SigningKey, clock: FakeClock) -> None:
    internal = InternalIssuer(issuer=GATEWAY, key=key, clock=clock)
    token = await internal.token_for(alone(RECRUITER), GATEWAY)
    assert refusal(tokens, token) == "its header is not that of a turn token of this gateway"


def test_a_token_of_another_gateway_or_key_is_refused(tokens: TurnTokens, key: SigningKey, clock: FakeClock) -> None:
    elsewhere = TurnTokens(issuer="https://other.example", key=key, clock=clock)
    assert refusal(tokens, elsewhere.issue(CLAIMS)) == "it is not from this gateway, or not for it"
    stranger = TurnTokens(issuer=GATEWAY, key=generate_signing_key(), clock=clock)
    assert refusal(tokens, stranger.issue(CLAIMS)) == "its header is not that of a turn token of this gateway"
    forged = ".".join([tokens.issue(CLAIMS).split(".")[0], *stranger.issue(CLAIMS).split(".")[1:]])
    assert refusal(tokens, forged) == "its signature does not hold"


@pytest.mark.parametrize("token", ["", ".", "..", "a.b.c", "é.é.é", "x" * 20_000, "\0.\0.\0"])
def test_what_is_no_token_is_refused(tokens: TurnTokens, token: str) -> None:
    refusal(tokens, token)


LINK: dict[str, object] = {"kind": "person", "iss": "i", "sub": "s", "name": "n", "domain": "", "groups": []}
MALFORMED: list[dict[str, object]] = [
    {"chain": []},
    {"chain": "recruiter"},
    {"chain": ["recruiter"]},
    {"chain": [{"kind": "person"}]},
    {"chain": [{**LINK, "kind": "god"}]},
    {"chain": [{**LINK, "sub": 1}]},
    {"chain": [{**LINK, "groups": "staff"}]},
    {"turn": None},
    {"agent": 3},
    {"attempt": True},
    {"fence": "7"},
    {"exp": "tomorrow"},
    {"exp": "300"},
    {"exp": True},
    {"exp": None},
    {"exp": float("inf")},
    {"aud": [GATEWAY]},
]


@pytest.mark.parametrize("change", MALFORMED)
def test_claims_that_are_not_those_of_a_turn_are_refused(
    tokens: TurnTokens, key: SigningKey, change: dict[str, object]
) -> None:
    good = read_claims(tokens.issue(CLAIMS))
    assert tokens.read(key.sign(good, typ=TYPE)) == CLAIMS
    refusal(tokens, key.sign({**good, **change}, typ=TYPE))  # pyright: ignore[reportArgumentType]


def test_groups_that_no_header_could_carry_are_an_error_and_no_token(tokens: TurnTokens) -> None:
    many = frozenset(f"group-{number:032}" for number in range(500))
    with pytest.raises(TooLarge, match="16,384 fit"):
        tokens.issue(replace(CLAIMS, groups=(many, frozenset())))


def test_claims_have_the_groups_of_each_link() -> None:
    with pytest.raises(ValueError, match="each link"):
        replace(CLAIMS, groups=(frozenset(),))


def test_an_agent_named_like_a_person_stays_an_agent(tokens: TurnTokens) -> None:
    agent = Principal(
        kind=PrincipalKind.AGENT, issuer="https://idp", subject="c-9", name="recruiter", domain=Domain("hiring")
    )
    read = tokens.read(tokens.issue(replace(CLAIMS, chain=Chain((RECRUITER, agent)))))
    assert [link.kind for link in read.chain] == [PrincipalKind.PERSON, PrincipalKind.AGENT]


def test_what_was_read_is_not_kept_by_the_token_itself(tokens: TurnTokens) -> None:
    token = tokens.issue(CLAIMS)
    tokens.read(token)
    kept = repr(vars(tokens))
    assert token not in kept
    assert base64.urlsafe_b64encode(token.encode()).decode() not in kept
