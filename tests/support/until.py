"""Waiting for something to become true, for as long as a slow machine may need."""

import asyncio
from collections.abc import Callable

PATIENCE = 20.0
"""Seconds."""


async def until(is_true: Callable[[], bool]) -> None:
    """Wait until this is true.

    Raises:
        TimeoutError: it has not become true.
    """
    async with asyncio.timeout(PATIENCE):
        while not is_true():
            await asyncio.sleep(0.01)
