"""Retention and the index of words in PostgreSQL: in small steps, and beside those who write."""

import asyncio
import random

from adapters.messaging.outcomes import Lease
from adapters.messaging.postgres.keeping import STEP, STEP_BYTES
from tests.support.logs import ECHO, OPENING, new_conversation, said
from tests.support.postgres_logs import PostgresLog, log_at, look


async def _say(opened: PostgresLog, count: int, text: str = "hello") -> None:
    conversation = new_conversation()
    await asyncio.gather(*(opened.log.append(conversation, [said(text)], opening=OPENING) for _ in range(count)))


async def test_an_index_of_more_than_one_step_is_whole(database: str) -> None:
    async with log_at(database) as opened:
        await _say(opened, 2 * STEP + 1)
        await _say(opened, 3)
        assert await opened.log.index(limit=STEP + 10) == STEP + 10
        assert await opened.log.index(limit=10 * STEP) == STEP - 6
        assert await opened.log.index(limit=10 * STEP) == 0
        assert len(await opened.engine.rows.search("hello", conversations=None, limit=10 * STEP)) == 2 * STEP + 4
    assert await look(database, "SELECT FROM conversation WHERE stale OR indexed <> tail") == []


async def test_texts_of_any_length_are_indexed_a_few_at_a_time(database: str) -> None:
    words = random.Random(1)
    long = " ".join(f"w{words.randrange(10**9)}" for _ in range(350_000))[:STEP_BYTES]
    async with log_at(database) as opened:
        for text in (long, "x" * STEP_BYTES, "a needle " + "é" * (STEP_BYTES // 4)):
            await _say(opened, 1, text)
        assert await opened.log.index(limit=100) == 3
        assert len(await opened.engine.rows.search("needle", conversations=None, limit=10)) == 1
        assert len(await opened.engine.rows.search(long[:100].rpartition(" ")[0], conversations=None, limit=10)) == 1


async def test_what_is_erased_while_it_is_indexed_is_not_found(database: str) -> None:
    async with log_at(database) as here, log_at(database) as there:
        for number in range(20):
            conversation = new_conversation()
            await here.log.append(conversation, [said("a secret")], opening=OPENING)
            await asyncio.gather(
                there.log.index(limit=100),
                here.log.erase(conversation, id=f"{number}", by="person:alice", reason="asked for"),
            )
        await here.log.index(limit=1000)
        assert await here.engine.rows.search("secret", conversations=None, limit=100) == []
    assert await look(database, "SELECT FROM message_words WHERE words @@ 'secret'") == []


async def test_retention_goes_on_behind_what_it_has_to_leave(database: str) -> None:
    """More than a step of the oldest messages is on hold, and more belongs to turns that go on."""
    held = new_conversation()
    async with log_at(database) as opened:
        for _ in range(STEP // 10 + 1):
            await opened.log.append(held, [said("hello") for _ in range(10)], opening=OPENING)
        await opened.log.hold(held, reason="a lawsuit")
        waiting = new_conversation()
        await asyncio.gather(
            *(opened.log.append(waiting, [said("hello", to=ECHO)], opening=OPENING) for _ in range(STEP + 10))
        )
        await opened.log.claim([ECHO], limit=1, lease=Lease(owner="here", seconds=60))
        await _say(opened, STEP + 10)
        assert await opened.log.retain(seconds=0, limit=STEP + 1) == STEP + 1
        assert await opened.log.retain(seconds=0, limit=10 * STEP) == 9
        assert await opened.log.retain(seconds=0, limit=10 * STEP) == 0
        await opened.log.release(held)
        assert await opened.log.retain(seconds=3600, limit=10 * STEP) == 0
        assert await opened.log.retain(seconds=0, limit=10 * STEP) == 10 * (STEP // 10 + 1)
    rows = await look(
        database, "SELECT DISTINCT conversation FROM message WHERE NOT erased OR body <> '' OR text <> ''"
    )
    assert rows == [(waiting,)]
