"""How a change of a flag is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session

from core.audit import Because, PastChange, Undo, Undoing
from core.errors import Conflict
from core.flags._rules import described, moment_of, told
from core.principals import Permission, Principal
from core.tables import FlagRule
from core.visibility import concerned

if TYPE_CHECKING:
    from core.flags._flags import Flags


def _undo(session: Session, flags: Flags, past: PastChange) -> Undo:
    """Return how a rule is what it was before, whom a share is drawn for included."""
    flag, tenant_id = past.subject, past.tenant_id or ""
    rule, tenant = session.get(FlagRule, (flag, tenant_id)), concerned(session, tenant_id)
    now = None if rule is None else described(rule)
    then, seen = past.restored(now), told(rule)
    wall: str = (then or {}).get("ends", "")
    ends = moment_of(wall, then["zone"]) if then and wall else None
    if ends is not None and ends <= past.now:
        raise Conflict(f"This rule would be over by now: it was to end at {wall.replace('T', ' ')}.")

    def do(principal: Principal, reason: str) -> None:
        why: Because = {"reason": reason, "undo_of": past.id}
        if then is None:
            flags.clear(principal, flag, tenant, expected=seen, **why)
        else:
            limits = {name: value for name, value in then.items() if name != "is_on"}
            flags.set(principal, flag, tenant, then["is_on"], expected=seen, **limits, **why)

    return Undo(now=now, then=then, needs=Permission.FLAGS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"flag.set": _undo, "flag.clear": _undo}
"""How each of its changes is undone."""
