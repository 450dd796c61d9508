"""Several gateways with one log: what one leaves undone another one does, and everything is told in order."""

import asyncio
import random
import sys
from collections import defaultdict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.opening import open_log
from adapters.push.channels import LEASE_SECONDS
from tests.support.identity import NOW, FakeClock
from tests.support.logs import said
from tests.support.push import (
    Received,
    answers,
    closes,
    end,
    hangs,
    is_gone,
    pushing,
    receiver,
    repeated,
    say,
    start,
    told_at,
    until_gone,
)
from tests.support.until import until


async def test_each_message_is_told_in_order_and_none_is_missed_whatever_goes_wrong(url: str, clock: FakeClock) -> None:
    """Two gateways, leases that end under slow attempts, and a webhook that fails every third time."""
    chance, turns, words = random.Random(7), 12, [f"word {n}" for n in range(8)]

    async def behave(received: Received, writer: asyncio.StreamWriter) -> None:
        how = chance.choice([answers(200)] * 6 + [answers(500), closes, answers(503)])
        for _ in range(chance.randrange(30)):
            await asyncio.sleep(0)
        await how(received, writer)

    async with pushing(url, clock=clock) as one, pushing(url, clock=clock) as other, receiver() as webhook:
        webhook.behave = behave
        opened = [await start(gateway) for gateway in (one, other) for _ in range(turns // 2)]
        for turn in opened:
            await told_at(one, turn, webhook.url(f"/{turn.turn}"))
        for word in words:
            for turn in opened:
                await say(random.Random(word).choice((one, other)), turn, word)
        for turn in opened:
            await one.opened.log.revoke(turn, by="person:alice")
        async with asyncio.timeout(60):
            while not all([await is_gone(one, turn) for turn in opened]):
                clock.advance(1.0)
                await asyncio.sleep(0.02)

    told: dict[str, dict[str, str]] = defaultdict(dict)
    for received in webhook.received:
        assert told[received.path].setdefault(received.key, received.said) == received.said
    assert {path: list(said.values()) for path, said in told.items()} == {f"/{turn.turn}": words for turn in opened}
    assert len(repeated(webhook)) > 0, "nothing went wrong: this test has shown nothing"


async def test_a_gateway_that_stops_gives_back_what_it_was_telling(url: str, clock: FakeClock) -> None:
    async with receiver() as webhook, pushing(url, clock=clock, poll=60) as there:
        webhook.first = [hangs]
        async with pushing(url, clock=clock) as here:
            turn = await start(here)
            await told_at(here, turn, webhook.url())
            await end(here, "one")
            await until(lambda: len(webhook.received) == 1)
        await told_at(there, turn, webhook.url(), id="other")  # for it to look; it would do so in a minute
        await until_gone(there, turn)
    assert sorted(webhook.said) == ["one"] * 3
    assert sorted(repeated(webhook).values()) == [2], "the clock stood still: no lease has ended"


@asynccontextmanager
async def in_another_process(url: str) -> AsyncGenerator[None]:
    """A gateway that pushes in a process of its own, and is killed in the end."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "tests.support.push_process", url)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


@pytest.mark.parametrize("has_answered", [False, True])
async def test_what_a_killed_gateway_has_posted_and_not_noted_is_posted_again_under_the_same_key(
    url: str, *, has_answered: bool
) -> None:
    """SIGKILL while the webhook answers, and after it has."""
    late = asyncio.Event()

    async def takes_it_late(received: Received, writer: asyncio.StreamWriter) -> None:
        late.set()
        await (answers(200) if has_answered else hangs)(received, writer)

    async with receiver() as webhook:
        webhook.first = [answers(200), takes_it_late]
        async with pushing(url, clock=FakeClock()) as before:
            turn = await start(before)
            await told_at(before, turn, webhook.url())
        async with open_log(url, fabric=InProcessFabric()) as opened:
            messages = [replace(said(word, by="agent:echo"), turn=turn.turn) for word in ("one", "two", "three")]
            await opened.log.append(turn.conversation, messages)
        async with in_another_process(url):
            await asyncio.wait_for(late.wait(), 30)
        async with pushing(url, clock=FakeClock(NOW + LEASE_SECONDS + 1)) as after:
            await until(lambda: webhook.said[-1] == "three")
            await after.opened.log.revoke(turn, by="person:alice")
            await until_gone(after, turn)

    assert webhook.each_once() == ["one", "two", "three"]
    assert webhook.said[:2] == ["one", "two"]
    if not has_answered:
        assert list(repeated(webhook).values()) == [2]
        assert webhook.said == ["one", "two", "two", "three"]


async def test_another_gateway_is_woken_by_the_fabric(url: str, clock: FakeClock) -> None:
    """Neither looks by itself within an hour."""
    fabric = InProcessFabric()
    async with (
        pushing(url, clock=clock, fabric=fabric, poll=3600) as here,
        pushing(url, clock=clock, fabric=fabric, poll=3600) as there,
        receiver() as webhook,
    ):
        turn = await start(here)
        await told_at(here, turn, webhook.url())
        for number in range(5):
            await say(there, turn, f"word {number}")
            await until(lambda number=number: len(webhook.received) == number + 1)
    assert webhook.said == [f"word {number}" for number in range(5)]
