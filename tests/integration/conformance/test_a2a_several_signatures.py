"""A card with several signatures: each is of it, or of what readers of A2A 1.0 keep of it."""

from typing import Any

import pytest

from conformance.a2a.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke, Held
from tests.support.small_agent import URL, Json, Mutation, SmallAgent, local_wires, signed, small_card

OLDER = {"url": f"{URL}/", "preferredTransport": "JSONRPC"}
"""Members of 0.3, which readers of 1.0 pass over."""


def with_signatures_of(*forms: Json) -> Json:
    """The card with members of 0.3, and a signature of each of these."""
    return {**small_card(), **OLDER, "signatures": [signed(form)["signatures"][0] for form in forms]}


async def outcome_of(card: Json) -> Any:
    wires = local_wires(SmallAgent(Mutation(card=lambda _: card)))
    findings = [one async for one in examine(PAPER, Told(url=URL, message="a task"), wires=wires, seconds=20)]
    return next(one.outcome for one in findings if one.requirement.id == "a2a.signature.verifies")


WHOLE, READ, OTHER = {**small_card(), **OLDER}, small_card(), {**small_card(), "description": "Another."}


@pytest.mark.parametrize("forms", [(WHOLE,), (WHOLE, READ), (READ, WHOLE)])
async def test_the_card_and_what_readers_keep_of_it_may_be_signed(forms: tuple[Json, ...]) -> None:
    assert isinstance(await outcome_of(with_signatures_of(*forms)), Held)


@pytest.mark.parametrize("forms", [(WHOLE, OTHER), (OTHER, WHOLE), (READ,), (OTHER,)])
async def test_a_signature_of_anything_else_is_none_nor_is_one_of_a_part_enough(forms: tuple[Json, ...]) -> None:
    assert isinstance(await outcome_of(with_signatures_of(*forms)), Broke)
