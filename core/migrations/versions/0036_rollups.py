"""Sums of calls are kept by facet, tenant and stretch of time; those of the calls that there are, are built later."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0036"
down_revision = "0035"
branch_labels = None
depends_on = None

_SUMS = (
    "calls", "valid", "first_try", "errors", "blocked", "cancelled", "unchecked", "reached", "reached_valid",
    "reached_checked", "unpriced_calls", "known_calls", "priced_valid", "priced_spent", "estimated_calls", "answers",
    "answers_saved", "attempts", "discarded_attempts", "reasks", "fallbacks", "spent", "discarded",
    "estimated_attempts", "estimated_spent", "unpriced_attempts", "cache_saved", "input_tokens", "cached_tokens",
    "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip


def _sums() -> list[sa.Column[int]]:
    return [sa.Column(name, sa.BigInteger(), nullable=False, server_default="0") for name in _SUMS]


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "rollup_delta",
        *_sums(),
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("family", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_text("tenant_id", "key_id", "route", "schema_name", "schema_version", "provider", "model", "outcome"),
        *_text("error_code"),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=True),
        sa.Column("ttft_slot", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_rollup_delta"),
    )
    key = ("facet", "minutes", "tenant_id", "at", "value", "detail")
    op.create_table(
        "rollup",
        *_sums(),
        *_text("facet"),
        sa.Column("minutes", sa.Integer(), nullable=False),
        *_text("tenant_id"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_text("value", "detail"),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(*key, name="pk_rollup"),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rollup_slot",
        *_text("facet"),
        sa.Column("minutes", sa.Integer(), nullable=False),
        *_text("kind", "tenant_id"),
        sa.Column("at", sa.BigInteger(), nullable=False),
        *_text("value", "detail"),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("facet", "minutes", "kind", *key[2:], "slot", name="pk_rollup_slot"),
        sqlite_with_rowid=False,
    )
    for table in ("rollup", "rollup_slot"):
        empty = sa.text("n = 0")
        op.create_index(f"ix_{table}_empty", table, ["at"], sqlite_where=empty, postgresql_where=empty)
    op.create_table(
        "rollup_state",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("built_from", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_rollup_state"),
    )
    # Where there are no calls, there is nothing to build.
    op.execute("INSERT INTO rollup_state (id, built_from) SELECT 1, COALESCE(MAX(started_at) + 1, 0) FROM generation")


def downgrade() -> None:
    """Go back to the older shape; the calls themselves are all there."""
    for table in ("rollup_state", "rollup_slot", "rollup", "rollup_delta"):
        op.drop_table(table)
