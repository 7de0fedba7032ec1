"""Each policy is kept once, by hash, and no longer with every generation that ran under it."""

from __future__ import annotations

import hashlib
import json

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_AT_ONCE = 2000
"""How many generations are in memory at a time."""
_NEXT = sa.text(
    "SELECT id, tenant_id, policy FROM generation WHERE policy IS NOT NULL AND id > :after ORDER BY id LIMIT :most"
)
_KEEP = sa.text(
    "INSERT INTO policy_snapshot (hash, tenant_id, body) VALUES (:hash, :tenant_id, :body) ON CONFLICT DO NOTHING"
)
_POINT = sa.text("UPDATE generation SET policy_hash = :hash, policy_revision = :revision WHERE id = :id")


def upgrade() -> None:
    """Go to this revision."""
    op.create_table(
        "policy_snapshot",
        sa.Column("hash", sa.String(), nullable=False),
        sa.Column("tenant_id", sa.String(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_policy_snapshot")),
    )
    op.create_index(op.f("ix_policy_snapshot_tenant_id"), "policy_snapshot", ["tenant_id"])
    op.add_column("generation", sa.Column("policy_hash", sa.String(), nullable=True))
    op.add_column("generation", sa.Column("policy_revision", sa.Integer(), nullable=True))
    connection, after = op.get_bind(), ""
    while rows := connection.execute(_NEXT, {"after": after, "most": _AT_ONCE}).all():
        after = rows[-1].id
        read = [(row.id, *_kept(connection, row.tenant_id, row.policy)) for row in rows]
        connection.execute(_POINT, [dict(zip(("id", "hash", "revision"), one, strict=True)) for one in read])
    for row in connection.execute(sa.text("SELECT generation_id, tenant_id, generation FROM reservation")).all():
        lost = json.loads(row.generation)
        if policy := lost.pop("policy", None):
            lost["policy_hash"], lost["policy_revision"] = _kept(connection, row.tenant_id, json.dumps(policy))
        values = {"id": row.generation_id, "generation": json.dumps(lost)}
        connection.execute(sa.text("UPDATE reservation SET generation = :generation WHERE generation_id = :id"), values)
    op.drop_column("generation", "policy")


def downgrade() -> None:
    """Go back to the older shape; a policy's revision is not kept there."""
    op.add_column("generation", sa.Column("policy", sa.Text(), nullable=True))
    op.execute(
        "UPDATE generation SET policy = (SELECT body FROM policy_snapshot WHERE hash = policy_hash) "
        "WHERE policy_hash IS NOT NULL"
    )
    op.drop_column("generation", "policy_revision")
    op.drop_column("generation", "policy_hash")
    op.drop_index(op.f("ix_policy_snapshot_tenant_id"), "policy_snapshot")
    op.drop_table("policy_snapshot")


def _kept(connection: sa.Connection, tenant_id: str, text: str) -> tuple[str, int | None]:
    """Keep a policy as it was written; return its hash and revision."""
    policy = json.loads(text)
    revision = policy.pop("revision", None)
    body = json.dumps(policy, separators=(",", ":"), ensure_ascii=False)
    name = hashlib.blake2b(f"{tenant_id} {body}".encode(), digest_size=16).hexdigest()
    connection.execute(_KEEP, {"hash": name, "tenant_id": tenant_id, "body": body})
    return name, revision
