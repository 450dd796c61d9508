"""What the tests of the engines share: a PostgreSQL, and a database of one's own in it."""

from collections.abc import AsyncGenerator

import pytest

from tests.support.postgres import PostgresServer, shared_server


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@pytest.fixture
async def database(server: PostgresServer) -> AsyncGenerator[str]:
    """The URL of a fresh database with the log's tables."""
    async with server.database() as url:
        yield url
