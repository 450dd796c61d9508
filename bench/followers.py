"""Ten thousand who follow a conversation each while next to nothing happens: what they cost, and how soon they hear.

The followers are a process of their own (`python -m bench.followers URL COUNT FABRIC`), which reads an order per line
from standard input and answers with a line of JSON. Messages carry the time they were appended at, so that what is
measured is from before the append to the follower, commit included. FABRIC is *here*, *cut*, or the URL of a NATS.
"""

import asyncio
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import uvloop

from adapters.messaging.fabric import Fabric, InProcessFabric, NoFabric
from adapters.messaging.log import ConversationLog, History
from adapters.messaging.messages import New, Opening
from adapters.messaging.nats_fabric import NatsFabric, nats_place
from adapters.messaging.opening import OpenLog, open_log
from bench.processes import cpu_seconds, resident_megabytes, running
from registry.model import ConversationId
from tests.support.nats import running_nats

MESSAGES = 300
IDLE = 5.0
QUIET = 0.1
"""Seconds of CPU in a second."""
AIM = 300
"""MB for ten thousand followers."""


def conversation(number: int) -> ConversationId:
    return ConversationId(f"followed-{number}")


async def measure(*urls: str, count: int) -> None:
    """Print what followers cost on each engine, and how soon they hear."""
    with running_nats() as server:
        for url in urls:
            await _fill(url, count)
            for fabric in ("here", server.url, "cut"):
                await _measured(url, count, fabric)
    print()


async def _measured(url: str, count: int, fabric: str) -> None:
    way = {"here": "in process", "cut": "across, cut"}.get(fabric, "across, NATS")
    with running("-m", "bench.followers", url, str(count), fabric) as process:
        ready = await _answer(process)
        idle = await _ask(process, "idle")
        if fabric == "here":
            heard = await _ask(process, "append")
        else:
            hearing = asyncio.ensure_future(_ask(process, "hear"))
            async with open_fabric(fabric) as other, open_log(url, fabric=other) as opened:
                await append_some(opened.log, count)
                heard = await hearing
    engine = "SQLite" if url.startswith("sqlite") else "PostgreSQL"
    print(
        f"{engine:10} {count:,} followers, {way:12}  +{ready['grown']:.0f} MB (aim: at most {AIM} for 10,000),"
        f" {idle['cpu'] * 1e3:.0f} ms CPU/s idle, append to follower p50 {heard['p50'] * 1e3:.1f} ms"
        f" p99 {heard['p99'] * 1e3:.1f} ms",
        flush=True,
    )


async def _fill(url: str, count: int) -> None:
    """A first message in each conversation."""
    async with open_log(url, fabric=NoFabric()) as opened:
        for start in range(0, count, 500):
            numbers = range(start, min(start + 500, count))
            await asyncio.gather(*(append_one(opened.log, number) for number in numbers))


async def append_one(log: ConversationLog, number: int) -> None:
    """Append a message that says when."""
    new = New(id=f"m-{time.monotonic_ns()}", sender="person:bench", body=repr(time.monotonic()).encode())
    await log.append(conversation(number), [new], opening=Opening())


async def append_some(log: ConversationLog, count: int) -> None:
    """Append to some of them, one after the other, over three seconds at least."""
    for number in random.Random(1).choices(range(count), k=MESSAGES):
        await append_one(log, number)
        await asyncio.sleep(0.01)


async def _ask(process: "subprocess.Popen[str]", order: str) -> Mapping[str, float]:
    assert process.stdin is not None
    process.stdin.write(order + "\n")
    process.stdin.flush()
    return await _answer(process)


async def _answer(process: "subprocess.Popen[str]") -> Mapping[str, float]:
    assert process.stdout is not None
    return json.loads(await asyncio.to_thread(process.stdout.readline))


# ---- the process that follows


class Followers:
    """All that follow, and when they heard."""

    def __init__(self, history: History) -> None:
        self._history = history
        self.waits: list[float] = []
        self.heard = asyncio.Event()

    async def follow(self, number: int) -> None:
        """Follow one conversation from behind its first message on."""
        page = await self._history.page(conversation(number), limit=1000)
        async for message in self._history.follow(conversation(number), after=page[-1].seq):
            self.waits.append(time.monotonic() - float(message.body))
            if len(self.waits) >= MESSAGES:
                self.heard.set()

    async def all_heard(self) -> dict[str, float]:
        """How long it took until they heard, once they have heard all."""
        await asyncio.wait_for(self.heard.wait(), 120)
        waits = sorted(self.waits)
        return {"p50": statistics.median(waits), "p99": waits[int(len(waits) * 0.99)]}


async def serve(url: str, count: int, fabric: str) -> None:
    """Follow, say so, and do as one is told."""
    async with AsyncExitStack() as stack:
        opened = await stack.enter_async_context(
            open_log(url, fabric=await stack.enter_async_context(open_fabric(fabric)))
        )
        await opened.history.page(conversation(0))
        before = resident_megabytes(os.getpid())
        followers = Followers(opened.history)
        tasks = [asyncio.ensure_future(followers.follow(number)) for number in range(count)]
        stack.callback(lambda: [task.cancel() for task in tasks])
        await _until_quiet()
        _say({"grown": resident_megabytes(os.getpid()) - before})
        while line := (await asyncio.to_thread(sys.stdin.readline)).strip():
            _say(await _obeyed(line, followers, opened, count))


async def _obeyed(order: str, followers: Followers, opened: OpenLog, count: int) -> dict[str, float]:
    if order == "idle":
        before = cpu_seconds(os.getpid())
        await asyncio.sleep(IDLE)
        return {"cpu": (cpu_seconds(os.getpid()) - before) / IDLE}
    if order == "append":
        await append_some(opened.log, count)
    return await followers.all_heard()


async def _until_quiet() -> None:
    """Return once this process has next to nothing to do, for two seconds on end."""
    quiet = 0
    while quiet < 2:
        before = cpu_seconds(os.getpid())
        await asyncio.sleep(1.0)
        quiet = quiet + 1 if cpu_seconds(os.getpid()) - before < QUIET else 0


def _say(found: Mapping[str, Any]) -> None:
    print(json.dumps(found), flush=True)


@asynccontextmanager
async def open_fabric(name: str) -> AsyncGenerator[Fabric]:
    """The fabric of that name, see above; connected, where there is something to connect to."""
    if name == "here":
        yield InProcessFabric()
    elif name == "cut":
        yield NoFabric()
    else:
        async with NatsFabric.connected(nats_place(name)) as fabric:
            while not fabric.is_connected:
                await asyncio.sleep(0.01)
            yield fabric


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
