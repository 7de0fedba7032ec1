"""A tenant may have a route of its own in the place of the default one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("tenant", sa.Column("route", sa.String(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape: every tenant takes the default route there."""
    op.drop_column("tenant", "route")
