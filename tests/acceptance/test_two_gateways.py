"""Two gateways with one log: a task that one of them works on is followed, cancelled and gone on with at the other.

What is logged is heard once and in order, whatever is killed; pieces come in order, never twice, or from the beginning
again; and what came of it in the end is the same for everybody, here, there and in the log.
"""

import asyncio
import itertools
import json
import os
import random
import time
from collections.abc import AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack
from typing import Any

import pytest
from a2a.types import StreamResponse, Task, TaskState
from a2a.utils.errors import TaskNotCancelableError

from tests.support.postgres import shared_server
from tests.support.replicas import CALLED, FETCHING, Caller, Replica, Replicas, caller, replicas
from tests.support.telling import ENDED, Heard, artifacts_of, notes_of, notes_until, whole
from tests.support.until import until

PIECES = 210
CANCELS = int(os.environ.get("CANCELS", "200"))
"""How many tasks are cancelled at random moments; more of them find rarer moments."""

AT_ONCE = 16
CANCELLED_WITHIN = 2.0
TAKEN_OVER_WITHIN = 40.0
BOTH = pytest.mark.parametrize("agent", [CALLED, FETCHING])


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Generator[Replicas]:
    server = shared_server()
    log = asyncio.run(server.create_empty_database())
    with replicas(tmp_path_factory.mktemp("replicas"), log) as running:
        yield running
    asyncio.run(server.drop_database(log))


class Desk:
    """Ada's clients, of both agents at both gateways."""

    def __init__(self, pair: Replicas) -> None:
        self._pair = pair
        self._opened = AsyncExitStack()
        self._callers: dict[tuple[str, str], Caller] = {}

    async def __aenter__(self) -> "Desk":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._opened.aclose()

    async def at(self, replica: Replica, agent: str) -> Caller:
        known = self._callers.get((replica.url, agent))
        if known is None:
            opening = caller(replica, agent, self._pair.tokens["ada"])
            known = self._callers[replica.url, agent] = await self._opened.enter_async_context(opening)
        return known

    async def task(self, replica: Replica, agent: str, task: str) -> Task:
        """A task as it stands, with all of its messages."""
        return await (await self.at(replica, agent)).task(task)

    async def ended(self, replica: Replica, agent: str, task: str) -> Task:
        """A task, once it is over."""
        async with asyncio.timeout(TAKEN_OVER_WITHIN):
            while (found := await self.task(replica, agent, task)).status.state not in ENDED:
                await asyncio.sleep(0.05)
        return found


@pytest.fixture
async def desk(pair: Replicas) -> AsyncIterator[Desk]:
    async with Desk(pair) as opened:
        yield opened


class Following:
    """A subscription that goes on beside the test."""

    def __init__(self, events: AsyncIterator[StreamResponse]) -> None:
        self.heard = Heard()
        self._task = asyncio.ensure_future(self._follow(events))

    async def _follow(self, events: AsyncIterator[StreamResponse]) -> None:
        async for event in events:
            self.heard.on(event)

    async def heard_until(self, holds: Callable[[Heard], bool]) -> None:
        await until(lambda: self._task.done() or holds(self.heard))
        assert holds(self.heard), self.heard

    async def to_the_end(self) -> Heard:
        async with asyncio.timeout(TAKEN_OVER_WITHIN):
            await self._task
        return self.heard


async def subscribed(desk: Desk, replica: Replica, agent: str, task: str) -> Following:
    following = Following((await desk.at(replica, agent)).subscribe(task))
    await following.heard_until(lambda heard: heard.events > 0)
    return following


def logged(pair: Replicas, task: Task) -> list[dict[str, Any]]:
    """The messages of a task as an operator reads them, and as the conversation is exported: both must say the same."""
    shown = json.loads(pair.messages("show", "--turn", task.id, "--limit", "1000", "--json"))["messages"]
    lines = map(json.loads, pair.messages("export", task.context_id).splitlines())
    exported = [line for line in lines if line.get("turn") == task.id]
    assert [each["body"] for each in exported] == [each["body"] for each in shown]
    return shown


async def same_everywhere(pair: Replicas, desk: Desk, agent: str, heard: Heard) -> None:
    """See that a task ended as it was heard: at both gateways, and in the log."""
    assert heard.state == TaskState.TASK_STATE_COMPLETED
    assert heard.notes == notes_until(PIECES)
    assert heard.artifacts == whole(PIECES)
    for replica in (pair.a, pair.b):
        task = await desk.task(replica, agent, heard.task)
        assert task.status.state == heard.state
        assert artifacts_of(task) == heard.artifacts
        assert notes_of(task) == heard.notes
    messages = await asyncio.to_thread(logged, pair, task)
    reply = messages[-1]["body"]
    made = {each["id"]: "".join(part["text"] for part in each["parts"]) for each in reply["artifacts"]}
    answer = "".join(part["text"] for part in reply["parts"])
    assert {**made, "answer": answer} == heard.artifacts
    assert [each["body"]["parts"][0]["text"] for each in messages[1:-1]] == heard.notes


# ---- following


@BOTH
async def test_a_task_is_followed_at_the_other_gateway(pair: Replicas, desk: Desk, agent: str) -> None:
    begun = await (await desk.at(pair.a, agent)).send(f"tell {PIECES}", wait=False)
    following = await subscribed(desk, pair.b, agent, begun.id)
    await following.heard_until(lambda heard: 0 < heard.pieces < PIECES / 2)  # it is told while it happens
    await same_everywhere(pair, desk, agent, await following.to_the_end())


async def test_an_agent_calls_back_at_a_gateway_that_does_not_run_its_turn(pair: Replicas, desk: Desk) -> None:
    """Agents know gateway `a`; the turn is in hand at `b`, and its token holds at both."""
    task = await (await desk.at(pair.b, CALLED)).send(f"ask {FETCHING}")
    assert task.status.state == TaskState.TASK_STATE_COMPLETED, task.status
    assert artifacts_of(task)["answer"] == "0 1 2 "


async def test_without_a_fabric_nothing_is_lost(pair: Replicas, desk: Desk) -> None:
    begun = await (await desk.at(pair.a, CALLED)).send(f"tell {PIECES}", wait=False)
    following = await subscribed(desk, pair.b, CALLED, begun.id)
    await following.heard_until(lambda heard: heard.pieces > 20)
    pair.nats.kill()
    try:
        before = following.heard.pieces
        await following.heard_until(lambda heard: heard.pieces > before + 60)  # by its drafts
        heard = await following.to_the_end()
    finally:
        pair.nats.start()
    await same_everywhere(pair, desk, CALLED, heard)


async def test_a_fabric_that_comes_back_is_used_again(pair: Replicas, desk: Desk) -> None:
    begun = await (await desk.at(pair.a, CALLED)).send(f"tell {PIECES}", wait=False)
    following = await subscribed(desk, pair.b, CALLED, begun.id)
    await following.heard_until(lambda heard: heard.pieces > 20)
    pair.nats.kill()
    pair.nats.start()
    await same_everywhere(pair, desk, CALLED, await following.to_the_end())


# ---- a gateway is killed


async def test_what_a_killed_gateway_had_in_hand_the_other_goes_on_with(pair: Replicas, desk: Desk) -> None:
    begun = {agent: await (await desk.at(pair.a, agent)).send(f"tell {PIECES}", wait=False) for agent in pair.agents}
    followed = {agent: await subscribed(desk, pair.b, agent, task.id) for agent, task in begun.items()}
    for following in followed.values():
        await following.heard_until(lambda heard: heard.pieces > 60)
    pair.a.process.kill()
    try:
        heard = {agent: await following.to_the_end() for agent, following in followed.items()}
    finally:
        pair.a.process.start()
    for agent in pair.agents:
        assert heard[agent].begun_again >= 1  # by the second attempt
        await same_everywhere(pair, desk, agent, heard[agent])
        attempts = [line["attempt"] for line in pair.journals[agent].read() if line["turn"] == begun[agent].id]
        assert max(attempts) == 2


# ---- cancelling


@BOTH
async def test_a_task_is_cancelled_at_the_other_gateway(pair: Replicas, desk: Desk, agent: str) -> None:
    begun = await (await desk.at(pair.a, agent)).send("hold", wait=False)
    followed = [await subscribed(desk, replica, agent, begun.id) for replica in (pair.a, pair.b)]
    await cancelled_in_time(pair, desk, agent, begun.id)
    for following in followed:
        assert (await following.to_the_end()).state == TaskState.TASK_STATE_CANCELED


async def test_without_a_fabric_a_task_is_cancelled_in_time_as_well(pair: Replicas, desk: Desk) -> None:
    pair.nats.kill()
    try:
        begun = await (await desk.at(pair.a, CALLED)).send("hold", wait=False)
        following = await subscribed(desk, pair.a, CALLED, begun.id)
        await cancelled_in_time(pair, desk, CALLED, begun.id)
        assert (await following.to_the_end()).state == TaskState.TASK_STATE_CANCELED
    finally:
        pair.nats.start()


async def cancelled_in_time(pair: Replicas, desk: Desk, agent: str, task: str) -> None:
    """Cancel a task at gateway `b`, and see that its agent is told soon."""
    await until(lambda: noted(pair, agent, task, "begun") is not None)
    asked_at = time.monotonic()
    cancelled = await (await desk.at(pair.b, agent)).cancel(task)
    assert cancelled.status.state == TaskState.TASK_STATE_CANCELED
    await until(lambda: noted(pair, agent, task, "cancelled") is not None)
    assert (noted(pair, agent, task, "cancelled") or 0) - asked_at < CANCELLED_WITHIN


def noted(pair: Replicas, agent: str, task: str, what: str) -> float | None:
    """When an agent noted something of a task."""
    lines = [line for line in pair.journals[agent].read() if (line["turn"], line["what"]) == (task, what)]
    return lines[-1]["at"] if lines else None


async def test_no_cancellation_is_lost_in_a_race_with_the_end(pair: Replicas, desk: Desk) -> None:
    """What was answered CANCELED stays so for everybody, and what could not be cancelled has been completed."""
    chance = random.Random(5)
    callers = {agent: [await desk.at(replica, agent) for replica in (pair.a, pair.b)] for agent in pair.agents}
    numbers = itertools.count()
    outcomes: dict[tuple[str, str], TaskState] = {}

    async def race() -> None:
        while next(numbers) < CANCELS:
            agent = chance.choice(list(callers))
            taking, wait = chance.randint(0, 20), chance.uniform(0, 0.03)
            begun = await chance.choice(callers[agent]).send(f"take {taking}", wait=False)
            await asyncio.sleep(wait)
            try:
                answered = (await chance.choice(callers[agent]).cancel(begun.id)).status.state
                assert answered == TaskState.TASK_STATE_CANCELED
            except TaskNotCancelableError:
                answered = TaskState.TASK_STATE_COMPLETED
            outcomes[agent, begun.id] = answered

    await asyncio.gather(*(race() for _ in range(AT_ONCE)))
    await asyncio.sleep(0.1)  # whatever an agent still says comes too late
    assert len(outcomes) == CANCELS
    assert set(outcomes.values()) == {TaskState.TASK_STATE_CANCELED, TaskState.TASK_STATE_COMPLETED}
    asked = asyncio.Semaphore(AT_ONCE)

    async def stays(agent: str, task: str, state: TaskState) -> None:
        async with asked:
            for replica in (pair.a, pair.b):
                assert (await desk.task(replica, agent, task)).status.state == state

    await asyncio.gather(*(stays(agent, task, state) for (agent, task), state in outcomes.items()))
