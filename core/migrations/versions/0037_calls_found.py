"""Calls that were not valid at once are found by an index of theirs, request ids by how they begin; views are kept."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None

_FAILED = sa.text("outcome <> 'valid_first_try'")


def upgrade() -> None:
    """Go to this revision."""
    op.create_index(
        "ix_generation_failed",
        "generation",
        ["started_at", "outcome", "error_code", "tenant_id"],
        sqlite_where=_FAILED,
        postgresql_where=_FAILED,
    )
    if op.get_bind().dialect.name == "postgresql":  # whose order of texts is that of a language, else
        op.drop_index("ix_generation_request", "generation")
        op.create_index(
            "ix_generation_request", "generation", ["request_id"], postgresql_ops={"request_id": "text_pattern_ops"}
        )
    op.create_table(
        "saved_view",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("person_id", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("q", sa.Text(), nullable=False),
        sa.Column("sort", sa.String(), nullable=False),
        sa.Column("columns", sa.String(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["person.id"], name="fk_saved_view_person_id_person"),
        sa.PrimaryKeyConstraint("id", name="pk_saved_view"),
        sa.UniqueConstraint("person_id", "name", name="uq_saved_view_person_id_name"),
    )


def downgrade() -> None:
    """Go back to the older shape: there nobody keeps views."""
    op.drop_table("saved_view")
    if op.get_bind().dialect.name == "postgresql":
        op.drop_index("ix_generation_request", "generation")
        op.create_index("ix_generation_request", "generation", ["request_id"])
    op.drop_index("ix_generation_failed", "generation")
