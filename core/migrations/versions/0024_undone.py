"""An entry of the audit trail knows which change it undoes; changes are read newest first, of one tenant or of all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from core.audit import linked

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

_TABLES = ("audit_entry", "change_event")
_AT_ONCE = 1_000
_FIRST = sa.text("SELECT MIN(seq) FROM audit_entry WHERE undo_of IS NOT NULL AND seq IS NOT NULL")
_HASH = sa.text("SELECT hash FROM audit_entry WHERE seq = :seq")
_SOME = sa.text("SELECT * FROM audit_entry WHERE seq >= :seq ORDER BY seq LIMIT :most")
_CHAIN = sa.text("UPDATE audit_entry SET hash = :hash WHERE seq = :seq")


def upgrade() -> None:
    """Go to this revision."""
    op.add_column("audit_entry", sa.Column("undo_of", sa.String(), nullable=True))
    op.create_index("ix_audit_entry_undo_of", "audit_entry", ["undo_of"])
    for table in _TABLES:
        op.create_index(f"ix_{table}_tenant_at", table, ["tenant_id", "at"])
        op.drop_index(f"ix_{table}_tenant_id", table_name=table)


def downgrade() -> None:
    """Go back to the older shape: what was undone stays so; which entry did that is forgotten, the chain made anew."""
    _chain(op.get_bind())
    for table in _TABLES:
        op.create_index(f"ix_{table}_tenant_id", table, ["tenant_id"])
        op.drop_index(f"ix_{table}_tenant_at", table_name=table)
    op.drop_index("ix_audit_entry_undo_of", table_name="audit_entry")
    with op.batch_alter_table("audit_entry") as batch_op:
        batch_op.drop_column("undo_of")


def _chain(connection: sa.Connection) -> None:
    """Hash anew what follows the first entry that undoes another, without that word."""
    seq = connection.execute(_FIRST).scalar()
    if seq is None:
        return
    hash_ = connection.execute(_HASH, {"seq": seq - 1}).scalar() or ""
    while some := connection.execute(_SOME, {"seq": seq, "most": _AT_ONCE}).mappings().all():
        made: list[dict[str, object]] = []
        for entry in some:
            hash_ = linked(hash_, entry["seq"], dict(entry) | {"undo_of": None})
            made.append({"seq": entry["seq"], "hash": hash_})
        connection.execute(_CHAIN, made)
        seq = some[-1]["seq"] + 1
    connection.execute(sa.text("UPDATE audit_head SET hash = :hash WHERE name = 'newest'"), {"hash": hash_})
    connection.execute(sa.text("DELETE FROM audit_head WHERE name = 'proven'"))
