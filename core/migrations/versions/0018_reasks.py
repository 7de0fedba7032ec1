"""A generation knows the one whose answer its caller asks again for."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

_IS_REASK = sa.text("reask_of IS NOT NULL")


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("generation", sa.Column("reask_of", sa.String(), nullable=True))
    op.create_index(
        "ix_generation_reask_of", "generation", ["reask_of"], sqlite_where=_IS_REASK, postgresql_where=_IS_REASK
    )


def downgrade() -> None:
    """Go back to the older shape."""
    op.drop_index("ix_generation_reask_of", table_name="generation")
    op.drop_column("generation", "reask_of")
