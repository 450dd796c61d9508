"""Opening a log's file: its tables are made, brought up to date or found wanting, and its clock is started."""

from pathlib import Path

from adapters.messaging.errors import LogUnavailable
from adapters.messaging.migrate import HEAD, MIGRATIONS, VERSION_TABLE, newer_version, upgrade_sqlite
from adapters.messaging.queries import load_script
from adapters.messaging.sqlite.clock import LogClock
from adapters.messaging.sqlite.file import OpenFile, sync_folder
from registry.model import Refused

# As Alembic makes it.
_MAKE_VERSION = """CREATE TABLE log_version (
\tversion_num VARCHAR(32) NOT NULL,
\tCONSTRAINT log_version_pkc PRIMARY KEY (version_num)
)"""
_SET_VERSION = "INSERT INTO log_version VALUES (?)"
_READ_VERSION = "SELECT version_num FROM log_version"


def open_log_file(path: Path, clock: LogClock, *, create: bool) -> OpenFile:
    """Open a file for writing, with the tables of this version. Only with `create` may a log begin here.

    Raises:
        Refused: the tables are not ours, or of a newer version.
        LogUnavailable: the file cannot be opened, or has no tables and may not get any.
    """
    file = OpenFile.for_writing(path, create=create)
    try:
        _bring_up_to_date(file, create=create)
        file.begin()
        clock.start(file.connection)
        file.connection.execute("COMMIT")
    except BaseException:
        file.close()
        raise
    return file


def _bring_up_to_date(file: OpenFile, *, create: bool) -> None:
    tables = _tables(file)
    if not tables and create:
        _make_tables(file)
        tables = _tables(file)
    if not tables:
        raise LogUnavailable(f"The log's database {file.path} has no tables any more. Put the right file back.")
    if VERSION_TABLE not in tables:
        raise Refused(f"The database {file.path} has tables, and they are not those of a conversation log.")
    (found,) = file.connection.execute(_READ_VERSION).fetchone() or ("",)
    if found > HEAD:
        raise Refused(newer_version(f"revision {found}"))
    if found != HEAD:
        upgrade_sqlite(file.path)


def _tables(file: OpenFile) -> frozenset[str]:
    rows = file.connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    return frozenset(name for (name,) in rows)


def _make_tables(file: OpenFile) -> None:
    """Make the tables, unless another process was faster."""
    file.begin()
    if not _tables(file):
        for script in sorted((MIGRATIONS / "versions").glob("*.sqlite.sql")):
            for statement in load_script(script):
                file.connection.execute(statement)
        file.connection.execute(_MAKE_VERSION)
        file.connection.execute(_SET_VERSION, (HEAD,))
    file.connection.execute("COMMIT")
    sync_folder(file.path)
