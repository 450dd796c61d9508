"""The tables in PostgreSQL: they can be partitioned by conversation, and what is hot is found by an index."""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import replace

import pytest

from adapters.messaging.log import TurnMark, WhichTurns
from adapters.messaging.migrate import HEAD, MIGRATIONS, script_of, upgrade
from adapters.messaging.outcomes import Dead, Done, Lease
from adapters.messaging.postgres.connections import SETTINGS, WRITING, Connection, connect
from adapters.messaging.postgres.rows import SQL as READ
from adapters.messaging.postgres.sheets import SQL
from adapters.messaging.postgres.which import conditions
from adapters.messaging.turns import TurnState
from registry.model import ConversationId, Refused, TurnId
from tests.support.logs import ECHO, OPENING, SCOUT, new_conversation, said
from tests.support.postgres import PostgresServer
from tests.support.postgres_logs import log_at, look

PARTITIONED = ("message", "mailbox", "turn", "question", "dead_letter", "seen", "message_words", "draft")
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
    scripts = sorted((MIGRATIONS / "versions").glob("*.postgres.sql"))
    script = _partition("\n".join(each.read_text() for each in scripts))
    url = await server.create_empty_database()
    name = url.rsplit("/", 1)[1]
    await server.execute(script, database=name)
    await server.execute(f"CREATE TABLE log_version AS SELECT '{HEAD}'::varchar AS version_num", database=name)
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


_MANY_TURNS = """
INSERT INTO turn (conversation, agent, id, opened, state, started_by, opened_at, changed_at, due, urgent, attempts,
  grant_number, question, error, authority, owner, root)
SELECT 'c' || n % 50, CASE WHEN n % 3 = 0 THEN 'echo' ELSE 'scout' END, 't' || n, n, 'completed', 'person:alice', n, n,
  0, false, 1, 0, '', '', '', CASE WHEN n % 2 = 0 THEN 'me' ELSE 'o' || n % 1000 END,
  CASE WHEN n % 100 = 0 THEN 'r' || n % 500 ELSE '' END
FROM generate_series(1, 30000) AS n
"""
HERE = WhichTurns(owner="me", agents=(ECHO,))
BEHIND = TurnMark(20000.0, TurnId("t"))


@pytest.mark.parametrize(
    ("which", "behind", "index"),
    [
        (HERE, None, "turn_by_owner"),
        (HERE, BEHIND, "turn_by_owner"),
        (replace(HERE, changed_after=19000.0), BEHIND, "turn_by_owner"),
        (replace(HERE, changed_after=19000.0, states=(TurnState.COMPLETED,)), BEHIND, "turn_by_owner"),
        (replace(HERE, agents=(ECHO, SCOUT), owner="o7"), BEHIND, "turn_by_owner"),
        (WhichTurns(owner="o7"), BEHIND, "turn_by_owner"),
        (replace(HERE, conversation=ConversationId("c7")), BEHIND, "turn_pkey|turn_due"),
        (replace(HERE, turns=(TurnId("t6"), TurnId("t12"))), None, "turn_by_id"),
        (replace(HERE, root=TurnId("r100")), BEHIND, "turn_by_root"),
    ],
)
async def test_turns_of_an_owner_are_found_by_an_index(
    many_turns: Connection, which: WhichTurns, behind: TurnMark | None, index: str
) -> None:
    where, values = conditions(which, behind)
    limited = READ["turns"].format(which=where, limit=f"${len(values) + 1}")
    for query, wanted in ((limited, (*values, 100)), (READ["count_turns"].format(which=where), values)):
        rows = await many_turns.fetch(f"EXPLAIN (COSTS OFF) {query}", *wanted)
        plan = "\n".join(row[0] for row in rows)
        assert re.search(rf"(using|on) ({index})\b", plan), plan
        assert "Seq Scan" not in plan
    if index == "turn_by_owner" and len(which.agents) == 1:
        rows = await many_turns.fetch(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {limited}", *values, 100)
        plan = "\n".join(row[0] for row in rows)
        assert "Sort" not in plan, "the index has the order, too"
        assert max(int(rows) for rows in re.findall(r"rows=(\d+) loops", plan)) <= 100


async def test_what_belongs_to_a_turn_is_looked_for_from_its_opening_on(many_turns: Connection) -> None:
    rows = await many_turns.fetch(f"EXPLAIN (COSTS OFF) {READ['of_turn']}", "c1", 0, 100, 4 << 20, "t1")
    assert re.search(
        r"Index Cond: \(\(conversation = 'c1'::text\) AND \(seq > \(?\$\d", "\n".join(row[0] for row in rows)
    )


@pytest.fixture
async def many_turns(database: str) -> AsyncGenerator[Connection]:
    """A connection as readers have it, to a database with the turns of many owners."""
    connection = await connect(database, SETTINGS)
    await connection.execute(_MANY_TURNS)
    await connection.execute("ANALYZE turn")
    yield connection
    await connection.close()


async def test_a_database_with_the_first_tables_is_upgraded_and_keeps_what_it_has(server: PostgresServer) -> None:
    url = await server.create_empty_database()
    name = url.rsplit("/", 1)[1]
    await server.execute(script_of("0001", "postgresql").read_text(), database=name)
    await server.execute("CREATE TABLE log_version (version_num varchar(32) PRIMARY KEY)", database=name)
    await server.execute("INSERT INTO log_version VALUES ('0001')", database=name)
    await server.execute(_OLD_ROWS, database=name)
    with pytest.raises(Refused, match="run `interchange db upgrade`"):
        async with log_at(url):
            pass

    assert await upgrade(url) == ("0001", HEAD)
    async with log_at(url) as opened:
        (delivery,) = await opened.log.claim([ECHO], limit=10, lease=Lease(owner="here", seconds=30))
        assert (delivery.message.body, delivery.authority) == (b"one", b"\5")
        await opened.log.settle(delivery, Done())
        (turn,) = await opened.engine.rows.turns(WhichTurns(), behind=None, limit=10)
        assert (turn.state, turn.owner, turn.root) == (TurnState.COMPLETED, "", "")
    assert await upgrade(url) == (HEAD, HEAD)
    await server.drop_database(url)


_OLD_ROWS = """
INSERT INTO conversation (id, tail, domain, started_by, started_by_issuer, opened_at)
VALUES ('c', 1, 'hiring', 'person:alice', 'https://issuer', 1);
INSERT INTO message (conversation, seq, id, sender, issuer, kind, turn, recipients, answers, updates, body, text,
  digest, at)
VALUES ('c', 1, 'm1', 'person:alice', '', 'said', 't1', 'echo', '', '', 'one', 'one', '', 1);
INSERT INTO turn (conversation, id, agent, opened, state, started_by, opened_at, changed_at, due, urgent, attempts,
  grant_number, expires, question, error, authority)
VALUES ('c', 't1', 'echo', 1, 'queued', 'person:alice', 1, 1, 1, false, 0, 0, NULL, '', '', '\\x05');
INSERT INTO mailbox VALUES ('c', 'echo', 0, 1, 0, 0, 0, 0, '', '');
"""
"""What version 0001 has written."""
