"""Conversation logs for tests: every engine, with the fabric and without it, on a clock that tests move; and the few
words that a story about a conversation is told in.
"""

import itertools
import sqlite3
from collections.abc import AsyncGenerator, Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Any, Protocol

from adapters.messaging.drafting import Drafting
from adapters.messaging.drafts import Drafts
from adapters.messaging.engine import Engine, Rows, Stirred
from adapters.messaging.fabric import Fabric, InProcessFabric, NoFabric, Wakes
from adapters.messaging.follower import Follower
from adapters.messaging.log import ConversationLog, History, Keeping, WhichTurns
from adapters.messaging.messages import Kind, Message, New, Opening, QuestionRef, To, TurnRef
from adapters.messaging.migrate import VERSION_TABLE
from adapters.messaging.outcomes import Ask, Asked, Delivery, Done, Lease, Reply
from adapters.messaging.postgres.connections import connect
from adapters.messaging.recorder import Recorder
from adapters.messaging.turns import Turn
from registry.model import NO_TURN, AgentName, ConversationId, TurnId, new_turn_id
from tests.support.paper import Paper, PaperEngine
from tests.support.postgres import shared_server

ALICE, BOB = "person:alice", "person:bob"
ECHO, SCOUT = AgentName("echo"), AgentName("scout")
OPENING = Opening(domain="hiring", started_by=ALICE, started_by_issuer="https://issuer")
LEASE = Lease(owner="here", seconds=30)

_numbers = itertools.count(1)


class Clock:
    """How far the log's clock is ahead of what it would say by itself."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return self.ahead

    def pass_time(self, seconds: float) -> None:
        self.ahead += seconds


class AnyEngine(Engine, Protocol):
    """What an engine is to those who put a log together."""

    @property
    def rows(self) -> Rows: ...


class Peek(Protocol):
    """Looks into a table, which no contract lets anybody read."""

    async def __call__(self, table: str) -> list[dict[str, Any]]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedLog:
    """A log that is open for a test."""

    log: ConversationLog
    history: History
    keeping: Keeping
    drafts: Drafts
    engine: AnyEngine
    wakes: Wakes
    clock: Clock
    peek: Peek


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """An engine that runs, and a way to look into its tables."""

    engine: AnyEngine
    peek: Peek


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a log is, for one or more who open it: a database, a clock and a fabric."""

    start: Callable[[Stirred], AbstractAsyncContextManager[Started]]
    clock: Clock
    fabric: Fabric


@asynccontextmanager
async def on_paper(paper: Paper, clock: Clock, stirred: Stirred) -> AsyncGenerator[Started]:
    async def peek(table: str) -> list[dict[str, Any]]:
        tables: Mapping[str, Iterable[Any]] = {
            "mailbox": paper.mailboxes.values(),
            "question": paper.questions.values(),
            "held_call": paper.holds.values(),
        }
        if table == "push":
            return [{**asdict(push), "conversation": conversation} for conversation, push in paper.pushes.values()]
        return [asdict(row) for row in tables[table]]

    yield Started(engine=PaperEngine(paper, stirred=stirred, shift=clock), peek=peek)


@asynccontextmanager
async def on_sqlite(path: Path, clock: Clock, stirred: Stirred) -> AsyncGenerator[Started]:
    from adapters.messaging.sqlite.engine import SqliteEngine  # noqa: PLC0415

    engine = await SqliteEngine.open(path, stirred=stirred, shift=clock)

    async def peek(table: str) -> list[dict[str, Any]]:
        connection = sqlite3.connect(path)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        finally:
            connection.close()

    try:
        yield Started(engine=engine, peek=peek)
    finally:
        await engine.close()


@asynccontextmanager
async def on_postgres(url: str, clock: Clock, stirred: Stirred) -> AsyncGenerator[Started]:
    from adapters.messaging.postgres.engine import PostgresEngine  # noqa: PLC0415

    engine = await PostgresEngine.open(url, stirred=stirred, shift=clock)
    looking = await connect(url)

    async def peek(table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await looking.fetch(f"SELECT * FROM {table}")]

    try:
        yield Started(engine=engine, peek=peek)
    finally:
        await looking.close()
        await engine.close()


_databases: list[str] = []


async def _emptied_database() -> str:
    """One database for one test after the other: to empty it takes a hundredth of the time that a new one takes."""
    if not _databases:
        _databases.append(await shared_server().create_database())
    connection = await connect(_databases[0])
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        for (table,) in tables:
            if table != VERSION_TABLE:
                await connection.execute(f"DELETE FROM {table}")
    finally:
        await connection.close()
    return _databases[0]


FABRICS: Mapping[str, Callable[[], Fabric]] = MappingProxyType({"fabric": InProcessFabric, "no_fabric": NoFabric})


async def new_place(engine: str, *, fabric: str = "no_fabric", folder: Path) -> Place:
    """An empty log on paper, sqlite or postgres, with one of `FABRICS`."""
    clock = Clock()
    match engine:
        case "paper":
            start = partial(on_paper, Paper(), clock)
        case "sqlite":
            start = partial(on_sqlite, folder / "log.db", clock)
        case _:
            start = partial(on_postgres, await _emptied_database(), clock)
    return Place(start=start, clock=clock, fabric=FABRICS[fabric]())


@asynccontextmanager
async def opened_at(place: Place, *, poll: float = 0.05) -> AsyncGenerator[OpenedLog]:
    """The log that is there, as one process opens it."""
    wakes = Wakes(place.fabric, poll=poll)
    async with place.start(wakes.stirred) as started:
        recorder = Recorder(started.engine)
        follower = Follower(started.engine.rows, keeping=recorder, wakes=wakes)
        async with follower.watching():
            yield OpenedLog(
                log=recorder,
                history=follower,
                keeping=recorder,
                drafts=Drafting(started.engine, started.engine.rows),
                engine=started.engine,
                wakes=wakes,
                clock=place.clock,
                peek=started.peek,
            )
        wakes.close()


@asynccontextmanager
async def opened_log(
    engine: str, *, fabric: str = "no_fabric", folder: Path, poll: float = 0.05
) -> AsyncGenerator[OpenedLog]:
    """An empty log, opened once; see `new_place`."""
    async with opened_at(await new_place(engine, fabric=fabric, folder=folder), poll=poll) as opened:
        yield opened


# ---- what is said


def said(
    text: str,
    *,
    to: AgentName | Sequence[AgentName] = (),
    by: str = ALICE,
    id: str = "",  # noqa: A002 the word of the field
    turn: TurnId | None = None,
    owner: str = "",
    root: TurnId = NO_TURN,
) -> New:
    """A message with this text; to each agent with a turn of its own (`turn`, if it is one)."""
    agents = [to] if isinstance(to, str) else to
    return New(
        id=id or f"message {next(_numbers)}",
        sender=by,
        body=text.encode(),
        text=text,
        to=tuple(
            To(agent=AgentName(agent), turn=turn or new_turn_id(), authority=b"sealed", owner=owner, root=root)
            for agent in agents
        ),
    )


def answered(text: str, question: QuestionRef, *, by: str = ALICE) -> New:
    """An answer with this text."""
    return New(
        id=f"message {next(_numbers)}", sender=by, body=text.encode(), text=text, kind=Kind.ANSWERED, answers=question
    )


def reply(text: str) -> Reply:
    return Reply(body=text.encode(), text=text)


def done(*texts: str) -> Done:
    """The turn is completed, with these replies."""
    return Done(replies=tuple(map(reply, texts)))


def asks(text: str, *, id: str = "q1", expires_in: float | None = None) -> Asked:  # noqa: A002 the word of the field
    """The agent asks this."""
    return Asked(question=Ask(id=id, body=text.encode(), text=text, expires_in=expires_in))


def new_conversation() -> ConversationId:
    return ConversationId(new_turn_id())


# ---- what is done and seen


async def open_turn(log: ConversationLog, conversation: ConversationId, text: str, *, to: AgentName = ECHO) -> TurnRef:
    """Say something to an agent: the turn that it opens."""
    appended = await log.append(conversation, [said(text, to=to)], opening=OPENING)
    return TurnRef(conversation=conversation, agent=to, turn=appended.placed[0].turn)


async def claim_all(log: ConversationLog, *agents: AgentName, limit: int = 100, lease: Lease = LEASE) -> list[Delivery]:
    """All that can be had of these agents' mail, or of everybody's here."""
    return list(await log.claim(agents or (ECHO, SCOUT), limit=limit, lease=lease))


async def claim_one(log: ConversationLog, *agents: AgentName, lease: Lease = LEASE) -> Delivery:
    """The one delivery that can be had; there has to be one."""
    (delivery,) = await claim_all(log, *agents, lease=lease)
    return delivery


async def turn_of(history: History, of: TurnRef) -> Turn:
    """A turn as it is now."""
    (turn,) = await history.turns(WhichTurns(conversation=of.conversation, turns=(of.turn,)))
    return turn


async def texts(history: History, conversation: ConversationId) -> list[str]:
    """All that was said in a conversation."""
    return texts_of(await history.page(conversation))


def texts_of(messages: Collection[Message]) -> list[str]:
    return [message.body.decode() for message in messages]
