"""Cards over HTTP, fetched and verified by the official clients with the key that the card points to."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager

import httpx
import pytest
from a2a.client import A2ACardResolver
from a2a.utils.signing import create_signature_verifier
from jwt.api_jwk import PyJWK
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route, Router

from gateway.a2a.card_desk import CardDesk
from gateway.a2a.card_security import TokenIssuer
from gateway.a2a.cards import Offer
from gateway.a2a.signing import CardSigner
from gateway.metadata import key_set, metadata_routes
from policies.identity.keys import generate_signing_key
from registry.catalog import AgentEntry, SkillEntry
from registry.model import Extension
from tests.support.cards import OAUTH, OPENID, agent, skill
from tests.support.node import run_a2a_client
from tests.support.web import bound, serving

STRANGE = 'Zoë\'s "求人" 🧑‍🚀\U0010ffff\u2028\u0001\\'
FULL = agent(
    title="Candidates",
    description="Knows who applied.",
    provider="Hiring",
    documentation_url="https://docs.test",
    icon_url="https://docs.test/icon.png",
    examples=("Who knows Rust?", ""),
    converse="/test.candidates/Converse",
    extensions=(Extension(uri="urn:a", description="A."), Extension(uri="urn:b", required=True)),
)
SEARCH = skill("candidates.search", examples=({"text": "x", "limit": 3},), scopes=("candidates",))
UNICODE = agent(title=STRANGE, description=STRANGE, tags=(STRANGE,))
SAID = skill("candidates.say", title=STRANGE, examples=({"text": STRANGE},), output_schema=None)
MANY = tuple(skill(f"candidates.skill_{number}") for number in range(300))

CARDS = pytest.mark.parametrize(
    ("entry", "skills", "issuer"),
    [
        pytest.param(agent(), (skill(),), OAUTH, id="plain"),
        pytest.param(FULL, (SEARCH, SAID), OAUTH, id="full"),
        pytest.param(FULL, (SEARCH, SAID), OPENID, id="openid"),
        pytest.param(UNICODE, (SAID,), OAUTH, id="unicode"),
        pytest.param(agent(), MANY, OAUTH, id="many"),
    ],
)


@contextmanager
def served(entry: AgentEntry, skills: Sequence[SkillEntry], issuer: TokenIssuer) -> Generator[str]:
    """A gateway that has one card and its keys, and nothing else."""
    with bound() as (door, url):
        internal, key = generate_signing_key(), generate_signing_key()
        desk = CardDesk(offer=Offer(public_url=url, issuer=issuer), signer=CardSigner(key, public_url=url))

        async def card(request: Request) -> Response:
            return desk.answer(request.scope, entry, skills, public=True)

        keys = key_set(internal.public(), key.public())
        documents = metadata_routes(public_url=url, issuers=["https://idp.test"], jwks=keys)
        routes = [Route("/agents/candidates/.well-known/agent-card.json", card), *documents]
        with serving(Router(routes=routes), door):
            yield url


@CARDS
async def test_the_python_client_verifies_a_card_with_the_key_it_points_to(
    entry: AgentEntry, skills: Sequence[SkillEntry], issuer: TokenIssuer
) -> None:
    def key(kid: str | None, jku: str | None) -> PyJWK:
        found = httpx.get(str(jku)).json()["keys"]
        return next(PyJWK(one) for one in found if one["kid"] == kid)

    with served(entry, skills, issuer) as url:
        async with httpx.AsyncClient() as http:
            resolver = A2ACardResolver(http, f"{url}/agents/candidates")
            card = await resolver.get_agent_card(signature_verifier=create_signature_verifier(key, ["ES256"]))

    assert {one.skill.id for one in skills} <= {one.id for one in card.skills}


@CARDS
def test_the_javascript_client_verifies_a_card_with_the_key_it_points_to_and_sees_every_change(
    entry: AgentEntry, skills: Sequence[SkillEntry], issuer: TokenIssuer
) -> None:
    with served(entry, skills, issuer) as url:
        report = run_a2a_client("card.mjs", f"{url}/agents/candidates/")

    assert report["verified"] is True
    assert report["name"] == (entry.agent.title or entry.agent.name)
    assert report["interfaces"] == ["JSONRPC", "HTTP+JSON"] * 2
    assert {one.skill.id for one in skills} <= set(report["skills"])
    assert set(report["tampered"].values()) == {False}
