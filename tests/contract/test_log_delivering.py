"""What every conversation log promises about bringing messages to agents: in order, one at a time, until it is done."""

import asyncio
import time
from dataclasses import replace

import pytest

from adapters.messaging.errors import AlreadySettled, Fenced
from adapters.messaging.log import ConversationLog, History, WhichLetters
from adapters.messaging.messages import Kind, QuestionRef
from adapters.messaging.outcomes import Dead, Done, Outcome, Rejected, Retry
from adapters.messaging.turns import TurnState
from registry.model import BadRequest, ConversationId
from tests.support.logs import (
    ALICE,
    ECHO,
    LEASE,
    OPENING,
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

# ---- one after the other


async def test_the_second_message_waits_until_the_first_turn_ends(
    log: ConversationLog, conversation: ConversationId
) -> None:
    first = await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    await log.append(conversation, [said("two", to=ECHO)])

    held = await claim_one(log)
    assert (held.message.seq, held.message.text) == (first.seq, "one")
    assert await claim_all(log) == []

    await log.settle(held, Done())
    assert (await claim_one(log)).message.text == "two"


async def test_messages_are_delivered_in_the_order_they_were_said(
    log: ConversationLog, conversation: ConversationId
) -> None:
    for text in "abcdef":
        await log.append(conversation, [said(text, to=ECHO)], opening=OPENING)

    heard: list[str] = []
    while deliveries := await claim_all(log):
        heard += [held.message.text for held in deliveries]
        await asyncio.gather(*(log.settle(held, done("ok")) for held in deliveries))
    assert heard == list("abcdef")


async def test_a_delivery_says_what_is_to_be_delivered_and_for_whom(
    log: ConversationLog, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    held = await claim_one(log)

    assert held.of == of
    assert (held.attempt, held.message.text, held.message.sender) == (1, "one", ALICE)
    assert (held.message.body, held.message.to, held.authority) == (b"one", (ECHO,), b"sealed")
    assert held.fence > 0
    assert of.turn in held.id


async def test_a_message_to_nobody_is_delivered_to_nobody(log: ConversationLog, conversation: ConversationId) -> None:
    await log.append(conversation, [said("just saying")], opening=OPENING)
    assert await claim_all(log) == []


async def test_each_of_several_recipients_gets_it_in_a_turn_of_its_own(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("all of you", to=(ECHO, SCOUT))], opening=OPENING)
    held = {each.agent: each for each in await claim_all(log)}

    assert held.keys() == {ECHO, SCOUT}
    assert held[ECHO].message == held[SCOUT].message
    assert held[ECHO].turn != held[SCOUT].turn
    await log.settle(held[SCOUT], done("here"))
    assert (await turn_of(history, held[SCOUT].of)).state is TurnState.COMPLETED
    assert (await turn_of(history, held[ECHO].of)).state is TurnState.WORKING


async def test_one_agent_does_not_wait_for_another(log: ConversationLog, conversation: ConversationId) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    await claim_one(log, ECHO)
    await log.append(conversation, [said("two", to=SCOUT)])
    assert (await claim_one(log, SCOUT)).message.text == "two"


async def test_only_the_mail_of_agents_that_are_named_is_handed_out(
    log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    assert await claim_all(log, SCOUT) == []
    assert await log.claim([], limit=10, lease=LEASE) == ()
    assert await log.claim([ECHO], limit=0, lease=LEASE) == ()
    assert len(await claim_all(log, ECHO)) == 1


async def test_no_more_are_handed_out_than_were_asked_for(log: ConversationLog) -> None:
    for _ in range(5):
        await log.append(new_conversation(), [said("one", to=ECHO)], opening=OPENING)
    assert [len(await claim_all(log, limit=2)) for _ in range(4)] == [2, 2, 1, 0]


async def test_those_that_wait_longest_are_handed_out_first(log: ConversationLog, clock: Clock) -> None:
    conversations = [new_conversation() for _ in range(4)]
    for conversation in conversations:
        await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
        clock.pass_time(1)
    handed_out = [(await claim_all(log, limit=1))[0].conversation for _ in conversations]
    assert handed_out == conversations


async def test_an_agent_with_much_mail_does_not_keep_out_the_others(log: ConversationLog, clock: Clock) -> None:
    for _ in range(20):
        await log.append(new_conversation(), [said("one", to=ECHO)], opening=OPENING)
    clock.pass_time(1)
    for _ in range(3):
        await log.append(new_conversation(), [said("one", to=SCOUT)], opening=OPENING)

    held = await claim_all(log, ECHO, SCOUT, limit=6)
    assert sum(each.agent == SCOUT for each in held) == 3
    assert sum(each.agent == ECHO for each in held) == 3


# ---- leases and fences


async def test_a_delivery_is_handed_out_again_once_its_lease_has_ended(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    first = await claim_one(log)

    clock.pass_time(LEASE.seconds - 1)
    assert await claim_all(log) == []

    clock.pass_time(2)
    second = await claim_one(log)
    assert (second.id, second.message) == (first.id, first.message)
    assert second.attempt == first.attempt + 1
    assert second.fence > first.fence


async def test_whoever_lost_the_lease_can_do_nothing_any_more(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    lost = await claim_one(log)
    clock.pass_time(LEASE.seconds + 1)
    held = await claim_one(log)

    for attempt in (
        log.settle(lost, done("from the past")),
        log.extend(lost, seconds=30),
        log.append(conversation, [said("from the past", by="agent:echo")], under=lost),
    ):
        with pytest.raises(Fenced) as fenced:
            await attempt
        assert not isinstance(fenced.value, AlreadySettled)

    await log.settle(held, done("heard"))
    assert await texts(history, conversation) == ["one", "heard"]


async def test_a_lease_that_ended_still_counts_as_long_as_nobody_took_it(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    slow = await claim_one(log)
    clock.pass_time(LEASE.seconds * 10)
    await log.settle(slow, done("at last"))
    assert await texts(history, conversation) == ["one", "at last"]
    assert await claim_all(log) == []


async def test_an_extended_lease_ends_later(log: ConversationLog, clock: Clock, conversation: ConversationId) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    clock.pass_time(20)
    longer = await log.extend(held, seconds=30)
    assert (longer.id, longer.fence) == (held.id, held.fence)
    assert longer.deadline > held.deadline

    clock.pass_time(20)
    assert await claim_all(log) == []
    clock.pass_time(11)
    assert (await claim_one(log)).attempt == 2


async def test_a_deadline_is_no_later_than_the_lease(log: ConversationLog, conversation: ConversationId) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    before = time.monotonic()
    held = await claim_one(log)
    assert before + LEASE.seconds <= held.deadline <= time.monotonic() + LEASE.seconds


@pytest.mark.parametrize(
    "outcome",
    [done("ok"), Retry(after=0, error="e"), Dead(error="e"), Rejected(reason="r"), asks("which?")],
    ids=lambda each: type(each).__name__,
)
async def test_a_delivery_is_settled_once(
    log: ConversationLog, history: History, conversation: ConversationId, outcome: Outcome
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    await log.settle(held, outcome)
    before = await texts(history, conversation)

    with pytest.raises(AlreadySettled):
        await log.settle(held, outcome)
    with pytest.raises(AlreadySettled):
        await log.settle(held, done("something else"))
    assert await texts(history, conversation) == before


async def test_of_many_who_settle_the_same_delivery_one_succeeds(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    answers = await asyncio.gather(*(log.settle(held, done(f"{n}")) for n in range(10)), return_exceptions=True)
    assert sum(isinstance(answer, AlreadySettled) for answer in answers) == 9
    assert len(await texts(history, conversation)) == 2


async def test_of_many_who_claim_the_same_mailbox_one_gets_it(
    log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    claims = await asyncio.gather(*(claim_all(log) for _ in range(20)))
    assert sum(len(deliveries) for deliveries in claims) == 1


async def test_fences_never_fall(log: ConversationLog, clock: Clock, conversation: ConversationId) -> None:
    fences: list[int] = []
    for outcome in (done("ok"), Retry(after=0, error="e"), done("ok"), Dead(error="e"), None, done("ok")):
        await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
        held = await claim_one(log)
        fences.append(held.fence)
        if outcome is None:
            clock.pass_time(LEASE.seconds + 1)
        else:
            await log.settle(held, outcome)
    assert fences == sorted(set(fences))


# ---- attempts


async def test_a_retried_message_is_still_the_head_and_comes_again_after_its_delay(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.append(conversation, [said("two", to=ECHO)])
    await log.settle(await claim_one(log), Retry(after=60, error="the agent is away"))

    turn = await turn_of(history, of)
    assert (turn.state, turn.error, turn.attempts) == (TurnState.QUEUED, "the agent is away", 1)
    clock.pass_time(59)
    assert await claim_all(log) == [], "nobody overtakes it"

    clock.pass_time(2)
    again = await claim_one(log)
    assert (again.message.text, again.attempt) == ("one", 2)
    await log.settle(again, done("ok"))
    assert (await claim_one(log)).attempt == 1


async def test_a_message_is_tried_as_often_as_it_is_put_back(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    for attempt in range(1, 8):
        held = await claim_one(log)
        assert held.attempt == attempt
        await log.settle(held, Retry(after=0, error=f"failure {attempt}"))
    assert (await turn_of(history, of)).attempts == 7


async def test_an_attempt_that_was_lost_counts(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    for attempt in (1, 2, 3):
        assert (await claim_one(log)).attempt == attempt
        clock.pass_time(LEASE.seconds + 1)


# ---- how a delivery ends


async def test_replies_are_appended_as_the_delivery_ends(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    held = await claim_one(log)
    settled = await log.settle(held, Done(replies=(reply("first"), reply("second"))))

    assert [placed.seq for placed in settled.placed] == [2, 3]
    assert settled.tail == 3
    replies = (await history.page(conversation))[1:]
    assert [(each.sender, each.kind, each.turn, each.body) for each in replies] == [
        ("agent:echo", Kind.SAID, of.turn, b"first"),
        ("agent:echo", Kind.SAID, of.turn, b"second"),
    ]
    assert (await turn_of(history, of)).state is TurnState.COMPLETED


async def test_an_attempt_that_is_repeated_says_nothing_twice(
    log: ConversationLog, history: History, clock: Clock, conversation: ConversationId
) -> None:
    """What an agent says on the way has an id by which it is known again in the next attempt."""
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    for attempt in (1, 2, 3):
        held = await claim_one(log)
        on_the_way = replace(said("part 1", by="agent:echo", id=f"part 1 of {held.id}"), turn=held.turn)
        appended = await log.append(conversation, [on_the_way], under=held)
        assert (appended.seq, appended.duplicate) == (2, attempt > 1)
        if attempt < 3:
            clock.pass_time(LEASE.seconds + 1)
    await log.settle(held, done("part 2"))
    assert await texts(history, conversation) == ["one", "part 1", "part 2"]


async def test_what_policy_rejects_is_said_and_is_no_dead_letter(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), Rejected(reason="not allowed", body=b"policy says no"))

    turn = await turn_of(history, of)
    assert (turn.state, turn.error) == (TurnState.REJECTED, "not allowed")
    (_, failed) = await history.page(conversation)
    assert (failed.kind, failed.body, failed.turn) == (Kind.FAILED, b"policy says no", of.turn)
    assert await history.dead(WhichLetters()) == []


async def test_the_cursor_moves_with_what_was_delivered_in_order(
    opened: OpenedLog, log: ConversationLog, conversation: ConversationId
) -> None:
    async def cursor() -> int:
        (mailbox,) = await opened.peek("mailbox")
        return mailbox["cursor"]

    of = await open_turn(log, conversation, "one")
    await log.append(conversation, [said("two", to=ECHO)])
    held = await claim_one(log)
    assert await cursor() == 0
    await log.settle(held, asks("which?"))
    assert await cursor() == 1

    await log.append(conversation, [answered("that", QuestionRef(of=of, question="q1"))])
    await log.settle(await claim_one(log), done("ok"))
    assert await cursor() == 1, "the answer went past the second message"
    await log.settle(await claim_one(log), done("ok"))
    assert await cursor() == 2


# ---- claim while appending


async def test_a_message_is_claimed_as_it_is_said_where_the_mailbox_is_free(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    appended = await log.append(conversation, [said("one", to=ECHO)], opening=OPENING, claim=LEASE)
    held = appended.delivery

    assert held is not None
    assert (held.message.seq, held.attempt, held.turn) == (1, 1, appended.placed[0].turn)
    assert (await turn_of(history, held.of)).state is TurnState.WORKING
    assert await claim_all(log) == []
    await log.settle(held, done("at once"))
    assert await texts(history, conversation) == ["one", "at once"]


async def test_what_was_claimed_as_it_was_said_is_delivered_by_others_if_its_lease_ends(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    appended = await log.append(conversation, [said("one", to=ECHO)], opening=OPENING, claim=LEASE)
    clock.pass_time(LEASE.seconds + 1)
    taken_over = await claim_one(log)
    assert taken_over.attempt == 2
    assert appended.delivery is not None
    with pytest.raises(Fenced):
        await log.settle(appended.delivery, done("too late"))


async def test_a_busy_mailbox_queues_what_was_to_be_claimed(log: ConversationLog, conversation: ConversationId) -> None:
    first = await log.append(conversation, [said("one", to=ECHO)], opening=OPENING, claim=LEASE)
    second = await log.append(conversation, [said("two", to=ECHO)], claim=LEASE)

    assert (second.seq, second.delivery) == (2, None)
    assert first.delivery is not None
    await log.settle(first.delivery, Done())
    assert (await claim_one(log)).message.text == "two"


async def test_what_waits_is_not_overtaken_by_what_is_claimed_as_it_is_said(
    log: ConversationLog, clock: Clock, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    assert (await log.append(conversation, [said("two", to=ECHO)], claim=LEASE)).delivery is None, "one is ready"

    await log.settle(await claim_one(log), Retry(after=60, error="e"))
    assert (await log.append(conversation, [said("three", to=ECHO)], claim=LEASE)).delivery is None, "one is put back"

    clock.pass_time(61)
    await log.settle(await claim_one(log), asks("which?"))
    assert (await log.append(conversation, [said("four", to=ECHO)], claim=LEASE)).delivery is None, "it is parked"


async def test_the_one_message_with_a_recipient_is_claimed(log: ConversationLog, conversation: ConversationId) -> None:
    appended = await log.append(
        conversation, [said("by the way"), said("one", to=ECHO), said("that is all")], opening=OPENING, claim=LEASE
    )
    assert appended.delivery is not None
    assert (appended.delivery.message.seq, appended.delivery.message.text) == (2, "one")


async def test_an_answer_is_claimed_as_it_is_said(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), asks("which?"))
    answer = answered("that", QuestionRef(of=of, question="q1"))
    held = (await log.append(conversation, [answer], claim=LEASE)).delivery

    assert held is not None
    assert (held.of, held.message.text) == (of, "that")
    await log.settle(held, done("ok"))
    assert (await turn_of(history, of)).state is TurnState.COMPLETED


async def test_only_a_message_to_one_agent_can_be_claimed_as_it_is_said(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    for messages in ([said("one")], [said("one", to=(ECHO, SCOUT))], [said("one", to=ECHO), said("two", to=SCOUT)]):
        with pytest.raises(BadRequest, match="exactly one agent"):
            await log.append(conversation, messages, opening=OPENING, claim=LEASE)
    assert await history.conversations(ids=[conversation]) == []


async def test_of_many_who_claim_as_they_append_one_gets_the_mailbox(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("zero")], opening=OPENING)
    appends = [log.append(conversation, [said(f"{n}", to=ECHO)], claim=LEASE) for n in range(20)]
    held = [each.delivery for each in await asyncio.gather(*appends) if each.delivery is not None]
    assert [each.message.seq for each in held] == [2]

    heard: list[int] = []
    while held:
        heard += [each.message.seq for each in held]
        await log.settle(held[0], Done())
        held = await claim_all(log)
    assert heard == list(range(2, 22))
