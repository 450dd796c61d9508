"""The tables of a log's file: made at once where there are none, migrated where they are old, refused where they are
new; and Alembic is imported only to migrate."""

import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.fabric import NoFabric
from adapters.messaging.log import TurnMark, WhichTurns
from adapters.messaging.migrate import HEAD, MIGRATIONS, script_of, upgrade
from adapters.messaging.opening import open_log
from adapters.messaging.queries import load_script
from adapters.messaging.sqlite import tables
from adapters.messaging.sqlite.engine import SqliteEngine
from adapters.messaging.sqlite.file import OpenFile
from adapters.messaging.sqlite.rows import SQL
from adapters.messaging.sqlite.which import conditions
from adapters.messaging.turns import TurnState
from registry.model import AgentName, BadRequest, ConversationId, Refused, TurnId
from tests.support.logs import ECHO, claim_one, done, said, texts


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


VERSION_TABLE_IS_MADE = """
CREATE TABLE log_version ( version_num VARCHAR(32) NOT NULL, CONSTRAINT log_version_pkc PRIMARY KEY (version_num) )
"""
VERSION_0001 = (VERSION_TABLE_IS_MADE, "INSERT INTO log_version VALUES ('0001')")
C = ConversationId("c")


async def test_a_log_that_has_but_the_table_of_its_version_gets_all_others(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute(VERSION_TABLE_IS_MADE)
        database.commit()
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    assert await engine.rows.tails([ConversationId("c")]) == {}
    await engine.close()

    fresh = tmp_path / "fresh.db"
    await opened_and_closed(fresh)
    assert schema_of(path) == schema_of(fresh)


OLD_ROWS = (
    "INSERT INTO conversation VALUES ('c', 2, 'hiring', 'person:alice', 'https://issuer', 1.0, '')",
    "INSERT INTO message VALUES"
    " (1, 'c', 1, 'm1', 'person:alice', '', 'said', 't1', 'echo', '', '', x'6f6e65', 'one', x'00', 1.0, 0),"
    " (2, 'c', 2, 'm2', 'person:alice', '', 'said', 't2', 'echo', '', '', x'74776f', 'two', x'01', 2.0, 0)",
    "INSERT INTO turn VALUES"
    " ('c', 't1', 'echo', 1, 'queued', 'person:alice', 1.0, 1.0, 1, 0, 0, 0, NULL, '', '', x'05'),"
    " ('c', 't2', 'echo', 2, 'queued', 'person:alice', 2.0, 2.0, 2, 0, 0, 0, NULL, '', '', x'06')",
    "INSERT INTO mailbox VALUES ('c', 'echo', 0, 1, 0, 0.0, 0, 0, '', '')",
)
"""A conversation with two turns that wait, as version 0001 has written it."""


async def test_a_log_with_the_first_tables_is_upgraded_as_it_is_opened_and_goes_on(tmp_path: Path) -> None:
    path, fresh = tmp_path / "log.db", tmp_path / "fresh.db"
    with closing(sqlite3.connect(path)) as database:
        for statement in (*load_script(script_of("0001", "sqlite")), *VERSION_0001, *OLD_ROWS):
            database.execute(statement)
        database.commit()
    async with open_log(f"sqlite:///{path}", fabric=NoFabric()) as opened:
        assert await texts(opened.history, C) == ["one", "two"]
        assert [(turn.id, turn.owner, turn.root) for turn in await opened.history.turns(WhichTurns())] == [
            ("t2", "", ""),
            ("t1", "", ""),
        ]
        for turn, authority in (("t1", b"\5"), ("t2", b"\6")):
            delivery = await claim_one(opened.log, ECHO)
            assert (delivery.turn, delivery.authority) == (turn, authority)
            await opened.log.settle(delivery, done("done"))
        await opened.log.append(C, [said("three", to=ECHO, owner="me")])
        assert await opened.history.count_turns(WhichTurns(owner="me")) == 1
        assert [found.message.seq for found in await opened.history.search("two")] == [2]

    await opened_and_closed(fresh)
    old, new = schema_of(path), schema_of(fresh)
    assert old.keys() == new.keys()
    assert {name: old[name] for name in old if name != "rows"} == {name: new[name] for name in new if name != "rows"}


async def test_a_process_of_the_version_before_goes_on_beside_a_newer_one(tmp_path: Path) -> None:
    """What it writes has no owner, for it knows of none."""
    path = tmp_path / "log.db"
    await opened_and_closed(path)
    with closing(sqlite3.connect(path)) as database:
        for statement in OLD_ROWS:
            table = statement.split()[2]
            columns = [name for _, name, *_ in database.execute(f"PRAGMA table_info({table})")]
            known = [name for name in columns if name not in {"owner", "root"} or table == "mailbox"]
            database.execute(statement.replace(table, f"{table} ({', '.join(known)})", 1))
        database.commit()
    async with open_log(f"sqlite:///{path}", fabric=NoFabric()) as opened:
        assert (await claim_one(opened.log, ECHO)).turn == "t1"


def test_the_last_step_is_that_of_this_version_and_each_has_a_script_for_either_engine() -> None:
    steps = sorted(each.name[:4] for each in (MIGRATIONS / "versions").glob("*.py"))
    assert steps[-1] == HEAD
    for step in steps:
        for engine in ("sqlite", "postgresql"):
            assert load_script(script_of(step, engine))


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


ME = WhichTurns(owner="me")
HERE = replace(ME, agents=(ECHO,))
BEHIND = TurnMark(1000.0, TurnId("t"))
OWNED = "USING INDEX turn_by_owner (owner=? AND agent=?"


@pytest.mark.parametrize(
    ("which", "behind", "way"),
    [
        (HERE, None, f"{OWNED})"),
        (HERE, BEHIND, f"{OWNED} AND (changed_at,id)<(?,?))"),
        (replace(HERE, changed_after=1.0), None, f"{OWNED} AND changed_at>?)"),
        (replace(HERE, changed_after=1.0), BEHIND, f"{OWNED} AND changed_at>? AND (changed_at,id)<(?,?))"),
        (replace(HERE, states=(TurnState.QUEUED, TurnState.WORKING)), BEHIND, f"{OWNED} AND (changed_at,id)<(?,?))"),
        (replace(HERE, agents=(ECHO, AgentName("scout"))), BEHIND, f"{OWNED} AND (changed_at,id)<(?,?))"),
        (ME, BEHIND, "USING INDEX turn_by_owner (owner=?)"),
        (replace(HERE, conversation=C), BEHIND, "USING INDEX sqlite_autoindex_turn_1 (conversation=?)"),
        (replace(HERE, turns=(TurnId("t"),)), BEHIND, "USING INDEX turn_by_id (id=?)"),
        (replace(HERE, root=TurnId("r")), BEHIND, "USING INDEX turn_by_root (root=?)"),
    ],
)
async def test_turns_of_an_owner_are_found_by_an_index(
    tmp_path: Path, which: WhichTurns, behind: TurnMark | None, way: str
) -> None:
    path = tmp_path / "log.db"
    await opened_and_closed(path)
    where, values = conditions(which, behind)
    with closing(sqlite3.connect(path)) as database:
        for query, more in ((SQL["turns"], (100,)), (SQL["count_turns"], ())):
            steps = database.execute(f"EXPLAIN QUERY PLAN {query.format(which=where)}", (*values, *more)).fetchall()
            plan = [step for *_, step in steps]
            assert way in plan[0].replace("COVERING ", "")
            assert not any(step.startswith("SCAN turn") for step in plan)
            if len(which.agents) == 1 and OWNED in way:
                assert "USE TEMP B-TREE FOR ORDER BY" not in plan, "the index has the order, too"
