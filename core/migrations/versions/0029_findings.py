"""What guardrails found is kept, without a word of it, and how long they took."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision: of the calls that there are it is not known."""
    op.create_table(
        "finding",
        sa.Column("generation_id", sa.String(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("guardrail", sa.String(), nullable=False),
        sa.Column("rule_id", sa.String(), nullable=True),
        sa.Column("stage", sa.String(), nullable=False),
        sa.Column("place", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("generation_id", "n", name="pk_finding"),
    )
    op.create_index("ix_finding_at", "finding", ["at"])
    op.create_index("ix_finding_tenant_at", "finding", ["tenant_id", "at"])
    op.add_column("generation", sa.Column("guardrail_ms", sa.Float(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_column("generation", "guardrail_ms")
    op.drop_table("finding")
