"""A label knows which version it named before, and who moved it; a version keeps the source that it was read from."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("schema_version", sa.Column("source", sa.Text(), nullable=False, server_default=""))
    op.add_column("schema_label", sa.Column("version_before", sa.Integer(), nullable=True))
    op.add_column("schema_label", sa.Column("moved_at", sa.BigInteger(), nullable=True))
    op.add_column("schema_label", sa.Column("moved_by", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Go back to the older shape."""
    for column in ("moved_by", "moved_at", "version_before"):
        op.drop_column("schema_label", column)
    op.drop_column("schema_version", "source")
