"""A tenant says for how long its calls are kept, and what stays of those that are gone has a place."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0040"
down_revision = "0039"
branch_labels = None
depends_on = None

_SUMS = (
    *("charged", "outside", "calls", "attempts", "discarded_attempts", "valid", "priced_valid", "spent"),
    *("priced_spent", "discarded", "unpriced_attempts", "unpriced_calls", "estimated_attempts", "estimated_calls"),
    *("estimated_spent", "cache_saved", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens"),
    *("reasoning_tokens", "known_calls"),
)


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("tenant", sa.Column("call_days", sa.Integer(), nullable=True))
    op.create_table(
        "aged_out",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("raw_from", sa.BigInteger(), nullable=False),
        sa.Column("below_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name="pk_aged_out"),
    )
    op.create_table(
        "aged_quarter",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("tier", sa.String(), nullable=False),
        sa.Column("geo", sa.String(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _SUMS),
        sa.PrimaryKeyConstraint("tenant_id", "at", "tier", "geo", name="pk_aged_quarter"),
        sqlite_with_rowid=False,
    )


def downgrade() -> None:
    """Go back to the older shape: there all calls are kept, and of those that are gone nobody knows tiers."""
    op.drop_table("aged_quarter")
    op.drop_table("aged_out")
    op.drop_column("tenant", "call_days")
