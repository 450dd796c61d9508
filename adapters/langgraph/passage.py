"""A passage: what a turn says in its room, one event after the other, for the gateway's loop to read.

Made in the gateway's loop and read there; given to from the room's thread. The next event is taken when the one before
has been read, so whoever listens slowly slows the graph down.
"""

import asyncio
from typing import Self

from interchange.v1 import agent_pb2 as wire


class Passage:
    """An async iterator of events, filled from another thread."""

    def __init__(self) -> None:
        self._home = asyncio.get_running_loop()
        self._events: asyncio.Queue[wire.TurnEvent | None] = asyncio.Queue()
        self._read = asyncio.Semaphore(1)

    async def give(self, event: wire.TurnEvent) -> None:
        """From the room: hand an event over, once the last one has been read."""
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._put(event), self._home))

    def end(self) -> None:
        """From the room: there is nothing more."""
        if not self._home.is_closed():
            self._home.call_soon_threadsafe(self._events.put_nowait, None)

    async def _put(self, event: wire.TurnEvent) -> None:
        await self._read.acquire()
        self._events.put_nowait(event)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> wire.TurnEvent:
        event = await self._events.get()
        if event is None:
            raise StopAsyncIteration
        self._read.release()
        return event
