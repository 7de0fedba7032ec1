"""How a move of a schema's labels is undone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from core.audit import PastChange, Undo, Undoing
from core.errors import Conflict, NotFound
from core.principals import Permission, Principal
from core.schemas._labels import PROMOTE, ROLL_BACK, UNLABEL, labels
from core.tables import Schema

if TYPE_CHECKING:
    from core.schemas._registry import Schemas


def _undo(session: Session, schemas: Schemas, past: PastChange) -> Undo:
    """Return how labels name the versions that they named; a version that was added stays."""
    moved = replace(past, before=(past.before or {}).get("labels", {}), after=(past.after or {}).get("labels", {}))
    if moved.before == moved.after:
        raise Conflict("A version that was added is never removed; no label moved to it, so callers get what they got.")
    schema = session.exec(select(Schema).where(Schema.name == past.subject)).first()
    if schema is None:
        raise NotFound(f"The schema {past.subject} is no longer there.")
    now = labels(session, schema.id)
    then = moved.restored(now) or {}

    def do(principal: Principal, reason: str) -> None:
        for label in {**now, **then}:
            seen, target = now.get(label, 0), then.get(label, 0)
            if target and target != seen:
                schemas.promote(principal, past.subject, target, label, expected=seen, reason=reason, undo_of=past.id)
            elif target != seen:
                schemas.unlabel(principal, past.subject, label, expected=seen, reason=reason, undo_of=past.id)

    return Undo(now={"labels": now}, then={"labels": then}, needs=Permission.SCHEMAS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = dict.fromkeys(("schema.add", PROMOTE, ROLL_BACK, UNLABEL), _undo)
"""How each of its changes is undone."""
