"""Prompts and answers are kept of a share of the valid calls, and by a route for less long; what is kept can be cut."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0031"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision: of every call they are kept as before."""
    with op.batch_alter_table("tenant") as table:
        table.add_column(sa.Column("payload_percent", sa.Integer(), nullable=False, server_default="100"))
        table.add_column(sa.Column("payloads_cut_from", sa.BigInteger(), nullable=True))
    with op.batch_alter_table("tenant") as table:
        table.alter_column("payload_percent", server_default=None)
    for name in ("payload_days", "payload_percent"):
        op.add_column("route", sa.Column(name, sa.Integer(), nullable=True))
    op.add_column("route", sa.Column("payloads_cut_from", sa.BigInteger(), nullable=True))


def downgrade() -> None:
    """Go back to the older shape: there they are kept of every call, for as long as its tenant says."""
    with op.batch_alter_table("route") as table:
        for name in ("payload_days", "payload_percent", "payloads_cut_from"):
            table.drop_column(name)
    with op.batch_alter_table("tenant") as table:
        for name in ("payload_percent", "payloads_cut_from"):
            table.drop_column(name)
