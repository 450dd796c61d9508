"""The store: where the book is kept, and how a catalog is made from it.

One database, SQLite beside the gateway or later PostgreSQL. What `registry.operations` writes in one `writing()`
becomes true together with the next catalog version, or not at all; readers never wait. Catalogs share every entry that
did not change between versions, so that a publish costs what was published and not what there is.
"""

import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError

from registry.catalog import AgentEntry, Catalog, SkillEntry
from registry.ledger import Ledger, LiveDocument, LiveRow
from registry.model import Agent, AgentName, Binding, Digest, Refused, Skill, SkillId
from registry.revisions import Kind, read_content
from registry.tables import HEAD, alembic_version, catalog_version, descriptor_set, metadata

BUSY_SECONDS = 10
"""How long a writer waits for another process's transaction before it gives up."""

EMPTY = Catalog(version=-1)


@dataclass(slots=True)
class Writing:
    """A transaction in hand: the ledger to write in, and the catalog as it would be."""

    ledger: Ledger
    _store: "Store"
    _following: Catalog | None = None

    def following(self) -> Catalog:
        """The catalog that comes into force if this transaction ends well. Asked for after the last write."""
        self._following = self._store.built(self.ledger)
        return self._following

    @property
    def following_or_none(self) -> Catalog | None:
        """What `following` last returned."""
        return self._following


class Store:
    """An open book. Safe to use from several threads."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._lock = threading.Lock()
        self._latest = EMPTY
        self._descriptors = DescriptorSets(engine)

    @classmethod
    def open(cls, url: str) -> "Store":
        """Open the database, bringing its tables up to date.

        Raises:
            Refused: it was written by a newer version, is damaged, or cannot be reached.
        """
        engine = _engine(url)
        try:
            with engine.begin() as connection:
                if not sa.inspect(connection).get_table_names():
                    _make_tables(connection)
                elif _stored_head(connection) != HEAD:
                    from registry.migrate import migrate  # noqa: PLC0415  Alembic costs every start 150 ms and 10 MB

                    migrate(connection)
        except DBAPIError as error:
            engine.dispose()
            where = engine.url.render_as_string(hide_password=True)
            raise Refused(f"The registry's database {where} cannot be opened: {error.orig}.") from None
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def version(self) -> int:
        """The version of the catalog now."""
        with self.reading() as ledger:
            return ledger.version()

    def catalog(self) -> Catalog:
        """The catalog now; the same object for as long as nothing was published."""
        with self._lock, self.reading() as ledger:
            self._latest = self.built(ledger)
            return self._latest

    @contextmanager
    def reading(self) -> Generator[Ledger]:
        """Read from one snapshot."""
        with self._engine.begin() as connection:
            yield Ledger(connection)

    @contextmanager
    def writing(self) -> Generator[Writing]:
        """Write; on leaving well all of it is durable, on an exception none of it happened.

        Where nothing was written the version stays as it was.
        """
        with self._engine.connect() as connection, connection.begin() as transaction:
            writing = Writing(Ledger(connection), self)
            writing.ledger.next_version()
            yield writing
            if not writing.ledger.changed:
                transaction.rollback()
                return
        if (following := writing.following_or_none) is not None:
            self._remember(following)

    def built(self, ledger: Ledger) -> Catalog:
        """The catalog as a transaction sees it."""
        version, before = ledger.version(), self._latest
        if version == before.version:
            return before
        rows = ledger.live_rows()
        agents, skills = _changed(rows, before)
        agent_documents = dict(ledger.live_documents(Kind.AGENT, [row.name.text for row in agents]))
        skill_documents = dict(ledger.live_documents(Kind.SKILL, [row.name.text for row in skills]))
        return _catalog(
            version=version,
            rows=rows,
            before=before,
            documents={**agent_documents, **skill_documents},
            bindings=ledger.bindings(),
            descriptors=self._descriptors,
        )

    def _remember(self, catalog: Catalog) -> None:
        with self._lock:
            if catalog.version > self._latest.version:
                self._latest = catalog


class DescriptorSets(Mapping[Digest, bytes]):
    """Descriptor sets by digest, read when asked for: 70 kB each, and needed once, when a codec is made of them."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def __getitem__(self, digest: Digest) -> bytes:
        query = sa.select(descriptor_set.c.bytes).where(descriptor_set.c.digest == digest)
        with self._engine.connect() as connection:
            found = connection.execute(query).scalar_one_or_none()
        if found is None:
            raise KeyError(digest)
        return bytes(found)

    def __iter__(self) -> Iterator[Digest]:
        with self._engine.connect() as connection:
            return iter([Digest(digest) for (digest,) in connection.execute(sa.select(descriptor_set.c.digest))])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _catalog(
    *,
    version: int,
    rows: tuple[LiveRow, ...],
    before: Catalog,
    documents: Mapping[str, LiveDocument],
    bindings: Mapping[AgentName, Binding],
    descriptors: Mapping[Digest, bytes],
) -> Catalog:
    """Put a catalog together from the entries of the one before and the documents that are new."""
    owned: dict[AgentName, list[SkillId]] = {}
    skills: list[SkillEntry] = []
    for row in rows:
        if row.name.kind is Kind.SKILL:
            owned.setdefault(row.agent, []).append(SkillId(row.name.text))
            skills.append(_skill_entry(row, before, documents, bindings.get(row.agent)))
    agents = [
        _agent_entry(row, before, documents, bindings.get(row.agent), tuple(sorted(owned.get(row.agent, ()))))
        for row in rows
        if row.name.kind is Kind.AGENT
    ]
    return Catalog(version=version, agents=agents, skills=skills, descriptors=descriptors)


def _changed(rows: tuple[LiveRow, ...], before: Catalog) -> tuple[list[LiveRow], list[LiveRow]]:
    """The live agents and skills that the catalog before does not have."""
    agents = [row for row in rows if row.name.kind is Kind.AGENT and _known_agent(row, before) is None]
    skills = [row for row in rows if row.name.kind is Kind.SKILL and _known_skill(row, before) is None]
    return agents, skills


def _known_agent(row: LiveRow, before: Catalog) -> AgentEntry | None:
    entry = before.agents.get(row.agent)
    return entry if entry is not None and entry.revision == row.number else None


def _known_skill(row: LiveRow, before: Catalog) -> SkillEntry | None:
    entry = before.skills.get(SkillId(row.name.text))
    return entry if entry is not None and entry.revision == row.number else None


def _agent_entry(
    row: LiveRow,
    before: Catalog,
    documents: Mapping[str, LiveDocument],
    binding: Binding | None,
    skills: tuple[SkillId, ...],
) -> AgentEntry:
    known = _known_agent(row, before)
    if known is not None:
        if known.binding == binding and known.agent.skills == skills:
            return known
        return replace(known, agent=replace(known.agent, skills=skills), binding=binding)
    document = documents[row.name.text]
    return AgentEntry(
        agent=replace(cast("Agent", read_content(Kind.AGENT, document.text)), skills=skills),
        revision=row.number,
        pin=document.pin,
        binding=binding,
        published_at=document.since.timestamp(),
    )


def _skill_entry(
    row: LiveRow, before: Catalog, documents: Mapping[str, LiveDocument], binding: Binding | None
) -> SkillEntry:
    known = _known_skill(row, before)
    if known is not None:
        return known if known.binding == binding else replace(known, binding=binding)
    document = documents[row.name.text]
    return SkillEntry(
        skill=cast("Skill", read_content(Kind.SKILL, document.text)),
        revision=row.number,
        pin=document.pin,
        descriptors=document.descriptors,
        binding=binding,
        published_at=document.since.timestamp(),
    )


def _engine(url: str) -> sa.Engine:
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own idea of when a transaction begins is not ours
    for pragma in ("journal_mode=WAL", "foreign_keys=ON", "synchronous=FULL", f"busy_timeout={BUSY_SECONDS * 1000}"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _make_tables(connection: sa.Connection) -> None:
    """Make an empty database what the migrations would have made of it, which a test compares."""
    metadata.create_all(connection)
    alembic_version.create(connection)
    connection.execute(catalog_version.insert().values(id=1, version=0))
    connection.execute(alembic_version.insert().values(version_num=HEAD))


def _stored_head(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(sa.select(alembic_version.c.version_num)).scalar_one_or_none()
