"""How the rollups of each day stood against its calls is written down."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "rollup_proof",
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("differing", sa.Integer(), nullable=False),
        sa.Column("told", sa.Text(), nullable=False),
        sa.Column("by", sa.String(), nullable=False),
        sa.Column("rebuild_asked_at", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("day", name="pk_rollup_proof"),
    )


def downgrade() -> None:
    """Go back to the older shape: there nobody proves rollups."""
    op.drop_table("rollup_proof")
