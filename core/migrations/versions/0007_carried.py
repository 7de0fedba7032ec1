"""An account counts how often what is carried in it was moved, so that nobody needs to sum that under its lock."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("account", sa.Column("carried_count", sa.Integer(), nullable=False, server_default="0"))


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_column("account", "carried_count")
