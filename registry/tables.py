"""The tables of the book, as SQLAlchemy Core sees them; the migrations beside this file make them.

Written for SQLite and PostgreSQL alike: no types or functions that only one of them has. The two partial indexes
hold what everything else relies on: of one name at most one revision is live, and at most one waits.
"""

import sqlalchemy as sa

HEAD = "0001"
"""The migration that leads to these tables. A test compares it with the newest file in `migrations/versions`."""

metadata = sa.MetaData()

descriptor_set = sa.Table(
    "descriptor_set",
    metadata,
    sa.Column("digest", sa.Text, primary_key=True),
    sa.Column("bytes", sa.LargeBinary, nullable=False),
)

revision = sa.Table(
    "revision",
    metadata,
    sa.Column("kind", sa.Text, primary_key=True),
    sa.Column("name", sa.Text, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("agent", sa.Text, nullable=False),
    sa.Column("pin", sa.Text, nullable=False),
    sa.Column("state", sa.Text, nullable=False),
    sa.Column("document", sa.Text, nullable=False),
    sa.Column("descriptors", sa.Text, sa.ForeignKey("descriptor_set.digest"), nullable=False),
    sa.Column("published_by", sa.Text, nullable=False),
    sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
    sa.Column("published_in", sa.Integer, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("settled_by", sa.Text),
    sa.Column("settled_at", sa.DateTime(timezone=True)),
    sa.Column("settled_reason", sa.Text),
)
sa.Index("revision_by_agent", revision.c.agent, revision.c.state, revision.c.kind, revision.c.name, revision.c.number)
for _state in ("live", "waiting"):
    sa.Index(
        f"revision_one_{_state}",
        revision.c.kind,
        revision.c.name,
        unique=True,
        sqlite_where=revision.c.state == _state,
        postgresql_where=revision.c.state == _state,
    )

binding = sa.Table(
    "binding",
    metadata,
    sa.Column("agent", sa.Text, primary_key=True),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("targets", sa.Text, nullable=False),
    sa.Column("tls", sa.Text),
    sa.Column("bound_by", sa.Text, nullable=False),
    sa.Column("bound_at", sa.DateTime(timezone=True), nullable=False),
)

catalog_version = sa.Table(
    "catalog_version",
    metadata,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
)

alembic_version = sa.Table(
    "alembic_version",
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)
"""Alembic's own table, to read and write without importing Alembic."""
