"""Following a conversation: every message once and in order, whoever writes it, whatever is lost on the way."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Awaitable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.fabric import Fabric, InProcessFabric, NoFabric
from adapters.messaging.follower import Following
from adapters.messaging.log import History, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Message, New
from adapters.messaging.opening import OpenLog, open_log
from registry.model import AgentName, BadRequest, ConversationId, Overloaded, TurnId, Unknown
from tests.support.logs import ALICE, OPENING, new_conversation, opened_log, said
from tests.support.postgres import PostgresServer, shared_server

POLL = 0.05
LONG = 600.0
"""Seconds between polls, where nothing may depend on them."""
PATIENCE = 20.0

SQLITE, POSTGRES = "sqlite", "postgres"


@pytest.fixture(params=[SQLITE, POSTGRES])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str]:
    """A log of each kind, with its tables."""
    if request.param == POSTGRES:
        async with shared_server().database() as url:
            yield url
    else:
        yield f"sqlite:///{tmp_path / 'log.db'}"


@asynccontextmanager
async def two(url: str, fabric: Fabric, *, poll: float) -> AsyncGenerator[tuple[OpenLog, OpenLog]]:
    """The same log opened twice, as by two processes that share a fabric."""
    async with open_log(url, fabric=fabric, poll=poll) as one, open_log(url, fabric=fabric, poll=poll) as other:
        yield one, other


async def say(opened: OpenLog, conversation: ConversationId, *texts: str) -> None:
    for text in texts:
        await opened.log.append(conversation, [said(text)], opening=OPENING)


async def hear(following: "Following", count: int) -> list[str]:
    """The texts of the next messages."""
    async with asyncio.timeout(PATIENCE):
        return [(await anext(following)).body.decode() for _ in range(count)]


def follow(history: History, conversation: ConversationId, *, after: int = 0) -> "Following":
    following = history.follow(conversation, after=after)
    assert isinstance(following, Following)
    return following


async def waits(following: "Following") -> "asyncio.Task[Message]":
    """Somebody who waits for the next message, and has found that there is none yet."""
    task = asyncio.ensure_future(anext(following))
    async with asyncio.timeout(PATIENCE):
        while not following.is_waiting:
            await asyncio.sleep(0.001)
    return task  # pyright: ignore[reportReturnType]


async def test_what_was_said_and_what_will_be_said_comes_in_one_row(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        texts = [str(number) for number in range(250)]  # more than a page
        await say(opened, conversation, *texts)
        following = follow(opened.history, conversation)

        assert await hear(following, 250) == texts
        heard = asyncio.ensure_future(hear(following, 3))
        await say(opened, conversation, "a", "b", "c")
        assert await heard == ["a", "b", "c"]


async def test_who_begins_behind_a_message_gets_what_follows_it(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one", "two", "three")

        assert await hear(follow(opened.history, conversation, after=2), 1) == ["three"]
        future = follow(opened.history, conversation, after=4)
        heard = asyncio.ensure_future(hear(future, 1))
        await say(opened, conversation, "four", "five")
        assert await heard == ["five"]


async def test_nobody_follows_what_is_not_there(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        with pytest.raises(Unknown):
            await anext(opened.history.follow(new_conversation()))


async def test_what_another_process_says_is_heard_by_the_fabric(url: str) -> None:
    async with two(url, InProcessFabric(), poll=LONG) as (one, other):
        conversation = new_conversation()
        await say(one, conversation, "first")
        following = follow(one.history, conversation)
        await hear(following, 1)
        heard = asyncio.ensure_future(hear(following, 3))

        await say(other, conversation, "a", "b", "c")

        assert await heard == ["a", "b", "c"]


async def test_what_another_process_says_is_heard_with_the_fabric_cut(url: str) -> None:
    async with two(url, NoFabric(), poll=POLL) as (one, other):
        conversation = new_conversation()
        await say(one, conversation, "first")
        following = follow(one.history, conversation)
        await hear(following, 1)

        for _ in range(3):
            waiting = await waits(following)
            await say(other, conversation, "a")
            assert (await asyncio.wait_for(waiting, PATIENCE)).body == b"a"


async def test_what_a_foreign_process_says_is_heard(tmp_path: Path) -> None:
    """Another interpreter altogether, on the same SQLite file."""
    url = f"sqlite:///{tmp_path / 'log.db'}"
    script = (
        "import asyncio, sys\n"
        "from adapters.messaging.fabric import NoFabric\n"
        "from adapters.messaging.messages import New\n"
        "from adapters.messaging.opening import open_log\n"
        "async def main():\n"
        "    async with open_log(sys.argv[1], fabric=NoFabric()) as opened:\n"
        "        for n in range(20):\n"
        "            await opened.log.append(sys.argv[2], [New(id=str(n), sender='person:bob', body=b'%d' % n)])\n"
        "asyncio.run(main())\n"
    )
    async with open_log(url, fabric=NoFabric(), poll=POLL) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "first")
        following = follow(opened.history, conversation, after=1)
        waiting = asyncio.ensure_future(hear(following, 20))

        await asyncio.to_thread(subprocess.run, [sys.executable, "-c", script, url, conversation], check=True)

        assert await waiting == [str(number) for number in range(20)]


async def test_a_wake_that_comes_over_a_gap_loses_nothing(url: str) -> None:
    """Only the last of many messages is told of."""
    fabric = Leaky()
    async with two(url, fabric, poll=LONG) as (one, other):
        conversation = new_conversation()
        await say(one, conversation, "first")
        following = follow(one.history, conversation, after=1)
        waiting = await waits(following)

        fabric.leaks = True
        texts = [str(number) for number in range(150)]
        await say(other, conversation, *texts)
        await asyncio.sleep(0.05)  # what was told of these is lost by now
        fabric.leaks = False
        await say(other, conversation, "last")

        assert (await asyncio.wait_for(waiting, PATIENCE)).seq == 2
        assert await hear(following, 150) == [*texts[1:], "last"]


class Leaky(InProcessFabric):
    """Loses everything for a while."""

    leaks = False

    def tell(self, topic: str, payload: bytes) -> None:
        if not self.leaks:
            super().tell(topic, payload)


async def test_a_thousand_who_follow_get_every_message_once_and_in_order(url: str) -> None:
    async with two(url, InProcessFabric(), poll=LONG) as (one, other):
        conversations = [new_conversation() for _ in range(20)]
        for conversation in conversations:
            await say(one, conversation, "first")
        followed = [follow(one.history, conversations[number % 20]) for number in range(1000)]
        heard = [asyncio.ensure_future(hear(following, 21)) for following in followed]

        for number in range(10):
            texts = [f"{number}", f"{number} again"]
            await asyncio.gather(*(say(other, conversation, *texts) for conversation in conversations))

        expected = ["first", *(text for number in range(10) for text in (f"{number}", f"{number} again"))]
        assert all(texts == expected for texts in await asyncio.gather(*heard))


async def test_those_who_follow_from_the_same_place_share_the_looks(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "first")
        followed = [follow(opened.history, conversation, after=1) for _ in range(200)]
        waiting = [await waits(following) for following in followed]
        looks = 0
        page = opened.history.page

        async def counted(*args: object, **kwargs: object) -> object:
            nonlocal looks
            looks += 1
            return await page(*args, **kwargs)  # pyright: ignore[reportArgumentType]

        monkeypatch.setattr(opened.history, "page", counted)
        await say(opened, conversation, "second")

        assert {(await each).body for each in waiting} == {b"second"}
        assert looks <= 2


async def test_what_is_said_while_somebody_looks_in_vain_is_not_missed(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        page = opened.history.page
        said_late: list[str] = []

        async def overtaken(*args: object, **kwargs: object) -> object:
            found = await page(*args, **kwargs)  # pyright: ignore[reportArgumentType]
            if not found and not said_late:
                said_late.append("two")
                await say(opened, conversation, "two")
            return found

        monkeypatch.setattr(opened.history, "page", overtaken)

        assert await hear(follow(opened.history, conversation), 2) == ["one", "two"]


async def test_one_who_leaves_while_others_wait_for_his_look_takes_nothing_with_him(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "first")
        first, *others = [asyncio.ensure_future(hear(follow(opened.history, conversation), 1)) for _ in range(10)]
        await asyncio.sleep(0)

        first.cancel()

        assert await asyncio.gather(*others) == [["first"]] * 9


async def test_a_wait_that_was_given_up_loses_nothing(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        following = follow(opened.history, conversation)
        await hear(following, 1)

        for _ in range(3):
            given_up = await waits(following)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
        assert opened.wakes.watch(conversation).waiting == 0
        (await waits(following)).cancel()
        await say(opened, conversation, "two", "three")
        assert await hear(following, 2) == ["two", "three"]


async def test_only_one_at_a_time_waits_for_the_next(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        following = follow(opened.history, conversation, after=1)
        waiting = await waits(following)

        with pytest.raises(RuntimeError, match="follow twice"):
            await anext(following)
        waiting.cancel()


async def test_closing_ends_it_even_while_somebody_waits(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        following = follow(opened.history, conversation)

        async def all_texts() -> list[bytes]:
            return [message.body async for message in following]

        reading = asyncio.ensure_future(all_texts())
        async with asyncio.timeout(PATIENCE):
            while not following.is_waiting:
                await asyncio.sleep(0.001)
            await following.aclose()
            assert await reading == [b"one"]


async def test_closing_ends_it_before_the_next_message_and_while_one_is_looked_for(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one", "two")
        following, other = follow(opened.history, conversation), follow(opened.history, conversation)
        await hear(following, 1)
        looking = asyncio.ensure_future(hear(other, 1))
        await asyncio.sleep(0)

        await following.aclose()
        await other.aclose()

        with pytest.raises(StopAsyncIteration):
            await anext(following)
        with pytest.raises(StopAsyncIteration):
            await looking


async def test_nothing_is_left_of_those_who_stopped(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversations = [new_conversation() for _ in range(5)]
        for conversation in conversations:
            await say(opened, conversation, "one")
        waiting = [await waits(follow(opened.history, conversation, after=1)) for conversation in conversations]
        reading = follow(opened.history, conversations[0])
        await hear(reading, 1)
        assert len(opened.wakes.watches()) == 5

        while waiting:
            waiting[-1].cancel()
            await asyncio.gather(waiting.pop(), return_exceptions=True)
        del reading
        await asyncio.sleep(0)

        assert opened.wakes.watches() == []


async def test_who_follows_when_the_log_is_closed_is_told(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        waiting = await waits(follow(opened.history, conversation, after=1))

    with pytest.raises(LogUnavailable, match="closed"):
        await asyncio.wait_for(waiting, PATIENCE)
    with pytest.raises(LogUnavailable):
        await anext(opened.history.follow(conversation))


async def test_what_was_told_wrongly_is_not_believed_for_long(url: str) -> None:
    async with open_log(url, fabric=InProcessFabric(), poll=LONG) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one")
        following = follow(opened.history, conversation, after=1)
        watch = opened.wakes.watch(conversation)
        waiting = await waits(following)

        watch.heard(1000)
        async with asyncio.timeout(PATIENCE):
            while watch.tail == 1000:
                await asyncio.sleep(0.001)

        await say(opened, conversation, "two")
        assert (await asyncio.wait_for(waiting, PATIENCE)).body == b"two"


async def test_a_file_that_is_away_for_a_while_is_waited_for(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    folder.mkdir()
    caplog.set_level("INFO", "adapters.messaging.follower")
    async with open_log(f"sqlite:///{folder / 'log.db'}", fabric=NoFabric(), poll=POLL) as opened:
        conversation, other = new_conversation(), new_conversation()
        await say(opened, conversation, "one")
        following, late = follow(opened.history, conversation), follow(opened.history, conversation)
        await hear(following, 1)
        idle = await waits(following)

        folder.rename(elsewhere)
        begun = asyncio.ensure_future(hear(late, 2))
        unknown = asyncio.ensure_future(anext(follow(opened.history, other)))
        await logged(caplog, "cannot be read")
        assert not begun.done()
        elsewhere.rename(folder)

        with pytest.raises(Unknown):
            await asyncio.wait_for(unknown, PATIENCE)
        await logged(caplog, "can be read again")
        await say(opened, conversation, "two")
        assert (await asyncio.wait_for(idle, PATIENCE)).body == b"two"
        assert await begun == ["one", "two"]
        assert [record.levelname for record in caplog.records].count("WARNING") == 1


async def test_a_server_that_is_away_for_a_while_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "adapters.messaging.follower")
    server = PostgresServer()
    async with AsyncExitStack() as stack:
        stack.callback(server.stop)
        server.start()
        url = await server.create_database()
        opened = await stack.enter_async_context(open_log(url, fabric=NoFabric(), poll=POLL))
        conversation = new_conversation()
        await say(opened, conversation, "one")
        following = follow(opened.history, conversation)
        await hear(following, 1)
        idle = await waits(following)

        server.kill()
        await logged(caplog, "cannot be read")
        server.start()
        await logged(caplog, "can be read again")

        await say(opened, conversation, "two")
        assert (await asyncio.wait_for(idle, PATIENCE)).body == b"two"


async def logged(caplog: pytest.LogCaptureFixture, words: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while not any(words in record.message for record in caplog.records):
            await asyncio.sleep(0.005)


async def test_a_search_finds_what_was_acknowledged_before(url: str) -> None:
    async with open_log(url, fabric=NoFabric()) as opened:
        conversation = new_conversation()
        for number in range(12):
            new = [New(id=f"{number}-{each}", sender=ALICE, body=b"x", text=f"word {number}") for each in range(100)]
            await opened.log.append(conversation, new, opening=OPENING)

        found = await opened.history.search("word 11", limit=1000)

        assert len(found) == 100


async def test_a_search_that_would_be_incomplete_is_refused_and_comes_nearer_with_each_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.messaging.follower._INDEXED", 10)
    monkeypatch.setattr("adapters.messaging.follower._ROUNDS", 2)
    async with opened_log("sqlite", folder=tmp_path) as opened:
        new = [New(id=f"{each}", sender=ALICE, body=b"x", text="word") for each in range(50)]
        await opened.log.append(ConversationId("c"), new, opening=OPENING)

        for _ in range(2):
            with pytest.raises(Overloaded):
                await opened.history.search("word")
        assert len(await opened.history.search("word", limit=100)) == 50


@pytest.mark.parametrize("number", [-1, -(2**70), 2**70])
async def test_odd_numbers_harm_nobody(url: str, number: int) -> None:
    async with open_log(url, fabric=NoFabric()) as opened:
        conversation = new_conversation()
        await say(opened, conversation, "one", "two")
        history = opened.history

        assert len(await history.page(conversation, after=number)) == (2 if number < 0 else 0)
        assert len(await history.page(conversation, before=number)) == (0 if number < 0 else 2)
        assert len(await history.page(conversation, limit=number)) == (1 if number < 0 else 2)
        assert len(await history.conversations(limit=number)) == 1
        assert (
            await history.dead(
                WhichLetters(), after=LetterMark(0.0, conversation, number, AgentName("a")), limit=number
            )
            == []
        )
        assert len(await history.search("one", limit=number)) == 1


@pytest.mark.parametrize("odd", ["a\0", "\ud800"])
async def test_text_that_no_database_keeps_is_refused_alike_by_all(url: str, odd: str) -> None:
    async with open_log(url, fabric=NoFabric()) as opened:
        history, conversation = opened.history, ConversationId(odd)
        looks: list[Awaitable[object]] = [
            history.conversations(ids=(conversation,)),
            history.conversations(after=conversation),
            history.page(conversation),
            history.turns(WhichTurns(conversation=conversation)),
            history.turns(WhichTurns(turns=(TurnId(odd),))),
            history.turns(WhichTurns(agents=(AgentName(odd),))),
            history.turns(WhichTurns(started_by=odd)),
            history.turns(WhichTurns(), behind=TurnMark(0.0, TurnId(odd))),
            history.search(odd),
            history.search("word", conversations=(conversation,)),
            history.dead(WhichLetters(conversation=conversation)),
            history.dead(WhichLetters(agent=AgentName(odd))),
            history.dead(WhichLetters(), after=LetterMark(0.0, conversation, 1, AgentName("a"))),
            history.dead(WhichLetters(), after=LetterMark(0.0, ConversationId("c"), 1, AgentName(odd))),
            history.devices(conversation),
        ]
        for look in looks:
            with pytest.raises(BadRequest, match="no database keeps"):
                await look
        with pytest.raises(BadRequest, match="no database keeps"):
            history.follow(conversation)
