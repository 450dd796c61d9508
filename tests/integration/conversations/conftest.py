"""A room with a conversation log in it."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.held_turns import Room, opened_room


@pytest.fixture
async def room(tmp_path: Path) -> AsyncGenerator[Room]:
    async with opened_room(tmp_path / "log.db") as room:
        yield room
