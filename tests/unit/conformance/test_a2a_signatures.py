"""Signatures of cards: our own reading, and another's signer."""

from typing import Any, cast

import pytest
from a2a.server.request_handlers.response_helpers import agent_card_to_dict
from a2a.types import AgentCard
from a2a.utils.signing import ProtectedHeader, create_agent_card_signer
from google.protobuf.json_format import ParseDict
from joserfc.jwk import ECKey, OctKey

from conformance.a2a.signatures import is_base64url, read_signatures, tampered, verification_fault
from tests.support.small_agent import Json, encoded, signed, signing_key, small_card

PUBLIC = cast("Json", signing_key().as_dict(private=False))


def fault(card: Json, key: Any = PUBLIC) -> str:
    (signature,) = read_signatures(card)
    return verification_fault(card, signature, key)


def test_a_signature_is_valid_for_the_card_however_it_was_written() -> None:
    card = signed(small_card())
    assert fault(card) == ""
    assert fault(dict(reversed(card.items()))) == ""


def test_a_card_signed_by_an_sdk_of_the_protocol_is_valid() -> None:
    key = ECKey.generate_key("P-256", {"kid": "theirs"})
    header = ProtectedHeader(alg="ES256", kid="theirs", typ="JOSE", jku="https://agents.test/jwks.json")
    card = ParseDict({**small_card(), "description": "Bücher, \u20ac und \U0001f600"}, AgentCard())
    for requirement in card.security_requirements:  # an empty list of scopes it would leave out, and its scheme with it
        requirement.schemes["bearer_token"].list.append("all_of_it")
    theirs = create_agent_card_signer(key.as_pem(private=True), header)(card)
    assert fault(agent_card_to_dict(theirs), key.as_dict(private=False)) == ""


def test_a_signature_is_valid_for_no_other_card() -> None:
    card = signed(small_card())
    others = list(tampered(card))
    assert len(others) == len(card)
    for name, other in others:
        assert fault(dict(other)), name


def test_a_signature_is_not_valid_with_another_key() -> None:
    other = ECKey.generate_key("P-256", {"kid": "small"}).as_dict(private=False)
    assert fault(signed(small_card()), other)


@pytest.mark.parametrize("algorithm", ["none", "HS256", "", None])
def test_what_anybody_could_have_made_is_no_signature(algorithm: object) -> None:
    card = signed(small_card())
    card["signatures"][0]["protected"] = encoded({"alg": algorithm, "kid": "small"})
    secret = OctKey.generate_key(256).as_dict(private=True)
    assert "algorithm" in fault(card, secret)


@pytest.mark.parametrize(
    "one", [None, "a", {}, {"protected": 1, "signature": 2}, {"protected": "!", "signature": ""}, {"protected": "W10"}]
)
def test_what_is_no_signature_at_all_is_a_fault_and_no_crash(one: object) -> None:
    assert fault({**small_card(), "signatures": [one]})


@pytest.mark.parametrize(
    ("text", "is_it"), [("YWI", True), ("YWI=", False), ("a+b/", False), ("", False), ("abcde", False), (3, False)]
)
def test_base64url_has_no_padding(text: object, is_it: bool) -> None:
    assert is_base64url(text) == is_it
