"""A dispatcher: claims what is to be delivered, works on all of it at once, and settles."""

import asyncio

from adapters.messaging.errors import LogUnavailable
from tests.crash.role import Part
from tests.crash.setting import AGENTS
from tests.crash.work import work_on

TOGETHER = 16
"""Deliveries that one dispatcher works on at the same time."""


async def dispatch(part: Part) -> None:
    """Claim and work until the run is over."""
    busy: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as tasks:
        while not part.is_over:
            deliveries = ()
            if len(busy) < TOGETHER:
                try:
                    deliveries = await part.opened.log.claim(AGENTS, limit=TOGETHER - len(busy), lease=part.lease)
                except LogUnavailable:
                    await asyncio.sleep(0.05)
            for delivery in deliveries:
                task = tasks.create_task(work_on(part, delivery))
                busy.add(task)
                task.add_done_callback(busy.discard)
            if not deliveries:
                await _wait(part, busy)


async def _wait(part: Part, busy: set[asyncio.Task[None]]) -> None:
    """Until there may be mail, or room for more."""
    if len(busy) >= TOGETHER:
        await asyncio.wait(busy, timeout=part.setting.poll, return_when=asyncio.FIRST_COMPLETED)
    else:
        await part.opened.wakes.mail(AGENTS, seconds=part.setting.poll)
