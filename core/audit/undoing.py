"""Undoing a change: what each noun says of its own changes, so that a page can show it before it is done.

A noun has a table of its actions, ``UNDO``, each with a function that looks at how things stand now and returns an
:class:`Undo`, or says in one of our errors what stands in the way.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from sqlmodel import Session, select

from core.errors import Conflict, Crossed
from core.principals import Permission, Principal
from core.tables import AuditEntry


def require_not_undone(session: Session, change_id: str) -> None:
    """Make sure that a change was not undone, or that its undo was undone as well.

    Raises:
        Conflict: it was, and is.

    """
    if _is_undone(session, change_id):
        raise Conflict("It was undone already.")


def _is_undone(session: Session, change_id: str) -> bool:
    undone_by = session.exec(select(AuditEntry.id).where(AuditEntry.undo_of == change_id)).all()
    return any(not _is_undone(session, one) for one in undone_by)


class Because(TypedDict, total=False):
    """Why something is decided, as every command takes it."""

    reason: str
    """In the words of who decides; at most 500 characters."""
    undo_of: str | None
    """The id of the change that it undoes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PastChange:
    """A change that somebody wants undone, as the audit trail has it."""

    id: str
    action: str
    subject: str
    tenant_id: str | None
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    now: datetime
    """When somebody asks."""

    def restored(self, now: Mapping[str, Any] | None) -> dict[str, Any] | None:
        """Return what would be, were only this change undone; *now* is how it stands, ``None`` where it is not there.

        What it did not touch stays as it is now.

        Raises:
            Crossed: something that it touched was changed since; ``present`` is how that is now.

        """
        before, after = self.before or {}, self.after or {}
        touched = [name for name in {**after, **before} if before.get(name) != after.get(name)]
        is_there = self.after is not None
        if is_there is not (now is not None) or any((now or {}).get(name) != after.get(name) for name in touched):
            raise Crossed(
                "It was changed again since, so it cannot be undone by itself. Undo what came after it first.",
                present=None if now is None else {name: now[name] for name in touched if name in now},
            )
        if self.before is None:
            return None
        kept = {name: value for name, value in (now or {}).items() if name not in touched}
        return kept | {name: before[name] for name in (touched if is_there else before) if name in before}


@dataclass(frozen=True, slots=True, kw_only=True)
class Undo:
    """What undoing a change would make of what it changed, and how that is done."""

    now: Any
    """How it stands; ``None`` where it is not there."""
    then: Any
    """How it would be."""
    needs: Permission
    """What whoever does it must hold, over the tenant of the change or over all."""
    do: Callable[[Principal, str], object]
    """Does it, for a reason; refuses where it does not stand as *now* any more."""
    effect: str = ""
    """What follows from it, in a sentence, where that is not plain."""


Undoing = Callable[[Session, Any, PastChange], Undo]
"""From a look at the store, a noun's room and a change of it to what undoing that would do.

Raises one of our errors, which says what stands in the way.
"""
