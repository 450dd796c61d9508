"""The tables in PostgreSQL: they can be partitioned by conversation, and what is hot is found by an index."""

import asyncio
import re

from adapters.messaging.migrate import MIGRATIONS
from adapters.messaging.outcomes import Dead, Done, Lease
from adapters.messaging.postgres.connections import WRITING, connect
from adapters.messaging.postgres.sheets import SQL
from tests.support.logs import ECHO, OPENING, SCOUT, new_conversation, said
from tests.support.postgres import PostgresServer
from tests.support.postgres_logs import log_at, look

PARTITIONED = ("message", "mailbox", "turn", "question", "dead_letter", "seen", "message_words")
"""Tables that grow with the conversations, and whose keys all begin with one."""


def _partition(script: str) -> str:
    """The script with each of these tables in four parts, by the conversation's hash."""
    for table in PARTITIONED:
        made = re.compile(rf"(CREATE TABLE {table} \(.*?\n\))[^;\n]*;", re.DOTALL)
        assert made.search(script), table
        parts = "".join(
            f"\nCREATE TABLE {table}_{part} PARTITION OF {table} FOR VALUES WITH (MODULUS 4, REMAINDER {part});"
            for part in range(4)
        )
        script = made.sub(lambda found, parts=parts: f"{found[1]} PARTITION BY HASH (conversation);{parts}", script)
    return script


async def test_every_table_that_grows_with_the_conversations_can_be_partitioned_by_them(
    server: PostgresServer, database: str
) -> None:
    script = _partition((MIGRATIONS / "versions" / "0001.postgres.sql").read_text())
    url = await server.create_empty_database()
    name = url.rsplit("/", 1)[1]
    await server.execute(script, database=name)
    await server.execute("CREATE TABLE log_version AS SELECT '0001'::varchar AS version_num", database=name)
    async with log_at(url) as opened:
        conversations = [new_conversation() for _ in range(20)]
        news = [(each, said(f"{n}", to=[ECHO, SCOUT], id=f"{n}")) for each in conversations for n in range(3)]
        for _ in range(2):  # and once more, as repetitions
            appended = await asyncio.gather(*(opened.log.append(each, [new], opening=OPENING) for each, new in news))
            assert [each.seq for each in appended] == [1, 2, 3] * 20
        for outcome in (Done(), Dead(error="broken")):
            taken = await opened.log.claim([ECHO, SCOUT], limit=100, lease=Lease(owner="here", seconds=30))
            assert len(taken) == 40
            await asyncio.gather(*(opened.log.settle(each, outcome) for each in taken))
        await opened.log.seen(conversations[0], "phone", 3)
        assert await opened.log.index(limit=1000) == 100
        found = await opened.engine.rows.search("2", conversations=None, limit=100)
        assert {each.message.conversation for each in found} == set(conversations)
        await opened.log.erase(conversations[0], id="erased", by="person:alice", reason="asked for")
        assert len(await opened.engine.rows.search("2", conversations=None, limit=100)) == 19
    filled = await look(url, "SELECT DISTINCT tableoid::regclass::text FROM message")
    assert len(filled) == 4
    await server.drop_database(url)


async def test_a_claim_looks_at_nothing_but_the_mail_that_is_ready(database: str) -> None:
    connection = await connect(database, WRITING)
    await connection.execute(_MUCH_MAIL)
    await connection.execute(f"PREPARE it AS {SQL['claim']}")
    rows = await connection.fetch(
        "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) EXECUTE it('{echo,none}', '{0,0}', 4, 8, 0)"
    )
    plan = "\n".join(row[0] for row in rows)
    await connection.close()
    assert "Index Scan using mailbox_ready" in plan
    assert not re.search(r"Seq Scan on mailbox", plan)
    assert max(int(rows) for rows in re.findall(r"rows=(\d+) loops", plan)) <= 8


_MUCH_MAIL = (
    """INSERT INTO mailbox SELECT 'c' || n, 'echo', 0, 1, 0, n, 0, 0, '', '' FROM generate_series(1, 20000) AS n"""
)


async def test_a_plan_made_while_the_tables_were_empty_holds_when_they_are_full(
    server: PostgresServer, database: str
) -> None:
    """PostgreSQL would plan for the few rows there are, and keep the plan."""
    name = database.rsplit("/", 1)[1]
    async with log_at(database) as opened:
        await server.execute("ANALYZE", database=name)
        for number in range(8):  # a plan is kept after some uses
            await opened.log.append(new_conversation(), [said(f"{number}", to=ECHO)], opening=OPENING)
        await server.execute(_MUCH_MAIL, database=name)
        await server.execute("SELECT pg_stat_reset()", database=name)
        for number in range(8):
            await opened.log.append(new_conversation(), [said(f"{number}", to=ECHO)], opening=OPENING)
    rows = await look(
        database,
        "SELECT relname, seq_tup_read FROM pg_stat_user_tables WHERE seq_tup_read > 0 AND relname <> $1",
        "log_version",
    )
    assert rows == []
