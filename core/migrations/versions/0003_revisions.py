"""A count of decisions per tenant beside the one for all."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Count the decisions that concern one tenant alone from here on."""
    op.create_table(
        "tenant_revision",
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", name=op.f("pk_tenant_revision")),
    )


def downgrade() -> None:
    """Count them with all others again: no process that kept something may take it for true."""
    op.execute("UPDATE revision SET count = count + (SELECT COALESCE(SUM(count), 0) FROM tenant_revision) + 1")
    op.drop_table("tenant_revision")
