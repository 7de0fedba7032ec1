"""How long a call waited for its turn is kept, and added up."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

_SUMS = ("queue_known", "queued", "queue_us")
_SUMMED = ("rollup", "rollup_delta", "analytics_outbox")
_ANEW = """UPDATE analytics_state SET epoch = epoch + 1, built_from = 253370764800000000, shipped = newest, waiting = 0,
    why = 'an upgrade adds to what it holds' WHERE name <> ''"""


def upgrade() -> None:
    """Go to this revision: of calls so far nobody knows; an analytics store gets new columns by being begun anew."""
    op.add_column("generation", sa.Column("queue_us", sa.BigInteger(), nullable=True))
    for table in _SUMMED:
        for name in _SUMS:
            op.add_column(table, sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    op.execute(_ANEW)


def downgrade() -> None:
    """Go back to the older shape."""
    op.execute(_ANEW)
    for table in _SUMMED:
        for name in _SUMS:
            op.drop_column(table, name)
    op.drop_column("generation", "queue_us")
