"""The conversation log beside its engine's own rate of commits: appends and whole cycles at 1, 16 and 256 callers.

In one run and in interleaved rounds: what the engine can do without a log (`bench.commits`), appending (a message to
an agent, 500 bytes), and the cycle: append, claim, settle with a reply, seen. Then ten thousand idle followers
(`bench.followers`), and claims beside a million conversations (`bench.claims`; it takes minutes, so only when asked).

    python -m bench.log [--quick] [--million] [--rounds N] [--seconds S] [--only rates|followers|claims]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import asyncpg
import uvloop

from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.log import ConversationLog
from adapters.messaging.messages import New, Opening, To
from adapters.messaging.opening import OpenLog, open_log
from adapters.messaging.outcomes import Delivery, Done, Lease, Reply
from bench import claims, followers
from bench.commits import BODY, CONNECTIONS, Contender, OneByOne, Played, RawPostgres, RawSqlite, play
from registry.model import AgentName, ConversationId, new_turn_id
from tests.support.postgres import PostgresServer

CALLERS = (1, 16, 256)
AGENT = AgentName("agent")
LEASE = Lease(owner="bench", seconds=60)


class Appending:
    """A message to an agent; each caller has a conversation of its own."""

    name = "append"

    def __init__(self, log: ConversationLog) -> None:
        self._log = log

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`."""
        conversations = fresh(callers)
        return await play(lambda caller: append(self._log, conversations[caller]), callers=callers, seconds=seconds)


class Cycling:
    """Append, claim, settle with a reply, and the caller's device has seen it; one dispatcher claims for all."""

    name = "cycle"

    def __init__(self, opened: OpenLog) -> None:
        self._opened = opened
        self._replied: dict[ConversationId, asyncio.Future[int]] = {}
        self._agent = AGENT

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`."""
        self._agent = AgentName(f"agent_{time.monotonic_ns()}")  # what another round has left is not ours
        conversations = fresh(callers)
        async with asyncio.TaskGroup() as tasks:  # what breaks in the dispatcher ends the callers as well
            dispatching = tasks.create_task(self._dispatch())
            played = await play(lambda caller: self._cycle(conversations[caller]), callers=callers, seconds=seconds)
            dispatching.cancel()
        return played

    async def _cycle(self, conversation: ConversationId) -> None:
        replied = self._replied[conversation] = asyncio.get_running_loop().create_future()
        await append(self._opened.log, conversation, agent=self._agent)
        await self._opened.log.seen(conversation, "device", await replied)

    async def _dispatch(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            while True:
                for delivery in await self._opened.log.claim([self._agent], limit=256, lease=LEASE):
                    tasks.create_task(self._settle(delivery))
                await self._opened.wakes.mail([self._agent], seconds=1.0)

    async def _settle(self, delivery: Delivery) -> None:
        appended = await self._opened.log.settle(delivery, Done(replies=(Reply(body=BODY),)))
        self._replied[delivery.conversation].set_result(appended.seq)


class CyclingAtOnce:
    """The interactive way: append and claim in one step, settle with a reply, seen."""

    name = "cycle, claimed at once"

    def __init__(self, log: ConversationLog) -> None:
        self._log = log

    async def play(self, *, callers: int, seconds: float) -> Played:
        """See `Contender`."""
        conversations = fresh(callers)
        return await play(lambda caller: self._cycle(conversations[caller]), callers=callers, seconds=seconds)

    async def _cycle(self, conversation: ConversationId) -> None:
        delivery = await append(self._log, conversation, claim=LEASE)
        assert delivery is not None
        appended = await self._log.settle(delivery, Done(replies=(Reply(body=BODY),)))
        await self._log.seen(conversation, "device", appended.seq)


def fresh(callers: int) -> list[ConversationId]:
    """A new conversation for each caller, with ids as they are in life."""
    return [ConversationId(new_turn_id()) for _ in range(callers)]


async def append(
    log: ConversationLog,
    conversation: ConversationId,
    *,
    agent: AgentName = AGENT,
    claim: Lease | None = None,
) -> Delivery | None:
    """Append one message of 500 bytes to an agent."""
    turn = new_turn_id()
    new = New(id=f"m-{turn}", sender="person:bench", body=BODY, to=(To(agent=agent, turn=turn),))
    return (await log.append(conversation, [new], opening=Opening(), claim=claim)).delivery


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    rounds: int
    seconds: float


async def interleaved(contenders: Sequence[Contender], extent: Extent) -> Mapping[tuple[str, int], list[Played]]:
    """Rounds of all contenders at all numbers of callers, in turn; the first round warms them and does not count."""
    found: dict[tuple[str, int], list[Played]] = {}
    for number in range(extent.rounds + 1):
        for callers in CALLERS:
            for contender in contenders:
                played = await contender.play(callers=callers, seconds=extent.seconds)
                if number:
                    found.setdefault((contender.name, callers), []).append(played)
    return found


async def rates(
    engine: str, opened: OpenLog, raw: Sequence[Contender], extent: Extent
) -> Mapping[tuple[str, int], list[float]]:
    """Print the rates of one engine, and return those of each round by contender and number of callers."""
    ours: list[Contender] = [Appending(opened.log), Cycling(opened), CyclingAtOnce(opened.log)]
    found = await interleaved([*raw, *ours], extent)
    for callers in CALLERS:
        floor = [one.rate for one in found[raw[0].name, callers]]
        for contender in (*raw, *ours):
            _report(engine, contender.name, callers, found[contender.name, callers], floor)
    return {which: [one.rate for one in played] for which, played in found.items()}


def _report(engine: str, name: str, callers: int, played: Sequence[Played], floor: Sequence[float]) -> None:
    rate, p50, p99 = (statistics.median(getattr(one, figure) for one in played) for figure in ("rate", "p50", "p99"))
    beside = ratio([one.rate for one in played], floor)
    print(
        f"{engine:10} {callers:3} callers  {name:28} {rate:7.0f}/s  {beside:5.2f} of the raw rate"
        f"  p50 {p50 * 1e3:7.2f} ms  p99 {p99 * 1e3:7.2f} ms",
        flush=True,
    )


def ratio(ours: Sequence[float], theirs: Sequence[float]) -> float:
    """The median of the ratios of each round: what disturbs a round disturbs both."""
    return statistics.median(one / other for one, other in zip(ours, theirs, strict=True))


async def sqlite_rates(folder: Path, extent: Extent) -> None:
    async with open_log(f"sqlite:///{folder}/log.db", fabric=InProcessFabric()) as opened:
        found = await rates("SQLite", opened, [RawSqlite(folder)], extent)
    times = ratio(found["append", 256], found["append", 1])
    print(f"SQLite: append at 256 callers is {times:.1f}x its rate at 1 (aim: at least 10)\n")


async def postgres_rates(url: str, extent: Extent) -> None:
    async with (
        cast("Any", asyncpg).create_pool(url, min_size=CONNECTIONS, max_size=CONNECTIONS) as pool,
        open_log(url, fabric=InProcessFabric()) as opened,
    ):
        raw = [RawPostgres(pool), OneByOne(pool)]
        for each in raw:
            await each.prepare()
        found = await rates("PostgreSQL", opened, raw, extent)
    times = ratio(found["append", 256], found[OneByOne.name, 256])
    print(f"PostgreSQL: append at 256 callers is {times:.1f}x one transaction per message (aim: at least 2)\n")


async def measure(wanted: argparse.Namespace, folder: Path, server: PostgresServer) -> None:
    extent = Extent(rounds=wanted.rounds, seconds=wanted.seconds)
    if wanted.only in (None, "rates"):
        await sqlite_rates(folder, extent)
        await postgres_rates(await server.create_database(), extent)
    if wanted.only in (None, "followers"):
        urls = f"sqlite:///{folder}/followed.db", await server.create_database()
        await followers.measure(*urls, count=1_000 if wanted.quick else 10_000)
    if wanted.million or wanted.only == "claims":
        await claims.measure(folder, server, conversations=20_000 if wanted.quick else 1_000_000)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.log", description="The log beside its engines.")
    parser.add_argument("--quick", action="store_true", help="two short rounds, 1,000 followers: to see that it runs")
    parser.add_argument("--million", action="store_true", help="also claims beside a million conversations: minutes")
    parser.add_argument("--rounds", type=int, help="interleaved rounds that count (default: 5)")
    parser.add_argument("--seconds", type=float, help="of one round (default: 2)")
    parser.add_argument("--only", choices=["rates", "followers", "claims"], help="measure nothing else")
    wanted = parser.parse_args()
    wanted.rounds = wanted.rounds or (2 if wanted.quick else 5)
    wanted.seconds = wanted.seconds or (0.5 if wanted.quick else 2.0)
    server = PostgresServer()
    try:
        server.start()
        with tempfile.TemporaryDirectory() as folder, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(measure(wanted, Path(folder), server))
    finally:
        server.stop()


if __name__ == "__main__":
    main()
