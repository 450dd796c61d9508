"""Agents and skills for tests of cards, pinned as publishing pins them, and what reads a card as a client would."""

import json
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from typing import Any

from a2a.client.card_resolver import parse_agent_card
from a2a.types import AgentCard
from a2a.utils.signing import create_signature_verifier
from jwt.api_jwk import PyJWK

from gateway.a2a.card_security import OAuthIssuer, OpenIdProvider
from gateway.a2a.cards import Offer
from gateway.a2a.signing import CardSigner
from policies.identity.keys import SigningKey, generate_signing_key
from registry.catalog import AgentEntry, SkillEntry
from registry.model import JsonObject
from registry.pins import pin_agent, pin_skill
from tests.support import policies

PUBLIC_URL = "https://gateway.test"
OAUTH = OAuthIssuer(
    authorization_url=f"{PUBLIC_URL}/issuer/authorize",
    token_url=f"{PUBLIC_URL}/issuer/token",
    metadata_url=f"{PUBLIC_URL}/.well-known/oauth-authorization-server/issuer",
)
OPENID = OpenIdProvider(configuration_url="https://idp.test/.well-known/openid-configuration")
OFFER = Offer(public_url=PUBLIC_URL, issuer=OAUTH)


def agent(name: str = "candidates", **changes: Any) -> AgentEntry:
    """An agent that differs in these fields from the plainest one."""
    entry = policies.agent(name)
    content = replace(entry.agent, **{"converse": "", **changes})
    return replace(entry, agent=content, pin=pin_agent(content))


def skill(name: str = "candidates.search", **changes: Any) -> SkillEntry:
    """A skill that differs in these fields from the plainest one."""
    entry = policies.skill(name)
    content = replace(entry.skill, **changes)
    return replace(entry, skill=content, pin=pin_skill(content))


@cache
def card_key() -> SigningKey:
    """One key for all tests of a run."""
    return generate_signing_key()


def signer() -> CardSigner:
    return CardSigner(card_key(), public_url=PUBLIC_URL)


def read_card(body: bytes | str) -> AgentCard:
    """A served card in the SDK's types, read by the SDK's own reader."""
    return parse_agent_card(json.loads(body))


def verify(card: AgentCard, key: JsonObject | None = None) -> None:
    """Verify a card as the SDK's clients do.

    Raises:
        a2a.utils.signing.SignatureVerificationError: no signature holds.
    """
    public: Mapping[str, Any] = card_key().public() if key is None else key
    create_signature_verifier(lambda _kid, _jku: PyJWK(dict(public)), ["ES256"])(card)
