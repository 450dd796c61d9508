"""A call as it unfolds: what it emits, one by one, then what came of it.

The corridor pushes, a stream of A2A pulls. Between the two is a short queue, so a client that reads slowly slows its
agent down and fills nothing; and who stops reading ends the call. Pieces of one text that wait together are read as
one: a client that keeps up gets each as it comes, and none costs more than it must.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Iterator
from dataclasses import replace

from registry.model import Delta, Emission, Emit, Result

WAITING = 32
"""Emissions that may wait to be read."""

GATHERING = 0.01
"""Seconds in which what comes faster than it is told is put together."""

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
            for emission in _joined([await queue.get(), *_waiting(queue)]):
                yield emission
            if not queue.empty() and not task.done():  # faster than it can be told: let more come together
                await asyncio.sleep(GATHERING)
        yield task.result()
    finally:
        try:
            if task.cancel():
                await asyncio.wait([task])
        finally:
            # Servers keep what ended a stream, and with it this frame, until the garbage is looked at.
            del task


def _waiting(queue: asyncio.Queue[Emission | None]) -> Iterator[Emission | None]:
    while not queue.empty():
        yield queue.get_nowait()


def _joined(emissions: Iterable[Emission | None]) -> Iterator[Emission]:
    """The emissions in order, neighbouring pieces of one text made one."""
    last: Emission | None = None
    for emission in filter(None, emissions):
        both = _piece(last, emission)
        if both is None and last is not None:
            yield last
        last = both or emission
    if last is not None:
        yield last


def _piece(first: Emission | None, second: Emission) -> Delta | None:
    """Two pieces as one; None where they are not pieces of one text."""
    if not isinstance(first, Delta) or not isinstance(second, Delta) or first.artifact != second.artifact:
        return None
    one, other = first.part, second.part
    if one.text is None or other.text is None or replace(one, text="") != replace(other, text=""):
        return None
    return replace(first, part=replace(one, text=one.text + other.text))
