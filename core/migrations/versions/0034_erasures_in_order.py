"""Erasures are found by what is not done, by when they were decided, and by tenant, however many there are."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0034"
down_revision = "0033"
branch_labels = None
depends_on = None

_IS_OPEN = sa.text("done_at IS NULL")
_INDEXES = {
    "ix_erasure_in_order": ["at", "tenant_id", "user_hash"],
    "ix_erasure_tenant_certificate": ["tenant_id", "certificate_id"],
}


def upgrade() -> None:
    """Go to this revision."""
    for name, columns in _INDEXES.items():
        op.create_index(name, "erasure", columns)
    op.create_index("ix_erasure_open", "erasure", ["certificate_id"], sqlite_where=_IS_OPEN, postgresql_where=_IS_OPEN)


def downgrade() -> None:
    """Go back to the older shape."""
    for name in ("ix_erasure_open", *_INDEXES):
        op.drop_index(name, "erasure")
