"""Upkeep: what has to be done to the conversation log again and again, whether or not anybody asks for anything.

Turns that have waited too long fail, what was said becomes ready to be found, drafts of turns that have ended are
deleted, and what is older than it may be is blanked. Several gateways with one log may all do so: each piece is done
once.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from adapters.messaging.beside import beside
from adapters.messaging.opening import OpenLog
from gateway.config import LogRules
from registry.model import InterchangeError

EXPIRE_SECONDS = 1.0
INDEX_SECONDS = 10.0
TIDY_SECONDS = 60.0
RETAIN_SECONDS = 60.0

AT_A_TIME = 200
"""Pieces of a chore that are done together, so that nobody who appends waits long."""

DAY = 86_400.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Chore:
    """Something that is done every so many seconds: `do` does a part of it, and says how many pieces that were."""

    name: str
    seconds: float
    do: Callable[[], Awaitable[int]]


@asynccontextmanager
async def upkeep(opened: OpenLog, rules: LogRules) -> AsyncGenerator[None]:
    """Look after a log while the body lasts."""
    async with AsyncExitStack() as running:
        for chore in chores(opened, rules):
            await running.enter_async_context(beside(keep_doing(chore)))
        yield


def chores(opened: OpenLog, rules: LogRules) -> Sequence[Chore]:
    """What there is to do for a log."""

    async def expire() -> int:
        return len(await opened.log.expire(limit=AT_A_TIME))

    async def index() -> int:
        return await opened.keeping.index(limit=AT_A_TIME)

    async def retain() -> int:
        return await opened.keeping.retain(seconds=rules.retention_days * DAY, limit=AT_A_TIME)

    async def tidy() -> int:
        return await opened.keeping.tidy(limit=AT_A_TIME)

    always = [
        Chore("expire turns", EXPIRE_SECONDS, expire),
        Chore("index messages", INDEX_SECONDS, index),
        Chore("tidy drafts", TIDY_SECONDS, tidy),
    ]
    return [*always, Chore("blank old messages", RETAIN_SECONDS, retain)] if rules.retention_days else always


async def keep_doing(chore: Chore) -> None:
    """Do a chore again and again. What goes wrong is said once, until it goes well again."""
    failed = False
    while True:
        try:
            while await chore.do() >= AT_A_TIME:
                pass
        except InterchangeError as error:
            if not failed:
                _log.warning("The log's upkeep has to wait.", extra={"chore": chore.name, "error": error.message})
            failed = True
        except Exception:
            _log.exception("The log's upkeep failed", extra={"chore": chore.name})
            failed = True
        else:
            if failed:
                _log.warning("The log's upkeep goes on.", extra={"chore": chore.name})
            failed = False
        await asyncio.sleep(chore.seconds)
