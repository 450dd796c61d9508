"""A gateway that pushes, as a process of its own: to be killed. `python -m tests.support.push_process URL`."""

import asyncio
import sys

from tests.support.identity import FakeClock
from tests.support.push import pushing


async def push_until_killed(url: str) -> None:
    async with pushing(url, clock=FakeClock()):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(push_until_killed(sys.argv[1]))
