"""Chains: who called, who stands at the head, and how deep it goes."""

import pytest

from registry.model import Chain, Principal, PrincipalKind, alone

PERSON = Principal(kind=PrincipalKind.PERSON, issuer="https://issuer", subject="ada", name="ada")
AGENT = Principal(kind=PrincipalKind.AGENT, issuer="https://issuer", subject="a-1", name="assistant")


def test_a_person_alone_is_caller_and_person() -> None:
    chain = alone(PERSON)
    assert (chain.caller, chain.person, chain.depth) == (PERSON, PERSON, 1)


def test_an_agent_working_for_a_person_is_the_caller_and_the_person_stays_the_head() -> None:
    chain = alone(PERSON).then(AGENT)
    assert (chain.caller, chain.person, chain.depth) == (AGENT, PERSON, 2)


def test_an_agent_alone_works_for_nobody() -> None:
    assert alone(AGENT).person is None


def test_a_chain_of_nobody_cannot_be_made() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Chain(())
