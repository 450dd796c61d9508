"""Runs the migrations on the connection that `adapters.messaging.migrate` hands over; there is no alembic.ini."""

from alembic import context

from adapters.messaging.migrate import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
