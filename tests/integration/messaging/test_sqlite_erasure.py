"""What was erased is nowhere in the files: not in a table, not in the index, not in the write-ahead log."""

import random
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest

from adapters.messaging.messages import New, To
from adapters.messaging.outcomes import EndHold, HoldCall, Lease, Push
from adapters.messaging.recorder import Recorder
from adapters.messaging.sqlite.engine import SqliteEngine
from registry.model import ConversationId, new_turn_id
from tests.support.logs import ALICE, BOB, ECHO, OPENING, done, said
from tests.support.until import until

LETTERS = "abcdefghijklmnopqrstuvwxyz"


class Secrets:
    """Words that occur once, and can be looked for in files; most bytes of one are enough, for an index leaves out the
    beginning that a word has in common with the one before."""

    def __init__(self) -> None:
        self._random = random.Random(4)  # the same in each run
        self.said: dict[str, list[str]] = {}

    def new(self, of: str) -> str:
        word = "".join(self._random.choices(LETTERS, k=20))
        self.said.setdefault(of, []).append(word)
        return word

    def found(self, of: str, *files: Path) -> int:
        """How many of somebody's words are in these files."""
        content = b"".join(file.read_bytes() for file in files if file.exists())
        return sum(word[6:].encode() in content for word in self.said[of])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log.db"


@pytest.fixture
async def engine(path: Path) -> AsyncGenerator[SqliteEngine]:
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    yield engine
    await engine.close()


def files_of(path: Path) -> list[Path]:
    return [path, path.with_name("log.db-wal"), path.with_name("log.db-shm")]


async def talk(log: Recorder, secrets: Secrets, *, conversations: int, messages: int) -> None:
    """Many conversations, mixed, with bodies that fit into a page and bodies that do not."""
    lengths = random.Random(5)
    for number in range(messages):
        for of in range(conversations):
            for sender in (ALICE, BOB):
                word = secrets.new(f"{sender} in {of}")
                body = word.encode() * lengths.choice((1, 5, 60, 600))
                new = New(id=f"{number}", sender=sender, body=body, text=f"{word} and more")
                push = Push(id=f"{of} {number} {sender}", channel="c", body=body)
                await log.append(ConversationId(f"c{of}"), [new], opening=OPENING, effects=[push])
        if number % 3 == 0:
            await log.index(limit=1000)


async def test_what_was_erased_is_in_no_file(engine: SqliteEngine, path: Path) -> None:
    log, secrets = Recorder(engine), Secrets()
    await talk(log, secrets, conversations=12, messages=15)
    assert secrets.found(f"{ALICE} in 0", *files_of(path)) == 15, "the search for it works"

    for of in range(0, 12, 2):
        await log.erase(ConversationId(f"c{of}"), id="e", by=ALICE, reason="asked for")
    await log.erase(ConversationId("c1"), id="e", by=ALICE, reason="asked for", sender=ALICE)
    await until(lambda: engine.is_tidy)

    for of in range(12):
        for sender in (ALICE, BOB):
            is_erased = of % 2 == 0 or (of == 1 and sender == ALICE)
            assert secrets.found(f"{sender} in {of}", *files_of(path)) == (0 if is_erased else 15)


async def test_what_was_too_old_is_in_no_file(engine: SqliteEngine, path: Path) -> None:
    log, secrets = Recorder(engine), Secrets()
    await talk(log, secrets, conversations=4, messages=20)
    await log.hold(ConversationId("c3"), reason="a lawsuit")

    assert await log.retain(seconds=0, limit=100_000) == 3 * 2 * 20
    await until(lambda: engine.is_tidy)
    for of in range(4):
        assert secrets.found(f"{ALICE} in {of}", *files_of(path)) == (20 if of == 3 else 0)


async def test_a_held_call_that_was_ended_is_in_no_file(engine: SqliteEngine, path: Path) -> None:
    log, secrets, conversation = Recorder(engine), Secrets(), ConversationId("c")
    for number in range(30):
        hold = HoldCall(id=f"{number}", sealed=secrets.new("calls").encode() * 20, expires_in=60)
        await log.append(conversation, [said("may I?")], opening=OPENING, effects=[hold])
    assert secrets.found("calls", *files_of(path)) == 30

    for number in range(30):
        await log.append(conversation, [said("no")], effects=[EndHold(id=f"{number}", how="declined")])
    await until(lambda: engine.is_tidy)
    assert secrets.found("calls", *files_of(path)) == 0


async def test_a_search_goes_on_finding_what_was_not_erased(engine: SqliteEngine, path: Path) -> None:
    log, secrets = Recorder(engine), Secrets()
    await talk(log, secrets, conversations=6, messages=10)
    await log.index(limit=10_000)
    await log.erase(ConversationId("c0"), id="e", by=ALICE, reason="asked for")
    await until(lambda: engine.is_tidy)

    for of in range(6):
        for word in secrets.said[f"{BOB} in {of}"]:
            found = await engine.rows.search(f"{word} and", conversations=None, limit=10)
            assert len(found) == (0 if of == 0 else 1)


async def test_it_is_tidied_up_after_a_process_that_was_killed(engine: SqliteEngine, path: Path) -> None:
    """As if it had been killed right after the commit: nothing is tidied, and everything is copied."""
    log, secrets = Recorder(engine), Secrets()
    await talk(log, secrets, conversations=4, messages=10)
    await log.index(limit=10_000)
    await until(lambda: engine.is_tidy)
    engine._writer._transactions._tidying.begin = lambda: None  # type: ignore[method-assign]
    await log.erase(ConversationId("c0"), id="e", by=ALICE, reason="asked for")
    after = path.with_name("after.db")
    for name in ("", "-wal"):
        Path(f"{after}{name}").write_bytes(Path(f"{path}{name}").read_bytes())
    assert secrets.found(f"{ALICE} in 0", after, Path(f"{after}-wal")) > 0

    next_engine = await SqliteEngine.open(after, stirred=lambda _: None)
    await until(lambda: next_engine.is_tidy)
    assert secrets.found(f"{ALICE} in 0", after, Path(f"{after}-wal")) == 0
    await next_engine.close()


async def test_what_waits_for_its_turn_is_kept_however_old_it_is(engine: SqliteEngine) -> None:
    log, conversation = Recorder(engine), ConversationId("c")
    for number in range(3):
        to = To(agent=ECHO, turn=new_turn_id())
        new = New(id=f"{number}", sender=ALICE, body=b"words", text="words", to=(to,))
        await log.append(conversation, [new], opening=OPENING)
    (delivery,) = await log.claim([ECHO], limit=1, lease=Lease(owner="here", seconds=60))
    assert await log.retain(seconds=0, limit=100) == 0

    await log.settle(delivery, done("answer"))
    assert await log.retain(seconds=0, limit=100) == 2
    page = await engine.rows.page(conversation, after=0, before=None, limit=10)
    assert [message.erased for message in page or ()] == [True, False, False, True]
