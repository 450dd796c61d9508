"""Webhooks are told what a turn says: in order, at least once, and nobody waits for a slow one. On both engines."""

from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from adapters.messaging.messages import Message, TurnRef
from adapters.push.channels import Channel, Shares, Webhook
from registry.model import AgentName, Unknown, new_turn_id
from tests.support.identity import FakeClock
from tests.support.logs import OPENING, new_conversation, open_turn, said
from tests.support.push import (
    WORDS,
    Endless,
    Pushing,
    answers,
    closes,
    end,
    hangs,
    is_gone,
    pushing,
    receiver,
    repeated,
    rows_of,
    say,
    start,
    told_at,
    until_gone,
    until_put_off,
    write,
)
from tests.support.until import until

ECHO = AgentName("echo")


@pytest.fixture
async def gateway(url: str, clock: FakeClock) -> AsyncGenerator[Pushing]:
    async with pushing(url, clock=clock) as gateway:
        yield gateway


async def test_what_an_agent_says_is_told_in_order_and_then_the_webhook_is_dropped(gateway: Pushing) -> None:
    async with receiver() as webhook:
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one", "two", "three")
        await until(lambda: len(webhook.received) == 3)
        await until_gone(gateway, turn)

    assert webhook.said == ["one", "two", "three"]
    assert len(set(webhook.keys)) == 3
    assert {request.headers["content-type"] for request in webhook.received} == {"application/a2a+json"}
    with pytest.raises(Unknown):
        await gateway.desk.get(turn.turn, "hook")


async def test_a_webhook_that_fails_is_told_the_same_again_under_the_same_key(
    gateway: Pushing, clock: FakeClock
) -> None:
    async with receiver() as webhook:
        webhook.first = [answers(500), closes, answers(302, headers="Location: /elsewhere\r\n"), answers(404)]
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one", "two")
        for attempt in range(1, 5):
            await until(lambda attempt=attempt: len(webhook.received) == attempt)
            await until_put_off(gateway, turn, attempts=attempt)
            clock.advance(2.0**attempt)
        await until_gone(gateway, turn)

    assert webhook.said == ["one"] * 5 + ["two"]
    assert len(set(webhook.keys)) == 2
    assert {request.path for request in webhook.received} == {"/hook"}, "nobody was redirected"


async def test_nothing_is_tried_again_before_its_time_and_nothing_is_tried_after_a_day(
    gateway: Pushing, clock: FakeClock
) -> None:
    async with receiver() as webhook:
        webhook.behave = answers(503)
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one")
        delays: list[float] = []
        begun, attempts = clock.now, 0
        while True:
            attempts += 1
            await until(lambda: len(webhook.received) == attempts)  # noqa: B023
            if clock.now - begun >= 24 * 3600:
                break
            await until_put_off(gateway, turn, attempts=attempts)
            (row,) = await rows_of(gateway, turn)
            delays.append(row.ready_at - clock.now)
            clock.now = row.ready_at
        await until_gone(gateway, turn)

    nominal = [min(3600.0, 2.0**n) for n in range(len(delays))]
    assert all(half / 2 <= delay <= half + 0.001 for delay, half in zip(delays, nominal, strict=True)), delays
    assert 24 <= len(delays) <= 24 * 2 + 13
    assert len(set(webhook.keys)) == 1


async def test_a_webhook_that_says_how_long_it_wants_to_be_left_alone_is_left_alone(
    gateway: Pushing, clock: FakeClock
) -> None:
    async with receiver() as webhook:
        webhook.first = [answers(429, headers="Retry-After: 120\r\n")]
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one")
        await until_put_off(gateway, turn, attempts=1)
        (row,) = await rows_of(gateway, turn)
        assert row.ready_at == clock.now + 120
        clock.advance(120)
        await until_gone(gateway, turn)
    assert webhook.said == ["one", "one"]


async def test_a_webhook_that_is_gone_is_told_no_more(gateway: Pushing) -> None:
    async with receiver() as webhook:
        webhook.behave = answers(410)
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await say(gateway, turn, "one", "two")
        await until_gone(gateway, turn)
    assert webhook.said == ["one"]


async def test_a_webhook_that_takes_it_and_never_finishes_its_answer_has_taken_it(gateway: Pushing) -> None:
    async with receiver() as webhook:
        webhook.behave = Endless()
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one", "two")
        await until_gone(gateway, turn)
    assert webhook.said == ["one", "two"]


async def test_a_turn_that_goes_on_is_told_on_and_neighbours_are_not_told_of(gateway: Pushing) -> None:
    async with receiver() as webhook:
        turn = await start(gateway)
        other = await open_turn(gateway.opened.log, turn.conversation, "something else")
        await told_at(gateway, turn, webhook.url())
        for word in ("one", "two", "three"):
            await say(gateway, other, f"not {word}")
            await say(gateway, turn, word)
            await until(lambda word=word: webhook.said[-1:] == [word])
        assert not await is_gone(gateway, turn), "the turn has not ended"
        await gateway.opened.log.revoke(turn, by="person:alice")
        await until_gone(gateway, turn)

    assert webhook.said == ["one", "two", "three"]


async def test_what_was_said_before_a_webhook_was_named_is_told_only_where_that_is_wanted(gateway: Pushing) -> None:
    async with receiver() as late, receiver() as early:
        turn = await start(gateway)
        await say(gateway, turn, "one", "two")
        (conversation,) = await gateway.opened.history.conversations(ids=(turn.conversation,))
        await told_at(gateway, turn, late.url(), id="late", after=conversation.tail)
        await told_at(gateway, turn, early.url(), id="early")
        await say(gateway, turn, "three")
        await until(lambda: late.said == ["three"])
        await until(lambda: early.said == ["one", "two", "three"])


async def test_a_webhook_may_be_named_before_its_turn_is_opened(gateway: Pushing) -> None:
    async with receiver() as webhook:
        conversation, turn = new_conversation(), new_turn_id()
        of = TurnRef(conversation=conversation, agent=ECHO, turn=turn)
        await told_at(gateway, of, webhook.url())
        await gateway.opened.log.append(conversation, [said("hello", to=ECHO, turn=turn)], opening=OPENING)
        await end(gateway, "one")
        await until_gone(gateway, of)
    assert webhook.said == ["one"]


async def test_a_webhook_whose_turn_nobody_opens_is_dropped_in_the_end(gateway: Pushing, clock: FakeClock) -> None:
    of = TurnRef(conversation=new_conversation(), agent=ECHO, turn=new_turn_id())
    await told_at(gateway, of, "http://127.0.0.1:9999/")
    clock.advance(3601)
    await until_gone(gateway, of)


async def test_a_webhook_that_is_replaced_is_told_on_where_the_former_was(gateway: Pushing, clock: FakeClock) -> None:
    async with receiver() as former, receiver() as latter:
        former.first = [answers(200)]
        former.behave = hangs
        turn = await start(gateway)
        await told_at(gateway, turn, former.url())
        await say(gateway, turn, "one", "two")
        await until(lambda: former.said == ["one", "two"])
        await told_at(gateway, turn, latter.url())
        await until(lambda: latter.said == ["two"])

    assert former.keys[1] == latter.keys[0]


async def test_a_webhook_that_is_deleted_is_told_no_more(gateway: Pushing) -> None:
    async with receiver() as webhook, receiver() as other:
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url(), id="one")
        await told_at(gateway, turn, other.url(), id="other")
        await say(gateway, turn, "one")
        await until(lambda: webhook.said == other.said == ["one"])
        await gateway.desk.delete(turn.turn, "one")
        await gateway.desk.delete(turn.turn, "one")
        await say(gateway, turn, "two")
        await until(lambda: other.said == ["one", "two"])
    assert webhook.said == ["one"]


async def test_slow_webhooks_delay_nobody_else(url: str, clock: FakeClock) -> None:
    """Twenty hanging webhooks at one place, of one owner, and more of another owner: the one that works is told."""
    shares = Shares(total=12, place=4, owner=6)
    async with (
        pushing(url, clock=clock, shares=shares) as gateway,
        receiver() as slow,
        receiver() as other_slow,
        receiver() as quick,
    ):
        slow.behave = other_slow.behave = hangs
        for place, owner in ((slow, "one"), (other_slow, "two")):
            for _ in range(10):
                turn = await start(gateway)
                await say(gateway, turn, "waits")
                admitted = await gateway.desk.admit(Webhook(id="hook", turn=turn.turn, url=place.url()))
                await gateway.desk.put(admitted, of=turn, owner=owner)
        await until(lambda: slow.open == other_slow.open == 4)
        for number in range(5):
            turn = await start(gateway)
            await told_at(gateway, turn, quick.url())
            await say(gateway, turn, f"quick {number}")
            await until(lambda number=number: len(quick.said) == number + 1)

    assert (slow.most_open, other_slow.most_open) == (4, 4)


async def test_many_webhooks_are_told_beside_each_other(gateway: Pushing) -> None:
    async with receiver() as webhook:
        turns = [await start(gateway) for _ in range(30)]
        for turn in turns:
            await told_at(gateway, turn, webhook.url())
            await say(gateway, turn, "one", "two")
        await until(lambda: len(webhook.received) == 60)
    assert 1 < webhook.most_open <= 8
    assert repeated(webhook) == {}


async def test_what_cannot_be_written_is_tried_again_as_what_cannot_be_told(url: str, clock: FakeClock) -> None:
    broken = True

    async def write_or_break(channel: Channel, message: Message) -> bytes | None:
        if broken and message.text == "one":
            raise RuntimeError("the face has a mistake")
        return await write(channel, message)

    async with (
        pushing(url, clock=clock, words=replace(WORDS, write=write_or_break)) as gateway,
        receiver() as webhook,
    ):
        turn = await start(gateway)
        await told_at(gateway, turn, webhook.url())
        await end(gateway, "one")
        await until_put_off(gateway, turn, attempts=1)
        (row,) = await rows_of(gateway, turn)
        assert "message 2 could not be written: RuntimeError" in row.error
        broken = False
        clock.advance(2)
        await until_gone(gateway, turn)
    assert webhook.said == ["one"]
