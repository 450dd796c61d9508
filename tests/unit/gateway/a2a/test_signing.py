"""Signatures of cards, verified by the SDK's own verifier as clients call it."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from a2a.utils.signing import InvalidSignaturesError

from gateway.a2a.canonical import canonical
from gateway.a2a.cards import write_card
from gateway.a2a.signing import CardSigner
from policies.identity.keys import generate_signing_key
from registry.model import Extension
from tests.support.cards import OFFER, PUBLIC_URL, agent, card_key, read_card, signer, skill, verify

CARD = write_card(
    agent(converse="/test.candidates/Converse", extensions=(Extension(uri="urn:a", required=True),), provider="Hiring"),
    [skill(scopes=("candidates",), examples=({"text": "x"},))],
    OFFER,
)


def served(card: Any = CARD) -> dict[str, Any]:
    return json.loads(signer().signed(card))


def header(card: dict[str, Any]) -> dict[str, Any]:
    protected: str = card["signatures"][0]["protected"]
    return json.loads(base64.urlsafe_b64decode(protected + "=" * (-len(protected) % 4)))


def test_a_served_card_is_verified_by_the_sdk() -> None:
    verify(read_card(signer().signed(CARD)))


def test_the_protected_header_says_which_key_and_where_it_is() -> None:
    assert header(served()) == {
        "alg": "ES256",
        "typ": "JOSE",
        "kid": card_key().kid,
        "jku": f"{PUBLIC_URL}/.well-known/jwks.json",
    }


def test_the_payload_is_not_in_the_signature() -> None:
    (signature,) = served()["signatures"]

    assert set(signature) == {"protected", "signature"}


def test_the_same_card_and_key_are_the_same_bytes_every_time() -> None:
    again = CardSigner(card_key(), public_url=f"{PUBLIC_URL}/")

    assert again.signed(CARD) == signer().signed(CARD)


def test_what_is_served_is_its_own_canonical_form() -> None:
    body = signer().signed(CARD)

    assert canonical(json.loads(body)) == body


def test_texts_in_any_script_are_signed_as_they_stand() -> None:
    strange = 'Zoë, 求人, 🧑‍🚀\U0010ffff \u2028\u0000\u007f "\\ </script>'
    written = write_card(agent(title=strange, description=strange), [skill(title=strange, tags=(strange,))], OFFER)

    verify(read_card(signer().signed(written)))


def test_a_card_of_very_many_skills_is_signed_whole() -> None:
    skills = [skill(f"candidates.skill_{number}", description="Finds. " * 50) for number in range(1000)]
    body = signer().signed(write_card(agent(), skills, OFFER))

    read = read_card(body)

    verify(read)
    assert len(read.skills) == 1000


def test_another_key_does_not_verify() -> None:
    with pytest.raises(InvalidSignaturesError):
        verify(read_card(signer().signed(CARD)), generate_signing_key().public())


def leaves(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path to everything on a card that is not a list or an object, and to each of those."""
    if isinstance(value, dict):
        found = [leaf for name, inner in value.items() for leaf in leaves(inner, (*path, name))]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    elif isinstance(value, list):
        found = [leaf for index, inner in enumerate(value) for leaf in leaves(inner, (*path, index))]  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
    else:
        found = []
    return [*([path] if path else []), *found]


def changed(card: dict[str, Any], path: tuple[Any, ...], change: Callable[[Any, Any], None]) -> dict[str, Any]:
    card = copy.deepcopy(card)
    holder: Any = card
    for step in path[:-1]:
        holder = holder[step]
    change(holder, path[-1])
    return card


def taken_away(holder: Any, last: Any) -> None:
    del holder[last]


def altered(holder: Any, last: Any) -> None:
    if isinstance(holder[last], str):
        holder[last] += "!"
    elif isinstance(holder[last], bool):
        holder[last] = not holder[last]
    else:
        del holder[last]


@pytest.mark.parametrize("change", [taken_away, altered])
@pytest.mark.parametrize("path", leaves(CARD), ids=lambda path: ".".join(map(str, path)))
def test_no_part_of_a_card_can_be_changed_or_taken_away(path: tuple[Any, ...], change: Any) -> None:
    """Requirements of security among them, which a canonical form without empty members could lose."""
    tampered = changed(served(), path, change)

    with pytest.raises(InvalidSignaturesError):
        verify(read_card(json.dumps(tampered)))
