"""Turns in hand: a token is worth something while its turn lasts, to its agent, and not a moment longer."""

import time
from dataclasses import replace

import pytest

from adapters.lifecycle.conversations import conversation_of
from gateway.turns import TurnsInHand
from policies.identity.keys import generate_signing_key
from policies.identity.tokens import Verified
from policies.identity.turn_tokens import TurnTokens
from registry.catalog import AgentEntry
from registry.model import (
    Action,
    AgentName,
    Call,
    Chain,
    Deadline,
    Principal,
    PrincipalKind,
    Target,
    TargetKind,
    Unauthenticated,
    alone,
    new_call_id,
)
from tests.support.calls import ASSISTANT, RECRUITER
from tests.support.cards import agent

ISSUER = "http://127.0.0.1:8420"


@pytest.fixture
def turns() -> TurnsInHand:
    return TurnsInHand(TurnTokens(issuer=ISSUER, key=generate_signing_key()))


@pytest.fixture
def assistant() -> AgentEntry:
    return agent("assistant", converse="/interchange.v1.ConversingAgent/Converse")


def message(*, chain: Chain | None = None, groups: frozenset[str] = frozenset(), seconds: float = 60) -> Call:
    return Call(
        id=new_call_id(),
        chain=chain or alone(RECRUITER),
        action=Action.MESSAGE,
        target=Target(TargetKind.AGENT, "assistant"),
        content={"message": "Find somebody", "conversation": "c-1"},
        deadline=Deadline.after(seconds),
        groups=groups,
    )


def credential(principal: Principal = ASSISTANT) -> Verified:
    return Verified(
        principal=principal,
        scopes=frozenset(),
        groups=frozenset({"bots"}),
        client_id="assistant",
        expires_at=time.time() + 900,
    )


async def test_an_agent_acts_for_those_whose_message_it_answers(turns: TurnsInHand, assistant: AgentEntry) -> None:
    with turns.open(message(groups=frozenset({"recruiters"})), assistant) as turn:
        acting = await turns.acting(turn.token, credential())

    assert acting.chain == Chain((RECRUITER, ASSISTANT))
    assert acting.groups_behind == (frozenset({"recruiters"}),)
    assert acting.groups == frozenset({"bots"})


async def test_a_credential_in_a_turn_ends_with_the_turn(turns: TurnsInHand, assistant: AgentEntry) -> None:
    with turns.open(message(seconds=30), assistant) as turn:
        assert (await turns.acting(turn.token, credential())).expires_at <= time.time() + 30


async def test_a_token_replayed_after_its_turn_is_refused(turns: TurnsInHand, assistant: AgentEntry) -> None:
    with turns.open(message(), assistant) as turn:
        token = turn.token

    with pytest.raises(Unauthenticated, match="is invalid or has expired") as caught:
        await turns.acting(token, credential())
    assert "is over" in caught.value.reason


async def test_a_token_of_a_turn_that_failed_is_refused(turns: TurnsInHand, assistant: AgentEntry) -> None:
    token = ""
    with pytest.raises(RuntimeError), turns.open(message(), assistant) as turn:
        token = turn.token
        raise RuntimeError

    with pytest.raises(Unauthenticated):
        await turns.acting(token, credential())


@pytest.mark.parametrize(
    "other",
    [
        replace(ASSISTANT, name="outreach"),
        replace(ASSISTANT, kind=PrincipalKind.PERSON),
        replace(ASSISTANT, kind=PrincipalKind.SERVICE),
    ],
)
async def test_a_token_is_worth_nothing_to_anybody_else(
    turns: TurnsInHand, assistant: AgentEntry, other: Principal
) -> None:
    with turns.open(message(), assistant) as turn, pytest.raises(Unauthenticated):
        await turns.acting(turn.token, credential(other))


async def test_a_token_does_not_stand_on_top_of_another(turns: TurnsInHand, assistant: AgentEntry) -> None:
    with turns.open(message(), assistant) as turn:
        acting = await turns.acting(turn.token, credential())
        with pytest.raises(Unauthenticated):
            await turns.acting(turn.token, acting)


async def test_a_token_of_another_gateway_is_refused(turns: TurnsInHand, assistant: AgentEntry) -> None:
    elsewhere = TurnsInHand(TurnTokens(issuer=ISSUER, key=generate_signing_key()))
    with elsewhere.open(message(), assistant) as turn, pytest.raises(Unauthenticated):
        await turns.acting(turn.token, credential())


async def test_a_chain_grows_by_each_agent_that_passes_a_message_on(turns: TurnsInHand, assistant: AgentEntry) -> None:
    scheduler = Principal(kind=PrincipalKind.AGENT, issuer=ISSUER, subject="s", name="scheduler")
    call = replace(message(chain=Chain((RECRUITER, scheduler))), groups_before=(frozenset({"recruiters"}),))
    with turns.open(call, assistant) as turn:
        acting = await turns.acting(turn.token, credential())

    assert acting.chain == Chain((RECRUITER, scheduler, ASSISTANT))
    assert acting.groups_behind == (frozenset({"recruiters"}), frozenset())


def test_a_conversation_is_another_one_for_everybody_else() -> None:
    name, intern = AgentName("assistant"), replace(RECRUITER, subject="u-18", name="intern")
    mine = conversation_of(alone(RECRUITER), name, "c-1")

    assert mine == conversation_of(alone(RECRUITER), name, "c-1")
    others = {
        conversation_of(alone(intern), name, "c-1"),
        conversation_of(alone(RECRUITER), AgentName("outreach"), "c-1"),
        conversation_of(alone(RECRUITER), name, "c-2"),
        conversation_of(Chain((RECRUITER, ASSISTANT)), name, "c-1"),
    }
    assert len(others | {mine}) == 5
