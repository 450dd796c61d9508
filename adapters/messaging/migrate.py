"""Brings a conversation log's database to the tables of this version, with Alembic.

The tables are the `.sql` scripts beside the migrations, one step for each engine; a fresh SQLite file runs the steps of
its engine in their order, and a database that has some of them runs those that are left. Alembic and SQLAlchemy are
imported only where there is something to migrate: no other start pays for them.

To add a step: write `versions/NNNN.sqlite.sql` and `versions/NNNN.postgres.sql` (statements only; what was released is
never edited), copy the `.py` of the step before with its own two numbers, and raise `HEAD`. Processes of the version
before go on with a SQLite file that a newer one upgrades under them: so a step only adds, and what it adds to a table
that was there has a default.
"""

import asyncio
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.queries import load_script
from registry.model import BadRequest, Refused

if TYPE_CHECKING:
    import sqlalchemy as sa

MIGRATIONS = Path(__file__).parent / "migrations"

HEAD = "0003"
"""The revision of the tables that this version of Interchange reads and writes."""

VERSION_TABLE = "log_version"
"""Where a database keeps its revision. The name is our own: the database may be shared."""


async def upgrade(url: str) -> tuple[str | None, str]:
    """Run the migrations that a database lacks, all or none; returns its revision before (None: no tables) and now.

    Raises:
        BadRequest: the URL names no engine.
        Refused: the database was written by a newer version, or a SQLite file is no log.
        LogUnavailable: it cannot be reached or written.
    """
    if url.startswith("sqlite:///"):
        return await asyncio.to_thread(upgrade_sqlite, Path(url.removeprefix("sqlite:///")))
    if url.startswith(("postgresql://", "postgres://")):
        return await _upgrade_postgres(url)
    raise BadRequest(f"The log's URL begins with {url.split(':', 1)[0]!r}; use sqlite:///PATH or postgresql://….")


def upgrade_sqlite(path: Path) -> tuple[str | None, str]:
    """See `upgrade`."""
    import sqlalchemy as sa  # noqa: PLC0415  see above
    from sqlalchemy import event  # noqa: PLC0415

    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    event.listen(engine, "connect", _leave_transactions_to_us)
    event.listen(engine, "begin", _begin)
    with _clear_errors():
        try:
            with engine.begin() as connection:
                tables = sa.inspect(connection).get_table_names()
                if tables and VERSION_TABLE not in tables:
                    raise Refused(f"The database {path} has tables, and they are not those of a conversation log.")
                return _migrate(connection)
        finally:
            engine.dispose()


async def _upgrade_postgres(url: str) -> tuple[str | None, str]:
    from adapters.messaging.postgres.migrating import in_transaction  # noqa: PLC0415  see above

    return await in_transaction(url, _migrate)


@contextmanager
def _clear_errors() -> Generator[None]:
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415  see above

    try:
        yield
    except (DBAPIError, OSError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        raise LogUnavailable(f"The log's database cannot be upgraded, and was left as it was: {why}.") from None


def _migrate(connection: "sa.Connection") -> tuple[str | None, str]:
    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415
    from alembic.util.exc import CommandError  # noqa: PLC0415

    context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
    before = context.get_current_revision()
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Refused(newer_version(str(error))) from None
    return before, HEAD


async def revision(url: str) -> str | None:
    """The revision of a database's tables; None where there are none.

    Raises:
        BadRequest: the URL names no engine.
        LogUnavailable: it cannot be reached or read.
    """
    from sqlalchemy.exc import DBAPIError  # noqa: PLC0415  see above

    try:
        if url.startswith("sqlite:///"):
            return await asyncio.to_thread(_revision_of_file, Path(url.removeprefix("sqlite:///")))
        if url.startswith(("postgresql://", "postgres://")):
            return await _revision_of_postgres(url)
    except (DBAPIError, OSError) as error:
        why = error.orig if isinstance(error, DBAPIError) else error
        raise LogUnavailable(f"The log's database cannot be read: {why}.") from None
    raise BadRequest(f"The log's URL begins with {url.split(':', 1)[0]!r}; use sqlite:///PATH or postgresql://….")


def _revision_of_file(path: Path) -> str | None:
    import sqlalchemy as sa  # noqa: PLC0415  see above

    if not path.exists():
        return None
    engine = sa.create_engine(sa.URL.create("sqlite", database=str(path)))
    try:
        with engine.connect() as connection:
            return _revision(connection)
    finally:
        engine.dispose()


async def _revision_of_postgres(url: str) -> str | None:
    from adapters.messaging.postgres.migrating import in_transaction  # noqa: PLC0415  see above

    return await in_transaction(url, _revision)


def _revision(connection: "sa.Connection") -> str | None:
    from alembic.runtime.migration import MigrationContext  # noqa: PLC0415  see above

    return MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_revision()


def run_script(step: str) -> None:
    """Run a step's script for the engine that is being migrated; from within that step."""
    from alembic import op  # noqa: PLC0415  see above

    connection = op.get_bind()
    for statement in load_script(script_of(step, connection.dialect.name)):
        connection.exec_driver_sql(statement)


def script_of(step: str, engine: str) -> Path:
    """Where a step's script is, for `sqlite` or `postgresql`."""
    return MIGRATIONS / "versions" / f"{step}.{'sqlite' if engine == 'sqlite' else 'postgres'}.sql"


def newer_version(found: str) -> str:
    """What to say of tables whose revision this version does not know."""
    return (
        f"The log's database cannot be used ({found}): it may have been written by a newer version of Interchange."
        " Use that version, or another database."
    )


def _leave_transactions_to_us(connection: Any, _: object) -> None:
    connection.isolation_level = None  # the driver's own idea of when a transaction begins is not ours


def _begin(connection: "sa.Connection") -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
