"""Late openings, proofs of the ledger, since when a budget governs, and an index fewer."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the new tables and columns; no table is rewritten."""
    op.create_table(
        "opening",
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("as_of", sa.BigInteger(), nullable=False),
        sa.Column("opened_at", sa.BigInteger(), nullable=False),
        sa.Column("out", sa.Text(), nullable=False),
        sa.Column("counted", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_opening")),
    )
    op.create_table(
        "stretch",
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("begins_after", sa.String(), nullable=False),
        sa.Column("ends_with", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("entries", sa.Integer(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=False),
        sa.Column("checksum", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "begins_after", name=op.f("pk_stretch")),
    )
    op.create_table(
        "proven_balance",
        sa.Column("series", sa.String(), nullable=False),
        sa.Column("account_id", sa.String(), nullable=False),
        sa.Column("nano_usd", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("series", "account_id", name=op.f("pk_proven_balance")),
    )
    op.add_column("verification", sa.Column("is_whole", sa.Boolean(), nullable=False, server_default=sa.true()))
    op.add_column("verification", sa.Column("series", sa.String(), nullable=False, server_default=""))
    op.add_column("budget", sa.Column("governs_since", sa.BigInteger(), nullable=True))
    op.create_index("ix_ledger_entry_account_kind", "ledger_entry", ["account_id", "kind"])
    op.drop_index("ix_ledger_entry_account_id", "ledger_entry")
    op.drop_index("ix_attempt_generation_id", "attempt")  # the unique constraint begins with the same column


def downgrade() -> None:
    """Go back to the older shape."""
    op.create_index("ix_attempt_generation_id", "attempt", ["generation_id"])
    op.create_index("ix_ledger_entry_account_id", "ledger_entry", ["account_id"])
    op.drop_index("ix_ledger_entry_account_kind", "ledger_entry")
    op.drop_column("budget", "governs_since")
    op.drop_column("verification", "series")
    op.drop_column("verification", "is_whole")
    op.drop_table("proven_balance")
    op.drop_table("stretch")
    op.drop_table("opening")
