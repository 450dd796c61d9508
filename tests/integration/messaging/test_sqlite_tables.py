"""The tables of a log's file: made at once where there are none, migrated where they are old, refused where they are
new; and Alembic is imported only to migrate."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.migrate import HEAD, upgrade
from adapters.messaging.sqlite import tables
from adapters.messaging.sqlite.engine import SqliteEngine
from adapters.messaging.sqlite.file import OpenFile
from registry.model import BadRequest, ConversationId, Refused


def schema_of(path: Path) -> dict[str, str]:
    """All that a database is made of, by name, however it is spaced."""
    with closing(sqlite3.connect(path)) as database:
        rows = database.execute("SELECT type || ' ' || name, coalesce(sql, '') FROM sqlite_schema")
        schema = {name: " ".join(sql.split()) for name, sql in rows}
        schema["rows"] = str(
            [database.execute(f"SELECT * FROM {name}").fetchall() for name in ("search", "log_version")]
        )
    return schema


async def opened_and_closed(path: Path) -> None:
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    await engine.close()


async def test_a_fresh_log_is_what_the_migrations_would_have_made(tmp_path: Path) -> None:
    fresh, migrated = tmp_path / "fresh.db", tmp_path / "migrated.db"
    await opened_and_closed(fresh)
    assert await upgrade(f"sqlite:///{migrated}") == (None, HEAD)
    assert schema_of(migrated) == schema_of(fresh)

    assert await upgrade(f"sqlite:///{migrated}") == (HEAD, HEAD)
    await opened_and_closed(migrated)


async def test_whoever_comes_second_finds_the_tables_that_another_process_has_just_made(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    slow = OpenFile.for_writing(path, create=True)
    await opened_and_closed(path)
    tables._make_tables(slow)
    slow.close()
    await opened_and_closed(path)


async def test_a_log_of_an_older_version_is_migrated_as_it_is_opened(tmp_path: Path) -> None:
    """There is no older version yet, so that one is played by a database that has but the table of the version."""
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(
            "CREATE TABLE log_version ( version_num VARCHAR(32) NOT NULL,"
            " CONSTRAINT log_version_pkc PRIMARY KEY (version_num) )"
        )
        database.commit()
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    assert await engine.rows.tails([ConversationId("c")]) == {}
    await engine.close()

    fresh = tmp_path / "fresh.db"
    await opened_and_closed(fresh)
    assert schema_of(path) == schema_of(fresh)


async def test_a_log_of_a_newer_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    await opened_and_closed(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE log_version SET version_num = '9999'")
        database.commit()
    before = path.read_bytes()
    with pytest.raises(Refused, match="written by a newer version of Interchange"):
        await SqliteEngine.open(path, stirred=lambda _: None)
    with pytest.raises(Refused, match="written by a newer version of Interchange"):
        await upgrade(f"sqlite:///{path}")
    assert path.read_bytes() == before


async def test_an_upgrade_that_cannot_be_done_says_so(tmp_path: Path) -> None:
    with pytest.raises(LogUnavailable, match="cannot be upgraded, and was left as it was"):
        await upgrade(f"sqlite:///{tmp_path / 'nowhere' / 'log.db'}")
    with pytest.raises(BadRequest, match="begins with 'mysql'"):
        await upgrade("mysql://somewhere")


OPEN = """
import asyncio, sys
from pathlib import Path
from adapters.messaging.sqlite.engine import SqliteEngine

async def main():
    engine = await SqliteEngine.open(Path(sys.argv[1]), stirred=lambda _: None)
    await engine.close()

asyncio.run(main())
print(*sys.modules)
"""


@pytest.mark.parametrize("times", [1, 2], ids=["the first time", "again"])
def test_opening_loads_neither_alembic_nor_sqlalchemy_nor_the_other_engine(tmp_path: Path, times: int) -> None:
    command = [sys.executable, "-c", OPEN, str(tmp_path / "log.db")]
    for _ in range(times):
        ran = subprocess.run(command, check=True, capture_output=True, text=True)
        assert {"alembic", "sqlalchemy", "asyncpg", "nats"}.isdisjoint(ran.stdout.split())
