"""What every conversation log promises about cancelling: wherever a turn is, it ends, and nobody goes on with it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from adapters.messaging.errors import AlreadySettled, Fenced, IdConflict, TurnOver
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import Kind, QuestionRef, TurnRef
from adapters.messaging.outcomes import ChangeTurn, Dead, Deferred, Done, Rejected, Retry
from adapters.messaging.turns import TurnChange, TurnState
from registry.model import ConversationId, TurnId, Unknown
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    OPENING,
    SCOUT,
    Clock,
    answered,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    texts,
    turn_of,
)

Bringing = Callable[[ConversationLog, TurnRef], Awaitable[object]]


async def leave(log: ConversationLog, of: TurnRef) -> None:
    """Nobody has begun."""


async def take(log: ConversationLog, of: TurnRef) -> None:
    await claim_one(log)


async def put_back(log: ConversationLog, of: TurnRef) -> None:
    await log.settle(await claim_one(log), Retry(after=60, error="away"))


async def ask(log: ConversationLog, of: TurnRef) -> None:
    await log.settle(await claim_one(log), asks("which?", expires_in=60))


async def answer(log: ConversationLog, of: TurnRef) -> None:
    await ask(log, of)
    await log.append(of.conversation, [answered("red", QuestionRef(of=of, question="q1"))])


async def take_the_answer(log: ConversationLog, of: TurnRef) -> None:
    await answer(log, of)
    await claim_one(log)


async def defer(log: ConversationLog, of: TurnRef) -> None:
    await log.settle(await claim_one(log), Deferred(within=60))


async def review(log: ConversationLog, of: TurnRef) -> None:
    await log.settle(await claim_one(log), Done(review_within=60))


async def send_back(log: ConversationLog, of: TurnRef) -> None:
    await review(log, of)
    await log.append(of.conversation, [said("shorter")], effects=[ChangeTurn(of=of, change=TurnChange.RETURNED)])


OPEN = [leave, take, put_back, ask, answer, take_the_answer, defer, review, send_back]


@pytest.mark.parametrize("bring", OPEN, ids=lambda bring: bring.__name__)
async def test_a_turn_can_be_cancelled_wherever_it_is(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId, bring: Bringing
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.append(conversation, [said("two", to=ECHO)])
    await bring(log, of)
    tail = len(await history.page(conversation))

    revoked = await log.revoke(of, by=BOB, issuer="https://issuer", body=b"enough")
    assert (revoked.seq, revoked.duplicate, revoked.placed[0].turn) == (tail + 1, False, of.turn)
    *_, cancelled = await history.page(conversation)
    assert (cancelled.kind, cancelled.sender, cancelled.issuer) == (Kind.CANCELLED, BOB, "https://issuer")
    assert (cancelled.body, cancelled.turn) == (b"enough", of.turn)
    turn = await turn_of(history, of)
    assert (turn.state, turn.due, turn.expires, turn.question) == (TurnState.CANCELLED, 0, None, "")

    held = await claim_one(log)
    assert held.message.text == "two", "what waited goes on"
    await log.settle(held, done("ok"))
    clock.pass_time(1_000_000)
    assert await claim_all(log) == [], "and nothing of the other comes again"
    assert await log.expire(limit=10) == []


@pytest.mark.parametrize("bring", [take, take_the_answer], ids=lambda bring: bring.__name__)
async def test_whoever_holds_a_turn_that_is_cancelled_is_fenced(
    log: ConversationLog, history: History, conversation: ConversationId, bring: Bringing
) -> None:
    of = await open_turn(log, conversation, "one")
    if bring is take_the_answer:
        await answer(log, of)
    held = await claim_one(log)
    await log.revoke(of, by=ALICE)
    before = await texts(history, conversation)

    for attempt in (
        log.settle(held, done("never mind, here it is")),
        log.settle(held, Retry(after=0, error="e")),
        log.extend(held, seconds=30),
        log.append(conversation, [said("more", by="agent:echo")], under=held),
    ):
        with pytest.raises(Fenced) as fenced:
            await attempt
        assert not isinstance(fenced.value, AlreadySettled), "nothing of it was kept"
    assert await texts(history, conversation) == before


async def test_a_cancelled_turn_takes_only_its_own_place(log: ConversationLog, conversation: ConversationId) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    two = await open_turn(log, conversation, "two")
    await log.append(conversation, [said("three", to=ECHO)])
    held = await claim_one(log)

    await log.revoke(two, by=ALICE)
    await log.settle(held, done("ok"))
    assert (await claim_one(log)).message.text == "three"


async def test_the_turns_that_others_have_of_the_same_message_go_on(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("both of you", to=(ECHO, SCOUT))], opening=OPENING)
    held = {each.agent: each for each in await claim_all(log)}
    await log.revoke(held[ECHO].of, by=ALICE)
    await log.settle(held[SCOUT], done("here"))
    assert (await turn_of(history, held[SCOUT].of)).state is TurnState.COMPLETED
    assert (await turn_of(history, held[ECHO].of)).state is TurnState.CANCELLED


async def test_to_cancel_again_finds_it_cancelled(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    first = await log.revoke(of, by=ALICE, body=b"enough")
    again = await log.revoke(of, by=ALICE, body=b"enough")
    assert (again.seq, again.duplicate) == (first.seq, True)
    with pytest.raises(TurnOver, match="cancelled"):
        await log.revoke(of, by=BOB)
    assert len(await history.page(conversation)) == 2


async def test_many_who_cancel_at_once_cancel_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await asyncio.gather(*(log.revoke(of, by=ALICE) for _ in range(10)))
    assert [message.kind for message in await history.page(conversation)] == [Kind.SAID, Kind.CANCELLED]


@pytest.mark.parametrize("outcome", [done("ok"), Dead(error="e"), Rejected(reason="r")], ids=lambda o: type(o).__name__)
async def test_a_turn_that_has_ended_cannot_be_cancelled(
    log: ConversationLog, history: History, conversation: ConversationId, outcome: Done | Dead | Rejected
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), outcome)
    before = await texts(history, conversation)
    with pytest.raises(TurnOver, match="has ended"):
        await log.revoke(of, by=ALICE)
    assert await texts(history, conversation) == before


async def test_of_a_cancellation_and_a_settlement_at_once_one_wins(log: ConversationLog, history: History) -> None:
    for _ in range(10):
        conversation = new_conversation()
        of = await open_turn(log, conversation, "one")
        held = await claim_one(log)
        settled, revoked = await asyncio.gather(
            log.settle(held, done("ok")), log.revoke(of, by=ALICE), return_exceptions=True
        )
        state = (await turn_of(history, of)).state
        if isinstance(settled, BaseException):
            assert (type(settled), isinstance(revoked, BaseException)) == (Fenced, False)
            assert state is TurnState.CANCELLED
        else:
            assert isinstance(revoked, TurnOver)
            assert state is TurnState.COMPLETED
        assert len(await history.page(conversation)) == 2


async def test_a_turn_that_is_not_there_cannot_be_cancelled(log: ConversationLog, conversation: ConversationId) -> None:
    of = await open_turn(log, conversation, "one")
    for wrong in (replace(of, turn=TurnId("?")), replace(of, agent=SCOUT)):
        with pytest.raises(Unknown, match="no turn"):
            await log.revoke(wrong, by=ALICE)
    assert len(await claim_all(log)) == 1


async def test_nobody_makes_a_turn_uncancellable_for_others_by_the_ids_of_messages(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.append(conversation, [said("mine", id=f"{of.turn}:cancelled")])
    with pytest.raises(IdConflict):
        await log.revoke(of, by=ALICE)
    await log.revoke(of, by=BOB)
    assert (await turn_of(history, of)).state is TurnState.CANCELLED
