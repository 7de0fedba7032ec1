"""How a call was billed beside its tokens: service tier, region, one-hour cache writes; and its model's one name."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("attempt", sa.Column("billing", sa.Text(), nullable=True))
    op.add_column("attempt", sa.Column("family", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_column("attempt", "family")
    op.drop_column("attempt", "billing")
