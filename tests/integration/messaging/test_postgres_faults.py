"""A PostgreSQL that is killed, hangs, is read-only or full: what callers are told, and that it all goes on after."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.migrate import VERSION_TABLE
from adapters.messaging.postgres import connections
from adapters.messaging.postgres.engine import PostgresEngine
from adapters.messaging.requests import See
from registry.model import BadRequest, ConversationId, Refused
from tests.support.logs import OPENING, new_conversation, said
from tests.support.postgres import PostgresServer
from tests.support.postgres_logs import PostgresLog, log_at, look, until_available


@pytest.fixture
def mortal() -> Generator[PostgresServer]:
    """A server of one's own."""
    server = PostgresServer()
    server.start()
    yield server
    server.stop()


async def _say(opened: PostgresLog, conversation: ConversationId, text: str) -> int:
    appended = await opened.log.append(conversation, [said(text, id=text)], opening=OPENING)
    return appended.seq


async def test_what_was_acknowledged_survives_a_server_that_is_killed_again_and_again(mortal: PostgresServer) -> None:
    url = await mortal.create_database()
    acknowledged: dict[tuple[ConversationId, str], int] = {}
    conversations = [new_conversation() for _ in range(12)]
    stopped = asyncio.Event()

    async def write(opened: PostgresLog, conversation: ConversationId) -> None:
        number = 0
        while not stopped.is_set():
            number += 1
            seq = await until_available(lambda text=f"{number}": _say(opened, conversation, text))
            acknowledged[conversation, f"{number}"] = seq

    async with log_at(url) as here, log_at(url) as there, asyncio.TaskGroup() as writers:
        for conversation in conversations:
            writers.create_task(write(here, conversation))
            writers.create_task(write(there, new_conversation()))
        for kills_left in (3, 2, 1, 0):
            goal = len(acknowledged) + 100
            await _until(lambda goal=goal: len(acknowledged) >= goal)
            if kills_left:
                await asyncio.to_thread(mortal.kill)
                await asyncio.to_thread(mortal.start)
        stopped.set()
    rows = await look(url, "SELECT conversation, id, seq FROM message ORDER BY conversation, seq")
    kept = {(conversation, id_): seq for conversation, id_, seq in rows}
    assert {key: kept.get(key) for key in acknowledged} == acknowledged
    for conversation in conversations:
        numbers = [(int(id_), seq) for (of, id_), seq in kept.items() if of == conversation]
        assert numbers == [(number, number) for number in range(1, len(numbers) + 1)]


async def test_a_commit_whose_answer_is_lost_may_be_repeated(database: str) -> None:
    conversation = new_conversation()
    async with _severing(database, after=b"COMMIT\0") as (url, severed), log_at(url) as opened:
        with pytest.raises(LogUnavailable, match="did not say whether this was written"):
            await _say(opened, conversation, "once")
        assert severed.is_set()
        appended = await opened.log.append(conversation, [said("once", id="once")], opening=OPENING)
    assert appended.duplicate
    assert appended.seq == 1


async def test_a_connection_that_is_lost_before_the_commit_costs_nobody_an_error(database: str) -> None:
    async with _severing(database, after=b"FOR UPDATE") as (url, severed), log_at(url) as opened:
        assert await _say(opened, new_conversation(), "once") == 1
        assert severed.is_set()


async def test_a_server_that_is_down_is_named_and_found_again(mortal: PostgresServer) -> None:
    url = await mortal.create_database()
    conversation = new_conversation()
    async with log_at(url) as opened:
        await _say(opened, conversation, "before")
        await asyncio.to_thread(mortal.shut_down)
        with pytest.raises(
            LogUnavailable, match=rf"127\.0\.0\.1:{mortal.port}\) cannot be used: .*refused|Connect call"
        ):
            await _say(opened, conversation, "while")
        with pytest.raises(LogUnavailable):
            await opened.engine.rows.tails([conversation])
        await asyncio.to_thread(mortal.start)
        assert await _say(opened, conversation, "after") == 2
        assert await opened.engine.rows.tails([conversation]) == {conversation: 2}


async def test_a_server_that_hangs_holds_nobody_for_ever(
    mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(connections, "CONNECT_SECONDS", 0.5)
    url = await mortal.create_database()
    conversation = new_conversation()
    async with log_at(url) as opened:
        await _say(opened, conversation, "before")
        mortal.pause()
        try:
            async with asyncio.timeout(10):
                with pytest.raises(LogUnavailable, match="does not answer"):
                    await _say(opened, conversation, "while")
        finally:
            mortal.resume()
        assert await until_available(lambda: _say(opened, conversation, "while")) == 2


async def test_a_read_only_database_says_so_and_still_reads(server: PostgresServer, database: str) -> None:
    name, conversation = database.rsplit("/", 1)[1], new_conversation()
    async with log_at(database) as opened:
        await _say(opened, conversation, "before")
        await server.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
        await _hang_up(server, name)
        with pytest.raises(LogUnavailable, match="it is read-only"):
            await _say(opened, conversation, "while")
        assert await opened.engine.rows.tails([conversation]) == {conversation: 1}
        await server.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        assert await _say(opened, conversation, "while") == 2


async def test_a_full_disk_is_told_and_nothing_is_half_done(server: PostgresServer, database: str) -> None:
    name, conversation = database.rsplit("/", 1)[1], new_conversation()
    async with log_at(database) as opened:
        await _say(opened, conversation, "before")
        await server.execute(_FULL, database=name)
        await server.execute(_WHEN_SAID, database=name)
        failed = await asyncio.gather(
            *(_say(opened, conversation, f"{number}") for number in range(20)), return_exceptions=True
        )
        assert all(isinstance(error, LogUnavailable) and "its disk is full" in str(error) for error in failed)
        assert await look(database, "SELECT tail FROM conversation") == [(1,)]
        await server.execute("DROP TRIGGER no_room ON message", database=name)
        assert await _say(opened, conversation, "after") == 2


_FULL = """CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$"""
_WHEN_SAID = "CREATE TRIGGER no_room BEFORE INSERT ON message FOR EACH ROW EXECUTE FUNCTION no_room()"


async def test_a_server_without_free_connections_is_told(server: PostgresServer, database: str) -> None:
    name, role = database.rsplit("/", 1)[1], f"limited_{database.rsplit('_', 1)[1]}"
    await server.execute(f"CREATE ROLE {role} LOGIN CONNECTION LIMIT 1")
    await server.execute(f"GRANT ALL ON ALL TABLES IN SCHEMA public TO {role}", database=name)
    try:
        async with log_at(database.replace("postgres@", f"{role}@")) as opened:
            with pytest.raises(LogUnavailable, match="it has too many connections"):
                await _say(opened, new_conversation(), "one too many")
            await server.execute(f"ALTER ROLE {role} CONNECTION LIMIT 10")
            assert await _say(opened, new_conversation(), "enough") == 1
    finally:
        await server.execute(f"DROP OWNED BY {role}", database=name)
        await server.execute(f"DROP ROLE {role}")


async def test_whoever_stands_still_within_a_transaction_stops_the_others_only_for_a_while(database: str) -> None:
    assert "idle_in_transaction_session_timeout" in connections.WRITING
    conversation = new_conversation()
    async with log_at(database) as opened:
        await _say(opened, conversation, "before")
        settings = {**connections.WRITING, "idle_in_transaction_session_timeout": "200ms"}
        stopped = await connections.connect(database, settings)
        await stopped.execute("BEGIN")
        await stopped.fetch("SELECT FROM conversation FOR UPDATE")
        async with asyncio.timeout(10):
            assert await _say(opened, conversation, "after") == 2
        stopped.terminate()


async def test_what_the_database_does_not_take_harms_only_its_own_request(database: str) -> None:
    conversation = new_conversation()
    async with log_at(database) as opened:
        await _say(opened, conversation, "0")
        # The recorder lets none of this through: an engine has to stand it nonetheless.
        poison = opened.engine.submit(See(conversation=conversation, device="nul \0 in it", seq=1))
        results = await asyncio.gather(
            *(_say(opened, conversation, f"{number}") for number in range(1, 10)),
            poison,
            *(_say(opened, conversation, f"{number}") for number in range(10, 20)),
            return_exceptions=True,
        )
    assert [each for each in results if isinstance(each, int)] == list(range(2, 21))
    assert [type(each) for each in results if not isinstance(each, int)] == [BadRequest]


async def test_a_caller_who_is_cancelled_leaves_the_others_alone(database: str) -> None:
    conversation = new_conversation()
    async with log_at(database) as opened, asyncio.TaskGroup() as callers:
        asked = [callers.create_task(_say(opened, conversation, f"{number}")) for number in range(100)]
        await asyncio.sleep(0)
        for task in asked[::2]:
            task.cancel()
        kept = [await task for task in asked[1::2]]
    rows = await look(database, "SELECT id, seq FROM message ORDER BY seq")
    assert [seq for _, seq in rows] == list(range(1, len(rows) + 1))
    assert {f"{2 * index + 1}": seq for index, seq in enumerate(kept)}.items() <= dict(rows).items()


async def test_closing_finishes_what_was_submitted_and_refuses_the_rest(database: str) -> None:
    conversation = new_conversation()
    async with log_at(database) as opened:
        asked = [asyncio.ensure_future(_say(opened, conversation, f"{number}")) for number in range(50)]
        await asyncio.sleep(0)
        await opened.engine.close()
        assert sorted([await task for task in asked]) == list(range(1, 51))
        with pytest.raises(LogUnavailable, match="is closed"):
            await _say(opened, conversation, "too late")
        with pytest.raises(LogUnavailable, match="is closed"):
            await opened.engine.rows.tails([conversation])


async def test_a_database_without_our_tables_is_refused_with_the_command_that_makes_them(
    server: PostgresServer,
) -> None:
    url = await server.create_empty_database()
    with pytest.raises(Refused, match="interchange db upgrade"):
        async with log_at(url):
            pass
    await server.drop_database(url)


@pytest.mark.parametrize(("version", "advice"), [("0000", "interchange db upgrade"), ("9999", "newer version")])
async def test_a_database_of_another_version_is_refused(
    server: PostgresServer, database: str, version: str, advice: str
) -> None:
    name = database.rsplit("/", 1)[1]
    await server.execute(f"UPDATE {VERSION_TABLE} SET version_num = '{version}'", database=name)
    with pytest.raises(Refused, match=advice):
        async with log_at(database):
            pass


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://someone:s3cret@127.0.0.1:1/log",
        "postgresql://someone:s3cret@127.0.0.1:port/log",
        "postgresql://someone:s3cret@nowhere.invalid/log",
        "postgresql://someone:s3cret@127.0.0.1/log?sslmode=sometimes",
    ],
)
async def test_no_error_shows_the_password(url: str) -> None:
    with pytest.raises((LogUnavailable, BadRequest)) as caught:
        await PostgresEngine.open(url, stirred=lambda _: None)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(caught.value.__cause__)


async def _hang_up(server: PostgresServer, name: str) -> None:
    """End all sessions of a database, as an operator does after changing its settings."""
    await server.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")


async def _until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def _severing(url: str, *, after: bytes) -> AsyncGenerator[tuple[str, asyncio.Event]]:
    """A way to a database that is cut once, as soon as a client has sent these bytes and the server has answered."""
    severed = asyncio.Event()
    parts = urlsplit(url)

    async def forward(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await asyncio.open_connection(parts.hostname, parts.port)
        cut = asyncio.Event()

        async def send() -> None:
            while chunk := await reader.read(65536):
                if after in chunk and not severed.is_set():
                    severed.set()
                    cut.set()
                requests.write(chunk)
            requests.close()

        async def receive() -> None:
            while (chunk := await answers.read(65536)) and not cut.is_set():
                writer.write(chunk)
            writer.close()

        async with asyncio.TaskGroup() as ways:
            ways.create_task(send())
            ways.create_task(receive())

    async with await asyncio.start_server(forward, "127.0.0.1", 0) as proxy:
        port = proxy.sockets[0].getsockname()[1]
        yield url.replace(f":{parts.port}/", f":{port}/"), severed
