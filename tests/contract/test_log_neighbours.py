"""What every conversation log promises to several processes that have it open: they might as well be one."""

import asyncio

import pytest

from adapters.messaging.errors import AlreadySettled, Fenced
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.turns import TurnState
from registry.model import ConversationId
from tests.support.logs import (
    ALICE,
    ECHO,
    LEASE,
    OPENING,
    Clock,
    OpenedLog,
    Place,
    asks,
    claim_all,
    claim_one,
    done,
    new_conversation,
    open_turn,
    opened_at,
    said,
    texts,
    texts_of,
    turn_of,
)


async def test_what_one_was_told_the_other_reads_at_once(
    log: ConversationLog, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", id="m")], opening=OPENING)
    assert await texts(neighbour.history, conversation) == ["one"]
    assert (await neighbour.log.append(conversation, [said("one", id="m")])).duplicate
    assert (await neighbour.log.append(conversation, [said("two")])).seq == 2


async def test_two_who_append_at_once_share_one_order(
    log: ConversationLog, history: History, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    appends = [
        side.append(conversation, [said(f"{n}")], opening=OPENING) for n in range(50) for side in (log, neighbour.log)
    ]
    appended = await asyncio.gather(*appends)
    assert sorted(each.seq for each in appended) == list(range(1, 101))
    assert len(await texts(history, conversation)) == 100


async def test_a_mailbox_is_in_one_hand_only(
    log: ConversationLog, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    assert await claim_all(neighbour.log) == []
    assert (await neighbour.log.append(conversation, [said("two", to=ECHO)], claim=LEASE)).delivery is None

    await log.settle(held, done("ok"))
    assert (await claim_one(neighbour.log)).message.text == "two"


async def test_two_who_claim_at_once_share_the_mail(log: ConversationLog, neighbour: OpenedLog) -> None:
    for _ in range(40):
        await log.append(new_conversation(), [said("one", to=ECHO)], opening=OPENING)
    claims = await asyncio.gather(*(claim_all(side, limit=2) for _ in range(20) for side in (log, neighbour.log)))
    handed_out = [held.conversation for deliveries in claims for held in deliveries]
    assert len(set(handed_out)) == len(handed_out)
    assert len(handed_out) + len(await claim_all(neighbour.log)) == 40


async def test_what_one_let_go_of_the_other_takes_over(
    log: ConversationLog, history: History, neighbour: OpenedLog, clock: Clock, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    lost = await claim_one(log)
    clock.pass_time(LEASE.seconds + 1)
    held = await claim_one(neighbour.log)
    assert (held.id, held.attempt) == (lost.id, 2)
    await neighbour.log.settle(held, done("taken over"))
    with pytest.raises(Fenced):
        await log.settle(lost, done("too late"))
    assert (await turn_of(history, of)).state is TurnState.COMPLETED
    assert await texts(history, conversation) == ["one", "taken over"]


async def test_what_one_holds_the_other_may_settle_or_cancel(
    log: ConversationLog, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    """A delivery is its fence, wherever it is presented."""
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    held = await claim_one(log)
    await neighbour.log.settle(held, done("ok"))
    with pytest.raises(AlreadySettled):
        await log.settle(held, done("ok"))

    of = await open_turn(log, conversation, "two")
    held = await claim_one(log)
    await neighbour.log.revoke(of, by=ALICE)
    with pytest.raises(Fenced):
        await log.settle(held, done("too late"))


async def test_whoever_follows_at_one_hears_what_is_said_at_the_other(
    log: ConversationLog, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one")], opening=OPENING)
    following = neighbour.history.follow(conversation)

    async def three() -> list[str]:
        return texts_of([await anext(following) for _ in range(3)])

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        heard = tasks.create_task(three())
        await log.append(conversation, [said("two")])
        await log.append(conversation, [said("three")])
    assert heard.result() == ["one", "two", "three"]


async def test_mail_that_comes_at_one_is_brought_by_the_other(
    log: ConversationLog, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    async def mail() -> str:
        while not (held := await claim_all(neighbour.log, ECHO)):
            await neighbour.wakes.mail([ECHO], seconds=5)
        return held[0].message.text

    async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
        brought = tasks.create_task(mail())
        await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    assert brought.result() == "one"


async def test_a_search_at_one_finds_what_was_said_at_the_other(
    log: ConversationLog, history: History, neighbour: OpenedLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("a red house")], opening=OPENING)
    assert len(await neighbour.history.search("red")) == 1
    await neighbour.log.append(conversation, [said("a red car")])
    assert len(await history.search("red")) == 2


async def test_a_turn_expires_once_however_many_look(
    log: ConversationLog, history: History, neighbour: OpenedLog, clock: Clock, conversation: ConversationId
) -> None:
    of = await open_turn(log, conversation, "one")
    await log.settle(await claim_one(log), asks("which?", expires_in=60))
    clock.pass_time(61)
    expired = await asyncio.gather(*(side.expire(limit=10) for side in (log, neighbour.log) for _ in range(3)))
    assert [each for found in expired for each in found] == [of]
    assert len(await texts(history, conversation)) == 3


async def test_what_was_acknowledged_is_there_for_whoever_opens_the_log_later(
    place: Place, log: ConversationLog, conversation: ConversationId
) -> None:
    await log.append(conversation, [said("one", to=ECHO)], opening=OPENING)
    async with opened_at(place) as later:
        held = await claim_one(later.log)
        await later.log.settle(held, done("ok"))
    async with opened_at(place) as last:
        assert await texts(last.history, conversation) == ["one", "ok"]
