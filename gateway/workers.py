"""Threads for blocking work that may take seconds: few, and none that a stopping process would wait for.

The event loop's own pool is no place for it: its threads are everybody's, and the interpreter joins them before it
ends. Whoever waits here may go away; the place is free again only when the work itself has ended.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


class Workers:
    """At most so many pieces of work at a time; the rest waits in order."""

    def __init__(self, most: int) -> None:
        self._places = asyncio.Semaphore(most)

    async def run(self, work: Callable[[], T]) -> T:
        """Do the work in a thread of its own and return what comes of it."""
        await self._places.acquire()
        loop = asyncio.get_running_loop()
        outcome: asyncio.Future[T] = loop.create_future()

        def settle(settled: Callable[[], None]) -> None:
            self._places.release()
            if not outcome.done():
                settled()

        def labour() -> None:
            try:
                result = work()
            except BaseException as error:
                _tell(loop, settle, lambda error=error: outcome.set_exception(error))
            else:
                _tell(loop, settle, lambda: outcome.set_result(result))

        threading.Thread(target=labour, name="worker", daemon=True).start()
        return await outcome


def _tell(
    loop: asyncio.AbstractEventLoop, settle: Callable[[Callable[[], None]], None], settled: Callable[[], None]
) -> None:
    try:
        loop.call_soon_threadsafe(settle, settled)
    except RuntimeError:  # the loop is closed: nobody waits any more
        return
