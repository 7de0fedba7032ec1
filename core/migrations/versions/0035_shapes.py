"""Of a caught secret its length and its vendor's prefix are kept, and nothing that only its owner has."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision: of what was caught before it is not known."""
    op.add_column("finding", sa.Column("shape", sa.String(), nullable=False, server_default=""))


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_column("finding", "shape")
