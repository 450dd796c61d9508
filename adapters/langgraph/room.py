"""A room: one thread with an event loop, in which one graph runs its turns.

A graph is somebody's code, and code blocks. In here it blocks nobody but itself: the gateway's loop only waits for what
comes out. The thread cannot be killed, so a room that is stuck is left behind; it and its workers are daemons, and hold
up no exit. What a room opened, such as the database of a checkpointer, it closes when its last turn has left.
"""

import asyncio
import contextlib
import contextvars
import threading
from collections.abc import Callable, Coroutine
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager
from typing import Any, Generic, ParamSpec, TypeVar

T = TypeVar("T")
P = ParamSpec("P")


class Room(Generic[T]):
    """A thread that holds open what `opening` opens, until it is left."""

    def __init__(self, name: str, opening: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._opening = opening
        self._loop = asyncio.new_event_loop()
        self._leaving = asyncio.Event()
        self._ready: Future[T] = Future()
        self._thread = threading.Thread(target=self._work, name=f"graph-{name}", daemon=True)
        self._thread.start()

    async def opened(self) -> T:
        """What is open in here, once it is. Raises what kept it from opening."""
        return await asyncio.shield(asyncio.wrap_future(self._ready))  # who waits may give up; the room does not

    def begin(self, work: Coroutine[Any, Any, None]) -> "Future[None]":
        """Start some work in here, in the caller's context."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    async def is_awake(self, patience: float) -> bool:
        """Whether the loop turns: something in here may keep it for itself."""
        try:
            async with asyncio.timeout(patience):
                await asyncio.wrap_future(self.begin(_nothing()))
        except TimeoutError:
            return False
        return True

    @property
    def is_open(self) -> bool:
        """Whether it has been opened, or could not be."""
        return self._ready.done()

    @property
    def is_left(self) -> bool:
        """Whether everything is out and the thread has ended."""
        return not self._thread.is_alive()

    def leave(self) -> None:
        """Take no more work; the room closes when the last of it is done. Nobody waits for that."""
        with contextlib.suppress(RuntimeError):  # it is closed
            self._loop.call_soon_threadsafe(self._leaving.set)

    def close(self) -> None:
        """Cancel what is at work, then leave."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._cancel)
        self.leave()

    async def closed(self, patience: float) -> None:
        """Wait for the room to be closed, or for so many seconds."""
        await asyncio.to_thread(self._thread.join, patience)

    def _work(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.set_default_executor(_Daemons())
        try:
            self._holding = self._loop.create_task(self._hold())
            self._loop.run_until_complete(self._holding)
        finally:
            self._loop.close()

    async def _hold(self) -> None:
        try:
            async with self._opening() as found:
                self._ready.set_result(found)
                await self._leaving.wait()
                if at_work := self._at_work():
                    await asyncio.wait(at_work)
        except Exception as error:
            if self._ready.done():
                raise
            self._ready.set_exception(error)

    def _cancel(self) -> None:
        for task in self._at_work():
            task.cancel()

    def _at_work(self) -> set[asyncio.Task[Any]]:
        return asyncio.all_tasks(self._loop) - {self._holding}


class _Daemons(ThreadPoolExecutor):
    """A thread for each piece of blocking work. Unlike a pool's, they neither run out nor keep the process alive."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """See the parent."""
        future: Future[T] = Future()

        def work() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                future.set_result(fn(*args, **kwargs))
            except BaseException as error:  # it is the waiter's, whatever it is
                future.set_exception(error)

        threading.Thread(target=contextvars.copy_context().run, args=(work,), name="graph-work", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:  # noqa: FBT001, FBT002 - the parent's
        """Nothing to wait for."""


async def _nothing() -> None:
    return None
