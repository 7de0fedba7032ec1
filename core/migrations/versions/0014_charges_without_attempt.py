"""An index of what the first release charged without an attempt: an account that catches up must not forget it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_WITHOUT_ATTEMPT = sa.text("attempt_id IS NULL AND kind IN ('charge', 'refund')")


def upgrade() -> None:
    """Go to this revision."""
    op.create_index(
        "ix_ledger_entry_without_attempt",
        "ledger_entry",
        ["account_id", "nano_usd"],
        sqlite_where=_WITHOUT_ATTEMPT,
        postgresql_where=_WITHOUT_ATTEMPT,
    )


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_index("ix_ledger_entry_without_attempt", table_name="ledger_entry")
