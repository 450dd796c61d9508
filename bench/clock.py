"""An agent that says what time it is, piece by piece: so often, and with such a pause, as the message says.

`50 20` is fifty pieces, twenty milliseconds apart, after a second in which whoever wants to hear them can come. A piece
is the time of day in seconds, in angle brackets. Raw handler, no token looked at. Run: `python -m bench.clock`; prints
`listening HOST:PORT`.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

from interchange.v1 import agent_pb2 as wire

from bench.echo import serve

BEFORE = 1.0
"""Seconds before the first piece."""


async def converse(request: bytes, _: Any) -> AsyncIterator[bytes]:
    turn = wire.Turn.FromString(request)
    count, pause = map(int, turn.input[0].parts[0].text.split())
    await asyncio.sleep(BEFORE)
    for _ in range(count):
        piece = wire.Part(text=f"<{time.time()}>")
        yield wire.TurnEvent(delta=wire.Delta(part=piece)).SerializeToString()
        await asyncio.sleep(pause / 1000)
    yield wire.TurnEvent(done=wire.Done(parts=[wire.Part(text=f"[{time.time()}]")])).SerializeToString()


if __name__ == "__main__":
    asyncio.run(serve(converse))
