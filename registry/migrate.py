"""Brings a database to the tables this version of Interchange knows, with Alembic.

Imported only where the stored revision is not the newest: Alembic costs 150 ms and 10 MB that no other start needs.
"""

from pathlib import Path

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from registry.model import Refused

MIGRATIONS = Path(__file__).parent / "migrations"


def migrate(connection: sa.Connection) -> None:
    """Run what is missing, on a connection inside a transaction.

    Raises:
        Refused: the database was written by a newer version.
    """
    try:
        command.upgrade(migration_config(connection), "head")
    except CommandError as error:
        raise Refused(
            f"The registry's database cannot be brought up to date ({error}): it may have been written by a newer"
            " version of Interchange. Use that version, or another state folder."
        ) from None


def migration_config(connection: sa.Connection | None = None) -> Config:
    """Alembic's configuration, without a file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config
