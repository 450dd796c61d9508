"""Turns that another gateway has in hand, or nobody while their answer is put off: known by a look in the log."""

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from adapters.messaging.log import WhichTurns
from adapters.messaging.opening import OpenLog
from adapters.messaging.turns import Turn, TurnState
from gateway.turns import Over
from policies.identity.turn_tokens import TurnClaims
from registry.model import InterchangeError, TurnId

LOOKING: Final = 1.0
"""Seconds between two looks at a turn in which somebody calls us."""

logger = logging.getLogger(__name__)


class ElsewhereInTheLog:
    """See `gateway.turns.Elsewhere`. What cannot be seen is not live (fail-closed)."""

    def __init__(self, opened: OpenLog) -> None:
        self._history = opened.history
        self._overview = opened.overview

    async def is_live(self, claims: TurnClaims) -> bool:
        """Whether the attempt that a token is of still has its turn."""
        row = await self._row(claims.turn)
        return row is not None and row.agent == claims.agent and await self._has(row, claims.fence, claims.attempt)

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
                if row is None or not await self._has(row, fence, None):
                    break
            except InterchangeError as error:
                logger.info("A turn that is in hand elsewhere cannot be seen.", extra={"error": error.message})
        over()

    async def _row(self, turn: TurnId) -> Turn | None:
        found = await self._history.turns(WhichTurns(turns=(turn,)), limit=1)
        return found[0] if found else None

    async def _has(self, row: Turn, fence: int, attempt: int | None) -> bool:
        """Whether whoever holds this fence has the turn: by its lease, or because the answer was put off with it."""
        if row.state is TurnState.DEFERRED:
            return row.grant == fence
        if row.state is not TurnState.WORKING:
            return False
        mailboxes = await self._overview.mailboxes(row.conversation)
        return any(
            mailbox.agent == row.agent
            and (mailbox.fence, mailbox.attempts) == (fence, mailbox.attempts if attempt is None else attempt)
            and bool(mailbox.owner)
            and mailbox.head == row.due
            for mailbox in mailboxes
        )
