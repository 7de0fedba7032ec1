"""Who changed what: one call writes audit entry and change event, and makes what policies keep stale."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import sqlalchemy
from sqlalchemy import Connection
from sqlmodel import Session

from core.clock import Clock
from core.tables import AuditEntry, ChangeEvent

# Both databases know this form; it is atomic where two operators write the very first decision at once.
_BUMP = sqlalchemy.text(
    "INSERT INTO revision (id, count) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET count = revision.count + 1"
)
REVISION = "SELECT count FROM revision WHERE id = 1"


def record(
    session: Session,
    clock: Clock,
    *,
    actor: str,
    action: str,
    kind: str,
    subject: str,
    summary: str,
    tenant_id: str | None = None,
    before: Any = None,
    after: Any = None,
    at: datetime | None = None,
) -> None:
    """Record one change in the caller's open write transaction, so that both are kept or neither.

    *actor* is who did it, *action* a verb on a noun (``budget.set``), *kind* the family of the change event
    (``budget``, ``flag``, ``schema`` …), *subject* the thing's name, *summary* one plain sentence for a chart's mark.
    *before* and *after* are JSON values. They are shown to people and kept for ever: no key, no secret, no prompt.
    *at* is when it happened, where that was not just now.
    """
    at = at or clock.now()
    session.add(
        AuditEntry(
            id=clock.new_id(),
            at=at,
            actor=actor,
            action=action,
            subject=subject,
            tenant_id=tenant_id,
            before=before,
            after=after,
        )
    )
    session.add(
        ChangeEvent(
            id=clock.new_id(),
            at=at,
            kind=kind,
            subject=subject,
            tenant_id=tenant_id,
            summary=summary,
            before=before,
            after=after,
        )
    )
    session.connection().execute(_BUMP)


def revision(connection: Connection) -> int:
    """Return how many decisions were recorded: what was read at the same count is still true.

    Read it before what it guards: then a change in between can only make a fresh value look stale, never the reverse.
    """
    return connection.exec_driver_sql(REVISION).scalar() or 0
