"""Prompts and answers may be sealed, and say by which key."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0033"
down_revision = "0032"
branch_labels = None
depends_on = None

_IS_SEALED = sa.text("key_id IS NOT NULL")


def upgrade() -> None:
    """Go to this revision: what is there is not sealed."""
    for table in ("payload", "claim"):
        op.add_column(table, sa.Column("key_id", sa.String(), nullable=True))
    op.create_index("ix_payload_key_id", "payload", ["key_id"])
    op.create_index("ix_claim_key_id", "claim", ["key_id"], sqlite_where=_IS_SEALED, postgresql_where=_IS_SEALED)


def downgrade() -> None:
    """Go back to the older shape: what is sealed cannot be read there, so it is deleted."""
    for table in ("claim", "payload"):
        op.execute(f"DELETE FROM {table} WHERE key_id IS NOT NULL")  # noqa: S608 our own words
        op.drop_index(f"ix_{table}_key_id", table)
        op.drop_column(table, "key_id")
