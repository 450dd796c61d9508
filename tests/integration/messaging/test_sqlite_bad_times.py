"""A database that fills up, is locked, goes away or is damaged: a clear error, nothing half done, and no restart."""

import asyncio
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.recorder import Recorder
from adapters.messaging.requests import Hold
from adapters.messaging.sqlite import claims
from adapters.messaging.sqlite import file as files
from adapters.messaging.sqlite.engine import SqliteEngine
from registry.model import BadRequest, ConversationId, InterchangeError, Refused
from tests.support.logs import ECHO, LEASE, OPENING, new_conversation, said
from tests.support.until import until


@dataclass(frozen=True, slots=True)
class Opened:
    """An engine on a file, and the log on top of it."""

    path: Path
    engine: SqliteEngine

    @property
    def log(self) -> Recorder:
        return Recorder(self.engine)

    async def say(self, text: str, conversation: ConversationId) -> int:
        return (await self.log.append(conversation, [said(text)], opening=OPENING)).seq

    async def said_in(self, conversation: ConversationId) -> list[str]:
        page = await self.engine.rows.page(conversation, after=0, before=None, limit=1000)
        return [message.body.decode() for message in page or ()]

    def on_the_connection(self, statement: str) -> Any:
        """What only the connection that writes can be told. It does nothing else while nobody writes."""
        file = self.engine._writer._transactions._file
        assert file is not None
        return file.connection.execute(statement).fetchone()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncGenerator[Opened]:
    path = tmp_path / "log.db"
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    yield Opened(path, engine)
    await engine.close()


@pytest.fixture
def conversation() -> ConversationId:
    return new_conversation()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "BUSY_SECONDS", 0.2)


async def test_what_does_not_fit_is_refused_and_what_fits_goes_on(opened: Opened, conversation: ConversationId) -> None:
    await opened.say("first", conversation)
    (pages,) = opened.on_the_connection("PRAGMA page_count")
    opened.on_the_connection(f"PRAGMA max_page_count = {pages + 4}")

    small = [opened.say(f"small {n}", conversation) for n in range(3)]
    large, *answers = await asyncio.gather(opened.say("large" * 10_000, conversation), *small, return_exceptions=True)
    assert isinstance(large, LogUnavailable)
    assert "cannot grow" in large.message
    assert str(opened.path) in large.message
    assert answers == [2, 3, 4]

    opened.on_the_connection("PRAGMA max_page_count = 1000000")
    assert await opened.say("large" * 10_000, conversation) == 5


async def test_a_lock_that_lasts_is_an_error_and_then_over(
    opened: Opened, conversation: ConversationId, impatient: None
) -> None:
    await opened.say("before", conversation)
    with closing(sqlite3.connect(opened.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LogUnavailable, match=r"was locked by somebody else for 0\.2 seconds"):
            await opened.say("during", conversation)
        assert await opened.said_in(conversation) == ["before"], "reading waits for no writer"
        other.execute("ROLLBACK")

    await opened.say("after", conversation)
    assert await opened.said_in(conversation) == ["before", "after"]


async def test_a_file_that_was_moved_away_is_written_again_once_it_is_back(
    opened: Opened, conversation: ConversationId
) -> None:
    await opened.say("before", conversation)
    away = opened.path.with_name("away.db")
    opened.path.rename(away)

    with pytest.raises(LogUnavailable, match="is gone: the file was moved, deleted, emptied or replaced"):
        await opened.say("during", conversation)
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.said_in(conversation)
    assert not opened.path.exists(), "no empty log is made in its place"

    away.rename(opened.path)
    assert await opened.say("after", conversation) == 2
    assert await opened.said_in(conversation) == ["before", "after"]


async def test_a_folder_that_was_renamed_is_a_file_that_is_gone(tmp_path: Path, conversation: ConversationId) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    opened = Opened(folder / "log.db", await SqliteEngine.open(folder / "log.db", stirred=lambda _: None))
    await opened.say("before", conversation)

    folder.rename(tmp_path / "elsewhere")
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.say("during", conversation)
    (tmp_path / "elsewhere").rename(folder)

    assert await opened.say("after", conversation) == 2
    assert await opened.said_in(conversation) == ["before", "after"]
    await opened.engine.close()


async def test_a_file_that_was_deleted_while_a_commit_was_on_its_way_is_not_acknowledged(
    opened: Opened, conversation: ConversationId, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened.say("before", conversation)
    await until(lambda: opened.engine.is_tidy)
    checks = 0
    check = files.OpenFile.check

    def delete_before_the_last_look(file: files.OpenFile) -> None:
        nonlocal checks
        checks += 1
        if checks == 3:  # before the transaction, before the commit, after it
            opened.path.unlink()
        check(file)

    monkeypatch.setattr(files.OpenFile, "check", delete_before_the_last_look)
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.say("lost", conversation)
    assert checks == 3


async def test_an_older_copy_in_its_place_is_refused_until_the_newer_one_is_back(
    opened: Opened, conversation: ConversationId, tmp_path: Path
) -> None:
    await opened.say("before", conversation)
    backup = copied(opened.path, tmp_path / "backup.db")
    await opened.say("said after the backup", conversation)
    newer = copied(opened.path, tmp_path / "newer.db")

    put_in_place(backup, opened.path)
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.say("to the old one", conversation)
    for _ in range(2):
        with pytest.raises(LogUnavailable, match="older copy"):
            await opened.say("to the old one", conversation)

    put_in_place(newer, opened.path)
    assert await opened.say("to the newer one", conversation) == 3
    assert await opened.said_in(conversation) == ["before", "said after the backup", "to the newer one"]


async def test_another_log_in_its_place_is_refused(
    opened: Opened, conversation: ConversationId, tmp_path: Path
) -> None:
    await opened.say("before", conversation)
    other = await SqliteEngine.open(tmp_path / "other.db", stirred=lambda _: None)
    await other.close()

    put_in_place(tmp_path / "other.db", opened.path)
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.say("to the other", conversation)
    with pytest.raises(LogUnavailable, match="another log"):
        await opened.say("to the other", conversation)


async def test_a_write_ahead_log_is_not_put_into_the_backup_that_took_the_databases_place(
    opened: Opened, conversation: ConversationId, tmp_path: Path
) -> None:
    await opened.say("before", conversation)
    backup = copied(opened.path, tmp_path / "backup.db")
    await opened.say("said after the backup", conversation)
    assert opened.path.with_name("log.db-wal").stat().st_size > 0
    with closing(sqlite3.connect(opened.path)) as reader:  # keeps the write-ahead log from being emptied
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM message").fetchone()
        backup.rename(opened.path)
        for _ in range(3):
            with pytest.raises(LogUnavailable, match=r"is gone|was replaced"):
                await opened.say("to the old one", conversation)


def copied(database: Path, to: Path) -> Path:
    """A copy of a database, as a backup makes it."""
    with closing(sqlite3.connect(database)) as old, closing(sqlite3.connect(to)) as new:
        old.backup(new)
    return to


def put_in_place(backup: Path, database: Path) -> None:
    """Restore a backup as one should: without the write-ahead log of what was there."""
    for rest in ("-wal", "-shm"):
        database.with_name(f"{database.name}{rest}").unlink(missing_ok=True)
    backup.rename(database)


async def test_an_empty_file_in_its_place_does_not_become_a_log(opened: Opened, conversation: ConversationId) -> None:
    await opened.say("before", conversation)
    away = opened.path.with_name("away.db")
    opened.path.rename(away)
    opened.path.touch()

    for _ in range(3):
        with pytest.raises(LogUnavailable, match="is gone"):
            await opened.say("during", conversation)
        with pytest.raises(LogUnavailable, match="is gone"):
            await opened.said_in(conversation)
    assert opened.path.stat().st_size == 0

    away.replace(opened.path)
    assert await opened.say("after", conversation) == 2
    assert await opened.said_in(conversation) == ["before", "after"]


async def test_a_database_that_was_moved_while_in_use_is_complete_where_it_is(
    opened: Opened, conversation: ConversationId
) -> None:
    await opened.say("before", conversation)
    away = opened.path.with_name("away.db")
    opened.path.rename(away)
    with pytest.raises(LogUnavailable, match="is gone"):
        await opened.say("during", conversation)

    moved = Opened(away, await SqliteEngine.open(away, stirred=lambda _: None))
    assert await moved.said_in(conversation) == ["before"]
    assert await moved.say("elsewhere", conversation) == 2
    await moved.engine.close()

    away.rename(opened.path)
    assert await opened.say("back", conversation) == 3
    assert await opened.said_in(conversation) == ["before", "elsewhere", "back"]


async def test_no_log_begins_where_a_write_ahead_log_was_left(opened: Opened, conversation: ConversationId) -> None:
    """SQLite would delete it, and with it what was acknowledged."""
    await opened.say("before", conversation)
    copy = opened.path.with_name("copy.db")
    copy.with_name("copy.db-wal").write_bytes(opened.path.with_name("log.db-wal").read_bytes())
    for _ in range(2):
        with pytest.raises(LogUnavailable, match=r"its write-ahead log .*copy\.db-wal is there, with messages in it"):
            await SqliteEngine.open(copy, stirred=lambda _: None)
        copy.touch()

    copy.write_bytes(opened.path.read_bytes())
    engine = await SqliteEngine.open(copy, stirred=lambda _: None)
    assert await engine.rows.tails([conversation]) == {conversation: 1}
    await engine.close()


async def test_a_write_ahead_log_that_was_deleted_is_noticed(opened: Opened, conversation: ConversationId) -> None:
    await opened.say("before", conversation)
    opened.path.with_name("log.db-wal").unlink()
    with pytest.raises(LogUnavailable, match="-wal"):
        await opened.say("during", conversation)


async def test_a_damaged_page_harms_whom_it_concerns(tmp_path: Path) -> None:
    """Each conversation's messages are on pages of their own here."""
    path, one, other = tmp_path / "log.db", new_conversation(), new_conversation()
    opened = Opened(path, await SqliteEngine.open(path, stirred=lambda _: None))
    await opened.say("x" * 50_000, one)
    await opened.say("y" * 50_000, other)
    await opened.engine.close()
    _overwrite(path, b"xxxxxxxxxxxx")

    opened = Opened(path, await SqliteEngine.open(path, stirred=lambda _: None))
    with pytest.raises(LogUnavailable, match=r"is damaged .* restore it from a backup"):
        await opened.said_in(one)
    assert len(await opened.said_in(other)) == 1
    assert await opened.say("z", other) == 2
    await opened.engine.close()


def _overwrite(path: Path, mark: bytes) -> None:
    """Spoil the pages between the first and the last that have this on them."""
    content = bytearray(path.read_bytes())
    for page in range(0, len(content), 4096):
        if content.startswith(mark, page + 4):  # an overflow page: the number of the next, and content
            content[page : page + 4] = b"\xff\xff\xff\xff"
    path.write_bytes(content)


async def test_a_log_is_refused_where_there_is_something_else(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as database:
        database.execute("CREATE TABLE invoice (id INTEGER)")
    with pytest.raises(Refused, match="has tables, and they are not those of a conversation log"):
        await SqliteEngine.open(other, stirred=lambda _: None)

    text = tmp_path / "text.db"
    text.write_text("no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LogUnavailable, match="is no SQLite database, or damaged"):
        await SqliteEngine.open(text, stirred=lambda _: None)

    nowhere = tmp_path / "nowhere" / "log.db"
    with pytest.raises(LogUnavailable, match="cannot be opened: see whether its folder exists"):
        await SqliteEngine.open(nowhere, stirred=lambda _: None)
    assert not nowhere.parent.exists()


READ_ONLY = """
import asyncio, os, sys
from pathlib import Path
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.recorder import Recorder
from adapters.messaging.sqlite.engine import SqliteEngine
from tests.support.logs import ECHO, LEASE, OPENING, said

async def main(path):
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    log = Recorder(engine)
    await log.append("c", [said("before")], opening=OPENING)
    os.chmod(path.parent, 0o500), [os.chmod(each, 0o400) for each in path.parent.iterdir()]
    await engine.close()
    for attempt in range(2):
        try:
            engine = await SqliteEngine.open(path, stirred=lambda _: None)
            await Recorder(engine).append("c", [said("during")])
        except LogUnavailable as error:
            print(error)
    os.chmod(path.parent, 0o700), [os.chmod(each, 0o600) for each in path.parent.iterdir()]
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    print((await Recorder(engine).append("c", [said("after")])).seq)
    await engine.close()

async def load_everything(path):
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    await engine.rows.tails(["c"])
    await engine.close()

path = Path(sys.argv[1])
if os.getuid() == 0:  # to whom nothing is read-only; and whoever it becomes may not read where Python is
    asyncio.run(load_everything(path.parent.with_name("elsewhere.db")))
    os.chown(path.parent, 65534, 65534)
    os.setuid(65534)
asyncio.run(main(path))
"""


async def test_large_messages_are_handed_out_some_at_a_time(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "BYTES", 50_000)
    for number in range(40):
        await opened.log.append(ConversationId(f"c{number}"), [said("x" * 5_000, to=ECHO)], opening=OPENING)
    handed_out = [len(await opened.log.claim([ECHO], limit=100, lease=LEASE)) for _ in range(4)]
    assert handed_out == [16, 16, 8, 0]


async def test_every_submission_is_answered_when_the_log_closes(opened: Opened, conversation: ConversationId) -> None:
    await opened.say("first", conversation)
    answers = [asyncio.ensure_future(opened.say(f"{n}", conversation)) for n in range(700)]
    await asyncio.wait(answers, timeout=0)
    await opened.engine.close()

    assert [await answer for answer in answers] == list(range(2, 702))
    with pytest.raises(LogUnavailable, match="is closed"):
        await opened.say("too late", conversation)
    with pytest.raises(LogUnavailable, match="is closed"):
        await opened.said_in(conversation)
    await opened.engine.close()


async def test_whoever_is_cancelled_does_not_disturb_the_others(opened: Opened, conversation: ConversationId) -> None:
    await opened.say("first", conversation)
    answers = [asyncio.ensure_future(opened.say(f"{n}", conversation)) for n in range(100)]
    await asyncio.wait(answers, timeout=0)
    for answer in answers[::2]:
        answer.cancel()
    outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert all(isinstance(outcome, asyncio.CancelledError) for outcome in outcomes[::2])
    assert all(isinstance(outcome, int) for outcome in outcomes[1::2])


async def test_whoever_is_cancelled_while_it_is_written_does_not_disturb_the_others(
    opened: Opened, conversation: ConversationId
) -> None:
    await opened.say("first", conversation)
    with closing(sqlite3.connect(opened.path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answers = [asyncio.ensure_future(opened.say(f"{n}", conversation)) for n in range(3)]
        await asyncio.wait(answers, timeout=0)
        writer = opened.engine._writer
        await until(lambda: not writer._gathered and writer._queue.empty() and not writer._waiting)
        answers[0].cancel()
        other.execute("ROLLBACK")
    async with asyncio.timeout(20):
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
    assert isinstance(outcomes[0], asyncio.CancelledError)
    assert outcomes[1:] == [3, 4], "what was under way is written"


@pytest.mark.parametrize(
    "stumble",
    [MemoryError("no memory"), ZeroDivisionError("a mistake"), sqlite3.ProgrammingError("closed"), RecursionError()],
    ids=lambda error: type(error).__name__,
)
async def test_nothing_ends_the_thread_that_writes(
    opened: Opened, conversation: ConversationId, stumble: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    await opened.say("before", conversation)
    with monkeypatch.context() as patch:
        patch.setattr("adapters.messaging.sqlite.transactions.load", _raising(stumble))
        answers = await asyncio.gather(*(opened.say(f"{n}", conversation) for n in range(3)), return_exceptions=True)
    assert all(isinstance(answer, type(stumble) | InterchangeError) for answer in answers)
    assert await opened.say("after", conversation) == 2


def _raising(error: Exception) -> Callable[..., None]:
    def stumble(*_: object) -> None:
        raise error

    return stumble


async def test_text_that_is_no_text_is_refused(opened: Opened, conversation: ConversationId) -> None:
    half = ConversationId("half \ud800")
    await opened.say("first", conversation)
    with pytest.raises(BadRequest, match="surrogate"):
        await opened.said_in(half)
    with pytest.raises(BadRequest, match="surrogate"):
        await opened.engine.submit(Hold(conversation=half, reason="why"))
    with pytest.raises(BadRequest, match="surrogate"):
        await opened.engine.rows.search("half \ud800", conversations=None, limit=1)
    assert await opened.said_in(conversation) == ["first"]


def test_a_folder_that_is_read_only_is_an_error_and_then_over(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir()
    for above in (folder, *folder.parents):
        if above.stat().st_uid == os.getuid() and above != Path(above.anchor):
            above.chmod(above.stat().st_mode | 0o055)
    command = [sys.executable, "-c", READ_ONLY, str(folder / "log.db")]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    *errors, last = done.stdout.splitlines()
    assert len(errors) == 2, done.stderr
    assert all("read-only" in error or "cannot be opened" in error for error in errors)
    assert last == "2", done.stderr
