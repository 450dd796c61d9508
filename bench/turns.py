"""Turns: how many a gateway gets done in a second, waited for and not, and how soon another gateway tells of one.

In one run and in interleaved rounds, on SQLite and on PostgreSQL, at 1, 16 and 256 callers: `tools/call`, `SendMessage`
that waits, and `SendMessage` that returns at once, whose turns count once all of them have ended. Each message begins a
conversation of its own; the agent answers at once. Then `bench.subscribers`: two gateways on one PostgreSQL and one
NATS, and how long what an agent says takes to whoever has subscribed at either.

    python -m bench.turns [--quick] [--rounds N] [--seconds S] [--only rates|subscribers]
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from bench import subscribers
from bench.driver import SERIAL
from bench.hot_path import demo, gateway
from bench.messages import address_of, errors, manifest_of, median, publish
from bench.processes import Driver, Round, cpu_seconds, free_port, http_request, running, wait_for
from tests.support.postgres import PostgresServer

CALLERS = (1, 16, 256)
AIMED_AT = 16
LOOKING = 0.05
"""Seconds between two looks at whether all turns have ended."""

PATIENCE = 60.0
"""Seconds that turns which nobody waits for have to end."""

SPACIOUS = {"INTERCHANGE_LIMITS_CALLS_PER_PRINCIPAL": "1000", "INTERCHANGE_LIMITS_CALLS_PER_TARGET": "160"}
"""256 callers are one person here; and of 256 calls to one service none is refused: the others wait."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Extent:
    """How much is measured."""

    rounds: int
    seconds: float


class Gateway:
    """A gateway under load, whose agents all are the same process. Each round of turns has an agent of its own, so that
    its turns are easily counted."""

    def __init__(self, facts: Mapping[str, Any], pid: int, driver: Driver) -> None:
        self.call = gateway(dict(facts), pid)
        self.driver = driver
        self._headers = {"authorization": f"Bearer {facts['tokens']['manager']}", "a2a-version": "1.0"}
        self._http = httpx.Client(base_url=f"http://127.0.0.1:{self.call.port}", headers=self._headers, trust_env=False)

    def called(self, callers: int, seconds: float) -> Round:
        """A round of `tools/call`."""
        return self._play(self.call.request, callers, seconds)

    def waited(self, agent: str, callers: int, seconds: float) -> Round:
        """A round of messages that are answered with the whole answer."""
        return self._play(self._message(agent, at_once=False), callers, seconds)

    def left(self, agent: str, callers: int, seconds: float) -> Round:
        """A round of messages that are answered at once; it lasts until all turns have ended."""
        cpu, began = cpu_seconds(self.call.pid), time.perf_counter()
        sent = self._play(self._message(agent, at_once=True), callers, seconds)
        while (completed := self._completed(agent)) < sent.calls and time.perf_counter() - began < PATIENCE:
            time.sleep(LOOKING)
        took = time.perf_counter() - began
        return Round(
            calls=completed,
            calls_per_second=completed / took,
            cpu_per_call=(cpu_seconds(self.call.pid) - cpu) / max(completed, 1),
            p50=sent.p50,
            p99=sent.p99,
            errors=sent.calls - completed,
        )

    def _play(self, request: bytes, callers: int, seconds: float) -> Round:
        return self.driver.play(
            pid=self.call.pid, port=self.call.port, request=request, connections=callers, seconds=seconds
        )

    def _message(self, agent: str, *, at_once: bool) -> bytes:
        message = {"messageId": SERIAL.decode(), "role": "ROLE_USER", "parts": [{"text": "0"}]}
        params = {"message": message, "configuration": {"returnImmediately": at_once}}
        body = {"jsonrpc": "2.0", "id": 1, "method": "SendMessage", "params": params}
        return http_request(f"/agents/{agent}", body, self._headers, self.call.port)

    def _completed(self, agent: str) -> int:
        """How many turns of an agent are completed, by ListTasks."""
        params = {"status": "TASK_STATE_COMPLETED", "pageSize": 1, "historyLength": 0}
        body = {"jsonrpc": "2.0", "id": 1, "method": "ListTasks", "params": params}
        return int(self._http.post(f"/agents/{agent}", json=body).json()["result"].get("totalSize", 0))


def rates(engine: str, extent: Extent, *, log: str = "") -> None:
    """Print the rates on one engine; `log` is the URL of its database, where that is not the state folder's."""
    with ExitStack() as stack:
        sink = free_port()
        stack.enter_context(running("-m", "bench.sink", str(sink)))
        wait_for(sink)
        environment = {"INTERCHANGE_TELEMETRY_OTLP_ENDPOINT": f"http://127.0.0.1:{sink}", **SPACIOUS}
        facts, pid = stack.enter_context(demo({**environment, **({"INTERCHANGE_LOG_URL": log} if log else {})}))
        agent = address_of(stack.enter_context(running("-m", "bench.echo")))
        agents = [f"echo_{number}" for number in range(2 * len(CALLERS) * (extent.rounds + 1))]
        publish(facts, [manifest_of(name, domain="hiring") for name in agents], target=agent)
        driver = Driver(stack.enter_context(running("-m", "bench.driver")))
        found = _interleaved(Gateway(facts, pid, driver), agents, extent)
    _report(engine, found)


def _interleaved(under: Gateway, agents: list[str], extent: Extent) -> Mapping[tuple[int, str], list[Round]]:
    """Rounds of all three at all numbers of callers, in turn; the first one warms them and does not count."""
    found: dict[tuple[int, str], list[Round]] = {}
    for number in range(extent.rounds + 1):
        for callers in CALLERS:
            played = {
                "tools/call": under.called(callers, extent.seconds),
                "SendMessage": under.waited(agents.pop(), callers, extent.seconds),
                "returning at once": under.left(agents.pop(), callers, extent.seconds),
            }
            for name, one in played.items() if number else ():
                found.setdefault((callers, name), []).append(one)
    return found


def _report(engine: str, found: Mapping[tuple[int, str], list[Round]]) -> None:
    for (callers, name), played in found.items():
        waited, called = found[callers, "SendMessage"], found[callers, "tools/call"]
        line = f"{engine:10} {callers:3} callers  {name:18} {median(played, 'calls_per_second'):5.0f}/s"
        line += f"  {median(played, 'cpu_per_call') * 1e6:6.0f} µs CPU  p50 {median(played, 'p50') * 1e3:6.1f} ms"
        line += f"  {_beside(played, called, 'calls_per_second'):.2f} of the rate of tools/call"
        line += f" ({_beside(played, called, 'cpu_per_call'):.2f}x its CPU)"
        if played is not waited and played is not called:
            line += f", {_beside(played, waited, 'calls_per_second'):.2f} of SendMessage"
        print(f"{line}  {errors(played)} errors", flush=True)
    times = _beside(found[AIMED_AT, "SendMessage"], found[AIMED_AT, "tools/call"], "cpu_per_call")
    print(f"{engine}: SendMessage takes {times:.1f}x the CPU of tools/call at {AIMED_AT} callers (aim: at most 3)\n")


def _beside(ours: Sequence[Round], theirs: Sequence[Round], figure: str) -> float:
    """The median of the ratios of each round: what disturbs a round disturbs both."""
    pairs = zip(ours, theirs, strict=True)
    return statistics.median(getattr(one, figure) / getattr(other, figure) for one, other in pairs)


def measure(wanted: argparse.Namespace, server: PostgresServer) -> None:
    extent = Extent(rounds=wanted.rounds, seconds=wanted.seconds)
    if wanted.only in (None, "rates"):
        rates("SQLite", extent)
        rates("PostgreSQL", extent, log=asyncio.run(server.create_database()))
    if wanted.only in (None, "subscribers"):
        with tempfile.TemporaryDirectory() as folder:
            log = asyncio.run(server.create_empty_database())
            asyncio.run(subscribers.measure(Path(folder), log, turns=4 if wanted.quick else 24))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.turns", description="Turns, and who hears of them.")
    parser.add_argument("--quick", action="store_true", help="two short rounds: to see that it runs")
    parser.add_argument("--rounds", type=int, help="interleaved rounds that count (default: 5)")
    parser.add_argument("--seconds", type=float, help="of one round (default: 0.5)")
    parser.add_argument("--only", choices=["rates", "subscribers"], help="measure nothing else")
    wanted = parser.parse_args()
    wanted.rounds = wanted.rounds or (2 if wanted.quick else 5)
    wanted.seconds = wanted.seconds or (0.3 if wanted.quick else 0.5)
    server = PostgresServer()
    try:
        server.start()
        measure(wanted, server)
    finally:
        server.stop()


if __name__ == "__main__":
    main()
