"""The audit trail is a chain; an entry knows why, and from where. Entry and event of a change have one id."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import sqlalchemy as sa
from alembic import op

from core.audit import linked
from core.clock import bears_demo_mark

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

_AT_ONCE = 1_000
_ENTRIES = sa.text(
    "SELECT id, at, actor, action, subject, tenant_id, before, after FROM audit_entry "
    "WHERE at > :at OR (at = :at AND id > :id) ORDER BY at, id LIMIT :most"
)
_EVENTS = sa.text(
    "SELECT id, at, kind, subject, tenant_id, summary, before, after FROM change_event "
    "WHERE at >= :first AND at <= :last ORDER BY at, id"
)
_RENAME = sa.text("UPDATE change_event SET id = :id WHERE id = :event_id")
_CHAIN = sa.text("UPDATE audit_entry SET seq = :seq, hash = :hash, kind = :kind, summary = :summary WHERE id = :id")


def upgrade() -> None:
    """Go to this revision: what was decided before is chained as it is found."""
    op.add_column("audit_entry", sa.Column("door", sa.String(), nullable=False, server_default=""))
    op.add_column("audit_entry", sa.Column("kind", sa.String(), nullable=False, server_default=""))
    op.add_column("audit_entry", sa.Column("summary", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit_entry", sa.Column("reason", sa.Text(), nullable=False, server_default=""))
    op.add_column("audit_entry", sa.Column("seq", sa.BigInteger(), nullable=True))
    op.add_column("audit_entry", sa.Column("hash", sa.String(), nullable=False, server_default=""))
    with op.batch_alter_table("audit_entry") as batch_op:
        for name in ("door", "kind", "summary", "reason", "hash"):
            batch_op.alter_column(name, server_default=None)
        batch_op.create_unique_constraint("uq_audit_entry_seq", ["seq"])
    head = op.create_table(
        "audit_head",
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_audit_head"),
    )
    seq, hash_ = _chain(op.get_bind())
    op.bulk_insert(head, [{"name": "newest", "seq": seq, "hash": hash_}])


def _chain(connection: sa.Connection) -> tuple[int, str]:
    """Chain all entries by time, some at once; return number and hash of the last."""
    at, last, seq, hash_ = -(2**62), "", 0, ""
    while True:
        entries = connection.execute(_ENTRIES, {"at": at, "id": last, "most": _AT_ONCE}).mappings().all()
        if not entries:
            return seq, hash_
        events: dict[tuple[Any, ...], list[Any]] = defaultdict(list)
        for event in connection.execute(_EVENTS, {"first": entries[0]["at"], "last": entries[-1]["at"]}).mappings():
            events[_same(event)].append(event)
        named: list[dict[str, Any]] = []
        chained: list[dict[str, Any]] = []
        for entry in entries:
            event = events[_same(entry)].pop(0) if events[_same(entry)] else {"kind": "", "summary": ""}
            if "id" in event:
                named.append({"id": entry["id"], "event_id": event["id"]})
            said = dict(entry) | {"door": "", "reason": "", "kind": event["kind"], "summary": event["summary"]}
            if bears_demo_mark(said["id"]):
                chained.append(said | {"seq": None, "hash": ""})
                continue
            seq += 1
            hash_ = linked(hash_, seq, said)
            chained.append(said | {"seq": seq, "hash": hash_})
        keys = ("seq", "hash", "kind", "summary", "id")
        connection.execute(_CHAIN, [{key: one[key] for key in keys} for one in chained])
        if named:
            connection.execute(_RENAME, named)
        at, last = entries[-1]["at"], entries[-1]["id"]


def _same(row: Any) -> tuple[Any, ...]:
    """Return by what an entry and its event are known to be of one change."""
    return tuple(row[name] for name in ("at", "subject", "tenant_id", "before", "after"))


def downgrade() -> None:
    """Go back to the older shape: the chain, reasons and doors go; what was changed stays."""
    op.drop_table("audit_head")
    with op.batch_alter_table("audit_entry") as batch_op:
        batch_op.drop_constraint("uq_audit_entry_seq", type_="unique")
        for name in ("hash", "seq", "reason", "summary", "kind", "door"):
            batch_op.drop_column(name)
