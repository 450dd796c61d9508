"""A run of turns: everybody works while a storm rages, then is left in peace until it is quiet; and it is checked."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import httpx

from adapters.push.channels import LEASE_SECONDS
from tests.crash.checks import Violation
from tests.crash.report import Report
from tests.crash.turns.checks import violations
from tests.crash.turns.clients import ENDED, PATIENCE, PEOPLE, Clients, Errand, Line, LostError, ToldError
from tests.crash.turns.evidence import Evidence, Seen, gather, unended
from tests.crash.turns.house import AGENTS, House
from tests.crash.turns.storm import Storm
from tests.crash.turns.words import ASK, DEFER, FLAKY, SAY, TAKE, TELL
from tests.support.push import Received, answers, receiver

ALL_WORDS = (SAY, SAY, TAKE, TAKE, TELL, FLAKY, DEFER, ASK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How clients go about it: how many conversations each person has with each of the `agents`, how long they wait
    between two messages, which words they say, how many milliseconds `take` takes, and for how many seconds in peace
    they wait for what they began. After `silence` seconds without a word their webhook expects none any more: whoever
    had it to tell may have been killed, and its lease has ended then."""

    lanes: int = 2
    pace: float = 0.15
    agents: Sequence[str] = AGENTS
    words: Sequence[str] = ALL_WORDS
    takes: Sequence[int] = (10, 100, 3000)
    patience: float = 90.0
    silence: float = LEASE_SECONDS + 5.0


@dataclass(slots=True)
class Hook:
    """Takes what webhooks are told; every other time not at once."""

    dice: random.Random
    taken: list[Received] = field(default_factory=list[Received])
    refused: set[str] = field(default_factory=set[str])

    @property
    def ended(self) -> set[str]:
        """The tasks, by their keys, whose end it was told."""
        states = [f"TASK_STATE_{state}".encode() for state in ENDED]
        return {each.path[1:] for each in self.taken if any(state in each.body for state in states)}

    async def __call__(self, received: Received, writer: asyncio.StreamWriter) -> None:
        if self.dice.random() < 0.5 and received.key not in self.refused:
            self.refused.add(received.key)
            await answers(503, headers="Retry-After: 0\r\n")(received, writer)
            return
        self.taken.append(received)
        await answers(200)(received, writer)


async def weather(house: House, *, seconds: float, seed: int, manner: Manner | None = None) -> Report:
    """Let a storm rage over a house for so long, and check."""

    async def rage(storm: Storm) -> None:
        await storm.rage(seconds)

    return await play(house, rage, seed=seed, manner=manner or Manner(), audits=True)


async def play(
    house: House, scene: Callable[[Storm], Awaitable[None]], *, seed: int, manner: Manner, audits: bool = False
) -> Report:
    """Have clients work while a scene is played, and check. With `audits`, both gateways are ended before."""
    dice = random.Random(seed)
    async with _clients(house, dice, manner) as (clients, hook):
        storm = Storm(house, clients, dice)
        working = asyncio.ensure_future(clients.work())
        try:
            scene_played = asyncio.ensure_future(scene(storm))
            await asyncio.wait((working, scene_played), return_when=asyncio.FIRST_COMPLETED)
            await scene_played
            clients.is_over = True
            stuck = await _until_quiet(house, working, seconds=manner.patience)
            await _looked_at(clients)
            await _until_told(clients, hook, silence=manner.silence)
        finally:
            working.cancel()
            await asyncio.gather(working, return_exceptions=True)
        if audits:
            await asyncio.to_thread(_close_books, house)
        seen = Seen(clients=clients, hooks=hook.taken, strikes=storm.strikes, wrong=[*storm.wrong, *stuck])
        evidence = await asyncio.to_thread(gather, house, seen, over=audits)
    return _report(evidence)


@asynccontextmanager
async def _clients(house: House, dice: random.Random, manner: Manner) -> AsyncGenerator[tuple[Clients, Hook]]:
    limits = httpx.Limits(max_connections=400)
    async with (
        httpx.AsyncClient(timeout=PATIENCE, limits=limits, trust_env=False) as http,
        receiver() as webhook,
    ):
        webhook.behave = hook = Hook(dice)
        yield (
            Clients(
                lines=[Line(gateway.url, http) for gateway in house.gateways],
                tokens=house.tokens,
                agents=manner.agents,
                dice=dice,
                hook=webhook.url(""),
                lanes=manner.lanes,
                pace=manner.pace,
                words=manner.words,
                takes=manner.takes,
                run_name=f"r{dice.getrandbits(24):x}",
            ),
            hook,
        )


async def _until_quiet(house: House, working: "asyncio.Future[None]", *, seconds: float) -> list[str]:
    """Wait until every client has seen the end of what it began, but not for ever."""
    try:
        async with asyncio.timeout(seconds):
            await asyncio.shield(working)
    except TimeoutError:
        return [f"after {seconds:g} s of peace {await asyncio.to_thread(unended, house)} turns have not ended"]
    return []


async def _looked_at(clients: Clients) -> None:
    """See every task at both gateways: they must show the same."""
    places = asyncio.Semaphore(16)

    async def look(errand: Errand, line: Line) -> None:
        async with places:
            try:
                task = await line.ask(errand.agent, "GetTask", {"id": errand.task}, token=clients.tokens[errand.person])
                errand.told(task)
            except (LostError, ToldError) as error:
                errand.odd.append(f"GetTask at {line.url}: {error}")

    await asyncio.gather(*(look(errand, line) for errand in clients.errands if errand.task for line in clients.lines))
    for line in clients.lines:
        for agent in clients.agents:
            for person in PEOPLE:
                await _listed(clients, line, agent, person)


async def _listed(clients: Clients, line: Line, agent: str, person: str) -> None:
    """See that a list has every task once that was acknowledged."""
    found = await clients.listed(line, agent, person)
    if len(found) != len(set(found)):
        clients.odd.append(f"the list of {person} with {agent} at {line.url} has a task twice")
    asked = {each.task for each in clients.errands if (each.agent, each.person) == (agent, person) and each.task}
    if missing := asked - set(found):
        clients.odd.append(f"the list of {person} with {agent} at {line.url} lacks {missing}")


async def _until_told(clients: Clients, hook: Hook, *, silence: float) -> None:
    """Wait until webhooks were told of every end, or have not been told anything for a while."""
    wanted = {errand.hook.rpartition("/")[2] for errand in clients.errands if errand.hook and errand.task}
    seen, since = -1, time.monotonic()
    while time.monotonic() - since < silence and not wanted <= hook.ended:
        if len(hook.taken) != seen:
            seen, since = len(hook.taken), time.monotonic()
        await asyncio.sleep(0.1)


def _close_books(house: House) -> None:
    """End both gateways, so that what they know is in their audit logs."""
    for gateway in house.gateways:
        gateway.process.terminate()
    for gateway in house.gateways:
        gateway.process.ended()


def _report(evidence: Evidence) -> Report:
    found: list[Violation] = violations(evidence)
    clients = evidence.clients
    states = Counter(turn.state for turn in evidence.turns.values())
    lines = Counter(line["what"] for line in evidence.did)
    figures = {
        "messages said": len(clients.errands),
        "acknowledged": sum(bool(errand.task) for errand in clients.errands),
        **{f"turns {state}": count for state, count in sorted(states.items())},
        "attempts": lines["begun"],
        "attempts that were repeated": sum(line["what"] == "begun" and line["attempt"] > 1 for line in evidence.did),
        "side effects": lines["did"],
        "subscriptions": sum(len(errand.heard) for errand in clients.errands),
        "streams that broke off": len(clients.cut),
        "streams and requests that were told why": sum(clients.reasons.values()),
        **{f"told: {reason}": count for reason, count in clients.reasons.most_common(6)},
        "cancelled, and told so": sum(errand.cancelled for errand in clients.errands),
        "webhooks told": len(evidence.hooks),
        "audited": sum(map(len, evidence.audits)),
    }
    strikes = Counter(_kind(what) for what, _ in evidence.strikes if "is back" not in what)
    return Report(figures=figures, strikes=dict(sorted(strikes.items())), violations=found)


def _kind(what: str) -> str:
    return " ".join(word for word in what.split() if "://" not in word)
