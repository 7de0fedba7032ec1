"""Rollups are begun anew: histograms are as coarse by day as by the hour, and rows of zeros need no index."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None

_EMPTY = sa.text("n = 0")


def upgrade() -> None:
    """Go to this revision."""
    for table in ("rollup", "rollup_slot"):
        op.drop_index(f"ix_{table}_empty", table)
    for name in ("folds", "past_changes"):
        op.add_column("rollup_state", sa.Column(name, sa.BigInteger(), nullable=False, server_default="0"))
    _begin_anew()


def downgrade() -> None:
    """Go back to the older shape, whose histograms are finer by day: they are begun anew as well."""
    for name in ("past_changes", "folds"):
        op.drop_column("rollup_state", name)
    for table in ("rollup", "rollup_slot"):
        op.create_index(f"ix_{table}_empty", table, ["at"], sqlite_where=_EMPTY, postgresql_where=_EMPTY)
    _begin_anew()


def _begin_anew() -> None:
    """Forget all sums: of the calls that there are, they are built in the background."""
    for table in ("rollup", "rollup_slot", "rollup_delta"):
        op.execute(f"DELETE FROM {table}")  # noqa: S608 our own names
    op.execute("UPDATE rollup_state SET built_from = (SELECT COALESCE(MAX(started_at) + 1, 0) FROM generation)")
