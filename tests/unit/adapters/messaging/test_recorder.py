"""The recorder: what it says where the database does not serve. Everything else of it is in the contract."""

import logging
from collections.abc import Sequence
from typing import Any

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.messages import TurnRef
from adapters.messaging.recorder import Recorder
from adapters.messaging.requests import Request
from registry.model import ConversationId, TurnId
from tests.support.logs import ECHO
from tests.support.paper import Paper, PaperEngine


class Overdue(PaperEngine):
    """An engine with turns that are due, and a database that comes to this when they are to be failed."""

    def __init__(self, error: Exception) -> None:
        super().__init__(Paper(), stirred=lambda _: None, shift=lambda: 0.0)
        self._error = error

    async def overdue(self, *, limit: int) -> Sequence[TurnRef]:
        return [TurnRef(conversation=ConversationId("c"), agent=ECHO, turn=TurnId(f"{n}")) for n in range(limit)]

    async def submit(self, request: Request) -> Any:
        raise self._error


async def test_a_database_that_is_away_is_said_once_a_round(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert await Recorder(Overdue(LogUnavailable("The disk is gone."))).expire(limit=200) == []
    (record,) = caplog.records
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)
    assert (record.__dict__["turns"], record.__dict__["error"]) == (200, "The disk is gone.")


async def test_what_nobody_expected_is_said_of_each_turn(caplog: pytest.LogCaptureFixture) -> None:
    assert await Recorder(Overdue(ValueError("odd"))).expire(limit=2) == []
    assert [(record.levelno, record.__dict__["turn"]) for record in caplog.records] == [
        (logging.ERROR, "0"),
        (logging.ERROR, "1"),
    ]
