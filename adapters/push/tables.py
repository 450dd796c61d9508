"""The table of channels, as SQLAlchemy Core sees it; the log's migrations make it, in the log's own database.

Written for SQLite and PostgreSQL alike. Of the log itself nothing is known here but where each conversation ends.
"""

import sqlalchemy as sa

metadata = sa.MetaData()

push_channel = sa.Table(
    "push_channel",
    metadata,
    sa.Column("turn", sa.Text, primary_key=True),
    sa.Column("id", sa.Text, primary_key=True),
    sa.Column("conversation", sa.Text, nullable=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("owner", sa.Text, nullable=False),
    sa.Column("context", sa.Text, nullable=False),
    sa.Column("place", sa.Text, nullable=False),
    sa.Column("sealed", sa.LargeBinary, nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("ready_at", sa.Double, nullable=False),
    sa.Column("looked_at", sa.Double, nullable=False),
    sa.Column("failing_since", sa.Double),
    sa.Column("error", sa.Text, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("fence", sa.BigInteger, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
)

conversation = sa.table("conversation", sa.column("id", sa.Text), sa.column("tail", sa.BigInteger))
