"""An index of calls by their schema: what a page of schemas, and one of them, is told of."""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_index("ix_generation_schema_started", "generation", ["schema_name", "started_at"])


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_index("ix_generation_schema_started", table_name="generation")
