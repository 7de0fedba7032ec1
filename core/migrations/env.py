"""Alembic's door: it runs on the connection that the store gives it."""

from alembic import context

from core.tables import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,  # SQLite alters a column by copying its table
    compare_type=True,
)
with context.begin_transaction():
    context.run_migrations()
