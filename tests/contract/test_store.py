"""What every store must do, whichever database it is on. SQLite now; PostgreSQL joins the parameters when it comes."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.script import ScriptDirectory
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError

from registry.ledger import Addition
from registry.manifest import write_manifest
from registry.migrate import migrate, migration_config
from registry.model import AgentName, Binding, BindingKind, Refused, SkillId, Tls, ToolName
from registry.operations import Registrar
from registry.pins import digest_bytes
from registry.revisions import Kind, Name, Stamp, State, offered_agent, offered_skill
from registry.store import Store
from registry.tables import HEAD, metadata
from tests.support.desk import ask, publish
from tests.support.pets import PETS, manifest_of, pets

ROOT = Path(__file__).parents[2]
STAMP = Stamp(by="person:olga", at=datetime(2026, 11, 22, tzinfo=UTC), reason="because")
REWORDED = ("Finds animals.", "Finds pets.")


@pytest.fixture(params=["sqlite"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return {"sqlite": f"sqlite:///{tmp_path}/catalog.db"}[request.param]


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store.open(url)
    yield opened
    opened.close()


@pytest.fixture
def registrar(store: Store) -> Registrar:
    return Registrar(store, allowed_targets=("*:*",), vet=lambda _: ())


def test_a_fresh_store_is_empty_and_at_version_0(store: Store) -> None:
    assert store.version() == 0
    catalog = store.catalog()
    assert (catalog.version, len(catalog.agents), len(catalog.skills)) == (0, 0, 0)


def test_what_was_written_is_there_after_opening_again(store: Store, registrar: Registrar, url: str) -> None:
    binding = {"kind": "grpc", "targets": ["h1:1", "h2:2"], "tls": {"serverName": "pets"}}
    publish(registrar, pets(), binding=binding)
    before = store.catalog()
    again = Store.open(url)
    after = again.catalog()
    again.close()

    assert after is not before
    assert after.version == 1
    assert after.agents == before.agents
    assert after.skills == before.skills
    entry = after.skills[SkillId("pets.find")]
    assert entry.binding == Binding(kind=BindingKind.GRPC, targets=("h1:1", "h2:2"), tls=Tls(server_name="pets"))
    assert entry.skill == next(skill for skill in manifest_of(PETS).skills if skill.id == "pets.find")
    assert before.descriptor_set(entry.descriptors) == manifest_of(PETS).descriptor_set


def test_an_unknown_descriptor_set_is_a_key_error(store: Store) -> None:
    with pytest.raises(KeyError):
        store.catalog().descriptor_set(digest_bytes(b"never seen"))


def test_an_entry_says_when_its_revision_went_live(store: Store, url: str) -> None:
    days = iter(datetime(2026, 11, day, 12, tzinfo=UTC) for day in range(1, 30))
    registrar = Registrar(store, allowed_targets=("*:*",), vet=lambda _: (), clock=lambda: next(days))

    def since(opened: Store) -> dict[str, int]:
        catalog = opened.catalog()
        entries = [*catalog.agents.items(), *catalog.skills.items()]
        return {name: datetime.fromtimestamp(entry.published_at, UTC).day for name, entry in entries}

    publish(registrar, pets())
    assert since(store) == {"pets": 1, "pets.find": 1, "pets.feed": 1}
    publish(registrar, pets(REWORDED))
    assert since(store)["pets.find"] == 1, "what waits is not live"
    ask(registrar, "Approve", {"name": "pets.find"})
    ask(registrar, "Bind", {"name": "pets", "binding": {"targets": ["h:1"]}})
    again = Store.open(url)
    assert since(store) == since(again) == {"pets": 1, "pets.find": 3, "pets.feed": 1}
    again.close()


def test_a_catalog_shares_what_did_not_change(store: Store, registrar: Registrar) -> None:
    publish(registrar, pets())
    before = store.catalog()
    publish(registrar, pets(("package pets.v1;", "package dogs.v1;"), ("service Pets", "service Dogs")))
    after = store.catalog()

    assert (before.version, after.version) == (1, 2)
    assert "dogs.find" not in before.skills
    assert after.skills[SkillId("pets.find")] is before.skills[SkillId("pets.find")]
    assert store.catalog() is after


def test_a_transaction_that_writes_nothing_is_no_version(store: Store) -> None:
    with store.writing():
        pass
    assert store.version() == 0


def test_two_revisions_of_a_name_cannot_both_be_live(store: Store) -> None:
    manifest = manifest_of(PETS)
    with pytest.raises(IntegrityError), store.writing() as writing:
        digest = writing.ledger.keep_descriptors(manifest.descriptor_set)
        for number in (1, 2):
            offered = offered_agent(manifest.agents[0], digest)
            writing.ledger.add([Addition(offered=offered, number=number, state=State.LIVE)], STAMP)
    assert store.version() == 0


def test_a_revision_needs_its_descriptor_set(store: Store) -> None:
    manifest = manifest_of(PETS)
    with pytest.raises(IntegrityError), store.writing() as writing:
        offered = offered_agent(manifest.agents[0], manifest.digest)
        writing.ledger.add([Addition(offered=offered, number=1, state=State.LIVE)], STAMP)


def test_history_says_who_when_and_why(store: Store, registrar: Registrar) -> None:
    publish(registrar, pets(), reason="first")
    publish(registrar, pets(REWORDED))
    with store.reading() as ledger:
        newest, oldest = ledger.history(Name(Kind.SKILL, "pets.find"), limit=10)
    assert (newest.number, newest.state) == (2, State.WAITING)
    assert (oldest.published.by, oldest.published.reason) == ("person:olga", "first")
    assert oldest.published.at.tzinfo is not None
    assert (oldest.published_in, newest.published_in) == (1, 2)


def test_whatever_statement_fails_nothing_of_it_happened(store: Store, url: str) -> None:
    """An operation is cut off at its first statement, then at its second, and so on until it gets through."""
    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage] the failing disk is below the store
    left = 0

    def fail(*_: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("the disk is gone")

    registrar = Registrar(store, allowed_targets=("*:*",), vet=lambda _: ())
    publish(registrar, pets())
    before = store.catalog()
    changed = pets(REWORDED, ("{ read_only: true }", "{ read_only: true timeout: { seconds: 9 } }"))
    cut_off = 0
    event.listen(engine, "before_cursor_execute", fail)
    try:
        while True:
            left = cut_off
            try:
                publish(registrar, changed, binding={"targets": ["h:1"]})
            except OSError:
                left = 1_000
                assert store.catalog() is before
                assert Store.open(url).catalog().skills == before.skills
                cut_off += 1
            else:
                break
    finally:
        event.remove(engine, "before_cursor_execute", fail)
    assert cut_off > 10
    assert store.version() == 2


def test_a_failed_commit_leaves_the_old_catalog_in_force(store: Store, registrar: Registrar) -> None:
    publish(registrar, pets())
    before = store.catalog()

    def fail(_: object) -> None:
        raise OSError("the disk is full")

    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage]
    event.listen(engine, "commit", fail)
    with pytest.raises(OSError, match="full"):
        publish(registrar, pets(REWORDED), binding={"targets": ["h:1"]})
    event.remove(engine, "commit", fail)
    assert store.catalog() is before


KILLED = """
import os, sys
from registry.operations import Registrar
from registry.store import Store
from tests.support.pets import pets
from tests.support.desk import publish
store = Store.open(sys.argv[1])
publish(Registrar(store, allowed_targets=(), vet=lambda _: ()), pets())
publish(Registrar(store, allowed_targets=(), vet=lambda _: os._exit(9)), pets(("Finds animals.", "Finds pets.")))
"""


def test_a_process_killed_in_the_middle_leaves_nothing_of_it(url: str) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, url], cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False
    )
    assert killed.returncode == 9
    store = Store.open(url)
    assert store.version() == 1
    with store.reading() as ledger:
        assert len(ledger.history(Name(Kind.SKILL, "pets.find"), limit=10)) == 1
    store.close()


def test_writers_wait_for_each_other_and_readers_for_nobody(store: Store, registrar: Registrar) -> None:
    publish(registrar, pets())
    inside, go = threading.Event(), threading.Event()

    def vet(_: object) -> tuple[str, ...]:
        inside.set()
        assert go.wait(10)
        return ()

    slow = Registrar(store, allowed_targets=("*:*",), vet=vet)
    first = threading.Thread(target=publish, args=(slow, pets()), kwargs={"binding": {"targets": ["h:1"]}})
    first.start()
    assert inside.wait(10)
    assert store.catalog().version == 1  # while a writer is in the middle
    second = threading.Thread(target=publish, args=(registrar, pets()), kwargs={"binding": {"targets": ["h:2"]}})
    second.start()
    go.set()
    first.join(10)
    second.join(10)

    assert store.version() == 3
    binding = store.catalog().skills[SkillId("pets.find")].binding
    assert binding is not None
    assert binding.targets == ("h:2",)


def test_ten_thousand_skills_load_in_seconds(store: Store, url: str) -> None:
    manifest = manifest_of(PETS)
    template = manifest.skills[0]
    started = time.perf_counter()
    with store.writing() as writing:
        digest = writing.ledger.keep_descriptors(manifest.descriptor_set)
        for a in range(100):
            agent = replace(manifest.agents[0], name=AgentName(f"a{a}"))
            offered = [offered_agent(agent, digest)]
            for s in range(100):
                skill = replace(template, id=SkillId(f"a{a}.s{s}"), agent=agent.name, tool_name=ToolName(f"a{a}_s{s}"))
                offered.append(offered_skill(skill, digest))
            writing.ledger.add([Addition(offered=one, number=1, state=State.LIVE) for one in offered], STAMP)
    written = time.perf_counter()
    again = Store.open(url)
    catalog = again.catalog()
    loaded = time.perf_counter()
    publish(Registrar(again, allowed_targets=("*:*",), vet=lambda _: ()), pets())
    assert again.catalog().version == 2
    published = time.perf_counter()
    again.close()

    print(
        f"written in {written - started:.2f} s, loaded in {loaded - written:.2f} s, one more {published - loaded:.3f} s"
    )
    assert len(catalog.skills) == 10_000
    assert loaded - written < 10


def test_many_agents_take_as_many_statements_as_few(store: Store, registrar: Registrar) -> None:
    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage]
    statements: list[str] = []

    def note(_: object, __: object, statement: str, *___: object) -> None:
        statements.append(statement)

    def statements_of(manifest: str) -> list[str]:
        statements.clear()
        publish(registrar, manifest, binding={"targets": ["h:1"]})
        return [*statements]

    event.listen(engine, "before_cursor_execute", note)
    few, many = statements_of(agents_alone("few", 2)), statements_of(agents_alone("many", 200))
    event.remove(engine, "before_cursor_execute", note)
    assert len(store.catalog().agents) == 202
    assert len(many) <= len(few)


def agents_alone(prefix: str, count: int) -> str:
    """A manifest of agents without skills."""
    manifest = manifest_of(PETS)
    alone = replace(manifest.agents[0], skills=())
    agents = tuple(replace(alone, name=AgentName(f"{prefix}_{number:03}")) for number in range(count))
    return write_manifest(replace(manifest, agents=agents, skills=()))


def test_the_tables_are_those_that_the_migrations_make(store: Store) -> None:
    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage]
    found = sa.inspect(engine)
    for table in metadata.sorted_tables:
        assert {column["name"] for column in found.get_columns(table.name)} == set(table.columns.keys())
        indexes = {index["name"] for index in found.get_indexes(table.name)}
        assert indexes == {index.name for index in table.indexes}


def test_an_empty_database_becomes_what_the_migrations_make(tmp_path: Path) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/migrated.db")
    with engine.begin() as connection:
        migrate(connection)
    Store.open(f"sqlite:///{tmp_path}/made.db").close()
    made = sa.create_engine(f"sqlite:///{tmp_path}/made.db")
    assert whole_schema(made) == whole_schema(engine)
    for one in (made, engine):
        with one.connect() as connection:
            assert connection.exec_driver_sql("SELECT * FROM catalog_version").all() == [(1, 0)]
            assert connection.exec_driver_sql("SELECT * FROM alembic_version").all() == [(HEAD,)]
        one.dispose()


def whole_schema(engine: sa.Engine) -> dict[str, object]:
    """Every table with its columns, keys, indexes and checks, as the database tells them."""
    found = sa.inspect(engine)
    return {
        name: [
            [(column["name"], str(column["type"]), column["nullable"]) for column in found.get_columns(name)],
            found.get_pk_constraint(name),
            found.get_foreign_keys(name),
            sorted(described(index) for index in found.get_indexes(name)),
            [check["sqltext"] for check in found.get_check_constraints(name)],
        ]
        for name in found.get_table_names()
    }


def described(index: Any) -> str:
    where = index.get("dialect_options", {}).get("sqlite_where")
    return f"{index['name']} {index['column_names']} {index['unique']} {where}"


def test_head_is_the_newest_migration() -> None:
    assert ScriptDirectory.from_config(migration_config()).get_current_head() == HEAD


def test_a_store_at_head_is_opened_without_alembic(store: Store, url: str) -> None:
    store.close()
    script = "import sys; from registry.store import Store; Store.open(sys.argv[1]); print('alembic' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", script, url], cwd=ROOT, check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "False"


def test_a_store_of_a_newer_version_is_refused(store: Store, url: str) -> None:
    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage]
    with engine.begin() as connection:
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Refused, match="newer"):
        Store.open(url)


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    damaged = tmp_path / "catalog.db"
    damaged.write_bytes(b"not a database, whatever its name" * 100)
    for url in (f"sqlite:///{damaged}", f"sqlite:///{tmp_path}/no/such/folder/catalog.db"):
        with pytest.raises(Refused, match=r"catalog\.db cannot be opened"):
            Store.open(url)


def test_sqlite_is_as_durable_as_it_can_be(store: Store) -> None:
    engine: sa.Engine = store._engine  # pyright: ignore[reportPrivateUsage]
    if engine.dialect.name != "sqlite":
        pytest.skip("SQLite only")
    pragma: Callable[[sa.Connection, str], object] = lambda c, name: c.exec_driver_sql(f"PRAGMA {name}").scalar()  # noqa: E731
    with engine.connect() as connection:
        assert pragma(connection, "journal_mode") == "wal"
        assert pragma(connection, "synchronous") == 2
        assert pragma(connection, "foreign_keys") == 1
