"""An agent without an address, in as few lines as there can be; started as a process of its own.

It answers at once, unless it is asked to wait: then it says when it has begun, and waits until a file is there.
"""

import asyncio
import os
import sys
from pathlib import Path

from interchange_client.agent import TurnInHand, serve


async def answer(turn: TurnInHand):
    word, _, file = turn.text.partition(" ")
    if word == "wait":
        sys.stdout.write(f"begun {turn.turn.attempt}\n")
        sys.stdout.flush()
        while not Path(file).exists():
            await asyncio.sleep(0.02)
    yield f"{os.getpid()}: {word}"


if __name__ == "__main__":
    *gateways, grace = sys.argv[1:]
    asyncio.run(serve(answer, name="greeter", domain="tests", gateway=gateways, seats=2, grace=float(grace)))
