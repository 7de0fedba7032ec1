"""What an account begins with is called its opening balance, no longer what is carried."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.execute("UPDATE ledger_entry SET kind = 'opening_balance' WHERE kind = 'carried'")
    op.execute("ALTER TABLE account RENAME COLUMN carried_count TO opening_moves")


def downgrade() -> None:
    """Go back to the older words."""
    op.execute("ALTER TABLE account RENAME COLUMN opening_moves TO carried_count")
    op.execute("UPDATE ledger_entry SET kind = 'carried' WHERE kind = 'opening_balance'")
