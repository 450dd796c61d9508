"""A room with a conversation log in it: a file, or for tests that say so a PostgreSQL as well."""

from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from tests.support.held_turns import Room, opened_room
from tests.support.postgres import shared_server


@pytest.fixture
async def room(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncGenerator[Room]:
    on_postgres = getattr(request, "param", "sqlite") == "postgres"
    log = await shared_server().create_database() if on_postgres else tmp_path / "log.db"
    async with opened_room(log) as room:
        yield room
