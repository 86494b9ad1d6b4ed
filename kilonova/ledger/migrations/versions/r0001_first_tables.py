"""The first tables: see `migrations/first/`."""

from alembic import op

from kilonova.ledger.migrations.first import metadata

revision = "0001"
down_revision = None


def upgrade() -> None:
    metadata.create_all(op.get_bind(), checkfirst=False)
