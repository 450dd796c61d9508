"""The first tables of the conversation log."""

from adapters.messaging.migrate import run_script

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Run the script of this engine."""
    run_script(revision)
