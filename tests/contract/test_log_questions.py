"""What every conversation log promises about questions: the mailbox waits, the first answer wins, and nobody waits
for ever."""

import asyncio

import pytest

from adapters.messaging.errors import TurnOver
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import Kind, QuestionRef
from adapters.messaging.outcomes import Asked, Dead, Done, Retry
from adapters.messaging.turns import TurnState
from registry.model import AgentName, BadRequest, ConversationId, Refused, TurnId, Unknown
from tests.support.logs import (
    ALICE,
    BOB,
    ECHO,
    LEASE,
    SCOUT,
    Clock,
    OpenedLog,
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


async def a_question(
    log: ConversationLog, conversation: ConversationId, *, expires_in: float | None = None
) -> QuestionRef:
    """Somebody says something to the echo, and it asks which."""
    of = await open_turn(log, conversation, "do it")
    await log.settle(await claim_one(log, ECHO), asks("which?", expires_in=expires_in))
    return QuestionRef(of=of, question="q1")


async def test_a_question_is_said_and_its_turn_waits(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "do it")
    settled = await log.settle(
        await claim_one(log), Asked(question=asks("which?").question, replies=(reply("There are two."),))
    )
    assert [placed.seq for placed in settled.placed] == [2, 3]

    _, remark, asked = await history.page(conversation)
    assert (remark.body, remark.kind) == (b"There are two.", Kind.SAID)
    assert (asked.body, asked.kind, asked.sender, asked.turn) == (b"which?", Kind.ASKED, "agent:echo", of.turn)
    turn = await turn_of(history, of)
    assert (turn.state, turn.question, turn.expires) == (TurnState.WAITING, "q1", None)


async def test_while_a_question_is_open_everything_else_waits(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    await log.append(conversation, [said("three", to=ECHO)])
    clock.pass_time(1_000_000)
    assert await claim_all(log) == []

    await log.append(conversation, [answered("the red one", question)])
    heard: list[str] = []
    while deliveries := await claim_all(log):
        heard += [held.message.text for held in deliveries]
        await log.settle(deliveries[0], Done())
    assert heard == ["the red one", "two", "three"], "the answer goes past what was said before it"


async def test_an_answer_belongs_to_the_turn_that_asked(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    placed = (await log.append(conversation, [answered("the red one", question, by=BOB)])).placed[0]
    assert placed.turn == question.of.turn
    assert (await turn_of(history, question.of)).state is TurnState.QUEUED

    held = await claim_one(log)
    assert (held.of, held.message.seq, held.attempt) == (question.of, placed.seq, 1)
    assert (held.message.answers, held.message.sender, held.authority) == ("q1", BOB, b"sealed")
    await log.settle(held, done("done"))
    turn = await turn_of(history, question.of)
    assert (turn.state, turn.attempts, turn.question) == (TurnState.COMPLETED, 2, "")
    assert await texts(history, conversation) == ["do it", "which?", "the red one", "done"]


async def test_only_the_conversation_that_asked_waits(log: ConversationLog, conversation: ConversationId) -> None:
    await a_question(log, conversation)
    await open_turn(log, new_conversation(), "elsewhere")
    await log.append(conversation, [said("and you?", to=SCOUT)])
    assert sorted(held.message.text for held in await claim_all(log)) == ["and you?", "elsewhere"]


async def test_the_first_answer_wins(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [answered("red", question, by=ALICE)])
    with pytest.raises(TurnOver, match="not open"):
        await log.append(conversation, [answered("blue", question, by=BOB)])
    assert await texts(history, conversation) == ["do it", "which?", "red"]


async def test_of_many_who_answer_at_once_one_wins(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    answers = [log.append(conversation, [answered(f"{n}", question)]) for n in range(10)]
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert sum(isinstance(outcome, TurnOver) for outcome in outcomes) == 9
    assert len(await claim_all(log)) == 1


async def test_an_answer_that_is_repeated_is_where_it_was(log: ConversationLog, conversation: ConversationId) -> None:
    question = await a_question(log, conversation)
    answer = answered("red", question)
    first = await log.append(conversation, [answer])
    await log.settle(await claim_one(log), done("ok"))
    again = await log.append(conversation, [answer])
    assert (again.seq, again.duplicate) == (first.seq, True)


async def test_an_attempt_at_an_answer_is_repeated_before_anything_else(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    await log.append(conversation, [answered("red", question)])
    await log.settle(await claim_one(log), Retry(after=60, error="away"))
    assert await claim_all(log) == []

    clock.pass_time(61)
    held = await claim_one(log)
    assert (held.message.text, held.attempt) == ("red", 2)
    clock.pass_time(LEASE.seconds + 1)
    assert (await claim_one(log)).message.text == "red", "whoever let the lease end has not eaten the answer"


async def test_an_agent_can_ask_again_and_again(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    for number in (2, 3, 4):
        await log.append(conversation, [answered("hm", question)])
        await log.settle(await claim_one(log), asks(f"question {number}?", id=f"q{number}"))
        question = QuestionRef(of=question.of, question=f"q{number}")
    assert (await turn_of(history, question.of)).question == "q4"
    assert await claim_all(log) == []


async def test_a_question_is_asked_once_in_its_turn(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [answered("red", question)])
    held = await claim_one(log)
    with pytest.raises(Refused, match="'q1'"):
        await log.settle(held, asks("which?", id="q1"))
    await log.settle(held, done("never mind"))
    assert await texts(history, conversation) == ["do it", "which?", "red", "never mind"]


async def test_every_turn_may_use_the_same_words_for_its_questions(
    log: ConversationLog, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [answered("red", question)])
    await log.settle(await claim_one(log), done("ok"))
    await a_question(log, conversation)


async def test_an_answer_to_nothing_is_refused(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    of = question.of
    elsewhere = new_conversation()
    await open_turn(log, elsewhere, "elsewhere")

    wrong = [
        (conversation, QuestionRef(of=of, question="q2"), TurnOver),
        (
            conversation,
            QuestionRef(of=type(of)(conversation=conversation, agent=SCOUT, turn=of.turn), question="q1"),
            Unknown,
        ),
        (
            conversation,
            QuestionRef(of=type(of)(conversation=conversation, agent=ECHO, turn=TurnId("?")), question="q1"),
            Unknown,
        ),
        (elsewhere, question, Unknown),
    ]
    for where, ref, error in wrong:
        with pytest.raises(error):
            await log.append(where, [answered("red", ref)])
    assert (await turn_of(history, of)).state is TurnState.WAITING
    await log.append(conversation, [answered("red", question)])


# ---- expiry


async def test_a_question_that_nobody_answers_fails_its_turn_and_the_next_one_goes_on(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation, expires_in=60)
    await log.append(conversation, [said("two", to=ECHO)])
    clock.pass_time(59)
    assert await log.expire(limit=10) == []
    assert await claim_all(log) == []

    clock.pass_time(2)
    assert list(await log.expire(limit=10)) == [question.of]
    turn = await turn_of(history, question.of)
    assert (turn.state, turn.question, turn.error) == (TurnState.FAILED, "", "expired")
    *_, failed = await history.page(conversation)
    assert (failed.kind, failed.turn, failed.sender) == (Kind.FAILED, question.of.turn, "service:interchange")
    assert (await claim_one(log)).message.text == "two"
    assert await log.expire(limit=10) == []


async def test_an_answer_after_the_expiry_is_refused(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation, expires_in=60)
    clock.pass_time(61)
    await log.expire(limit=10)
    before = await texts(history, conversation)
    with pytest.raises(TurnOver):
        await log.append(conversation, [answered("red", question)])
    assert await texts(history, conversation) == before


async def test_a_late_answer_counts_as_long_as_nothing_has_expired_its_question(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation, expires_in=60)
    clock.pass_time(61)
    await log.append(conversation, [answered("red", question)])
    assert await log.expire(limit=10) == []
    await log.settle(await claim_one(log), done("just in time"))
    assert (await turn_of(history, question.of)).state is TurnState.COMPLETED


async def test_those_that_wait_longest_expire_first_and_no_more_than_are_asked_for(
    log: ConversationLog, clock: Clock
) -> None:
    questions = [await a_question(log, new_conversation(), expires_in=60 + number) for number in range(5)]
    clock.pass_time(120)
    expired = [of for _ in range(4) for of in await log.expire(limit=2)]
    assert expired == [question.of for question in questions]


async def test_many_who_expire_the_same_questions_fail_each_once(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation, expires_in=60)
    clock.pass_time(61)
    expired = await asyncio.gather(*(log.expire(limit=10) for _ in range(5)))
    assert [of for each in expired for of in each] == [question.of]
    assert [message.kind for message in await history.page(conversation)].count(Kind.FAILED) == 1


# ---- other ends


async def test_a_cancelled_question_lets_the_next_turn_begin(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    await log.revoke(question.of, by=ALICE)
    assert (await turn_of(history, question.of)).state is TurnState.CANCELLED
    assert (await claim_one(log)).message.text == "two"
    with pytest.raises(TurnOver):
        await log.append(conversation, [answered("red", question)])


async def test_a_question_is_closed_as_it_ended(opened: OpenedLog, log: ConversationLog, clock: Clock) -> None:
    async def states() -> list[str]:
        return sorted(row["state"] for row in await opened.peek("question"))

    one, two, three = new_conversation(), new_conversation(), new_conversation()
    to_answer = await a_question(log, one, expires_in=60)
    to_cancel = await a_question(log, two, expires_in=60)
    await a_question(log, three, expires_in=60)
    assert await states() == ["open", "open", "open"]

    await log.append(one, [answered("red", to_answer)])
    await log.revoke(to_cancel.of, by=ALICE)
    clock.pass_time(61)
    await log.expire(limit=10)
    assert await states() == ["answered", "cancelled", "expired"]


async def test_an_answer_that_cannot_be_delivered_ends_the_turn_and_frees_the_mailbox(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [said("two", to=ECHO)])
    await log.append(conversation, [answered("red", question)])
    await log.settle(await claim_one(log), Dead(error="away for good", body=b"It failed."))
    assert (await turn_of(history, question.of)).state is TurnState.FAILED
    assert (await claim_one(log)).message.text == "two"


async def test_one_message_may_answer_a_question_and_another_open_a_turn(
    log: ConversationLog, conversation: ConversationId
) -> None:
    question = await a_question(log, conversation)
    await log.append(conversation, [answered("red", question), said("and then?", to=ECHO)])
    held = await claim_one(log)
    assert held.message.text == "red"
    await log.settle(held, done("ok"))
    assert (await claim_one(log)).message.text == "and then?"


async def test_an_answer_and_a_new_turn_are_two_messages(log: ConversationLog, conversation: ConversationId) -> None:
    question = await a_question(log, conversation)
    answer = answered("red", question)
    both = type(answer)(
        id="m", sender=ALICE, body=b"red", kind=Kind.ANSWERED, answers=question, to=said("x", to=ECHO).to
    )
    with pytest.raises(BadRequest):
        await log.append(conversation, [both])
    unknown = AgentName("nobody")
    assert await claim_all(log, ECHO, unknown) == []
