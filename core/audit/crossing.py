"""Edits that cross: who decides about what somebody else has changed meanwhile is told by whom, and how it is now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlmodel import Session, col, select

from core.clock import minute
from core.errors import Crossed
from core.tables import AuditEntry

_MOST_LOOKED_AT = 50
"""Entries of a tenant, the newest first, among which the other edit is looked for."""


def crossed(
    session: Session,
    what: str,
    *,
    kind: str,
    subject: str,
    tenant_id: str | None,
    present: Mapping[str, Any] | None,
    expected: Any,
    is_about: Callable[[AuditEntry], bool] = lambda _: True,
) -> Crossed:
    """Return what to raise where *what* is not as somebody has seen it any more.

    *present* is how it is, as the audit trail says it, ``None`` where it is not there; *expected* is what a command
    takes from whoever has seen that. *kind*, *subject* and *tenant_id* are those of its entries, of which *is_about*
    says whether one is about this very thing.
    """
    newest = select(AuditEntry).where(col(AuditEntry.tenant_id) == tenant_id)
    newest = newest.order_by(col(AuditEntry.at).desc(), col(AuditEntry.id).desc()).limit(_MOST_LOOKED_AT)
    found = (one for one in session.exec(newest) if (one.kind, one.subject) == (kind, subject) and is_about(one))
    last = next(found, None)
    who, when = (last.actor, f" at {minute(last.at)}") if last else ("Someone else", "")
    because = f" ({last.reason})" if last and last.reason else ""
    return Crossed(
        f"{who[0].upper()}{who[1:]} changed {what} meanwhile{when}{because}. Nothing was saved; look again.",
        present=None if present is None else dict(present),
        expected=expected,
        by=last.actor if last else "",
    )
