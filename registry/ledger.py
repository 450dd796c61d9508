"""The book, opened at one page: what one transaction reads and writes of it.

`registry.store` opens transactions; `registry.operations` says what is written. A row becomes a dataclass in exactly
one function, `_revision` or `_binding`, and everything here is SQLAlchemy Core that SQLite and PostgreSQL understand.
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa

from registry.model import AgentName, Binding, BindingKind, Digest, Pin, Tls
from registry.pins import digest_bytes
from registry.revisions import Kind, Name, Offered, Revision, Stamp, State
from registry.tables import binding, catalog_version, descriptor_set, revision

Row: TypeAlias = sa.Row[Any]
MANY = 500
"""Names asked for in one statement; SQLite allows 32,766 variables, older ones 999."""

Settlement: TypeAlias = tuple[Revision, State]
"""A revision, and the state it comes into."""


@dataclass(frozen=True, slots=True)
class LiveRow:
    """Which revision of a name is live."""

    name: Name
    agent: AgentName
    number: int


@dataclass(frozen=True, slots=True)
class LiveDocument:
    """What else the catalog needs to know of a live revision that it does not have yet. `since` is when it went live:
    as it was published or, where it waited, as it was approved."""

    text: str
    pin: Pin
    descriptors: Digest
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What the book says of one name now. `retired` is what was live last, set only where nothing is live."""

    latest: int = 0
    live: Revision | None = None
    waiting: Revision | None = None
    retired: Revision | None = None


NOTHING = Present()


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """A revision to be written: what is offered, under which number, and in which state."""

    offered: Offered
    number: int
    state: State


class Ledger:
    """One transaction's view. Everything written through it becomes true together, or not at all."""

    def __init__(self, connection: sa.Connection) -> None:
        self._connection = connection
        self.changed = False

    def version(self) -> int:
        """The version of the catalog, from 0; within a writing transaction already the next one."""
        return self._connection.execute(sa.select(catalog_version.c.version)).scalar_one()

    def next_version(self) -> None:
        """Claim the next version, and with it the right to write: another writer waits here until this one ends."""
        self._connection.execute(sa.update(catalog_version).values(version=catalog_version.c.version + 1))

    def live_rows(self) -> tuple[LiveRow, ...]:
        """Every live revision, without its document: all that a catalog looks at of what did not change."""
        c = revision.c
        rows = self._connection.execute(sa.select(c.kind, c.name, c.agent, c.number).where(c.state == State.LIVE)).all()
        return tuple(LiveRow(Name(KINDS[kind], name), AgentName(agent), number) for kind, name, agent, number in rows)

    def live_documents(self, kind: Kind, names: Sequence[str]) -> Iterator[tuple[str, LiveDocument]]:
        """Name and document of live revisions of these names."""
        c = revision.c
        since = sa.func.coalesce(c.settled_at, c.published_at)
        query = sa.select(c.name, c.document, c.pin, c.descriptors, since).where(c.state == State.LIVE, c.kind == kind)
        wanted = frozenset(names)
        if len(wanted) <= MANY:
            query = query.where(c.name.in_(wanted))
        rows = self._connection.execute(query) if wanted else ()
        for name, text, pin, descriptors, at in rows:
            if name in wanted:
                yield name, LiveDocument(text, Pin(pin), Digest(descriptors), _utc(at))

    def current(self, agents: Sequence[AgentName]) -> dict[Name, Present]:
        """What the book says of agents and of every skill they ever had; nothing of an agent that never was."""
        found: dict[Name, Present] = {}
        for start in range(0, len(agents), MANY):
            found.update(self._current(agents[start : start + MANY]))
        return found

    def unsettled(self) -> tuple[Revision, ...]:
        """Every waiting revision, and the last retired one of each name of which nothing is live; by name."""
        c = revision.c
        gone = revision.alias("gone")
        newer = revision.alias("newer")
        last = ~sa.exists().where(
            newer.c.kind == gone.c.kind,
            newer.c.name == gone.c.name,
            sa.or_(
                newer.c.state == State.LIVE, sa.and_(newer.c.state == State.RETIRED, newer.c.number > gone.c.number)
            ),
        )
        retired = sa.select(gone).where(gone.c.state == State.RETIRED, last)
        rows = [
            *self._connection.execute(sa.select(revision).where(c.state == State.WAITING)),
            *self._connection.execute(retired),
        ]
        return tuple(sorted(map(_revision, rows), key=lambda found: (found.name.text, found.number)))

    def history(self, name: Name, *, limit: int) -> tuple[Revision, ...]:
        """The revisions of a name, newest first."""
        c = revision.c
        query = sa.select(revision).where(c.kind == name.kind, c.name == name.text)
        return tuple(map(_revision, self._connection.execute(query.order_by(c.number.desc()).limit(limit))))

    def revision(self, name: Name, number: int) -> Revision | None:
        """One revision by its number."""
        c = revision.c
        found = self._revisions(c.kind == name.kind, c.name == name.text, c.number == number)
        return found[0] if found else None

    def agent_of(self, name: str) -> AgentName | None:
        """The agent that a name is, or whose skill it is or was; None where the book has no such name."""
        c = revision.c
        found = self._connection.execute(sa.select(c.agent).where(c.name == name).limit(1)).scalar_one_or_none()
        return None if found is None else AgentName(found)

    def bindings(self) -> dict[AgentName, Binding]:
        """Where every agent is bound."""
        c = binding.c
        rows = self._connection.execute(sa.select(c.agent, c.kind, c.targets, c.tls)).all()
        return {AgentName(agent): _binding(kind, targets, tls) for agent, kind, targets, tls in rows}

    def binders(self) -> dict[AgentName, str]:
        """Who said where each agent is bound."""
        c = binding.c
        rows = self._connection.execute(sa.select(c.agent, c.bound_by)).all()
        return {AgentName(agent): by for agent, by in rows}

    def add(self, additions: Iterable[Addition], stamp: Stamp) -> None:
        """Write revisions."""
        version = self.version()
        rows = [
            {
                "kind": one.offered.name.kind,
                "name": one.offered.name.text,
                "number": one.number,
                "agent": one.offered.agent,
                "pin": one.offered.pin,
                "state": one.state,
                "document": one.offered.document,
                "descriptors": one.offered.descriptors,
                "published_by": stamp.by,
                "published_at": stamp.at,
                "published_in": version,
                "reason": stamp.reason,
            }
            for one in additions
        ]
        self._write(sa.insert(revision), rows)

    def settle(self, settlements: Iterable[Settlement], stamp: Stamp) -> None:
        """Change the state of revisions, in this order."""
        c = revision.c
        rows = [
            {
                "its_kind": found.name.kind,
                "its_name": found.name.text,
                "its_number": found.number,
                "state": state,
                "settled_by": stamp.by,
                "settled_at": stamp.at,
                "settled_reason": stamp.reason,
            }
            for found, state in settlements
        ]
        this = sa.and_(
            c.kind == sa.bindparam("its_kind"),
            c.name == sa.bindparam("its_name"),
            c.number == sa.bindparam("its_number"),
        )
        self._write(sa.update(revision).where(this), rows)

    def keep_descriptors(self, data: bytes) -> Digest:
        """Keep a serialised FileDescriptorSet, once."""
        digest = digest_bytes(data)
        c = descriptor_set.c
        if self._connection.execute(sa.select(c.digest).where(c.digest == digest)).first() is None:
            self._connection.execute(sa.insert(descriptor_set).values(digest=digest, bytes=data))
        return digest

    def bind(self, agents: Iterable[AgentName], where: Binding, stamp: Stamp) -> None:
        """Say where the far side of agents is, instead of what was said before."""
        rows = [
            {
                "agent": agent,
                "kind": where.kind,
                "targets": json.dumps(where.targets),
                "tls": None if where.tls is None else json.dumps(asdict(where.tls)),
                "bound_by": stamp.by,
                "bound_at": stamp.at,
            }
            for agent in agents
        ]
        self._write(
            sa.delete(binding).where(binding.c.agent == sa.bindparam("its_agent")),
            [{"its_agent": row["agent"]} for row in rows],
        )
        self._write(sa.insert(binding), rows)

    def _write(self, statement: sa.Insert | sa.Update | sa.Delete, rows: Sequence[Mapping[str, object]]) -> None:
        """Carry out one statement for each of these rows."""
        if rows:
            self.changed = True
            self._connection.execute(statement, rows)

    def _current(self, agents: Sequence[AgentName]) -> dict[Name, Present]:
        """`current`, of as many agents as one statement may name."""
        c = revision.c
        standing = self._revisions(c.agent.in_(agents), c.state.in_([State.LIVE, State.WAITING]))
        live = {row.name: row for row in standing if row.state is State.LIVE}
        waiting = {row.name: row for row in standing if row.state is State.WAITING}
        retired = {row.name: row for row in self._last_retired(agents)}
        return {
            name: Present(
                latest=latest,
                live=live.get(name),
                waiting=waiting.get(name),
                retired=None if name in live else retired.get(name),
            )
            for name, latest in self._numbers(agents).items()
        }

    def _numbers(self, agents: Sequence[AgentName]) -> dict[Name, int]:
        c = revision.c
        rows = self._connection.execute(
            sa.select(c.kind, c.name, sa.func.max(c.number)).where(c.agent.in_(agents)).group_by(c.kind, c.name)
        )
        return {Name(KINDS[kind], name): number for kind, name, number in rows}

    def _last_retired(self, agents: Sequence[AgentName]) -> tuple[Revision, ...]:
        c = revision.c
        last = (
            sa.select(c.kind, c.name, sa.func.max(c.number).label("number"))
            .where(c.agent.in_(agents), c.state == State.RETIRED)
            .group_by(c.kind, c.name)
            .subquery()
        )
        same = sa.and_(c.kind == last.c.kind, c.name == last.c.name, c.number == last.c.number)
        return tuple(map(_revision, self._connection.execute(sa.select(revision).join(last, same))))

    def _revisions(self, *where: sa.ColumnElement[bool]) -> tuple[Revision, ...]:
        return tuple(map(_revision, self._connection.execute(sa.select(revision).where(*where))))


KINDS = {kind.value: kind for kind in Kind}


def names_of(found: Iterable[Revision]) -> str:
    """Names for a sentence."""
    return ", ".join(one.name.text for one in found)


def _revision(row: Row) -> Revision:
    settled = None
    if row.settled_by is not None:
        settled = Stamp(by=row.settled_by, at=_utc(row.settled_at), reason=row.settled_reason)
    return Revision(
        name=Name(KINDS[row.kind], row.name),
        agent=AgentName(row.agent),
        number=row.number,
        pin=Pin(row.pin),
        state=State(row.state),
        document=row.document,
        descriptors=Digest(row.descriptors),
        published=Stamp(by=row.published_by, at=_utc(row.published_at), reason=row.reason),
        published_in=row.published_in,
        settled=settled,
    )


@lru_cache(maxsize=8192)
def _binding(kind: str, targets: str, tls: str | None) -> Binding:
    """Kept, since every new catalog asks for those of all agents, and few of them change."""
    found = None if tls is None else Tls(**json.loads(tls))
    return Binding(kind=BindingKind(kind), targets=tuple(json.loads(targets)), tls=found)


def _utc(at: datetime) -> datetime:
    """SQLite forgets the zone of an instant; all of ours are UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at
