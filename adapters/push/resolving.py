"""Resolving names that somebody else chose, without letting a slow name server harm anybody else.

A look-up cannot be ended, only left: it stays in its thread until the system gives it up. So these threads are our own,
bounded, and none that the process waits for when it stops; whoever waits for a look-up has a deadline.
"""

import asyncio
import socket
import threading
from collections.abc import Sequence

AT_ONCE = 64


class Resolver:
    """Looks names up as the system does. `at_once` bounds the look-ups in hand, those that were left included."""

    def __init__(self, *, at_once: int = AT_ONCE) -> None:
        self._room = asyncio.Semaphore(at_once)

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        """All addresses of a host, in the order in which they are to be tried.

        Raises:
            OSError: it has none that can be found out.
        """
        await self._room.acquire()
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Sequence[str]] = loop.create_future()

        def settle(found: Sequence[str] | Exception) -> None:
            self._room.release()
            if answer.done():  # nobody waits any more
                return
            if isinstance(found, Exception):
                answer.set_exception(found)
            else:
                answer.set_result(found)

        def look() -> None:
            found = _looked_up(host, port)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, found)

        try:
            threading.Thread(target=look, name="push-resolving", daemon=True).start()
        except RuntimeError:
            self._room.release()
            raise OSError("there is no thread left to resolve a name in") from None
        return await answer


def _looked_up(host: str, port: int) -> Sequence[str] | Exception:
    try:
        rows = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        return error
    return [str(row[4][0]) for row in rows]
