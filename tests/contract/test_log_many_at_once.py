"""What every conversation log promises when very many use it at once, and when some of them go away in the middle."""

import asyncio
from collections import Counter, defaultdict

from adapters.messaging.log import ConversationLog, History, WhichTurns
from adapters.messaging.outcomes import Retry
from adapters.messaging.turns import TurnState
from registry.model import AgentName, ConversationId
from tests.support.logs import (
    ECHO,
    LEASE,
    OPENING,
    SCOUT,
    claim_all,
    claim_one,
    done,
    new_conversation,
    said,
)

CALLERS = 256


async def test_many_who_append_to_one_conversation_get_dense_numbers(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    appends = [log.append(conversation, [said(f"{n}")], opening=OPENING) for n in range(CALLERS)]
    appended = await asyncio.gather(*appends)
    assert sorted(each.seq for each in appended) == list(range(1, CALLERS + 1))

    by_seq = {message.seq: message.text for message in await history.page(conversation, limit=1000)}
    assert [by_seq[each.seq] for each in appended] == [f"{n}" for n in range(CALLERS)]


async def test_many_who_append_to_many_conversations_keep_their_order_in_each(
    log: ConversationLog, history: History
) -> None:
    conversations = [new_conversation() for _ in range(32)]

    async def speak(conversation: ConversationId, speaker: int) -> None:
        for number in range(4):
            await log.append(conversation, [said(f"{speaker}:{number}")], opening=OPENING)

    async with asyncio.TaskGroup() as tasks:
        for speaker in range(CALLERS):
            tasks.create_task(speak(conversations[speaker % 32], speaker))

    for conversation in conversations:
        messages = await history.page(conversation, limit=1000)
        assert [message.seq for message in messages] == list(range(1, 33))
        said_by: dict[str, list[str]] = defaultdict(list)
        for message in messages:
            speaker, _, number = message.text.partition(":")
            said_by[speaker].append(number)
        assert all(numbers == ["0", "1", "2", "3"] for numbers in said_by.values())


async def test_many_who_say_the_same_say_it_once(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    new = said("one", to=ECHO)
    appended = await asyncio.gather(*(log.append(conversation, [new], opening=OPENING) for _ in range(CALLERS)))
    assert {each.seq for each in appended} == {1}
    assert Counter(each.duplicate for each in appended) == {False: 1, True: CALLERS - 1}
    assert {each.placed[0].turn for each in appended} == {new.to[0].turn}
    assert len(await history.page(conversation)) == 1


async def test_many_dispatchers_bring_every_message_once_and_in_order(log: ConversationLog, history: History) -> None:
    conversations = [new_conversation() for _ in range(16)]
    for conversation in conversations:
        await log.append(conversation, [said(f"{n}", to=ECHO) for n in range(8)], opening=OPENING)
    heard: dict[ConversationId, list[str]] = defaultdict(list)
    left = 16 * 8

    async def dispatch(owner: int) -> None:
        nonlocal left
        while left > 0:
            deliveries = await log.claim([ECHO], limit=3, lease=LEASE)
            for number, held in enumerate(deliveries):
                if (number + owner) % 4 == 0 and held.attempt == 1:
                    await log.settle(held, Retry(after=0, error="once more"))
                    continue
                heard[held.conversation].append(held.message.text)
                await log.settle(held, done(f"re: {held.message.text}"))
                left -= 1

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for owner in range(8):
            tasks.create_task(dispatch(owner))

    assert dict(heard) == {conversation: [f"{n}" for n in range(8)] for conversation in conversations}
    assert await claim_all(log) == []
    assert len(await history.turns(WhichTurns(states=(TurnState.COMPLETED,)), limit=1000)) == 16 * 8
    for conversation in conversations:
        replies = [m.text for m in await history.page(conversation, limit=100) if m.text.startswith("re:")]
        assert replies == [f"re: {n}" for n in range(8)]


async def test_many_mailboxes_are_shared_out_without_any_being_given_twice(log: ConversationLog) -> None:
    for _ in range(64):
        await log.append(new_conversation(), [said("one", to=ECHO)], opening=OPENING)
    claims = await asyncio.gather(*(claim_all(log, limit=4) for _ in range(32)))
    handed_out = Counter(held.conversation for deliveries in claims for held in deliveries)
    assert handed_out.total() == len(handed_out)
    handed_out += Counter(held.conversation for held in await claim_all(log))
    assert len(handed_out) == handed_out.total() == 64, "and none is forgotten"


async def test_everything_at_once_leaves_everything_in_order(log: ConversationLog, history: History) -> None:
    """Appends, claims, settlements, cancellations and devices, in the same conversations at the same time."""
    conversations = [new_conversation() for _ in range(8)]
    agents = (ECHO, SCOUT)

    async def speak(conversation: ConversationId, agent: AgentName) -> None:
        for number in range(6):
            appended = await log.append(conversation, [said(f"{number}", to=agent)], opening=OPENING)
            await log.seen(conversation, "phone", appended.seq)

    async def dispatch() -> None:
        nothing = 0
        while nothing < 20:
            deliveries = await claim_all(log, limit=2)
            nothing = 0 if deliveries else nothing + 1
            for held in deliveries:
                if held.message.text == "3":
                    await log.revoke(held.of, by="person:alice")
                else:
                    await log.settle(held, done("ok"))
            await asyncio.sleep(0)

    async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
        for conversation in conversations:
            for agent in agents:
                tasks.create_task(speak(conversation, agent))
        for _ in range(8):
            tasks.create_task(dispatch())
    await dispatch()

    for conversation in conversations:
        messages = await history.page(conversation, limit=1000)
        assert [message.seq for message in messages] == list(range(1, 25))
        turns = await history.turns(WhichTurns(conversation=conversation))
        assert Counter(turn.state for turn in turns) == {TurnState.COMPLETED: 10, TurnState.CANCELLED: 2}
        assert (await history.devices(conversation)).seen["phone"] >= 12


# ---- who goes away


async def test_a_caller_who_goes_away_takes_nobody_along(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("zero")], opening=OPENING)
    async with asyncio.TaskGroup() as tasks:
        staying = [tasks.create_task(log.append(conversation, [said(f"stays {n}")])) for n in range(50)]
        leaving = [tasks.create_task(log.append(conversation, [said(f"leaves {n}")])) for n in range(50)]
        await asyncio.sleep(0)
        for task in leaving:
            task.cancel()
    assert len({task.result().seq for task in staying}) == 50

    messages = await history.page(conversation, limit=1000)
    assert [message.seq for message in messages] == list(range(1, len(messages) + 1))
    assert {message.text for message in messages} >= {f"stays {n}" for n in range(50)}


async def test_whoever_went_away_may_say_it_again(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("zero")], opening=OPENING)
    messages = [said(f"{n}", to=ECHO) for n in range(20)]
    for turns_of_the_loop, new in enumerate(messages):
        task = asyncio.ensure_future(log.append(conversation, [new]))
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    for new in messages:
        await log.append(conversation, [new])
    assert sorted(m.text for m in await history.page(conversation)) == sorted(["zero", *(m.text for m in messages)])


async def test_a_claim_that_nobody_waits_for_is_handed_out_again_once_its_lease_has_ended(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    for turns_of_the_loop in range(10):
        task = asyncio.ensure_future(log.claim([ECHO], limit=1, lease=LEASE))
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert len(await history.page(conversation)) == 1


async def test_a_settlement_that_nobody_waits_for_is_done_or_not_and_never_half(
    log: ConversationLog, history: History
) -> None:
    for turns_of_the_loop in range(10):
        conversation = new_conversation()
        await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
        held = await claim_one(log)
        task = asyncio.ensure_future(log.settle(held, done("ok")))
        for _ in range(turns_of_the_loop):
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        again = await asyncio.gather(log.settle(held, done("ok")), return_exceptions=True)
        assert [m.text for m in await history.page(conversation)] == ["one", "ok"], again
