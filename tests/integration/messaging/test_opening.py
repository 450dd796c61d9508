"""Opening a log by its URL: what is refused, what is left behind, and what is not even loaded."""

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.messaging.fabric import InProcessFabric, NoFabric
from adapters.messaging.opening import open_fabric, open_log
from registry.model import BadRequest, InterchangeError
from tests.support.logs import OPENING, new_conversation, said, texts


@pytest.mark.parametrize(
    "url", ["", "log.db", "mysql://localhost/log", "sqlite:log.db", "sqlite://log.db", "sqlite:///"]
)
async def test_a_url_that_names_no_log_is_refused(url: str) -> None:
    with pytest.raises(BadRequest, match="The log's URL"):
        async with open_log(url, fabric=NoFabric()):
            pass


async def test_a_file_is_made_where_there_is_none_and_found_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    conversation = new_conversation()
    async with open_log("sqlite:///log.db", fabric=NoFabric()) as opened:
        await opened.log.append(conversation, [said("kept")], opening=OPENING)

    async with open_log(f"sqlite:///{tmp_path}/log.db", fabric=NoFabric()) as opened:
        assert await texts(opened.history, conversation) == ["kept"]


@pytest.mark.parametrize(
    "url", ["sqlite:////nowhere/log.db", "postgresql://postgres@127.0.0.1:1/log", "postgres://postgres@127.0.0.1:1/log"]
)
async def test_a_log_that_cannot_be_reached_is_refused_with_a_sentence(url: str) -> None:
    with pytest.raises(InterchangeError):
        async with open_log(url, fabric=NoFabric()):
            pass


async def test_what_goes_wrong_while_it_is_open_comes_out_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with open_log(f"sqlite:///{tmp_path / 'log.db'}", fabric=InProcessFabric()):
            raise LookupError("mine")


async def test_a_fabric_without_a_url_stays_in_this_process() -> None:
    async with open_fabric() as fabric:
        assert isinstance(fabric, InProcessFabric)


async def test_a_fabric_with_a_wrong_url_is_refused() -> None:
    with pytest.raises(BadRequest, match="not nats://"):
        async with open_fabric("redis://localhost"):
            pass


def test_neither_postgresql_nor_nats_is_loaded_where_neither_is_used(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys\n"
        "from adapters.messaging.opening import open_fabric, open_log\n"
        "async def main():\n"
        "    async with open_fabric() as fabric, open_log(sys.argv[1], fabric=fabric):\n"
        "        print(sorted({'asyncpg', 'nats', 'alembic', 'sqlalchemy'} & set(sys.modules)))\n"
        "asyncio.run(main())\n"
    )
    command = [sys.executable, "-c", script, f"sqlite:///{tmp_path / 'log.db'}"]
    assert subprocess.run(command, check=True, capture_output=True, text=True).stdout == "[]\n"
