"""A generation knows which images and documents it was about: their kinds, types, sizes and hashes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("generation", sa.Column("media", sa.Text(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_column("generation", "media")
