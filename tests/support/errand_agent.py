"""An agent as a process of its own, which does what it is told and notes it in a file: `python -m` this module.

What it is told is the text of the message: `tell N` (N numbered pieces, a table that grows beside them, and a note as a
message of its own after every forty), `hold` (until nobody waits any more), `ask AGENT` (to tell three pieces), `take
MILLISECONDS`. A delivery that it has done before it does not do again, however often it comes and whichever process of
the agent had it.
"""

import argparse
import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from interchange.v1 import agent_pb2
from interchange_client.agent import TurnInHand, delta, message, serve

PAUSE = 0.02
"""Seconds between two pieces."""

NOTE = 40
GRACE = 3.0


@dataclass(frozen=True, slots=True)
class Journal:
    """A file of lines that processes add to at once, and a test reads."""

    path: Path
    known: set[str] = field(default_factory=set[str])

    def note(self, what: str, turn: TurnInHand) -> None:
        """Add a line in one write."""
        line = {
            "what": what,
            "text": turn.text,
            "turn": turn.turn.turn_id,
            "delivery": turn.turn.delivery_id,
            "attempt": turn.turn.attempt,
            "at": time.monotonic(),
        }
        file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, json.dumps(line).encode() + b"\n")
        finally:
            os.close(file)

    def do_once(self, turn: TurnInHand) -> None:
        """What this agent is for: it must not happen twice."""
        if turn.turn.delivery_id not in self.known:
            self.known.add(turn.turn.delivery_id)
            self.note("did", turn)

    def read(self) -> Sequence[dict[str, Any]]:
        """All lines."""
        return [json.loads(line) for line in self.path.read_text().splitlines()] if self.path.exists() else []


def told(number: int) -> str:
    """The piece of that number."""
    return f"{number} "


async def tell(many: int) -> AsyncIterator[str | agent_pb2.TurnEvent]:
    """Pieces of the answer and of a table, and notes between them."""
    for number in range(many):
        yield told(number)
        yield delta(f"{number};", artifact="table")
        if number % NOTE == NOTE - 1:
            yield message(f"note {number}")
        await asyncio.sleep(PAUSE)


async def answer_to(turn: TurnInHand, journal: Journal) -> AsyncIterator[str | agent_pb2.TurnEvent]:
    """One attempt at one turn."""
    journal.note("begun", turn)
    word, _, number = turn.text.partition(" ")
    try:
        match word:
            case "tell":
                async for said in tell(int(number)):
                    yield said
            case "hold":
                yield told(0)
                await asyncio.Event().wait()
            case "ask":
                yield (await turn.gateway.ask(number, "tell 3")).text
            case _:
                await asyncio.sleep(int(number) / 1000)
                journal.do_once(turn)
                yield told(0)
    except (asyncio.CancelledError, GeneratorExit):
        journal.note("cancelled", turn)
        raise
    journal.note("ended", turn)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--journal", type=Path, required=True)
    parser.add_argument("--gateway", action="append", required=True)
    parser.add_argument("--listen")
    options = parser.parse_args()
    journal = Journal(options.journal)
    journal.known.update(line["delivery"] for line in journal.read() if line["what"] == "did")

    async def answer(turn: TurnInHand) -> AsyncIterator[str | agent_pb2.TurnEvent]:
        async for said in answer_to(turn, journal):
            yield said

    asyncio.run(
        serve(
            answer,
            name=options.name,
            domain="office",
            gateway=options.gateway,
            listen=options.listen,
            seats=64,
            grace=GRACE,
        )
    )


if __name__ == "__main__":
    main()
