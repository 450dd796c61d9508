"""An agent of a run, as a process of its own: `python -m` this module.

It notes every attempt, and every side effect with its delivery, in a file of its own, synced before it goes on; it does
not look whether it has done something before, since the checks do. What it puts off it finishes later, also after it
was killed.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interchange.v1 import agent_pb2
from interchange_client.agent import (
    AgentCredentials,
    AgentFailure,
    DeferredTurn,
    GatewayError,
    HttpGateway,
    TurnInHand,
    delta,
    done,
    message,
    question,
    serve,
)

from tests.crash.turns.words import ASK, DEFER, FLAKY, PIECE_SECONDS, QUESTION, TELL, Words
from tests.support.errand_agent import NOTE, told

GRACE = 1.0
FINISHING = 30.0
"""Seconds in which a turn that was put off is to be finished; it may have been put off anew since."""

Said = AsyncIterator[str | agent_pb2.TurnEvent]


@dataclass(slots=True)
class Journal:
    """A file of lines, each on the disk before the agent goes on."""

    path: Path
    _file: int = field(init=False)

    def __post_init__(self) -> None:
        self._file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(self, what: str, **more: object) -> None:
        """Add a line in one write."""
        line = {"what": what, "at": time.monotonic(), "pid": os.getpid(), **more}
        os.write(self._file, json.dumps(line).encode() + b"\n")
        os.fsync(self._file)


def noted(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a journal; whole ones only."""
    if path.exists():
        yield from map(json.loads, path.read_bytes().split(b"\n")[:-1])


@dataclass(slots=True)
class Desk:
    """Answers turns."""

    journal: Journal
    gateway: HttpGateway
    later: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    async def answer(self, turn: TurnInHand) -> Said:
        """One attempt at one turn."""
        words = Words.read(turn.parts[0].text)
        about = {
            "key": words.key,
            "turn": turn.turn.turn_id,
            "delivery": turn.turn.delivery_id,
            "attempt": turn.turn.attempt,
            "call": turn.call,
        }
        self.journal.note("begun", **about)
        if words.word == FLAKY and turn.turn.attempt == 1:
            self.journal.note("failed", **about)
            raise AgentFailure("not this time", retryable=True)
        if words.word == ASK and not turn.answers:
            self.journal.note("asked", **about)
            yield question(QUESTION, id="which")
            return
        if words.word == DEFER:
            put_off = turn.put_off(hours=1)
            self.journal.note("did", **about)
            self.journal.note("deferred", key=words.key, written=put_off.write())
            self.finish_later(put_off, words)
            yield put_off.event
            return
        async for said in _work(words, attempt=turn.turn.attempt):
            yield said
        self.journal.note("did", **about)
        for made in _made(words):
            yield agent_pb2.TurnEvent(artifact=made)
        yield done(words.artifacts["answer"], metadata={"attempt": turn.turn.attempt})

    def finish_later(self, turn: DeferredTurn, words: Words) -> None:
        """Finish a turn that was put off, beside everything else."""
        task = asyncio.get_running_loop().create_task(self._finish(turn, words))
        self.later.add(task)
        task.add_done_callback(self.later.discard)

    async def _finish(self, turn: DeferredTurn, words: Words) -> None:
        await asyncio.sleep(words.seconds)
        until = time.monotonic() + FINISHING
        why = ""
        while time.monotonic() < until:
            try:
                await turn.at(self.gateway).finish(words.artifacts["answer"], artifacts=_made(words))
                why = "finished"
                break
            except GatewayError as error:
                why = f"{error.code}: {error.message}"
            await asyncio.sleep(0.3)
        self.journal.note("finished", key=words.key, written=turn.write(), why=why)

    def go_on(self) -> None:
        """Finish what was put off by an earlier life of this process."""
        put_off = {line["written"]: line["key"] for line in noted(self.journal.path) if line["what"] == "deferred"}
        for line in noted(self.journal.path):
            if line["what"] == "finished":
                put_off.pop(line["written"], None)
        for written, key in put_off.items():
            self.finish_later(DeferredTurn.read(written), Words(DEFER, key))


def _made(words: Words) -> list[agent_pb2.Artifact]:
    """What is made beside the answer, whole."""
    made = {name: text for name, text in words.artifacts.items() if name != "answer"}
    return [agent_pb2.Artifact(id=name, parts=[agent_pb2.Part(text=text)], last=True) for name, text in made.items()]


async def _work(words: Words, *, attempt: int) -> Said:
    """Later attempts pause less often, so that what they say comes in other pieces."""
    if words.word != TELL:
        await asyncio.sleep(words.seconds)
        return
    for number in range(words.number):
        yield told(number)
        yield delta(f"{number};", artifact="table")
        if number % NOTE == NOTE - 1:
            yield message(f"note {number}")
        if number % attempt == 0:
            await asyncio.sleep(PIECE_SECONDS * attempt)


async def run(options: argparse.Namespace) -> None:
    """Serve until told to stop."""
    async with HttpGateway(AgentCredentials.from_environment(options.gateway[0]), urls=options.gateway) as gateway:
        desk = Desk(Journal(options.journal), gateway)
        desk.go_on()

        async def answer(turn: TurnInHand) -> Said:
            async for said in desk.answer(turn):
                yield said

        await serve(
            answer,
            name=options.name,
            domain="office",
            gateway=options.gateway,
            listen=options.listen,
            seats=32,
            grace=GRACE,
        )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--gateway", action="append", required=True)
    parser.add_argument("--listen")
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
