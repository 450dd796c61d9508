"""Whose a turn is, which turns are part of another one, and what agents have said so far."""

from adapters.messaging.migrate import run_script

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Run the script of this engine."""
    run_script(revision)
