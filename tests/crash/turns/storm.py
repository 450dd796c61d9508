"""The storm: what befalls gateways, agents and servers of a house while clients are at work."""

import asyncio
import random
import subprocess
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from tests.crash.turns.clients import Clients, Line, LostError, ToldError
from tests.crash.turns.gateway import LEASE
from tests.crash.turns.house import STEADY, House
from tests.support.replicas import CALLED, FETCHING, Process, Replica

BEYOND_THE_LEASE = 1.0
DRAINED_WITHIN = 12.0
ANSWERED_WITHIN = 6.0
"""Seconds in which an agent answers at once that was not struck, on a slow machine."""

Strike = Callable[[], Awaitable[None]]


@dataclass(slots=True)
class Storm:
    """Strikes one after the other, in every way once before it does so in any way again. `strikes` are what befell
    whom, and when; `wrong` what did not go as it must."""

    house: House
    clients: Clients
    dice: random.Random
    strikes: list[tuple[str, float]] = field(default_factory=list[tuple[str, float]])
    wrong: list[str] = field(default_factory=list[str])
    rounds: int = 0
    _ways: list[Strike] = field(default_factory=list[Strike])

    async def rage(self, seconds: float) -> None:
        """Strike for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            if not self._ways:
                self._ways = self._shuffled()
            await self._ways.pop()()
            self.rounds += not self._ways
            await asyncio.sleep(0.3 + self.dice.random())

    def _shuffled(self) -> list[Strike]:
        gateways = self.house.gateways
        ways: list[Strike] = [
            *(partial(self.kill, gateway.process, f"gateway {gateway.url}") for gateway in gateways),
            partial(self.deploy, self.dice.choice(gateways).process, "gateway"),
            partial(self.stop, self.dice.choice(gateways)),
            *(partial(self.kill, self.house.agents[name], name) for name in self._some_agents()),
            partial(self.deploy, self.house.agents[self.dice.choice(self._some_agents())], "agent"),
            self.stop_an_agent,
            *(partial(self._kill_server, name) for name in self.house.servers),
        ]
        self.dice.shuffle(ways)
        return ways

    def _some_agents(self) -> Sequence[str]:
        """One process of each binding."""
        fetchers = [name for name in self.house.agents if name.startswith(FETCHING)]
        return (self.dice.choice((CALLED, STEADY)), self.dice.choice(fetchers))

    def note(self, what: str) -> None:
        """It happens now."""
        self.strikes.append((what, time.monotonic()))

    async def kill(self, process: Process, name: str) -> None:
        """End a process at once, and start it again."""
        self.note(f"{name} killed")
        await asyncio.to_thread(process.kill)
        await asyncio.to_thread(process.start)
        self.note(f"{name} is back after it was killed")

    async def deploy(self, process: Process, name: str) -> None:
        """Have a process end as it is meant to, and start it again."""
        url = next((gateway.url for gateway in self.house.gateways if gateway.process is process), "")
        self.note(f"{name} {url} deployed".replace("  ", " "))
        begun = time.monotonic()
        process.terminate()
        try:
            code = await asyncio.to_thread(process.ended)
            if code != 0:
                self.wrong.append(f"{name} ended with {code} on SIGTERM: {process.log()[-500:]}")
        except subprocess.TimeoutExpired:
            self.wrong.append(f"{name} did not end on SIGTERM")
            await asyncio.to_thread(process.kill)
        if (took := time.monotonic() - begun) > DRAINED_WITHIN:
            self.wrong.append(f"{name} took {took:.1f} s to end on SIGTERM")
        await asyncio.to_thread(process.start)

    async def stop(self, gateway: Replica) -> None:
        """Have a gateway stand still for longer than its leases last; whoever asks the other does not notice, unless it
        has the one lock of a SQLite file."""
        self.note(f"gateway {gateway.url} stopped")
        gateway.process.freeze()
        try:
            if not self.house.log.startswith("sqlite:"):
                others = [line for line in self.clients.lines if line.url != gateway.url]
                await asyncio.gather(*(self._probe(line, gateway.url) for line in others))
            await asyncio.sleep(LEASE + BEYOND_THE_LEASE)
        finally:
            gateway.process.thaw()

    async def stop_an_agent(self) -> None:
        """Have an agent stand still; whoever asks another one does not notice."""
        name = self.dice.choice([name for name in self.house.agents if name != STEADY])
        self.note(f"agent {name} stopped")
        self.house.agents[name].freeze()
        try:
            await asyncio.sleep(0.5)
            await asyncio.gather(*(self._probe(line, name) for line in self.clients.lines))
            await asyncio.sleep(LEASE)
        finally:
            self.house.agents[name].thaw()

    async def _probe(self, line: Line, stopped: str) -> None:
        key = f"probe-{self.dice.getrandbits(40):x}"
        message = {"messageId": key, "role": "ROLE_USER", "parts": [{"text": f"say {key} 0"}]}
        begun = time.monotonic()
        try:
            answer = await line.ask(STEADY, "SendMessage", {"message": message}, token=self.clients.tokens["bob"])
        except (LostError, ToldError) as error:
            self.wrong.append(f"while {stopped} stands still, {STEADY} is not answered: {error}")
            return
        took, state = time.monotonic() - begun, answer["task"]["status"]["state"]
        if took > ANSWERED_WITHIN or state != "TASK_STATE_COMPLETED":
            self.wrong.append(f"while {stopped} stands still, {STEADY} is {state} after {took:.1f} s")

    async def _kill_server(self, name: str) -> None:
        self.note(f"{name} killed")
        await asyncio.to_thread(self.house.servers[name])
