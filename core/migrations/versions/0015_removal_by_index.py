"""Indexes by which a removal finds what goes: re-priced attempts by attempt, changes by tenant."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_index(op.f("ix_repriced_attempt_attempt_id"), "repriced_attempt", ["attempt_id"])
    op.create_index(op.f("ix_change_event_tenant_id"), "change_event", ["tenant_id"])


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_index(op.f("ix_change_event_tenant_id"), table_name="change_event")
    op.drop_index(op.f("ix_repriced_attempt_attempt_id"), table_name="repriced_attempt")
