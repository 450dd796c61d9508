"""Turns from their message to their end, on a real log: who waits, who listens, who leaves; questions, failures."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.views import Logged, Pieces, Snapshot
from adapters.messaging.errors import TurnOver
from adapters.messaging.turns import TurnState
from registry.model import (
    Action,
    AgentName,
    Artifact,
    Attention,
    Call,
    Deferral,
    Delta,
    Denied,
    Emission,
    Emit,
    FarSideError,
    FarSideFault,
    Found,
    InterchangeError,
    Overloaded,
    Part,
    Question,
    Refused,
    Result,
    Said,
    Unknown,
    alone,
)
from tests.support.calls import ASSISTANT
from tests.support.lifecycle import Office, agent, answer_of, echo, message, office, texts
from tests.support.until import until


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


@pytest.fixture
async def echoing(url: str) -> AsyncGenerator[Office]:
    async with office(url, echo) as opened:
        yield opened


async def test_who_waits_sees_the_turn_completed(echoing: Office) -> None:
    view = await echoing.said("hello")
    assert view.turn.state is TurnState.COMPLETED
    assert texts(view) == ["hello", "You said: hello"]


async def test_who_leaves_finds_the_answer_later(echoing: Office) -> None:
    view = await echoing.said("hello", attention=Attention.LEAVES)
    await echoing.lifecycle.views.ended(view.turn.of, after=view.turn.opened)
    assert answer_of(await echoing.lifecycle.view(view.turn.id)) == "You said: hello"


async def test_the_same_message_again_is_carried_out_once(echoing: Office) -> None:
    first = await echoing.said("hello", id="m-1")
    again = await echoing.said("hello", id="m-1")
    assert again.turn.id == first.turn.id
    assert len(echoing.calls) == 1


async def test_a_conversation_is_its_chains_own(echoing: Office) -> None:
    mine = await echoing.said("hello", context="c")
    other = await echoing.said("hello", context="c", chain=alone(ASSISTANT))
    again = await echoing.said("more", context="c")
    assert mine.turn.conversation == again.turn.conversation != other.turn.conversation
    by_id = await echoing.said("and more", context=mine.turn.conversation)
    assert by_id.turn.conversation == mine.turn.conversation
    stranger = await echoing.said("me too", context=mine.turn.conversation, chain=alone(ASSISTANT))
    assert stranger.turn.conversation != mine.turn.conversation


async def test_who_listens_hears_every_piece_and_then_the_end(url: str) -> None:
    async def streaming(call: Call, emit: Emit) -> Result:
        for word in ("one ", "two ", "three"):
            await emit(Delta(part=Part(text=word)))
            await asyncio.sleep(0.03)
        await emit(Said(parts=(Part(text="meanwhile"),)))
        await emit(Artifact(id="table", parts=(Part(text="a,b"),), last=True))
        return Result(
            parts=(Part(text="meanwhile"), Part(text="done")),
            said=1,
            artifacts=(Artifact(id="table", parts=(Part(text="a,b"),), last=True),),
        )

    heard: list[object] = []

    async def emit(emission: Emission) -> None:
        assert isinstance(emission, Found)
        heard.append(emission.what)

    async with office(url, streaming) as opened:
        await opened.ask("go", attention=Attention.LISTENS, emit=emit)
    assert isinstance(heard[0], Snapshot)
    pieces = [piece for news in heard if isinstance(news, Pieces) for piece in news.pieces]
    answer = [piece for piece in pieces if isinstance(piece, Artifact) and piece.id == ""]
    assert "".join(part.text or "" for piece in answer for part in piece.parts) == "one two three"
    assert next(piece.append for piece in answer) is False
    logged = [news for news in heard if isinstance(news, Logged)]
    assert logged[-1].turn.state is TurnState.COMPLETED
    assert heard[-1] is logged[-1]


async def test_turns_of_one_conversation_are_answered_one_after_the_other(url: str) -> None:
    at_work, most = 0, 0

    async def slowly(call: Call, emit: Emit) -> Result:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.02)
        at_work -= 1
        return await echo(call, emit)

    async with office(url, slowly) as opened:
        views = await asyncio.gather(*(opened.said(str(n), context="c") for n in range(10)))
    assert all(view.turn.state is TurnState.COMPLETED for view in views)
    assert most == 1


async def test_a_question_waits_for_its_answer_and_goes_on(url: str) -> None:
    async def asking(call: Call, emit: Emit) -> Result:
        attempt = call.attempt
        assert attempt is not None
        if len(attempt.input) == 1:
            return Result(question=Question(id="which", kind="clarification", text="Which one?"))
        return Result(parts=(Part(text=f"So {attempt.input[-1].parts[0].text}"),))

    async with office(url, asking) as opened:
        asked = await opened.said("one of them")
        assert asked.turn.state is TurnState.WAITING
        with pytest.raises(Unknown):
            await opened.said("mine", follows=asked.turn.id, chain=alone(ASSISTANT))
        view = await opened.said("the red one", follows=asked.turn.id)
        assert view.turn.id == asked.turn.id
        assert answer_of(view) == "So the red one"
        with pytest.raises(TurnOver):
            await opened.said("another", follows=asked.turn.id)


async def test_what_is_under_way_takes_no_message(url: str) -> None:
    going = asyncio.Event()

    async def waiting(call: Call, emit: Emit) -> Result:
        await going.wait()
        return await echo(call, emit)

    async with office(url, waiting) as opened:
        view = await opened.said("hello", attention=Attention.LEAVES)
        with pytest.raises(Refused, match="under way"):
            await opened.said("and", follows=view.turn.id)
        going.set()


async def test_an_agent_that_was_away_is_asked_again(url: str) -> None:
    async def second_time(call: Call, emit: Emit) -> Result:
        assert call.attempt is not None
        if call.attempt.number == 1:
            raise FarSideError("away", fault=FarSideFault.UNAVAILABLE)
        return await echo(call, emit)

    async with office(url, second_time) as opened:
        view = await opened.said("hello")
        assert view.turn.state is TurnState.COMPLETED
        assert [call.attempt.number for call in opened.calls if call.attempt] == [1, 2]
        assert len({call.attempt.delivery for call in opened.calls if call.attempt}) == 1


async def test_what_policy_refuses_is_rejected_and_not_tried_again(url: str) -> None:
    async def refusing(call: Call, emit: Emit) -> Result:
        raise Denied("Not today.")

    async with office(url, refusing) as opened:
        view = await opened.said("hello")
        assert view.turn.state is TurnState.REJECTED
        assert answer_of(view) == "Not today."
        assert len(opened.calls) == 1
        with pytest.raises(Denied, match="Not today"):
            await opened.ask("hello", attention=Attention.ATTENDS)


async def test_what_nobody_attends_any_more_is_cancelled(url: str) -> None:
    ended: list[str] = []

    async def for_ever(call: Call, emit: Emit) -> Result:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(call.id)
        return Result()

    async with office(url, for_ever) as opened:
        asking = asyncio.ensure_future(opened.ask("hello", attention=Attention.ATTENDS))
        await until(lambda: bool(opened.calls))
        asking.cancel()
        await asyncio.wait([asking])
        await until(lambda: bool(ended))
        attempt = opened.calls[0].attempt
        assert attempt is not None
        assert (await opened.lifecycle.view(attempt.turn)).turn.state is TurnState.CANCELLED


async def test_a_cancelled_turn_stops_its_attempt(url: str) -> None:
    stopped = asyncio.Event()

    async def for_ever(call: Call, emit: Emit) -> Result:
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()
        return Result()

    async with office(url, for_ever) as opened:
        view = await opened.said("hello", attention=Attention.LEAVES)
        cancelled = await opened.lifecycle.cancel(view.turn, alone(ASSISTANT))
        assert cancelled.turn.state is TurnState.CANCELLED
        async with asyncio.timeout(10):
            await stopped.wait()


async def test_what_is_put_off_stays_under_way(url: str) -> None:
    async def later(call: Call, emit: Emit) -> Result:
        return Result(deferral=Deferral(seconds=60))

    async with office(url, later) as opened:
        view = await opened.said("hello", seconds=1.5)
        assert view.turn.state is TurnState.DEFERRED


async def test_another_gateway_takes_what_a_stopped_one_gave_back(url: str) -> None:
    async def for_ever(call: Call, emit: Emit) -> Result:
        await asyncio.Event().wait()
        return Result()

    async with office(url, for_ever) as first:
        view = await first.said("hello", attention=Attention.LEAVES)
        await until(lambda: bool(first.calls))
    async with office(url, echo) as second:
        async with asyncio.timeout(10):
            row = await second.lifecycle.views.ended(view.turn.of, after=view.turn.opened)
        assert row.state is TurnState.COMPLETED
        assert [call.attempt.number for call in second.calls if call.attempt] == [2]


async def test_whoever_attends_answers_the_open_question_with_their_next_message(url: str) -> None:
    async def asking(call: Call, emit: Emit) -> Result:
        attempt = call.attempt
        assert attempt is not None
        if len(attempt.input) == 1:
            return Result(question=Question(id="which", kind="clarification", text="Which one?"))
        return Result(parts=(Part(text=f"So {attempt.input[-1].parts[0].text}"),))

    async with office(url, asking) as opened:
        asked = await opened.ask("one of them", context="c", attention=Attention.ATTENDS)
        assert asked.question is not None
        assert asked.conversation == "c"
        told = await opened.ask("the red one", context="c", attention=Attention.ATTENDS)
        assert [part.text for part in told.parts] == ["So the red one"]
        assert told.turn == asked.turn


async def test_an_agent_that_says_message_after_message_is_stopped(url: str) -> None:
    async def talking(call: Call, emit: Emit) -> Result:
        while True:
            await emit(Said(parts=(Part(text="and another thing"),)))

    async with office(url, talking) as opened:
        view = await opened.said("hello")
        assert view.turn.state is TurnState.FAILED
        assert "900 messages" in answer_of(view)
        assert len(view.messages) == 902


async def test_a_service_that_stops_tells_whoever_waits_how_far_it_is(url: str) -> None:
    async def for_ever(call: Call, emit: Emit) -> Result:
        await asyncio.Event().wait()
        return Result()

    async with office(url, for_ever) as opened:
        asking = asyncio.ensure_future(opened.said("hello"))
        await until(lambda: bool(opened.calls))
        opened.lifecycle.drain(0.6)
        view = await asking
        assert view.turn.state is TurnState.WORKING


async def test_slow_agents_leave_hands_for_one_that_has_nothing_to_do(url: str) -> None:
    slow, quick = AgentName("slow"), AgentName("quick")
    going = asyncio.Event()

    async def answer(call: Call, emit: Emit) -> Result:
        if call.target.name == slow:
            await going.wait()
        return await echo(call, emit)

    rules = LifecycleRules(in_hand=8, per_agent=8)
    async with office(url, answer, agents={slow: agent(slow), quick: agent(quick)}, rules=rules) as opened:
        for number in range(20):
            await opened.said(f"{number}", agent=slow, attention=Attention.LEAVES)
        view = await opened.said("hello", agent=quick, seconds=10)
        assert view.turn.state is TurnState.COMPLETED
        going.set()


async def test_nobody_has_more_waiting_than_they_may(url: str) -> None:
    going = asyncio.Event()

    async def answer(call: Call, emit: Emit) -> Result:
        await going.wait()
        return await echo(call, emit)

    async with office(url, answer, rules=LifecycleRules(in_hand=1, waiting=3)) as opened:
        for number in range(4):
            await opened.said(f"{number}", attention=Attention.LEAVES)
        with pytest.raises(Overloaded, match="3 of your messages wait for echo"):
            await opened.said("one more", attention=Attention.LEAVES)
        other = await opened.said("mine", attention=Attention.LEAVES, chain=alone(ASSISTANT))
        going.set()
        await opened.lifecycle.views.ended(other.turn.of, after=other.turn.opened)


async def test_a_turn_whose_grant_cannot_be_read_harms_no_other_of_its_page(url: str) -> None:
    """Its key is gone: it is not shown to anybody, and the others are."""
    async with office(url, echo) as former:
        lost = await former.said("before")
    async with office(url, echo, key=bytes([1]) * 32) as opened:
        known = await opened.said("after")
        page = await opened.lifecycle.listed(replace(message(""), action=Action.READ_CONVERSATION))
        assert [view.turn.id for view in page.views] == [known.turn.id]
        with pytest.raises(InterchangeError):
            await opened.lifecycle.view(lost.turn.id)
