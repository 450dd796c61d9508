"""What every conversation log promises about turns that nobody holds: deferred ones, and those in review."""

from dataclasses import replace

import pytest

from adapters.messaging.errors import AlreadySettled, Fenced, TurnOver
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import Kind, New, QuestionRef, TurnRef
from adapters.messaging.outcomes import ChangeTurn, Deferred, Delivery, Done
from adapters.messaging.turns import TurnChange, TurnState
from registry.model import BadRequest, ConversationId, Refused, TurnId, Unknown
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    LEASE,
    Clock,
    answered,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    reply,
    said,
    texts,
    turn_of,
)

FINISHED, BROKE, ASKED = TurnChange.FINISHED, TurnChange.BROKE, TurnChange.ASKED


def from_the_agent(text: str, of: TurnRef) -> New:
    return replace(said(text, by="agent:echo"), turn=of.turn)


async def a_deferred_turn(
    log: ConversationLog, conversation: ConversationId, *, within: float = 3600
) -> tuple[TurnRef, int]:
    """The agent says that it will be a while: the turn, and the number that its finish has to present."""
    of = await open_turn(log, conversation, "a long one")
    settled = await log.settle(await claim_one(log), Deferred(within=within, replies=(reply("give me an hour"),)))
    return of, settled.grant


# ---- deferred


async def test_a_deferred_turn_frees_its_mailbox(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "a long one")
    await log.append(conversation, [said("two", to=ECHO)])
    settled = await log.settle(await claim_one(log), Deferred(within=60, replies=(reply("give me a minute"),)))

    assert settled.grant > 0
    turn = await turn_of(history, of)
    assert (turn.state, turn.grant) == (TurnState.DEFERRED, settled.grant)
    assert (await claim_one(log)).message.text == "two"
    assert await texts(history, conversation) == ["a long one", "two", "give me a minute"]


async def test_a_deferred_turn_is_finished_by_whoever_has_its_grant(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    finish = ChangeTurn(of=of, change=FINISHED, grant=grant)
    await log.append(conversation, [from_the_agent("here it is", of)], effects=[finish])

    turn = await turn_of(history, of)
    assert (turn.state, turn.grant, turn.expires) == (TurnState.COMPLETED, 0, None)
    assert await texts(history, conversation) == ["a long one", "give me an hour", "here it is"]


async def test_a_deferred_turn_can_break(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    broke = ChangeTurn(of=of, change=BROKE, grant=grant)
    await log.append(conversation, [replace(from_the_agent("it failed", of), kind=Kind.FAILED)], effects=[broke])
    assert (await turn_of(history, of)).state is TurnState.FAILED


async def test_another_grant_changes_nothing(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    for wrong in (0, grant - 1, grant + 1):
        with pytest.raises(Fenced, match="grant"):
            await log.append(
                conversation,
                [from_the_agent("mine", of)],
                effects=[ChangeTurn(of=of, change=FINISHED, grant=wrong)],
            )
    assert (await turn_of(history, of)).state is TurnState.DEFERRED
    assert await texts(history, conversation) == ["a long one", "give me an hour"]


async def test_a_deferred_turn_is_finished_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    finish = ChangeTurn(of=of, change=FINISHED, grant=grant)
    end = from_the_agent("here it is", of)
    await log.append(conversation, [end], effects=[finish])

    assert (await log.append(conversation, [end], effects=[finish])).duplicate, "to repeat is safe"
    with pytest.raises(TurnOver):
        await log.append(conversation, [from_the_agent("once more", of)], effects=[finish])
    assert await texts(history, conversation) == ["a long one", "give me an hour", "here it is"]


async def test_a_deferred_turn_that_is_not_finished_in_time_fails(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation, within=60)
    clock.pass_time(59)
    assert await log.expire(limit=10) == []
    clock.pass_time(2)
    assert list(await log.expire(limit=10)) == [of]

    assert (await turn_of(history, of)).state is TurnState.FAILED
    with pytest.raises(TurnOver):
        await log.append(
            conversation, [from_the_agent("late", of)], effects=[ChangeTurn(of=of, change=FINISHED, grant=grant)]
        )


async def test_an_expiry_beside_a_busy_mailbox_leaves_it_alone(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    await a_deferred_turn(log, conversation, within=10)
    await log.append(conversation, [said("two", to=ECHO)])
    held = await claim_one(log)
    clock.pass_time(11)
    await log.expire(limit=10)
    assert await claim_all(log) == []
    await log.settle(held, done("ok"))


async def test_a_deferred_turn_cannot_be_settled_again(log: ConversationLog, conversation: ConversationId) -> None:
    await open_turn(log, conversation, "a long one")
    held = await claim_one(log)
    await log.settle(held, Deferred(within=60))
    with pytest.raises(AlreadySettled):
        await log.settle(held, done("ok"))


async def test_a_deferred_turn_that_asks_leaves_the_mailbox_free(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    """Others may be in hand there: only what a delivery asked parks a mailbox."""
    of, grant = await a_deferred_turn(log, conversation)
    question = asks("which?").question
    ask = ChangeTurn(of=of, change=ASKED, grant=grant, question=question)
    asked = await log.append(conversation, [from_the_agent("one more thing", of)], effects=[ask])
    assert asked.tail == 4
    assert (await turn_of(history, of)).state is TurnState.WAITING
    assert await texts(history, conversation) == ["a long one", "give me an hour", "one more thing", "which?"]

    await log.append(conversation, [said("two", to=ECHO)])
    await log.append(conversation, [said("three", to=ECHO)])
    busy = await claim_one(log)
    assert busy.message.text == "two"

    await log.append(conversation, [answered("red", QuestionRef(of=of, question="q1"))])
    assert await claim_all(log) == [], "nothing comes between two attempts"
    await log.settle(busy, done("ok"))
    held = await claim_one(log)
    assert (held.message.text, held.of) == ("red", of), "it goes past what has not begun"
    await log.settle(held, done("here it is"))
    assert (await turn_of(history, of)).state is TurnState.COMPLETED
    assert (await claim_one(log)).message.text == "three"


async def test_the_answer_to_a_deferred_turn_waits_for_a_question_in_hand(
    log: ConversationLog, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    other = await open_turn(log, conversation, "two")
    await log.settle(await claim_one(log), asks("how many?"))
    ask = ChangeTurn(of=of, change=ASKED, grant=grant, question=asks("which?").question)
    await log.append(conversation, [from_the_agent("one more thing", of)], effects=[ask])
    await log.append(conversation, [answered("red", QuestionRef(of=of, question="q1"))])
    assert await claim_all(log) == [], "the mailbox is parked on the other turn"

    await log.append(conversation, [answered("seven", QuestionRef(of=other, question="q1"))])
    for text in ("seven", "red"):
        held = await claim_one(log)
        assert held.message.text == text
        await log.settle(held, done("ok"))


async def test_a_deferred_turn_asks_without_another_word(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    ask = ChangeTurn(of=of, change=ASKED, grant=grant, question=asks("which?").question)
    asked = await log.append(conversation, [], effects=[ask])
    assert (asked.placed, asked.tail) == ((), 3)
    assert (await turn_of(history, of)).state is TurnState.WAITING
    assert await texts(history, conversation) == ["a long one", "give me an hour", "which?"]
    with pytest.raises(TurnOver):
        await log.append(conversation, [], effects=[ask])
    for nothing in ([], [ChangeTurn(of=of, change=FINISHED, grant=grant)]):
        with pytest.raises(BadRequest, match="1 to 100 messages"):
            await log.append(conversation, [], effects=nothing)


async def test_a_turn_that_is_deferred_again_has_another_grant(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, first = await a_deferred_turn(log, conversation)
    ask = ChangeTurn(of=of, change=ASKED, grant=first, question=asks("which?").question)
    await log.append(conversation, [from_the_agent("one more thing", of)], effects=[ask])
    await log.append(conversation, [answered("red", QuestionRef(of=of, question="q1"))])
    second = (await log.settle(await claim_one(log), Deferred(within=60))).grant

    assert second > first
    with pytest.raises(Fenced):
        await log.append(
            conversation, [from_the_agent("old", of)], effects=[ChangeTurn(of=of, change=FINISHED, grant=first)]
        )
    await log.append(
        conversation, [from_the_agent("new", of)], effects=[ChangeTurn(of=of, change=FINISHED, grant=second)]
    )
    assert (await turn_of(history, of)).state is TurnState.COMPLETED


async def test_a_deferred_turn_asks_a_question_that_it_has(log: ConversationLog, conversation: ConversationId) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    with pytest.raises(BadRequest, match="question"):
        await log.append(
            conversation, [from_the_agent("hm", of)], effects=[ChangeTurn(of=of, change=ASKED, grant=grant)]
        )


async def test_a_deferred_turn_can_be_finished_as_another_delivery_ends(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    await log.append(conversation, [said("ready?", to=ECHO)])
    await log.settle(await claim_one(log), done("yes, both"), effects=[ChangeTurn(of=of, change=FINISHED, grant=grant)])
    assert (await turn_of(history, of)).state is TurnState.COMPLETED


async def test_nobody_changes_a_turn_that_is_queued_or_in_hand(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    for state in (TurnState.QUEUED, TurnState.WORKING):
        for change in TurnChange:
            with pytest.raises(TurnOver):
                await log.append(conversation, [said("x")], effects=[ChangeTurn(of=of, change=change)])
        assert (await turn_of(history, of)).state is state
        await claim_all(log)
    assert await texts(history, conversation) == ["one"]


async def test_the_turns_of_other_conversations_are_out_of_reach(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, grant = await a_deferred_turn(log, conversation)
    other = new_conversation()
    await open_turn(log, other, "elsewhere")
    for wrong in (of, replace(of, conversation=other), replace(of, turn=TurnId("?"))):
        with pytest.raises(Unknown):
            await log.append(other, [said("x")], effects=[ChangeTurn(of=wrong, change=FINISHED, grant=grant)])
    assert (await turn_of(history, of)).state is TurnState.DEFERRED


# ---- review


async def a_review(
    log: ConversationLog, conversation: ConversationId, *, within: float = 3600
) -> tuple[TurnRef, Delivery]:
    of = await open_turn(log, conversation, "overnight")
    held = await claim_one(log)
    await log.settle(held, Done(replies=(reply("a draft"),), review_within=within))
    return of, held


async def test_a_turn_in_review_leaves_the_mailbox_free(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, held = await a_review(log, conversation)
    assert (await turn_of(history, of)).state is TurnState.REVIEW
    with pytest.raises(AlreadySettled):
        await log.settle(held, done("again"))
    await log.append(conversation, [said("two", to=ECHO)])
    assert (await claim_one(log)).message.text == "two"


async def test_an_accepted_turn_is_completed(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, _ = await a_review(log, conversation)
    accept = ChangeTurn(of=of, change=TurnChange.ACCEPTED)
    await log.append(conversation, [said("fine", by=BOB)], effects=[accept])
    assert (await turn_of(history, of)).state is TurnState.COMPLETED
    with pytest.raises(TurnOver):
        await log.append(conversation, [said("fine", by=ALICE)], effects=[accept])


async def test_a_returned_turn_gets_the_message_that_says_why(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, _ = await a_review(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    busy = await claim_one(log)
    await log.append(conversation, [said("three", to=ECHO)])
    why = await log.append(
        conversation, [said("shorter, please", by=BOB)], effects=[ChangeTurn(of=of, change=TurnChange.RETURNED)]
    )
    assert (await turn_of(history, of)).state is TurnState.QUEUED

    await log.settle(busy, done("ok"))
    held = await claim_one(log)
    assert (held.of, held.message.seq, held.message.text) == (of, why.seq, "shorter, please")
    await log.settle(held, Done(replies=(reply("a shorter draft"),), review_within=60))
    assert (await turn_of(history, of)).state is TurnState.REVIEW
    assert (await claim_one(log)).message.text == "three"


@pytest.mark.parametrize("count", [2, 3])
async def test_a_turn_is_returned_with_one_message(
    log: ConversationLog, history: History, conversation: ConversationId, count: int
) -> None:
    of, _ = await a_review(log, conversation)
    returned = ChangeTurn(of=of, change=TurnChange.RETURNED)
    with pytest.raises(BadRequest, match="exactly one"):
        await log.append(conversation, [said("why") for _ in range(count)], effects=[returned])
    with pytest.raises(BadRequest, match="goes nowhere else"):
        await log.append(conversation, [said("why", to=ECHO)], effects=[returned])
    assert (await turn_of(history, of)).state is TurnState.REVIEW
    assert await claim_all(log) == []


async def test_a_review_that_nobody_does_fails(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    of, _ = await a_review(log, conversation, within=60)
    clock.pass_time(61)
    assert list(await log.expire(limit=10)) == [of]
    assert (await turn_of(history, of)).state is TurnState.FAILED
    with pytest.raises(TurnOver):
        await log.append(conversation, [said("fine")], effects=[ChangeTurn(of=of, change=TurnChange.ACCEPTED)])


async def test_a_returned_turn_does_not_expire_any_more(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    of, _ = await a_review(log, conversation, within=60)
    await log.append(conversation, [said("shorter")], effects=[ChangeTurn(of=of, change=TurnChange.RETURNED)])
    held = await claim_one(log)
    clock.pass_time(LEASE.seconds + 60)
    assert await log.expire(limit=10) == []
    await log.settle(held, done("ok"))
    assert (await turn_of(history, of)).state is TurnState.COMPLETED


async def test_a_turn_in_review_is_not_finished_by_its_agent(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of, held = await a_review(log, conversation)
    for change in (FINISHED, BROKE, ASKED):
        with pytest.raises(Refused):
            await log.append(conversation, [said("x")], effects=[ChangeTurn(of=of, change=change, grant=held.fence)])
    assert (await turn_of(history, of)).state is TurnState.REVIEW
