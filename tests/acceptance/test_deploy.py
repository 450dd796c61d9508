"""A deploy in the middle of the day: gateways and agents are stopped and started again while people work.

Whoever is told that a gateway stops, or finds nobody there, asks the other one, with the same message. That is all that
clients do for it here: no task fails, none is done twice, and every stream that ends before its task says why.
"""

import asyncio
import itertools
import os
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from typing import TypeVar
from uuid import uuid4

import pytest
from a2a.client.errors import A2AClientError
from a2a.types import StreamResponse, Task, TaskState
from a2a.utils.errors import A2AError, InternalError, UnsupportedOperationError

from tests.support.postgres import shared_server
from tests.support.replicas import BINDINGS, CALLED, FETCHING, Caller, Process, Replicas, caller, replicas
from tests.support.telling import ENDED, Heard, whole
from tests.support.until import until

TURNS_PER_SECOND = int(os.environ.get("TURNS_PER_SECOND", "50"))
SECONDS = 10
PIECES = 250
"""Of a long answer, which takes more time than a gateway or an agent that stops has for it."""

DRAINED_WITHIN = 6.0
ENDED_WITHIN = 120.0
"""Seconds. An agent that is called is tried again after ever longer pauses."""

STOPPING = "The gateway is stopping"
T = TypeVar("T")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Generator[Replicas]:
    server = shared_server()
    log = asyncio.run(server.create_empty_database())
    with replicas(tmp_path_factory.mktemp("replicas"), log) as running:
        yield running
    asyncio.run(server.drop_database(log))


@dataclass(slots=True)
class Seen:
    """What clients saw: the task of each message, with its agent, and how streams ended."""

    tasks: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])
    streams: Counter[str] = field(default_factory=Counter[str])


class Mover:
    """A client of one agent that knows both gateways, and moves to the other when one is not there."""

    def __init__(self, callers: Sequence[Caller], agent: str, seen: Seen) -> None:
        self._callers = callers
        self._agent = agent
        self._seen = seen
        self._numbers = itertools.count()

    async def begins(self, text: str, *, at: int) -> "asyncio.Task[Heard]":
        """The same as `listens`, at one gateway first, once something was heard."""
        heard = Heard()
        listening = asyncio.ensure_future(self.listens(text, at=at, heard=heard))
        await until(lambda: heard.pieces > 5 or listening.done())
        return listening

    async def waits(self, text: str, *, at: int | None = None) -> None:
        """SendMessage, answered when the task is over."""
        message = str(uuid4())
        task = await self._anywhere(lambda at: at.send(text, message=message), first=at)
        self._seen.tasks[message] = (self._agent, task.id)
        await self._ended(task)

    async def leaves(self, text: str) -> None:
        """SendMessage, answered at once; how it goes is looked at later."""
        message = str(uuid4())
        task = await self._anywhere(lambda at: at.send(text, message=message, wait=False))
        self._seen.tasks[message] = (self._agent, task.id)
        await self._ended(task)

    async def listens(self, text: str, *, at: int | None = None, heard: Heard | None = None) -> Heard:
        """SendStreamingMessage, and SubscribeToTask where that ends before the task."""
        message, heard = str(uuid4()), heard or Heard()
        await self._anywhere(lambda at, to=heard: self._listen(at.stream(text, message=message), to), first=at)
        self._seen.tasks[message] = (self._agent, heard.task)
        while heard.state not in ENDED:
            heard = Heard(task=heard.task)
            await self._anywhere(lambda at, to=heard: self._subscribe(at, to))
            if not heard.events:
                heard.resumed(await self.task(heard.task))
        return heard

    async def _subscribe(self, at: Caller, heard: Heard) -> None:
        with suppress(UnsupportedOperationError):  # it has ended meanwhile
            await self._listen(at.subscribe(heard.task), heard)

    async def _listen(self, events: AsyncIterator[StreamResponse], heard: Heard) -> None:
        """Hear a stream to its end, and note why it ended."""
        try:
            async for event in events:
                heard.on(event)
        except InternalError as error:
            if not heard.events:
                raise
            self._seen.streams[f"told: {error.message.partition(';')[0]}"] += 1
            return
        except A2AClientError as error:
            if not heard.events:
                raise
            self._seen.streams[f"cut: {error.message}"] += 1
            return
        self._seen.streams["ended" if heard.state in ENDED else "closed without a word"] += 1

    async def task(self, task: str) -> Task:
        """GetTask, wherever there is somebody."""
        return await self._anywhere(lambda at: at.task(task))

    async def _ended(self, task: Task) -> None:
        while task.status.state not in ENDED:
            await asyncio.sleep(0.25)
            task = await self.task(task.id)

    async def _anywhere(self, asking: Callable[[Caller], Awaitable[T]], *, first: int | None = None) -> T:
        """Ask one gateway, and if it is not there, or stops, the other."""
        first = next(self._numbers) if first is None else first
        for number in itertools.count(first):
            try:
                return await asking(self._callers[number % 2])
            except (A2AClientError, InternalError):
                if number - first >= 20:
                    raise
                await asyncio.sleep(0.05 if number == first else 0.25)
        raise AssertionError


async def stopped(process: Process) -> float:
    """Tell a process to stop, see that it ends as it should, and start it again: how long it took to end."""
    asked_at = time.monotonic()
    process.terminate()
    assert await asyncio.to_thread(process.ended) == 0, process.log()
    took = time.monotonic() - asked_at
    await asyncio.to_thread(process.start)
    return took


# ---- turns


async def test_no_turn_fails_while_gateways_and_agents_are_deployed(pair: Replicas) -> None:
    seen = Seen()
    async with AsyncExitStack() as opened:
        movers: dict[str, Mover] = {}
        for agent in pair.agents:
            clients = [caller(replica, agent, pair.tokens["ada"]) for replica in (pair.a, pair.b)]
            movers[agent] = Mover([await opened.enter_async_context(each) for each in clients], agent, seen)
        async with asyncio.timeout(ENDED_WITHIN), asyncio.TaskGroup() as both:
            both.create_task(work(movers))
            both.create_task(deploy(pair, movers))
        for agent, task in seen.tasks.values():
            found = await movers[agent].task(task)
            assert found.status.state == TaskState.TASK_STATE_COMPLETED, found.status
    done = Counter(line["turn"] for each in pair.journals.values() for line in each.read() if line["what"] == "did")
    assert len(done) == TURNS_PER_SECOND * SECONDS
    assert set(done.values()) == {1}
    assert set(seen.streams) == {"ended", f"told: {STOPPING}"}, seen.streams
    assert seen.streams[f"told: {STOPPING}"] >= len(pair.agents)


async def work(movers: Mapping[str, Mover]) -> None:
    """What goes on all day: short turns, some waited for, some listened to, some left alone."""
    chance, begun_at = random.Random(7), time.monotonic()
    async with asyncio.TaskGroup() as tasks:
        for number in range(TURNS_PER_SECOND * SECONDS):
            await asyncio.sleep(max(begun_at + number / TURNS_PER_SECOND - time.monotonic(), 0))
            mover = movers[(CALLED, FETCHING)[number % 2]]
            way = (mover.waits, mover.leaves, mover.listens)[number % 3]
            tasks.create_task(way(f"take {chance.randint(0, 300)}"))


async def deploy(pair: Replicas, movers: Mapping[str, Mover]) -> None:
    """Stop and start gateway `a`, and then each agent, in the middle of long answers."""
    await asyncio.sleep(1)
    long = await begun(movers.values())
    waiting = [asyncio.ensure_future(mover.waits(f"tell {PIECES}", at=0)) for mover in movers.values()]
    drained = await stopped(pair.a.process)
    assert drained < DRAINED_WITHIN
    for name, process in pair.agents.items():
        long += await begun([movers[name]])
        await stopped(process)
    await asyncio.gather(*waiting)
    for heard in await asyncio.gather(*long):
        assert heard.state == TaskState.TASK_STATE_COMPLETED, heard
        assert heard.artifacts == whole(PIECES)


async def begun(movers: Iterable[Mover]) -> "list[asyncio.Task[Heard]]":
    """Long answers of these agents that are listened to, one at each gateway."""
    return await asyncio.gather(*(mover.begins(f"tell {PIECES}", at=at) for mover in movers for at in (0, 1)))


# ---- streams


async def test_every_stream_says_why_it_ends_and_is_resumed_at_the_other_gateway(pair: Replicas) -> None:
    async with AsyncExitStack() as opened:
        streams: list[AsyncIterator[StreamResponse]] = []
        tasks: dict[str, Caller] = {}
        for binding, agent in itertools.product(BINDINGS, pair.agents):
            clients = [caller(replica, agent, pair.tokens["ada"], binding=binding) for replica in (pair.a, pair.b)]
            at_a, at_b = [await opened.enter_async_context(each) for each in clients]
            sent = at_a.stream("hold")
            task = (await anext(sent)).task.id
            subscribed = at_a.subscribe(task)
            assert (await anext(subscribed)).task.id == task
            streams += (sent, subscribed)
            tasks[task] = at_b
        ends = [asyncio.ensure_future(why_it_ends(each)) for each in streams]
        await stopped(pair.a.process)
        assert set(await asyncio.gather(*ends)) == {("InternalError", STOPPING)}
        for task, at_b in tasks.items():
            resumed = at_b.subscribe(task)
            assert (await anext(resumed)).task.id == task
            await at_b.cancel(task)
            assert [event.status_update.status.state async for event in resumed][-1] == TaskState.TASK_STATE_CANCELED


async def why_it_ends(events: AsyncIterator[StreamResponse]) -> tuple[str, str]:
    """Hear a stream to its end: the error that it ended with, and the first words of it."""
    try:
        async for _ in events:
            pass
    except A2AError as error:
        return type(error).__name__, error.message.partition(";")[0]
    return "", ""
