"""Who changed what: one call writes audit entry and change event, and makes what policies keep stale.

There is one count of the decisions that concern everybody, and one per tenant of those that concern it alone: so a
decision about one tenant leaves what is kept of the others as it is.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy
from sqlmodel import Session

from core.audit._chain import append, linked
from core.audit.crossing import crossed
from core.audit.exports import exported_head
from core.audit.trail import Trail
from core.audit.undoing import Because, PastChange, Undo, Undoing, require_not_undone
from core.audit.verification import ChainBroken, ChainFinding, Head
from core.clock import Clock, bears_demo_mark, micros
from core.errors import Invalid
from core.lines import one_line
from core.principals import Principal
from core.tables import AuditEntry, ChangeEvent, as_json

__all__ = [
    "LONGEST_REASON",
    "REVISIONS",
    "Because",
    "ChainBroken",
    "ChainFinding",
    "Head",
    "PastChange",
    "Trail",
    "Undo",
    "Undoing",
    "checked_reason",
    "crossed",
    "exported_head",
    "linked",
    "record",
    "require_not_undone",
]

LONGEST_REASON = 500
"""Characters."""
# Both databases know these forms; they are atomic where two operators write the very first decision at once.
_BUMP = sqlalchemy.text(
    "INSERT INTO revision (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = revision.count + 1"
)
_BUMP_TENANT = sqlalchemy.text(
    "INSERT INTO tenant_revision (tenant_id, count) VALUES (:tenant_id, 1) "
    "ON CONFLICT (tenant_id) DO UPDATE SET count = tenant_revision.count + 1"
)
REVISIONS = """
SELECT COALESCE(r.count, 0), COALESCE(o.count, 0)
FROM tenant t LEFT JOIN revision r ON r.id = 1 LEFT JOIN tenant_revision o ON o.tenant_id = t.id
WHERE t.id = :tenant_id
"""
"""How many decisions concern everybody, and how many the tenant alone: what was read at the same counts is still true.

Read it before what it guards: then a change in between can only make a fresh value look stale, never the reverse. There
is no row where there is no tenant.
"""


def checked_reason(reason: str) -> str:
    """Return a reason as it is kept: in one line, whole.

    Raises:
        Invalid: it is longer than people read.

    """
    kept = one_line(reason)
    if len(kept) > LONGEST_REASON:
        raise Invalid(f"A reason has at most {LONGEST_REASON} characters; this has {len(kept)}. Nothing was saved.")
    return kept


def record(
    session: Session,
    clock: Clock,
    *,
    by: Principal,
    action: str,
    kind: str,
    subject: str,
    summary: str,
    tenant_id: str | None = None,
    before: Any = None,
    after: Any = None,
    reason: str = "",
    undo_of: str | None = None,
    at: datetime | None = None,
) -> str:
    """Record one change in the caller's open write transaction, so that both are kept or neither; return its id.

    *by* is who did it, *action* a verb on a noun (``budget.set``), *kind* the family of the change event
    (``budget``, ``flag``, ``schema`` …), *subject* the thing's name, *summary* one plain sentence for a chart's mark,
    *reason* why, in the words of who did it, at most ``LONGEST_REASON`` characters, *undo_of* the id of the change that
    this one undoes. *before* and *after*
    are JSON values. They are shown to people and kept for ever: no key, no secret, no prompt. *at* is when it happened,
    where that was not just now. With a *tenant_id* it concerns that tenant's policies alone.

    Raises:
        Invalid: the reason is longer than people read.

    The entry goes to the end of the chain as the last thing of the transaction. What the demo world's own people decide
    goes away with it, so it stands beside the chain. Entry and event have one id.
    """
    at, id_, reason = at or clock.now(), clock.new_id(), checked_reason(reason)
    said: dict[str, Any] = {
        "id": id_,
        "actor": by.name,
        "door": by.door,
        "action": action,
        "kind": kind,
        "subject": subject,
        "tenant_id": tenant_id,
        "summary": summary,
        "reason": reason,
        "undo_of": undo_of,
    }
    if bears_demo_mark(id_):
        session.add(AuditEntry(**said, at=at, before=before, after=after))
    else:
        append(session, said | {"at": micros(at), "before": as_json(before), "after": as_json(after)})
    session.add(
        ChangeEvent(
            id=id_,
            at=at,
            kind=kind,
            subject=subject,
            tenant_id=tenant_id,
            summary=summary,
            before=before,
            after=after,
        )
    )
    if tenant_id is None:
        session.connection().execute(_BUMP)
    else:
        session.connection().execute(_BUMP_TENANT, {"tenant_id": tenant_id})
    return id_
