"""Turns that somebody attacks: agents that say what nobody can keep, callers that leave at the worst moment, floods."""

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.lifecycle.rules import LifecycleRules
from adapters.lifecycle.service import Ready
from adapters.lifecycle.views import TurnView
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.log import WhichTurns
from adapters.messaging.messages import TurnRef
from adapters.messaging.turns import TurnState
from registry.model import (
    Artifact,
    Attention,
    Call,
    Deferral,
    Emit,
    FarSideError,
    FarSideFault,
    Overloaded,
    Part,
    Question,
    Result,
    Said,
    alone,
)
from tests.support.calls import ASSISTANT, RECRUITER
from tests.support.identity import FakeClock
from tests.support.lifecycle import ECHO, answer_of, echo, office
from tests.support.until import PATIENCE

MIB = 1 << 20


async def _until(is_true: Callable[[], Awaitable[bool]], *, seconds: float = PATIENCE) -> None:
    async with asyncio.timeout(seconds):
        while not await is_true():
            await asyncio.sleep(0.01)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'log.db'}"


async def test_unwritable_draft_costs_nobody_elses(url: str) -> None:
    going = asyncio.Event()

    async def odd(call: Call, emit: Emit) -> Result:
        data = "\ud800" if call.parts[0].text == "odd" else "fine"
        await emit(Artifact(id="a", parts=(Part(data=data, media_type="application/json"),)))
        await going.wait()
        return Result(parts=(Part(text="done"),))

    async with office(url, odd) as opened:
        bad = await opened.said("odd", attention=Attention.LEAVES)
        good = await opened.said("good", attention=Attention.LEAVES)

        async def drafted() -> bool:
            return await opened.opened.drafts.of(good.turn.conversation, good.turn.id) is not None

        await _until(drafted)
        going.set()
        await opened.lifecycle.views.ended(bad.turn.of, after=1)


async def test_too_large_draft_costs_nobody_elses(url: str) -> None:
    going = asyncio.Event()

    async def large(call: Call, emit: Emit) -> Result:
        size = 5 * MIB if call.parts[0].text == "large" else 5
        await emit(Artifact(id="a", parts=(Part(text="x" * size),)))
        await going.wait()
        return Result(parts=(Part(text="done"),))

    async with office(url, large) as opened:
        await opened.said("large", attention=Attention.LEAVES)
        good = await opened.said("good", attention=Attention.LEAVES)

        async def drafted() -> bool:
            return await opened.opened.drafts.of(good.turn.conversation, good.turn.id) is not None

        await _until(drafted)
        going.set()


async def test_more_than_a_page_of_messages_does_not_hide_the_end(url: str) -> None:
    async def wordy(call: Call, emit: Emit) -> Result:
        parts = tuple(Part(text=letter * 3 * MIB) for letter in "abc")
        for part in parts:
            await emit(Said(parts=(part,)))
        return Result(parts=(*parts, Part(text="the end")), said=3)

    async with office(url, wordy) as opened:
        view = await opened.said("go")
        assert answer_of(view) == "the end"
        assert answer_of(await opened.lifecycle.view(view.turn.id)) == "the end"


async def test_agent_that_said_much_is_told_the_answer_to_its_question(url: str) -> None:
    async def asking(call: Call, emit: Emit) -> Result:
        assert call.attempt is not None
        if call.attempt.number == 1 and len(call.attempt.input) == 1:
            parts = tuple(Part(text=letter * 3 * MIB) for letter in "abc")
            for part in parts:
                await emit(Said(parts=(part,)))
            return Result(parts=parts, said=3, question=Question(id="q", kind="clarification", text="Which?"))
        return Result(parts=(Part(text=" ".join(each.parts[0].text or "" for each in call.attempt.input)),))

    async with office(url, asking) as opened:
        asked = await opened.said("go")
        assert asked.turn.state is TurnState.WAITING
        view = await opened.said("red", follows=asked.turn.id)
        assert answer_of(view) == "go red"


async def test_budget_of_nested_turns_holds_for_those_asked_at_once(url: str) -> None:
    async with office(url, echo, rules=LifecycleRules(nested=5)) as opened:
        outer = await opened.said("outer")
        asked = (opened.said(str(n), turn=outer.turn.id, attention=Attention.LEAVES) for n in range(40))
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert sum(isinstance(each, TurnView) for each in found) == 5
        assert sum(isinstance(each, Overloaded) for each in found) == 35


async def test_nested_turn_has_no_younger_grant_than_the_one_around_it(url: str) -> None:
    clock = FakeClock(now=time.time())
    async with office(url, echo, clock=clock) as opened:
        outer = await opened.said("outer")
        clock.advance(3600.0)
        inner = await opened.said("inner", turn=outer.turn.id)
        assert inner.grant.granted_at == outer.grant.granted_at


async def test_who_waits_is_not_sent_away_while_the_answer_is_put_off(url: str) -> None:
    async def later(call: Call, emit: Emit) -> Result:
        return Result(deferral=Deferral(seconds=60.0))

    async with office(url, later) as opened:
        waiting = asyncio.ensure_future(opened.said("go", seconds=2.0))
        done, _ = await asyncio.wait([waiting], timeout=1.0)
        assert not done
        assert (await waiting).turn.state is TurnState.DEFERRED


async def test_reason_that_no_database_keeps_is_kept_in_other_words(url: str) -> None:
    async def failing(call: Call, emit: Emit) -> Result:
        raise FarSideError("broken: \0 \ud800", fault=FarSideFault.REJECTED)

    async with office(url, failing) as opened:
        view = await opened.said("go", seconds=5.0)
        assert view.turn.state is TurnState.FAILED
        assert len(opened.calls) == 1


async def test_caller_that_leaves_while_its_message_is_logged_loses_no_time(url: str) -> None:
    async with office(url, echo) as opened:
        append = opened.opened.log.append
        logged = asyncio.Event()

        async def slow(*args: object, **how: object) -> object:
            found = await append(*args, **how)  # pyright: ignore
            logged.set()
            await asyncio.sleep(0.1)
            return found

        opened.lifecycle._log.append = slow  # pyright: ignore
        asking = asyncio.ensure_future(opened.said("go"))
        await logged.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        opened.lifecycle._log.append = append  # pyright: ignore

        async def completed() -> bool:
            rows = await opened.opened.history.turns(WhichTurns(agents=(ECHO,)))
            return [row.state for row in rows] == [TurnState.COMPLETED]

        await _until(completed)


async def test_who_attends_and_leaves_while_the_message_is_logged_cancels_the_turn(url: str) -> None:
    going = asyncio.Event()

    async def waiting(call: Call, emit: Emit) -> Result:
        await going.wait()
        return Result()

    async with office(url, waiting) as opened:
        append = opened.opened.log.append
        logged = asyncio.Event()

        async def slow(*args: object, **how: object) -> object:
            found = await append(*args, **how)  # pyright: ignore
            logged.set()
            await asyncio.sleep(0.1)
            return found

        opened.lifecycle._log.append = slow  # pyright: ignore
        asking = asyncio.ensure_future(opened.ask("go", attention=Attention.ATTENDS))
        await logged.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        opened.lifecycle._log.append = append  # pyright: ignore

        async def cancelled() -> bool:
            rows = await opened.opened.history.turns(WhichTurns(agents=(ECHO,)))
            return [row.state for row in rows] == [TurnState.CANCELLED]

        await _until(cancelled)


async def test_webhook_that_cannot_be_kept_leaves_no_turn_unattended(url: str) -> None:
    async with office(url, echo) as opened:

        async def admit(_: Call) -> Ready:
            async def ready(of: TurnRef, after: int) -> None:
                raise LogUnavailable(f"The webhook of {of.turn} behind {after} cannot be kept.")

            return ready

        opened.lifecycle._beside.admit = admit  # pyright: ignore
        with pytest.raises(LogUnavailable):
            await opened.said("go")

        async def completed() -> bool:
            rows = await opened.opened.history.turns(WhichTurns(agents=(ECHO,)))
            return [row.state for row in rows] == [TurnState.COMPLETED]

        await _until(completed)


async def test_flood_is_answered_without_an_attempt_wasted(url: str) -> None:
    at_work, most = 0, 0

    async def limited(call: Call, emit: Emit) -> Result:
        nonlocal at_work, most
        if at_work >= 4:
            raise Overloaded("too many")
        at_work += 1
        most = max(most, at_work)
        await asyncio.sleep(0.02)
        at_work -= 1
        return await echo(call, emit)

    async with office(url, limited, rules=LifecycleRules(in_hand=64, per_agent=4)) as opened:
        asked = (opened.said(str(n), attention=Attention.LEAVES) for n in range(60))
        views = await asyncio.gather(*asked)
        for view in views:
            await opened.lifecycle.views.ended(view.turn.of, after=1)
        assert most == 4
        assert len(opened.calls) <= 66  # what the dispatcher claims beside those that come is not counted with them


async def test_agent_with_one_seat_is_given_one_turn_at_a_time(url: str) -> None:
    at_work = 0

    async def seated(call: Call, emit: Emit) -> Result:
        nonlocal at_work
        await asyncio.sleep(0.005)  # it is decided and recorded, before a seat is taken
        if at_work:
            raise FarSideError("no seat is free", fault=FarSideFault.UNAVAILABLE, retryable=True)
        at_work += 1
        await asyncio.sleep(0.01)
        at_work -= 1
        return await echo(call, emit)

    async with office(url, seated, seats={ECHO: 1}) as opened:
        views = await asyncio.gather(*(opened.said(str(n), attention=Attention.LEAVES) for n in range(20)))
        for view in views:
            await opened.lifecycle.views.ended(view.turn.of, after=1)
        assert len(opened.calls) == 20


async def _rewritten(url: str, change: str) -> tuple[TurnView, TurnView, list[Call]]:
    """The turns of two callers after somebody has changed the database while they waited, and who was called for."""
    is_there = False

    async def answer(call: Call, emit: Emit) -> Result:
        if not is_there:
            raise FarSideError("not there", fault=FarSideFault.UNAVAILABLE)
        return await echo(call, emit)

    async with office(url, answer) as opened:
        first = await opened.said("of the first", attention=Attention.LEAVES)
        second = await opened.said("of the second", attention=Attention.LEAVES, chain=alone(ASSISTANT))
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"), timeout=10)) as database:
            database.execute(change, {"first": first.turn.id, "second": second.turn.id})
            database.commit()
        opened.calls.clear()
        is_there = True
        async with asyncio.timeout(PATIENCE):
            await opened.lifecycle.views.ended(first.turn.of, after=1)

            async def tried_again() -> bool:
                row = await opened.lifecycle.views.row(second.turn.id)
                return row is not None and (row.attempts > 2 or row.state is TurnState.COMPLETED)

            await _until(tried_again)
        rows = [await opened.lifecycle.views.row(view.turn.id) for view in (first, second)]
        assert rows[0] is not None
        assert rows[1] is not None
        return replace(first, turn=rows[0]), replace(second, turn=rows[1]), opened.calls


async def test_grant_of_another_turn_is_worth_nothing(url: str) -> None:
    change = "UPDATE turn SET authority = (SELECT authority FROM turn WHERE id = :first) WHERE id = :second"
    first, second, calls = await _rewritten(url, change)
    assert first.turn.state is TurnState.COMPLETED
    assert second.turn.state is not TurnState.COMPLETED
    assert [call.chain.caller for call in calls] == [RECRUITER]


async def test_words_that_were_put_into_a_mouth_are_not_acted_on(url: str) -> None:
    change = """
        UPDATE message SET body = CAST('{"parts":[{"text":"something else"}]}' AS BLOB) WHERE turn = :first AND seq = 1
    """
    first, second, calls = await _rewritten(url, change)
    assert first.turn.state is TurnState.REJECTED
    assert second.turn.state is TurnState.COMPLETED
    assert "something else" not in {call.parts[0].text for call in calls}


async def test_who_leaves_before_anything_is_logged_leaves_nothing_behind(url: str) -> None:
    asked, left = asyncio.Event(), asyncio.Event()

    async def admit(_: Call) -> Ready:
        asked.set()
        try:
            return await asyncio.Future[Ready]()  # a webhook at a name server that takes its time
        finally:
            left.set()

    async with office(url, echo) as opened:
        opened.lifecycle._beside.admit = admit  # pyright: ignore
        asking = asyncio.ensure_future(opened.said("go"))
        await asked.wait()
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking
        assert left.is_set()
        assert not await opened.opened.history.turns(WhichTurns(agents=(ECHO,)))


@pytest.mark.parametrize("answers", [False, True])
async def test_lease_that_ends_while_the_log_is_asked_to_extend_it_ends_the_attempt(url: str, answers: bool) -> None:
    """Somebody else may have the turn from then on. `answers`: the log says so itself, again and again."""
    ended = asyncio.Event()

    async def for_ever(call: Call, emit: Emit) -> Result:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()
        return Result()

    async with office(url, for_ever, rules=LifecycleRules(lease=1.0, extend_every=0.3)) as opened:

        async def extend(delivery: object, *, seconds: float) -> None:
            if answers:
                raise LogUnavailable("It cannot be written.")
            await asyncio.Event().wait()

        opened.lifecycle._attempts._log.extend = extend  # pyright: ignore
        began = time.monotonic()
        await opened.said("go", attention=Attention.LEAVES)
        async with asyncio.timeout(PATIENCE):
            await ended.wait()
        assert time.monotonic() - began > 0.5, "not before its lease ended"
