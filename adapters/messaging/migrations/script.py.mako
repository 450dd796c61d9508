"""${message}."""

from pathlib import Path

from alembic import op

from adapters.messaging.queries import load_script

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the script of this engine."""
    connection = op.get_bind()
    engine = "sqlite" if connection.dialect.name == "sqlite" else "postgres"
    for statement in load_script(Path(__file__).with_name(f"{revision}.{engine}.sql")):
        connection.exec_driver_sql(statement)
