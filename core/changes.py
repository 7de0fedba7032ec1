"""What can be done with changes: undone, and told of where they happened elsewhere, as a deploy does.

How a change is undone is the business of the noun that it changed; here it is found out whose that is. An undo is a
change of its own, by whoever undoes it, with all that the command of the noun checks.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from sqlalchemy import func
from sqlmodel import Session, col, select

from core import audit
from core.audit import PastChange, Undo, Undoing
from core.breakers.overrides import UNDO as OF_BREAKERS
from core.budgets.undo import UNDO as OF_BUDGETS
from core.clock import Clock
from core.drills import UNDO as OF_DRILLS
from core.errors import Conflict, Crossed, Invalid, ProctorError, RateLimited
from core.flags import UNDO as OF_FLAGS
from core.guardrail_rules import UNDO as OF_GUARDRAILS
from core.lines import one_line
from core.pricing.undo import UNDO as OF_PRICES
from core.principals import Permission, Principal
from core.routes.undo import UNDO as OF_ROUTES
from core.schemas.undo import UNDO as OF_SCHEMAS
from core.store import Store
from core.tables import AuditEntry, Tenant
from core.tenants.undo import UNDO as OF_TENANTS
from core.visibility import present

if TYPE_CHECKING:
    from core.reports import RecordedChange, Reports

NOTED = "change.note"
KINDS = ("deploy", "incident", "config", "data", "other")
"""What may happen elsewhere."""
LONGEST_NOTE = 500
_LONGEST_LINK = 2_000
_LINK = re.compile(r"https?://[^\s/?#<>\"]+[^\s<>\"]*")
_MOST_A_DAY = 1_000
"""Notes of one tenant, or of all, in a day: they are kept for ever."""
_FARTHEST_BACK, _FARTHEST_ON = timedelta(days=31), timedelta(minutes=5)
_MOST_LATER = 5
_NOTHING_TO_UNDO = {
    "tenant.create": "A tenant is not removed: its figures stay. Turn generation off for it on the page Flags.",
    "key.edit": "What a key may do is set anew on the page Tenants, where it is said what it may do now.",
    "key.rotate": "A text that was handed out stays; rotate the key once more, or revoke it.",
    "key.create": "A key that was handed out is revoked, on the page Tenants.",
    "key.revoke": "A key that was revoked stays so, as somebody may have it who should not. Make a new one.",
    "drill.stop": "A drill that is over is begun anew, with an end of its own, on the page Fire drills.",
    "drill.end": "A drill that is over is begun anew, with an end of its own, on the page Fire drills.",
    "user.erase": "What was erased is gone, also from what is written late.",
    "user.export": "What was given out is in somebody's hands.",
    "cache.clear": "Answers that were cleared are gone; the next calls make new ones.",
    "price.reprice": "History is repriced back by setting the old price for that time, then repricing it once more.",
    "demo.remove": "The demo world is made anew with 'proctor demo'.",
    NOTED: "It happened elsewhere.",
}
_NEVER = "A change of this kind cannot be undone here."
_NOBODYS = "Nobody decided this: Proctor does it by itself, and does it again when there is cause."


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoPreview:
    """Whether a change can be undone, and what that would do."""

    change: RecordedChange
    undo: Undo | None
    """``None`` where it cannot be undone, for which there is an *obstacle*."""
    obstacle: str = ""
    present: Any = None
    """Of an obstacle that is a later change: how what this one touched is now."""
    later: tuple[RecordedChange, ...] = ()
    """What else was changed of the same thing since, the newest first; at most five."""


class Changes:
    """What can be done with the changes of all nouns."""

    def __init__(self, store: Store, clock: Clock, reports: Reports, rooms: Any) -> None:
        """*rooms* has those of the nouns as a runtime does, by the same names."""
        self._store = store
        self._clock = clock
        self._reports = reports
        self._ways = {
            action: _in(getattr(rooms, room), way)
            for room, ways in (
                ("budgets", OF_BUDGETS),
                ("drills", OF_DRILLS),
                ("flags", OF_FLAGS),
                ("guardrails", OF_GUARDRAILS),
                ("overrides", OF_BREAKERS),
                ("prices", OF_PRICES),
                ("routes", OF_ROUTES),
                ("schemas", OF_SCHEMAS),
                ("tenants", OF_TENANTS),
            )
            for action, way in ways.items()
        }

    def preview(self, principal: Principal, change_id: str) -> UndoPreview:
        """Return what undoing a change would do, as things stand now.

        Raises:
            Forbidden: without ``changes.read``.
            NotFound: there is no such change that *principal* may see.

        """
        change = self._reports.change(principal, change_id)
        later = self._later(principal, change)
        try:
            return UndoPreview(change=change, undo=self._undo(change), later=later)
        except ProctorError as error:
            now = error.facts["present"] if isinstance(error, Crossed) else None
            return UndoPreview(change=change, undo=None, obstacle=error.message, present=now, later=later)

    def undo(self, principal: Principal, change_id: str, reason: str = "", *, seen: Any = ...) -> None:
        """Undo a change; effective as its opposite would be.

        *seen* is how it stood when somebody looked at the preview: where it does not any more, nothing is done.

        Raises:
            Forbidden: without ``changes.read``, or without what the opposite command needs.
            NotFound: there is no such change that *principal* may see, or what it changed is gone.
            Conflict: it cannot be undone, or not any more; the message says why.

        """
        undo = self._undo(self._reports.change(principal, change_id))
        if seen is not ... and seen != undo.now:
            raise Conflict("It was changed again while you looked; nothing was undone. Look again.")
        undo.do(principal, reason)

    def note(
        self,
        principal: Principal,
        text: str,
        *,
        kind: str = "deploy",
        link: str = "",
        at: datetime | None = None,
        tenant: Tenant | None = None,
        reason: str = "",
    ) -> str:
        """Write down what happened elsewhere, about one tenant or about all; return the id of the change.

        *kind* is one of :data:`KINDS`, *link* leads to more, *at* is when it happened, if not just now: at most a month
        ago.

        Raises:
            Forbidden: without ``changes.write`` over whom it is about.
            Invalid: a value that a note cannot have.
            NotFound: the tenant is gone.
            RateLimited: so many were written within a day that people could not read them.

        """
        principal.require_over(Permission.CHANGES_WRITE, tenant.id if tenant else None)
        now = self._clock.now()
        text, link = one_line(text), link.strip()
        _require_sound(text, kind, link)
        if at is not None and not now - _FARTHEST_BACK <= at <= now + _FARTHEST_ON:
            raise Invalid("When it happened lies at most 31 days back, and not ahead.")
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            of_day = (
                select(func.count())
                .select_from(AuditEntry)
                .where(
                    col(AuditEntry.tenant_id) == (tenant.id if tenant else None),
                    col(AuditEntry.at) > now - timedelta(days=1),
                    AuditEntry.action == NOTED,
                )
            )
            if session.exec(of_day).one() >= _MOST_A_DAY:
                raise RateLimited(
                    f"{_MOST_A_DAY:,} such changes were written within a day; tell of fewer.", retry_after_seconds=3600
                )
            return audit.record(
                session,
                self._clock,
                by=principal,
                action=NOTED,
                kind=kind,
                subject=kind,
                summary=text,
                tenant_id=tenant.id if tenant else None,
                after={"link": link} if link else None,
                reason=reason,
                at=at,
            )

    def _undo(self, change: RecordedChange) -> Undo:
        if not change.is_decided:
            raise Conflict(_NOBODYS)
        way = self._ways.get(change.action)
        if way is None:
            raise Conflict(_NOTHING_TO_UNDO.get(change.action, _NEVER))
        past = PastChange(
            id=change.id,
            action=change.action,
            subject=change.subject,
            tenant_id=change.tenant_id,
            before=change.before,
            after=change.after,
            now=self._clock.now(),
        )
        with self._store.reading() as session:
            audit.require_not_undone(session, change.id)
            return way(session, past)

    def _later(self, principal: Principal, change: RecordedChange) -> tuple[RecordedChange, ...]:
        """Return what was decided of the same thing since."""
        return tuple(self._reports.changes_since(principal, change, _MOST_LATER)) if change.is_decided else ()


def _in(room: Any, way: Undoing) -> Callable[[Session, PastChange], Undo]:
    return lambda session, past: way(session, room, past)


def _require_sound(text: str, kind: str, link: str) -> None:
    if not 0 < len(text) <= LONGEST_NOTE:
        raise Invalid(f"Say what happened, in 1 to {LONGEST_NOTE} characters; this has {len(text)}.")
    if kind not in KINDS:
        raise Invalid(f"What happened is one of {', '.join(KINDS)}; this is {kind[:40]!r}.")
    if link and not (len(link) <= _LONGEST_LINK and _LINK.fullmatch(link) and link.isprintable()):
        raise Invalid(f"A link begins with https:// or http:// and has at most {_LONGEST_LINK:,} characters.")
