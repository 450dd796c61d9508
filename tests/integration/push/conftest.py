"""An empty log on each engine, and a clock that stands still."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.identity import FakeClock
from tests.support.postgres import shared_server


@pytest.fixture(params=["sqlite", "postgres"])
async def url(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[str]:
    """An empty log."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'log.db'}"
        return
    async with shared_server().database() as database:
        yield database


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
