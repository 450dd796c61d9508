"""Whether a client still waits for its answer. What nobody waits for is not worked on.

The server says that a client left to whoever asks it for the rest of the request, and to nobody else; while an answer
is being made, that is here.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from starlette.types import Receive

from registry.model import InterchangeError


class ClientLeft(InterchangeError):
    """Nobody is there to be told anything."""

    code = "client_left"


@asynccontextmanager
async def while_waited_for(receive: Receive) -> AsyncGenerator[None]:
    """End what happens in here as soon as the client leaves. The body of its request must have been read.

    Raises:
        ClientLeft: it has left.
    """
    loop = asyncio.get_running_loop()
    present = asyncio.timeout(None)

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        present.reschedule(loop.time())

    try:
        async with present:
            watching = loop.create_task(watch())
            try:
                yield
            finally:
                watching.cancel()
    except TimeoutError:
        if not present.expired():
            raise
        raise ClientLeft("The client left before the answer was there.") from None
