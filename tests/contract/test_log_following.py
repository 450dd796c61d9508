"""What every conversation log promises to whoever follows: everything once and in order, what is still to come too,
whether or not anybody is told of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import replace
from typing import Any, cast

import pytest

from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import Message
from registry.model import ConversationId, Unknown
from tests.support.logs import (
    ECHO,
    LEASE,
    OPENING,
    OpenedLog,
    claim_one,
    done,
    new_conversation,
    open_turn,
    said,
    texts_of,
)

SECONDS = 20.0  # far more than anything here takes


async def take(messages: AsyncIterator[Message], count: int) -> list[Message]:
    async with asyncio.timeout(SECONDS):
        return [await anext(messages) for _ in range(count)]


async def test_what_was_said_and_what_is_said_later_is_followed(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one"), said("two")], opening=OPENING)
    following = history.follow(conversation)
    assert texts_of(await take(following, 2)) == ["one", "two"]

    async with asyncio.TaskGroup() as tasks:
        to_come = tasks.create_task(take(following, 2))
        await log.append(conversation, [said("three")])
        await log.append(conversation, [said("four")])
    assert texts_of(to_come.result()) == ["three", "four"]


async def test_whoever_follows_begins_where_it_left_off(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said(f"{n}") for n in range(1, 6)], opening=OPENING)
    assert texts_of(await take(history.follow(conversation, after=3), 2)) == ["4", "5"]

    ahead = history.follow(conversation, after=5)
    async with asyncio.TaskGroup() as tasks:
        to_come = tasks.create_task(take(ahead, 1))
        await log.append(conversation, [said("6")])
    assert texts_of(to_come.result()) == ["6"]


async def test_a_long_conversation_is_followed_through_all_its_pages(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    for start in range(0, 350, 50):
        await log.append(conversation, [said(f"{n}") for n in range(start, start + 50)], opening=OPENING)
    followed = await take(history.follow(conversation), 350)
    assert [message.seq for message in followed] == list(range(1, 351))


async def test_many_who_follow_see_the_same_in_the_same_order_while_many_speak(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("0")], opening=OPENING)
    async with asyncio.TaskGroup() as tasks:
        followers = [tasks.create_task(take(history.follow(conversation), 61)) for _ in range(10)]
        speakers = [tasks.create_task(log.append(conversation, [said(f"{n}")])) for n in range(60)]
    assert len(speakers) == 60
    seen = [[message.seq for message in follower.result()] for follower in followers]
    assert seen == [list(range(1, 62))] * 10


async def test_what_agents_answer_is_followed(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    following = history.follow(conversation, after=1)
    async with asyncio.TaskGroup() as tasks:
        to_come = tasks.create_task(take(following, 2))
        await log.settle(await claim_one(log), done("an answer"))
        other = await open_turn(log, conversation, "two")
        await log.revoke(other, by="person:alice")
    assert texts_of(to_come.result()) == ["an answer", "two"]
    assert to_come.result()[0].turn == of.turn


async def test_only_what_is_said_in_the_conversation_is_followed(log: ConversationLog, history: History) -> None:
    one, other = new_conversation(), new_conversation()
    await log.append(one, [said("one")], opening=OPENING)
    await log.append(other, [said("other")], opening=OPENING)
    following = history.follow(one, after=1)
    async with asyncio.TaskGroup() as tasks:
        to_come = tasks.create_task(take(following, 1))
        await log.append(other, [said("other 2")])
        await log.append(one, [said("one 2")])
    assert texts_of(to_come.result()) == ["one 2"]


async def test_a_conversation_that_nobody_opened_cannot_be_followed(
    history: History, conversation: ConversationId
) -> None:
    with pytest.raises(Unknown):
        await take(history.follow(conversation), 1)


async def test_whoever_stops_waiting_misses_nothing_by_it(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    following = history.follow(conversation, after=1)
    for _ in range(3):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(following)
    await log.append(conversation, [said("two")])
    assert texts_of(await take(following, 1)) == ["two"]


async def test_large_messages_are_followed_too(
    log: ConversationLog, history: History, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("0")], opening=OPENING)
    for _ in range(5):
        await log.append(conversation, [replace(said("big"), body=bytes(2 << 20))])
    followed = await take(history.follow(conversation), 6)
    assert [message.seq for message in followed] == [1, 2, 3, 4, 5, 6]


async def test_following_can_be_ended(log: ConversationLog, history: History, conversation: ConversationId) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    following = cast(Any, history.follow(conversation))
    async with aclosing(following):
        assert texts_of(await take(following, 1)) == ["one"]
    with pytest.raises(StopAsyncIteration):
        await anext(following)


async def test_a_thousand_who_follow_are_all_woken(log: ConversationLog, history: History) -> None:
    conversations = [new_conversation() for _ in range(20)]
    for conversation in conversations:
        await log.append(conversation, [said("0")], opening=OPENING)
    followers = [history.follow(each, after=1) for each in conversations for _ in range(50)]
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(take(each, 1)) for each in followers]
        for conversation in conversations:
            await log.append(conversation, [said("1")])
    assert all(texts_of(each.result()) == ["1"] for each in waiting)


async def test_mail_wakes_whoever_waits_for_it_or_they_look_by_themselves(
    opened: OpenedLog, log: ConversationLog
) -> None:
    """A wake is only a hint: whoever waits looks at the latest after the poll, and finds what there is."""
    conversation = new_conversation()

    async def first_mail() -> str:
        while not (held := await log.claim([ECHO], limit=1, lease=LEASE)):
            await opened.wakes.mail([ECHO], seconds=5)
        return held[0].message.text

    async with asyncio.timeout(SECONDS), asyncio.TaskGroup() as tasks:
        mail = tasks.create_task(first_mail())
        await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    assert mail.result() == "one"
