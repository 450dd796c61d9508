"""How soon what an agent says is heard, by who subscribed at the gateway that works on the turn and at the other one.

Two gateways on one PostgreSQL and one NATS, as processes; an agent that says what time it is (`bench.clock`). Each turn
is begun at gateway A, which has it in hand, and subscribed to at both: as it was said, and as it is heard, the times
are of one clock. Part of `python -m bench.turns`.
"""

import asyncio
import re
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import httpx

from bench.messages import address_of
from bench.processes import running
from tests.support.agents import publish_as_operator
from tests.support.replicas import Replica, replicas

AGENT = "clock"
PIECES = 40
PAUSE_MS = 25
TOGETHER = 4
"""Turns that are told of at a time."""

_SAID = re.compile(r"<([0-9.]+)>")
_ENDED = re.compile(r"\[([0-9.]+)\]")


@dataclass(slots=True)
class Heard:
    """Seconds that what was said took to one subscriber: `pieces` on the way, `ends` until the turn had ended."""

    pieces: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])


async def measure(folder: Path, log: str, *, turns: int) -> None:
    """Print how soon each gateway tells of `turns` turns. `log` is the URL of an empty PostgreSQL database."""
    with running("-m", "bench.clock") as agent, replicas(folder, log) as both:
        target = address_of(agent)
        for replica in (both.a, both.b):
            publish_as_operator(replica.served, {"name": AGENT, "domain": "office"}, target)
        here, there = Heard(), Heard()
        async with _client(both.a, both.tokens["ada"]) as a, _client(both.b, both.tokens["ada"]) as b:
            for _ in range(max(turns // TOGETHER, 1)):
                await asyncio.gather(*(_turn(a, {a: here, b: there}) for _ in range(TOGETHER)))
    for name, heard in (("the gateway that works on it", here), ("the other one", there)):
        print(f"subscribed at {name:28} {_figures('a piece', heard.pieces)}   {_figures('the end', heard.ends)}")


async def _turn(begun_at: httpx.AsyncClient, subscribed: dict[httpx.AsyncClient, Heard]) -> None:
    message = {"messageId": str(uuid4()), "role": "ROLE_USER", "parts": [{"text": f"{PIECES} {PAUSE_MS}"}]}
    params = {"message": message, "configuration": {"returnImmediately": True}}
    answer = (await begun_at.post("", json=_request("SendMessage", params))).json()
    task = answer["result"]["task"]["id"]
    await asyncio.gather(*(_subscribe(client, task, heard) for client, heard in subscribed.items()))


async def _subscribe(client: httpx.AsyncClient, task: str, heard: Heard) -> None:
    """Note when what is heard was said."""
    ended = 0.0
    async for event, now in _events(client, task):
        if '"lastChunk":true' in event:
            ended = float(_ENDED.findall(event)[0])
        elif "artifactUpdate" in event:
            heard.pieces += [now - float(said) for said in _SAID.findall(event)]
        elif "TASK_STATE_COMPLETED" in event:
            heard.ends.append(now - ended)


async def _events(client: httpx.AsyncClient, task: str) -> AsyncIterator[tuple[str, float]]:
    """What is told of a task, as JSON, and when."""
    body = _request("SubscribeToTask", {"id": task})
    async with client.stream("POST", "", json=body, headers={"accept": "text/event-stream"}) as response:
        async for line in response.aiter_lines():
            now = time.time()
            if line.startswith("data:"):
                yield line.replace(" ", ""), now


def _request(method: str, params: object) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


def _client(replica: Replica, token: str) -> httpx.AsyncClient:
    headers = {"authorization": f"Bearer {token}", "a2a-version": "1.0"}
    return httpx.AsyncClient(base_url=f"{replica.url}/agents/{AGENT}", headers=headers, timeout=60, trust_env=False)


def _figures(what: str, seconds: Sequence[float]) -> str:
    if not seconds:
        return f"{what}: nothing was heard"
    p99 = sorted(seconds)[int(len(seconds) * 0.99)]
    return f"{what}: p50 {statistics.median(seconds) * 1e3:5.1f} ms, p99 {p99 * 1e3:5.1f} ms ({len(seconds)})"
