"""What a tool costs that a vendor runs, where an operator says so."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("price_override", sa.Column("usd_per_1000_uses", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape: an override of a tool's price says nothing there."""
    op.execute("DELETE FROM price_override WHERE kind = 'fee' OR model LIKE 'tool:%'")
    op.drop_column("price_override", "usd_per_1000_uses")
