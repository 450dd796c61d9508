"""A call as it unfolds: what it emits, one by one, then what came of it.

The corridor pushes, a stream of A2A pulls. Between the two is a short queue, so a client that reads slowly fills
nothing; and who stops reading ends the call.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable

from registry.model import Emission, Emit, Result

WAITING = 32
"""Emissions that may wait to be read."""

Work = Callable[[Emit], Awaitable[Result]]


async def unfolding(work: Work) -> AsyncGenerator[Emission | Result]:
    """Do the work in a task of its own and yield what it emits, then its result. Closing the generator ends the work.

    Raises:
        Exception: whatever the work raised, after all that it emitted before.
    """
    queue: asyncio.Queue[Emission | None] = asyncio.Queue(WAITING)

    async def worked() -> Result:
        try:
            return await work(queue.put)
        finally:
            if not queue.full():
                queue.put_nowait(None)

    task = asyncio.get_running_loop().create_task(worked())
    try:
        while not (task.done() and queue.empty()):
            emission = await queue.get()
            if emission is not None:
                yield emission
        yield task.result()
    finally:
        try:
            if task.cancel():
                await asyncio.wait([task])
        finally:
            # Servers keep what ended a stream, and with it this frame, until the garbage is looked at.
            del task
