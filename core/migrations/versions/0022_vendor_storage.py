"""Whether vendors may store a tenant's answers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("tenant", sa.Column("vendor_storage", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape: callers decide again."""
    op.drop_column("tenant", "vendor_storage")
