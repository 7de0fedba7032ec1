"""Claims: what one of all processes does, with what came of it. Answers that are kept are the first of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_ANSWERS = """
    INSERT INTO claim (kind, key, tenant_id, holder, result, since, expires_at)
    SELECT 'answer', key, tenant_id, generation_id, {result}, created_at, expires_at
    FROM cached_answer WHERE value IS NOT NULL
"""
_RESULT = {
    "sqlite": "json_object('value', json(value), 'provider', provider, 'model', model, 'cost_nano_usd', cost_nano_usd)",
    "postgresql": "CAST(json_build_object('value', CAST(value AS json), 'provider', provider, 'model', model, "
    "'cost_nano_usd', cost_nano_usd) AS text)",
}


def upgrade() -> None:
    """Bring the tables to this revision. Kept answers stay; what was being answered is asked again."""
    op.create_table(
        "claim",
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("result", sa.Text(), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("kind", "key", name=op.f("pk_claim")),
    )
    with op.batch_alter_table("claim") as batch_op:
        batch_op.create_index(batch_op.f("ix_claim_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_claim_tenant_id"), ["tenant_id"], unique=False)
    op.execute(_ANSWERS.format(result=_RESULT[op.get_bind().dialect.name]))
    with op.batch_alter_table("cached_answer") as batch_op:
        batch_op.drop_index(batch_op.f("ix_cached_answer_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_cached_answer_expires_at"))
    op.drop_table("cached_answer")


def downgrade() -> None:
    """Go back. Answers that were kept are asked for again."""
    op.create_table(
        "cached_answer",
        sa.Column("key", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("generation_id", sa.String(), nullable=False),
        sa.Column("value", sa.Text(), nullable=True),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("model", sa.String(), nullable=False),
        sa.Column("cost_nano_usd", sa.BigInteger(), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_cached_answer")),
    )
    with op.batch_alter_table("cached_answer") as batch_op:
        batch_op.create_index(batch_op.f("ix_cached_answer_expires_at"), ["expires_at"], unique=False)
        batch_op.create_index(batch_op.f("ix_cached_answer_tenant_id"), ["tenant_id"], unique=False)
    with op.batch_alter_table("claim") as batch_op:
        batch_op.drop_index(batch_op.f("ix_claim_tenant_id"))
        batch_op.drop_index(batch_op.f("ix_claim_expires_at"))
    op.drop_table("claim")
