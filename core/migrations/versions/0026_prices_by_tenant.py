"""What is asked of overriding prices is a tenant's and everybody's, of one provider or of all."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go to this revision."""
    op.create_index("ix_price_override_tenant", "price_override", ["tenant_id", "provider"])
    op.drop_index("ix_price_override_model", table_name="price_override")


def downgrade() -> None:
    """Go back to the older shape."""
    op.create_index("ix_price_override_model", "price_override", ["provider", "model"])
    op.drop_index("ix_price_override_tenant", table_name="price_override")
