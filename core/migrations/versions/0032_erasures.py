"""Users whose data is erased, and how their calls and answers are found."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0032"
down_revision = "0031"
branch_labels = None
depends_on = None

_NAMES_USER = sa.text("user_hash IS NOT NULL")
_IS_ANSWER = sa.text("kind IN ('answer', 'idempotency')")


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "erasure",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("user_hash", sa.String(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("certificate_id", sa.String(), nullable=False),
        sa.Column("actor", sa.String(), nullable=False),
        sa.Column("done_at", sa.BigInteger(), nullable=True),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("calls", "payloads", "answers", "sentences")),
        sa.PrimaryKeyConstraint("tenant_id", "user_hash", "at", name="pk_erasure"),
    )
    op.create_index("ix_erasure_certificate_id", "erasure", ["certificate_id"])
    op.create_index(
        "ix_generation_user",
        "generation",
        ["tenant_id", "user_hash", "started_at"],
        sqlite_where=_NAMES_USER,
        postgresql_where=_NAMES_USER,
    )
    op.create_index(
        "ix_claim_answered_by",
        "claim",
        [sa.text("substr(holder, 1, 32)")],
        sqlite_where=_IS_ANSWER,
        postgresql_where=_IS_ANSWER,
    )


def downgrade() -> None:
    """Go back to the older shape: what was erased stays so, and nobody knows it any more."""
    op.drop_index("ix_claim_answered_by", "claim")
    op.drop_index("ix_generation_user", "generation")
    op.drop_table("erasure")
