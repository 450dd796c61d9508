"""Several processes that have the same file open: one order, one holder of each mailbox, and nobody starves."""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from adapters.messaging.recorder import Recorder
from adapters.messaging.sqlite.engine import SqliteEngine
from registry.model import ConversationId
from tests.support.logs import ECHO, LEASE, OPENING, said

PROCESS = """
import asyncio, json, sys
from pathlib import Path
from adapters.messaging.recorder import Recorder
from adapters.messaging.sqlite.engine import SqliteEngine
from adapters.messaging.outcomes import Lease
from tests.support.logs import ECHO, OPENING, done, said

path, me, work = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

async def append(log):
    async def one(task):
        for number in range(20):
            new = said(f"{me} {task} {number}", by=f"person:{me}-{task}", id=f"{number}", to=ECHO)
            yield (await log.append(f"c{number % 3}", [new], opening=OPENING)).seq
    async def all_of(task):
        return [seq async for seq in one(task)]
    return await asyncio.gather(*map(all_of, range(10)))

async def deliver(log):
    handled = []
    while deliveries := await log.claim([ECHO], limit=2, lease=Lease(owner=me, seconds=60)):
        for delivery in deliveries:
            await log.settle(delivery, done("yes"))
            handled.append(delivery.id)
    return handled

async def hog(log):
    async def one(task):
        number = 0
        while not Path(f"{path}.stop").exists():
            number += 1
            await log.append(f"hog {task}", [said("x", id=f"{number}")], opening=OPENING)
        return number
    return await asyncio.gather(*map(one, range(100)))

async def main():
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    print("open", flush=True)
    sys.stdin.readline()
    print(json.dumps(await globals()[work](Recorder(engine))))
    await engine.close()

asyncio.run(main())
"""


class Other:
    """Another process on the same file."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process

    async def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"go\n")
        await self._process.stdin.drain()

    async def result(self) -> Any:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 60)
        assert await self._process.wait() == 0
        return json.loads(line)


@asynccontextmanager
async def others(path: Path, work: str, *, count: int) -> AsyncGenerator[list[Other]]:
    """So many processes, which have opened the file and wait."""
    processes = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROCESS, str(path), f"p{number}", work,
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
        )
        for number in range(count)
    ]  # fmt: skip
    try:
        for process in processes:
            assert process.stdout is not None
            assert await asyncio.wait_for(process.stdout.readline(), 60) == b"open\n"
        yield [Other(process) for process in processes]
    finally:
        for process in processes:
            if process.returncode is None:
                process.kill()
                await process.wait()


async def test_all_may_begin_a_log_at_the_same_time_and_it_is_one_order(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    async with others(path, "append", count=3) as three:
        for other in three:
            await other.go()
        acknowledged = [await other.result() for other in three]

    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    for number in range(3):
        page = await engine.rows.page(ConversationId(f"c{number}"), after=0, before=None, limit=1000)
        assert page is not None
        assert [message.seq for message in page] == list(range(1, len(page) + 1))
        by_sender = {(message.sender, int(message.id)): message.seq for message in page}
        assert len(by_sender) == len(page), "nothing twice"
        for process, tasks in enumerate(acknowledged):
            for task, seqs in enumerate(tasks):
                expected = [by_sender[f"person:p{process}-{task}", id_] for id_ in range(number, 20, 3)]
                assert seqs[number::3] == expected, "where it was said to be"
                assert expected == sorted(expected)
    await engine.close()


async def test_each_delivery_is_had_by_one_process_only(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    log = Recorder(engine)
    for number in range(40):
        for text in ("one", "two", "three"):
            await log.append(ConversationId(f"c{number}"), [said(text, to=ECHO)], opening=OPENING)

    async with others(path, "deliver", count=3) as three:
        for other in three:
            await other.go()
        handled = Counter([delivery for other in three for delivery in await other.result()])

    assert len(handled) == 120
    assert set(handled.values()) == {1}
    assert await log.claim([ECHO], limit=10, lease=LEASE) == []
    await engine.close()


async def test_what_one_process_says_another_reads_at_once(tmp_path: Path) -> None:
    path, conversation = tmp_path / "log.db", ConversationId("c")
    one = await SqliteEngine.open(path, stirred=lambda _: None)
    other = await SqliteEngine.open(path, stirred=lambda _: None)
    for number in range(1, 50):
        writer, reader = (one, other) if number % 2 else (other, one)
        await Recorder(writer).append(conversation, [said(f"{number}")], opening=OPENING)
        assert await reader.rows.tails([conversation]) == {conversation: number}
    await one.close()
    await Recorder(other).append(conversation, [said("still here")])
    await other.close()


async def test_a_quiet_process_gets_its_turn_beside_a_busy_one(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    engine = await SqliteEngine.open(path, stirred=lambda _: None)
    log = Recorder(engine)
    async with others(path, "hog", count=1) as (hog,):
        await hog.go()
        async with asyncio.timeout(30):
            for number in range(30):
                await log.append(ConversationId("quiet"), [said(f"{number}")], opening=OPENING)
        path.with_name("log.db.stop").touch()
        assert sum(await hog.result()) > 30
    await engine.close()
