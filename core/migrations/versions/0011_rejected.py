"""An index of the attempts that were turned away for our key or our account: what Home warns of."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

_REJECTED = sa.text("error_code IN ('key_rejected', 'quota_exhausted')")


def upgrade() -> None:
    """Go to this revision."""
    op.create_index(
        "ix_attempt_rejected",
        "attempt",
        ["started_at", "provider", "error_code", "tenant_id"],
        sqlite_where=_REJECTED,
        postgresql_where=_REJECTED,
    )


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_index("ix_attempt_rejected", table_name="attempt")
