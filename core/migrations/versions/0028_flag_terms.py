"""A flag may be turned for a while, or for a share of the calls; who turned it, and why, stands with it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0028"
down_revision = "0027"
branch_labels = None
depends_on = None

_WORDS = ("salt", "zone", "changed_by", "reason")
_WALLS = ("starts_wall", "ends_wall")


def upgrade() -> None:
    """Go to this revision: the rules that there are hold for ever, and for every call."""
    with op.batch_alter_table("flag_rule") as table:
        table.add_column(sa.Column("percent", sa.Integer(), nullable=True))
        table.add_column(sa.Column("algorithm", sa.Integer(), nullable=False, server_default="1"))
        table.add_column(sa.Column("is_permanent", sa.Boolean(), nullable=False, server_default=sa.false()))
        for name in _WALLS:
            table.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in _WORDS:
            kind = sa.Text() if name == "reason" else sa.String()
            table.add_column(sa.Column(name, kind, nullable=False, server_default=""))
    with op.batch_alter_table("flag_rule") as table:
        for name in ("algorithm", "is_permanent", *_WORDS):
            table.alter_column(name, server_default=None)


def downgrade() -> None:
    """Go back to the older shape: what held for a share or for a while would hold for all and for ever there."""
    op.execute("DELETE FROM flag_rule WHERE percent IS NOT NULL OR starts_wall IS NOT NULL OR ends_wall IS NOT NULL")
    with op.batch_alter_table("flag_rule") as table:
        for name in ("percent", "algorithm", "is_permanent", *_WALLS, *_WORDS):
            table.drop_column(name)
