"""The logs that the contract of the conversation log is held against."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adapters.messaging.log import ConversationLog, History, Keeping
from registry.model import ConversationId
from tests.support.logs import Clock, OpenedLog, Place, new_conversation, new_place, opened_at

LOGS = ("paper-no_fabric", "sqlite-fabric", "sqlite-no_fabric", "postgres-fabric", "postgres-no_fabric")


@pytest.fixture(params=LOGS)
async def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    engine, fabric = request.param.split("-")
    return await new_place(engine, fabric=fabric, folder=tmp_path)


@pytest.fixture
async def opened(place: Place) -> AsyncGenerator[OpenedLog]:
    async with opened_at(place) as log:
        yield log


@pytest.fixture
async def neighbour(place: Place, opened: OpenedLog) -> AsyncGenerator[OpenedLog]:
    """The same log, as another process has it open."""
    async with opened_at(place) as log:
        yield log


@pytest.fixture
def log(opened: OpenedLog) -> ConversationLog:
    return opened.log


@pytest.fixture
def history(opened: OpenedLog) -> History:
    return opened.history


@pytest.fixture
def keeping(opened: OpenedLog) -> Keeping:
    return opened.keeping


@pytest.fixture
def clock(opened: OpenedLog) -> Clock:
    return opened.clock


@pytest.fixture
def conversation() -> ConversationId:
    """The id of a conversation that nobody has opened yet."""
    return new_conversation()
