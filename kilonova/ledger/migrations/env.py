"""What Alembic calls: runs the steps on the connection it was handed, in the transaction that is open there. Opens none."""

from alembic import context

from kilonova.ledger import transaction as _every_table  # noqa: F401 - importing the books registers their tables
from kilonova.ledger.schema import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    compare_type=True,
    render_item=context.config.attributes.get("render_item"),
)
with context.begin_transaction():
    context.run_migrations()
