"""What a key may do and until when; its text may be replaced, and a key may be the deployment's."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TIMES = ("ends_at", "used_at", "rotated_at", "old_ends_at", "old_used_at")
_WORDS = ("payer_id", "old_hash", "old_prefix")
_AWAY = """UPDATE budget SET scope = 'route', scope_name = 'key ' || scope_name,
    removed_at = COALESCE(removed_at, created_at) WHERE scope = 'key'"""
"""The older release would fail on a budget of a key: it has one of a route that is not there in its place."""
_BACK = """UPDATE budget SET scope = 'key', scope_name = substr(scope_name, 5)
    WHERE scope = 'route' AND scope_name LIKE 'key %'"""
_LISTS = {"scopes": '["generate","read"]', "models": "[]", "routes": "[]"}


def upgrade() -> None:
    """Go to this revision: the keys that there are may do what they could, for ever."""
    with op.batch_alter_table("api_key") as table:
        table.alter_column("tenant_id", existing_type=sa.String(), nullable=True)
        for name, usual in _LISTS.items():
            table.add_column(sa.Column(name, sa.Text(), nullable=False, server_default=usual))
        for name in _WORDS:
            table.add_column(sa.Column(name, sa.String(), nullable=True))
        for name in _TIMES:
            table.add_column(sa.Column(name, sa.BigInteger(), nullable=True))
        table.add_column(sa.Column("version", sa.Integer(), nullable=False, server_default="1"))
    with op.batch_alter_table("api_key") as table:
        for name in (*_LISTS, "version"):
            table.alter_column(name, server_default=None)
    op.create_index("ix_api_key_old_hash", "api_key", ["old_hash"], unique=True)
    op.execute(_BACK)


def downgrade() -> None:
    """Go back to the older shape: a key that could do less, or only for a while, would be able to do more there."""
    op.execute(_AWAY)
    op.execute(
        "DELETE FROM api_key WHERE tenant_id IS NULL OR scopes NOT LIKE '%generate%' OR scopes NOT LIKE '%read%' "
        "OR scopes LIKE '%manage%' OR models <> '[]' OR routes <> '[]' OR ends_at IS NOT NULL"
    )
    op.drop_index("ix_api_key_old_hash", table_name="api_key")
    with op.batch_alter_table("api_key") as table:
        for name in (*_LISTS, *_WORDS, *_TIMES, "version"):
            table.drop_column(name)
        table.alter_column("tenant_id", existing_type=sa.String(), nullable=False)
