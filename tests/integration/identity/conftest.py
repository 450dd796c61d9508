"""One installation of identity per test."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support.issuer import Installation, install


@pytest.fixture
async def here(tmp_path: Path) -> AsyncIterator[Installation]:
    installation = install(tmp_path)
    async with installation.http:
        yield installation
