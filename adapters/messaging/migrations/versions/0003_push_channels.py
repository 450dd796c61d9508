"""Channels: which webhooks are told what a turn says, and how far each has been told."""

from adapters.messaging.migrate import run_script

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Run the script of this engine."""
    run_script(revision)
