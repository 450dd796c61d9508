"""A task beside a piece of work: it begins with it and ends with it."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from contextlib import asynccontextmanager
from typing import Any


@asynccontextmanager
async def beside(running: Coroutine[Any, Any, object]) -> AsyncGenerator[None]:
    """Run something while the body lasts. What the body raises comes out as it is; if the task fails, the body ends.

    Raises:
        ExceptionGroup: what the task failed with.
    """
    failed: Exception | None = None
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(running)
        try:
            yield
        except Exception as error:
            failed = error
        finally:
            task.cancel()
    if failed is not None:
        raise failed
