"""Resolving names that somebody else chose, without letting a slow name server harm anybody else.

A look-up cannot be ended, only left: it stays in its thread until the system gives it up. So these threads are our own,
and none that the process waits for when it stops; they are bounded, those of one zone more tightly than all together;
and whoever waits for a look-up, or for room for one, has a deadline.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from weakref import WeakValueDictionary

AT_ONCE = 256
OF_ONE_ZONE = 16


class Resolver:
    """Looks names up as the system does. `at_once` bounds the look-ups in hand, those that were left included, and
    `of_one_zone` those of names with the same last two labels, which one name server may be slow for."""

    def __init__(self, *, at_once: int = AT_ONCE, of_one_zone: int = OF_ONE_ZONE) -> None:
        self._room = asyncio.Semaphore(at_once)
        self._of_one_zone = of_one_zone
        self._zones: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the order in which they are to be tried.

        Raises:
            OSError, UnicodeError: it has none that can be found out.
        """
        zone = self._zones.setdefault(_zone_of(host), asyncio.Semaphore(self._of_one_zone))
        await zone.acquire()
        try:
            await self._room.acquire()
        except BaseException:
            zone.release()
            raise
        return await self._begin(host, port, zone)

    def _begin(self, host: str, port: int, zone: asyncio.Semaphore) -> "asyncio.Future[Sequence[str]]":
        """Look a name up in a thread; when that ends, whether or not somebody still waits, there is room again."""
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str] | Exception) -> None:
            self._room.release()
            zone.release()
            if answer.done():
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            found = _looked_up(host, port)
            with suppress(RuntimeError):  # the loop is closed: nobody waits
                loop.call_soon_threadsafe(settle, found)

        try:
            threading.Thread(target=look, name="push-resolving", daemon=True).start()
        except RuntimeError:
            settle(OSError("there is no thread left to resolve a name in"))
        return answer


def _zone_of(host: str) -> str:
    return ".".join(host.lower().split(".")[-2:])


def _looked_up(host: str, port: int) -> Sequence[str] | Exception:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return [str(row[4][0]) for row in rows]
