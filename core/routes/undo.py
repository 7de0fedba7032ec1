"""How a change of a route is undone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from sqlmodel import Session, select

from core.audit import PastChange, Undo, Undoing
from core.principals import SYSTEM, Permission, Principal
from core.tables import Route

if TYPE_CHECKING:
    from core.routes.routes import Routes

FROM_ENVIRONMENT = "from_environment"
"""What is said of a default route that no operator made: to go back to it is to remove what one made."""


def _undo(session: Session, routes: Routes, past: PastChange) -> Undo:
    """Return how a route is what it was, or is not there."""
    row = session.exec(select(Route).where(Route.name == past.subject)).first()
    now = routes.find(SYSTEM, past.subject).described if row else None
    version = row.version if row else 0
    then = past.restored(now)

    def do(principal: Principal, reason: str) -> None:
        if then is None or FROM_ENVIRONMENT in then:
            routes.reset(principal, past.subject, expected_version=version, reason=reason, undo_of=past.id)
        else:
            limits = {name: value for name, value in then.items() if name != "candidates"}
            routes.set(
                principal,
                past.subject,
                then["candidates"],
                expected_version=version,
                reason=reason,
                undo_of=past.id,
                **limits,  # pyright: ignore[reportArgumentType] as the trail has them
            )

    return Undo(now=now, then=then, needs=Permission.ROUTES_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"route.set": _undo, "route.reset": _undo}
"""How each of its changes is undone."""
