"""One document for clients of A2A 0.3 and 1.0: each reads its own members, and the signature holds for both."""

import json
from typing import Any

import pytest
from a2a.compat.v0_3 import types as older

from gateway.a2a.canonical import canonical
from gateway.a2a.cards import Offer, write_card
from gateway.a2a.older_card import with_older
from registry.model import Extension, JsonObject
from tests.support.cards import OAUTH, OPENID, PUBLIC_URL, agent, card_key, read_card, signer, skill, verify

URL = f"{PUBLIC_URL}/agents/candidates"
FULL = agent(
    title="Candidates",
    description="Knows who applied.",
    provider="Hiring",
    converse="/test.candidates/Converse",
    extensions=(Extension(uri="urn:a", required=True),),
)
SKILLS = [skill("candidates.search"), skill("candidates.delete", scopes=("candidates:delete",))]

ISSUERS = pytest.mark.parametrize("issuer", [OAUTH, OPENID], ids=["oauth", "openid"])


def card(issuer: Any = OAUTH) -> JsonObject:
    return write_card(FULL, SKILLS, Offer(public_url=PUBLIC_URL, issuer=issuer))


@ISSUERS
def test_a_client_of_0_3_reads_where_and_how_the_agent_is_called(issuer: Any) -> None:
    read = older.AgentCard.model_validate(with_older(card(issuer)))

    assert (read.url, read.preferred_transport, read.protocol_version) == (URL, "JSONRPC", "0.3.0")
    assert [(each.url, each.transport) for each in read.additional_interfaces or []] == [
        (URL, "JSONRPC"),
        (URL, "HTTP+JSON"),
    ]
    assert read.supports_authenticated_extended_card
    assert read.capabilities.streaming
    assert [each.id for each in read.skills] == ["converse", "candidates.search", "candidates.delete"]


def test_a_client_of_0_3_reads_how_to_get_a_token() -> None:
    read = older.AgentCard.model_validate(with_older(card()))

    schemes = {name: scheme.root for name, scheme in (read.security_schemes or {}).items()}
    assert {name: scheme.type for name, scheme in schemes.items()} == {
        "oauth2": "oauth2",
        "oauth2ClientCredentials": "oauth2",
        "bearer": "http",
    }
    flows = schemes["oauth2"]
    assert isinstance(flows, older.OAuth2SecurityScheme)
    assert flows.flows.authorization_code is not None
    assert flows.flows.authorization_code.token_url == OAUTH.token_url
    assert read.security == [
        {"oauth2": ["interchange"]},
        {"oauth2ClientCredentials": ["interchange"]},
        {"bearer": ["interchange"]},
    ]
    assert read.skills[-1].security == [
        {name: ["interchange", "candidates:delete"]} for name in ("oauth2", "oauth2ClientCredentials", "bearer")
    ]


@ISSUERS
def test_the_signature_holds_for_a_reader_of_1_0_and_over_the_document_as_it_is(issuer: Any) -> None:
    written = card(issuer)
    body = signer().signed(with_older(written), written)

    verify(read_card(body))
    served = json.loads(body)
    whole, of_1_0 = served.pop("signatures")
    assert served == with_older(written)
    again = signer().signed(served)
    assert json.loads(again)["signatures"] == [whole]
    assert json.loads(signer().signed(written))["signatures"] == [of_1_0]
    assert canonical(json.loads(body)) == body
    assert card_key().kid


def test_a_card_without_an_interface_of_0_3_is_left_as_it_is() -> None:
    newest = {
        **card(),
        "supportedInterfaces": [{"url": URL, "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}],
    }

    assert with_older(newest) == newest
