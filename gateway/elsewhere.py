"""Turns that another gateway has in hand, or nobody while their answer is put off: known by a look in the log."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from adapters.lifecycle.held import is_held
from adapters.messaging.log import WhichTurns
from adapters.messaging.opening import OpenLog
from adapters.messaging.turns import Turn
from gateway.turns import Over
from policies.identity.turn_tokens import TurnClaims
from registry.model import InterchangeError, TurnId

LOOKING: Final = 1.0
"""Seconds between two looks at a turn in which somebody calls us."""

logger = logging.getLogger(__name__)


class ElsewhereInTheLog:
    """See `gateway.turns.Elsewhere`. What cannot be seen is not live (fail-closed)."""

    def __init__(self, opened: OpenLog) -> None:
        self._opened = opened

    async def is_live(self, claims: TurnClaims) -> bool:
        """Whether the attempt that a token is of still has its turn."""
        row = await self._row(claims.turn)
        if row is None or row.agent != claims.agent:
            return False
        return await is_held(self._opened, row, fence=claims.fence, attempt=claims.attempt)

    @contextmanager
    def watching(self, turn: TurnId, fence: int, over: Over) -> Generator[None]:
        """Have `over` called soon after that attempt has ended, while this lasts."""
        task = asyncio.get_running_loop().create_task(self._watch(turn, fence, over))
        try:
            yield
        finally:
            task.cancel()

    async def _watch(self, turn: TurnId, fence: int, over: Over) -> None:
        while True:
            await asyncio.sleep(LOOKING)
            try:
                row = await self._row(turn)
                if row is None or not await is_held(self._opened, row, fence=fence):
                    break
            except InterchangeError as error:
                logger.info("A turn that is in hand elsewhere cannot be seen.", extra={"error": error.message})
        over()

    async def _row(self, turn: TurnId) -> Turn | None:
        found = await self._opened.history.turns(WhichTurns(turns=(turn,)), limit=1)
        return found[0] if found else None
