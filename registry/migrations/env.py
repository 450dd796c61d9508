"""Runs the migrations on the connection that `registry.migrate` hands over; there is no alembic.ini."""

from alembic import context

from registry.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
