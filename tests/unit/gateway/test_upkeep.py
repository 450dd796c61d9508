"""Upkeep: each chore again and again, to its end, and whatever goes wrong said once."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from adapters.messaging.drafts import Draft
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.fabric import InProcessFabric
from adapters.messaging.log import WhichTurns
from adapters.messaging.messages import Opening
from adapters.messaging.opening import open_log
from adapters.messaging.outcomes import Ask, Asked, Lease
from adapters.messaging.turns import TurnState
from gateway import upkeep
from gateway.config import LogRules
from gateway.upkeep import AT_A_TIME, Chore, chores, keep_doing
from registry.model import ConversationId
from tests.support.logs import ECHO, open_turn, said


async def tried(*outcomes: int | Exception) -> None:
    """Keep doing a chore that comes to this, one after the other."""
    left: Iterator[int | Exception] = iter(outcomes)

    async def do() -> int:
        outcome = next(left, None)
        if outcome is None:
            raise asyncio.CancelledError
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    with suppress(asyncio.CancelledError):
        await keep_doing(Chore("sweep", 0.0, do))


async def test_a_log_that_is_away_is_said_once_and_that_it_is_back(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        await tried(0, LogUnavailable("The disk is gone."), LogUnavailable("The disk is gone."), 0, 0)
    assert [record.message for record in caplog.records] == [
        "The log's upkeep has to wait.",
        "The log's upkeep goes on.",
    ]


async def test_what_nobody_expected_ends_no_chore(caplog: pytest.LogCaptureFixture) -> None:
    await tried(ValueError("odd"), 0)
    assert [record.message for record in caplog.records] == ["The log's upkeep failed", "The log's upkeep goes on."]


async def test_a_chore_is_done_until_nothing_is_left_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    waits = 0

    async def wait(_: float) -> None:
        nonlocal waits
        waits += 1

    monkeypatch.setattr(asyncio, "sleep", wait)
    await tried(AT_A_TIME, AT_A_TIME, 3, 0)
    assert waits == 2


async def test_nothing_is_blanked_that_was_not_asked_for(tmp_path: Path) -> None:
    async with open_log(f"sqlite:///{tmp_path / 'log.db'}", fabric=InProcessFabric()) as opened:
        assert len(chores(opened, LogRules())) == 3
        assert len(chores(opened, LogRules(retention_days=30))) == 4


async def test_a_log_that_is_served_is_looked_after(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A question expires and its draft goes, what was said is found, and what is too old is blanked, without anybody
    asking."""
    for name in ("EXPIRE_SECONDS", "INDEX_SECONDS", "TIDY_SECONDS", "RETAIN_SECONDS"):
        monkeypatch.setattr(upkeep, name, 0.02)
    conversation = ConversationId("c-1")
    async with open_log(f"sqlite:///{tmp_path / 'log.db'}", fabric=InProcessFabric()) as opened:
        of = await open_turn(opened.log, conversation, "hello")
        [delivery] = await opened.log.claim([ECHO], limit=1, lease=Lease(owner="test", seconds=30))
        await opened.drafts.keep([Draft(conversation=conversation, turn=of.turn, fence=1, number=1, body=b"so far")])
        await opened.log.settle(delivery, Asked(question=Ask(id="q", body=b"?", expires_in=0.05)))
        await opened.log.append(ConversationId("c-2"), [said("old")], opening=Opening())
        async with upkeep.upkeep(opened, LogRules(retention_days=0.2 / upkeep.DAY)), asyncio.timeout(10):
            while not (await opened.history.page(ConversationId("c-2")))[0].erased:
                await asyncio.sleep(0.02)
            while (await opened.history.turns(WhichTurns(turns=(of.turn,))))[0].state is not TurnState.FAILED:
                await asyncio.sleep(0.02)
            while await opened.drafts.of(conversation, of.turn) is not None:
                await asyncio.sleep(0.02)
