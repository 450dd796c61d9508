"""The first tables of the conversation log."""

from pathlib import Path

from alembic import op

from adapters.messaging.queries import load_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the script of this engine."""
    connection = op.get_bind()
    engine = "sqlite" if connection.dialect.name == "sqlite" else "postgres"
    for statement in load_script(Path(__file__).with_name(f"{revision}.{engine}.sql")):
        connection.exec_driver_sql(statement)
