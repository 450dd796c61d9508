"""Reads beside the writer: each on a connection that has it to itself, in one consistent look."""

import asyncio
import json
import sqlite3
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from adapters.messaging.drafts import Draft
from adapters.messaging.errors import LogUnavailable
from adapters.messaging.log import Devices, Found, LetterMark, TurnMark, WhichLetters, WhichTurns
from adapters.messaging.messages import Conversation, DeadLetter, Message, TurnRef
from adapters.messaging.queries import load_queries
from adapters.messaging.sqlite import shapes
from adapters.messaging.sqlite.file import OpenFile, code_of, unavailable
from adapters.messaging.sqlite.which import conditions
from adapters.messaging.turns import Turn
from registry.model import BadRequest, ConversationId, Overloaded, TurnId

T = TypeVar("T")

SQL = load_queries(Path(__file__).with_name("read.sql"))

THREADS = 4
"""How many reads there are at the same time."""

SEARCH_SECONDS = 5.0
"""How long a search may take. Searches have a thread of their own, so that no page waits for one."""

STEPS = 10_000
"""How many of SQLite's steps there are between two looks at the time."""

PAGE_BYTES = 4 << 20
"""Bytes of bodies and texts after which a page ends."""


class Readers:
    """A few threads, and the connections they read on. A look that takes longer than `seconds` is given up."""

    def __init__(self, path: Path, *, threads: int = THREADS, seconds: float | None = None) -> None:
        self._path = path
        self._seconds = seconds
        self._threads = ThreadPoolExecutor(threads, thread_name_prefix=f"read {path.name}")
        self._idle: deque[OpenFile] = deque()
        self._closed = False

    async def read(self, look: Callable[[sqlite3.Connection], T]) -> T:
        """Look at the log as it is now.

        Raises:
            LogUnavailable: it cannot be read.
            Overloaded: it took too long.
        """
        if self._closed:
            raise LogUnavailable(f"The log {self._path} is closed.")
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._look, look)

    async def close(self) -> None:
        """Wait for the reads that are under way, and let go of the connections."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        while self._idle:
            self._idle.pop().close()

    def _look(self, look: Callable[[sqlite3.Connection], T]) -> T:
        file = self._take()
        if self._seconds is not None:
            until = time.monotonic() + self._seconds
            file.connection.set_progress_handler(lambda: time.monotonic() > until, STEPS)
        try:
            file.connection.execute("BEGIN")
            found = look(file.connection)
            file.connection.execute("COMMIT")
        except sqlite3.Error as error:
            file.close()
            if code_of(error) == sqlite3.SQLITE_INTERRUPT:
                raise Overloaded(f"The look at the log took longer than {self._seconds:g} seconds.") from None
            raise unavailable(error, self._path) from None
        except UnicodeEncodeError:
            file.close()
            raise BadRequest("What is looked for has half of a surrogate pair in it, which is no text.") from None
        except BaseException:
            file.close()
            raise
        self._idle.append(file)
        return found

    def _take(self) -> OpenFile:
        """A connection that nobody uses; one to a file that is not there any more is let go."""
        try:
            file = self._idle.pop()
        except IndexError:
            return OpenFile.for_reading(self._path)
        try:
            file.check()
        except LogUnavailable:
            file.close()
            return self._take()
        return file


class SqliteRows:
    """See `engine.Rows`."""

    def __init__(self, readers: Readers, searchers: Readers) -> None:
        self._readers = readers
        self._searchers = searchers

    async def conversations(
        self, *, ids: Sequence[ConversationId] = (), after: ConversationId | None = None, limit: int = 100
    ) -> Sequence[Conversation]:
        """See `History.conversations`."""
        if ids:
            rows = await self._all("conversations_by_id", {"ids": json.dumps(ids), "limit": limit})
        else:
            rows = await self._all("conversations_after", {"after": after or "", "limit": limit})
        return [shapes.conversation_of(row) for row in rows]

    async def page(
        self, conversation: ConversationId, *, after: int, before: int | None, limit: int
    ) -> Sequence[Message] | None:
        """See `History.page`; None where there is no such conversation."""
        wanted = {"conversation": conversation, "after": after, "before": before, "limit": limit}
        name = "page_after" if before is None else "page_before"

        def look(connection: sqlite3.Connection) -> list[Message] | None:
            found = [shapes.message_of(row) for row in _fitting(connection.execute(SQL[name], wanted))]
            if not found and not connection.execute(SQL["tails"], {"ids": json.dumps([conversation])}).fetchone():
                return None
            return found if before is None else found[::-1]

        return await self._readers.read(look)

    async def of_turn(self, conversation: ConversationId, turn: TurnId, *, after: int, limit: int) -> Sequence[Message]:
        """See `History.of_turn`."""
        wanted = {"conversation": conversation, "turn": turn, "after": after, "limit": limit}
        return await self._readers.read(
            lambda connection: [shapes.message_of(row) for row in _fitting(connection.execute(SQL["of_turn"], wanted))]
        )

    async def tails(self, conversations: Sequence[ConversationId]) -> Mapping[ConversationId, int]:
        """Where these conversations end; those that do not exist are left out."""
        return dict(await self._all("tails", {"ids": json.dumps(conversations)}))

    async def turns(self, which: WhichTurns, *, behind: TurnMark | None, limit: int) -> Sequence[Turn]:
        """See `History.turns`."""
        where, values = conditions(which, behind)
        rows = await self._rows_of(SQL["turns"].format(which=where), (*values, limit))
        return [shapes.turn_of(row) for row in rows]

    async def count_turns(self, which: WhichTurns) -> int:
        """See `History.count_turns`."""
        where, values = conditions(which)
        ((count,),) = await self._rows_of(SQL["count_turns"].format(which=where), tuple(values))
        return count

    async def draft(self, conversation: ConversationId, turn: TurnId) -> Draft | None:
        """See `Drafts.of`."""
        found = await self._all("draft", (conversation, turn))
        return shapes.draft_of(found[0]) if found else None

    async def search(
        self, words: str, *, conversations: Sequence[ConversationId] | None, limit: int
    ) -> Sequence[Found]:
        """See `History.search`; of what is indexed."""
        quoted = _quoted(words)
        if not quoted:
            return []
        among = None if conversations is None else json.dumps(conversations)
        wanted = {"words": quoted, "conversations": among, "limit": limit}
        rows = await self._searchers.read(lambda connection: connection.execute(SQL["search"], wanted).fetchall())
        return [Found(message=shapes.message_of(row[1:]), rank=-row[0]) for row in rows]

    async def dead(self, which: WhichLetters, *, after: LetterMark | None, limit: int) -> Sequence[DeadLetter]:
        """See `History.dead`."""
        rows = await self._all(
            "dead",
            {
                "after_at": after and after.at,
                "after_conversation": after and after.conversation,
                "after_seq": after and after.seq,
                "after_agent": after and after.agent,
                "conversation": which.conversation,
                "agent": which.agent,
                "redriven": which.redriven,
                "limit": limit,
            },
        )
        return [shapes.letter_of(row) for row in rows]

    async def devices(self, conversation: ConversationId) -> Devices:
        """See `History.devices`."""
        return Devices(seen=dict(await self._all("devices", (conversation,))))

    async def overdue(self, now: float, *, limit: int) -> Sequence[TurnRef]:
        """See `Engine.overdue`."""
        rows = await self._all("overdue", (now, limit))
        return [TurnRef(conversation=conversation, agent=agent, turn=turn) for conversation, agent, turn in rows]

    async def _all(self, name: str, wanted: Mapping[str, object] | tuple[object, ...]) -> list[Any]:
        return await self._rows_of(SQL[name], wanted)

    async def _rows_of(self, query: str, wanted: Mapping[str, object] | tuple[object, ...]) -> list[Any]:
        return await self._readers.read(lambda connection: connection.execute(query, wanted).fetchall())


def _fitting(rows: sqlite3.Cursor) -> list[Any]:
    """Rows of messages, until their bodies and texts are as much as one page has."""
    fitting: list[Any] = []
    size = 0
    for row in rows:
        fitting.append(row)
        size += len(row[10]) + len(row[11])
        if size >= PAGE_BYTES:
            break
    rows.close()
    return fitting


def _quoted(words: str) -> str:
    """Words as FTS5 takes them: each quoted, so that nothing in them is its syntax; all of them must occur."""
    return " ".join('"' + word.replace('"', '""') + '"' for word in words.replace("\0", " ").split())
