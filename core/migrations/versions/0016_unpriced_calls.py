"""The index of calls without a price answers what they are by itself, for a stretch of time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None

_UNPRICED = sa.text("cost_nano_usd IS NULL AND input_tokens IS NOT NULL")


def upgrade() -> None:
    """Go to this revision."""
    _index("started_at", "provider", "model", "tenant_id", "input_tokens", "output_tokens", "cost_nano_usd")


def downgrade() -> None:
    """Go back to the older shape."""
    _index("provider", "model")


def _index(*columns: str) -> None:
    op.drop_index("ix_attempt_unpriced", table_name="attempt")
    op.create_index("ix_attempt_unpriced", "attempt", list(columns), sqlite_where=_UNPRICED, postgresql_where=_UNPRICED)
