"""What is folded into the rollups waits here for an analytics store, where there is one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0041"
down_revision = "0040"
branch_labels = None
depends_on = None

_SUMS = (
    "calls", "valid", "first_try", "errors", "blocked", "cancelled", "unchecked", "reached", "reached_valid",
    "reached_checked", "unpriced_calls", "known_calls", "priced_valid", "priced_spent", "estimated_calls", "answers",
    "answers_saved", "attempts", "discarded_attempts", "reasks", "fallbacks", "spent", "discarded",
    "estimated_attempts", "estimated_spent", "unpriced_attempts", "cache_saved", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip
_TEXTS = (
    "tenant_id", "key_id", "route", "schema_name", "schema_version", "provider", "model", "outcome", "error_code",
)  # fmt: skip
_NOTHING = 253_370_764_800_000_000
"""The year 9999: no call is in an analytics store."""


def upgrade() -> None:
    """Go to this revision: nothing is sent anywhere until a setting names a store."""
    op.create_table(
        "analytics_outbox",
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _SUMS),
        sa.Column("family", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.String(), nullable=False) for name in _TEXTS),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("ttft_slot", sa.Integer(), nullable=True),
        sa.Column("batch", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("batch", "place", name="pk_analytics_outbox"),
        sqlite_with_rowid=False,
    )
    counts = ("newest", "shipped", "waiting")
    op.create_table(
        "analytics_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("built_from", sa.BigInteger(), nullable=False),
        *(sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in counts),
        sa.Column("caught_up_at", sa.BigInteger(), nullable=True),
        sa.Column("why", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_analytics_state"),
    )
    op.execute(
        f"INSERT INTO analytics_state (id, name, epoch, built_from, why) VALUES (1, '', 0, {_NOTHING}, '')"  # noqa: S608 ours
    )


def downgrade() -> None:
    """Go back to the older shape; a store begins anew when this one comes again."""
    for table in ("analytics_state", "analytics_outbox"):
        op.drop_table(table)
