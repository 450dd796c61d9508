"""Calls that last: they end with the reason once they may no longer go on, and otherwise notice nothing."""

import asyncio
from dataclasses import replace

import pytest

from gateway.facts import FactFinder
from gateway.live import InForce, Live
from gateway.long_calls import LongCalls, Stopping
from gateway.turns import TurnsInHand
from policies.identity.directory import Directory, Listed
from policies.identity.keys import generate_signing_key
from policies.identity.turn_tokens import TurnTokens
from registry.model import Action, Call, Chain, Denied, Domain, Principal, PrincipalKind, Target, TargetKind, alone
from tests.support.calls import ASSISTANT, call
from tests.support.policies import ISSUER, agent, catalog, judge

ADA = Principal(kind=PrincipalKind.PERSON, issuer=ISSUER, subject="ada", name="ada")
DESK = catalog(agents=[agent("desk")])
PEOPLE = Directory(persons={"ada": Listed(name="ada", domain=Domain("hiring"))})
ADA_GONE = Directory(persons={"ada": Listed(name="ada", domain=Domain("hiring"), disabled=True)})
ALLOWED = InForce(DESK, judge('@id("all") permit (principal, action in Action::"use", resource);', DESK), PEOPLE)
FORBIDDEN = InForce(
    DESK, judge('@id("none") forbid (principal, action in Action::"use", resource);', DESK), PEOPLE, edition=1
)
MESSAGE = replace(
    call(content={"message": "hello"}),
    chain=alone(ADA),
    action=Action.MESSAGE,
    target=Target(TargetKind.AGENT, "desk"),
)


@pytest.fixture
def live() -> Live:
    return Live(ALLOWED)


@pytest.fixture
def turns() -> TurnsInHand:
    return TurnsInHand(TurnTokens(issuer="http://127.0.0.1:8420", key=generate_signing_key()))


@pytest.fixture
def calls(live: Live, turns: TurnsInHand) -> LongCalls:
    return LongCalls(live=live, facts=FactFinder(environment="test"), turns=turns)


class Lasting:
    """A call that lasts until it is ended, and then takes its time to clean up."""

    def __init__(self, calls: LongCalls, of: Call = MESSAGE) -> None:
        self.begun, self.cleaned = asyncio.Event(), asyncio.Event()
        self.task = asyncio.get_running_loop().create_task(self._last(calls, of))

    async def _last(self, calls: LongCalls, of: Call) -> None:
        async with calls.watched(of):
            self.begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                await self.cleaned.wait()


async def test_a_call_that_is_no_longer_allowed_ends_with_the_reason(live: Live, calls: LongCalls) -> None:
    lasting = Lasting(calls)
    lasting.cleaned.set()
    await lasting.begun.wait()
    await live.swap(FORBIDDEN)

    with pytest.raises(Denied, match="no longer allowed"):
        await lasting.task


@pytest.mark.parametrize("chain", [alone(ADA), Chain((ADA, ASSISTANT)), Chain((ASSISTANT, ADA))], ids=str)
async def test_a_call_ends_when_somebody_of_its_chain_is_disabled(live: Live, calls: LongCalls, chain: Chain) -> None:
    lasting = Lasting(calls, replace(MESSAGE, chain=chain))
    lasting.cleaned.set()
    await lasting.begun.wait()
    await live.swap(replace(ALLOWED, directory=ADA_GONE, edition=1))

    with pytest.raises(Denied, match="no longer allowed"):
        await asyncio.wait_for(lasting.task, 2)


async def test_what_changed_between_the_decision_and_the_call_counts(live: Live, calls: LongCalls) -> None:
    decided_by = live.current()
    await live.swap(replace(ALLOWED, directory=ADA_GONE, edition=1))
    with pytest.raises(Denied, match="no longer allowed"):
        async with calls.watched(MESSAGE, decided_by=decided_by):
            await asyncio.wait_for(asyncio.Event().wait(), 2)


async def test_a_call_that_still_is_goes_on(live: Live, calls: LongCalls) -> None:
    async with calls.watched(MESSAGE):
        await live.swap(replace(ALLOWED, edition=1))
        await asyncio.sleep(0)


@pytest.mark.parametrize("seconds", [-1, 10])
async def test_what_ends_is_ended_once_and_for_its_first_reason(live: Live, calls: LongCalls, seconds: float) -> None:
    lasting = Lasting(calls)
    await lasting.begun.wait()
    await live.swap(FORBIDDEN)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    calls.drain(seconds)
    await live.swap(replace(FORBIDDEN, edition=2))
    lasting.cleaned.set()

    with pytest.raises(Denied):
        await lasting.task


async def test_a_call_ends_when_the_gateway_has_to_stop(calls: LongCalls) -> None:
    lasting = Lasting(calls)
    lasting.cleaned.set()
    await lasting.begun.wait()
    calls.drain(0)

    with pytest.raises(Stopping, match="is stopping"):
        await lasting.task


async def test_a_call_that_comes_while_the_gateway_stops_ends_with_the_others(calls: LongCalls) -> None:
    calls.drain(0)
    lasting = Lasting(calls)
    lasting.cleaned.set()

    with pytest.raises(Stopping):
        await lasting.task


async def test_a_call_ends_with_the_turn_it_was_made_in(turns: TurnsInHand, calls: LongCalls) -> None:
    with turns.open(MESSAGE, agent("desk")) as turn:
        lasting = Lasting(calls, replace(MESSAGE, turn=turn.id))
        lasting.cleaned.set()
        await lasting.begun.wait()
        assert not lasting.task.done()

    with pytest.raises(Denied, match="turn in which it was asked is over"):
        await lasting.task


async def test_a_call_of_a_turn_that_is_over_does_not_begin_to_last(turns: TurnsInHand, calls: LongCalls) -> None:
    with turns.open(MESSAGE, agent("desk")) as turn:
        pass
    lasting = Lasting(calls, replace(MESSAGE, turn=turn.id))
    lasting.cleaned.set()

    with pytest.raises(Denied):
        await lasting.task


async def test_a_call_that_ends_in_time_is_not_cut_short(calls: LongCalls) -> None:
    async with calls.watched(MESSAGE):
        calls.drain(60)
        await asyncio.sleep(0)


async def test_a_timeout_of_the_calls_own_is_its_own(live: Live, calls: LongCalls) -> None:
    with pytest.raises(TimeoutError):
        async with calls.watched(MESSAGE):
            raise TimeoutError
