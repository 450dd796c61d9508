"""${message}."""

from adapters.messaging.migrate import run_script

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """Run the script of this engine."""
    run_script(revision)
