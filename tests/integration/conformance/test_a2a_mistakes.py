"""One mistake of a server breaks one requirement of A2A, and no other."""

import pytest

from conformance.a2a.checks import PAPER
from conformance.runner import examine
from conformance.subject import Told
from conformance.verdict import Broke
from tests.support.a2a_mistakes import MISTAKES
from tests.support.small_agent import URL, SmallAgent, local_wires

COMPANIONS = {
    # A URL that leads nowhere does not answer either.
    "a2a.card.interfaces": {"a2a.card.interfaces-answer"},
    # An ETag that is none cannot be compared, a signature that is none not be verified.
    "a2a.card.etag": {"a2a.card.conditional"},
    "a2a.signature.format": {"a2a.signature.verifies"},
    # What is different over one binding is wrong there.
    "a2a.bindings.same-errors": {"a2a.push.not-declared"},
}


@pytest.mark.parametrize("requirement", MISTAKES)
async def test_a_mistake_breaks_its_requirement_and_no_other(requirement: str) -> None:
    wrong = MISTAKES[requirement]
    wires = local_wires(SmallAgent(wrong.mutation, **wrong.declared))
    findings = [one async for one in examine(PAPER, Told(url=URL, message="a task"), wires=wires, seconds=20)]
    broken = {one.requirement.id for one in findings if isinstance(one.outcome, Broke)}
    assert broken == {requirement} | COMPANIONS.get(requirement, set())
