"""Fire drills: faults that an operator injects into a share of some tenants' calls, until an end, to see what happens.

A drill always has an end, and the end needs nobody: every call looks at the clock (``core/faults.py``). What is written
when a drill is found to be over only tells people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Unpack

from sqlmodel import Session, and_, col, not_, or_, select

from core import audit
from core.audit import Because, PastChange, Undo, Undoing
from core.clock import Clock, minute
from core.errors import Conflict, Invalid, NotFound
from core.faults import Drill, Fault
from core.principals import SYSTEM, Permission, Principal
from core.servers import RECIPES, is_provider, provider_of
from core.store import FOR_CHANGE, Store
from core.tables import FireDrill, Tenant
from core.visibility import present, visible

LONGEST = timedelta(hours=24)
MOST_SECONDS = 300.0
DEMO = "the demo tenants"
_MOST_PAST = 50
_LONGEST_REASON = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillView:
    """A drill as people see it."""

    id: str
    fault: Fault
    share: float
    seconds: float
    """How long slowness lasts; 0 for every other fault."""
    tenant_id: str
    """Empty for all demo tenants."""
    whose: str
    """The tenant's name, or words for the demo tenants."""
    target: str
    """``provider``, ``provider/model``, or empty for every call."""
    reason: str
    actor: str
    starts_at: datetime
    ends_at: datetime
    ended_at: datetime | None
    """When it was stopped, or ended by itself."""

    @property
    def sentence(self) -> str:
        """What it does, without when."""
        return plan(self.whose, self.fault, self.share, self.seconds, self.target)

    def is_running(self, now: datetime) -> bool:
        """Whether calls meet it at *now*."""
        return self.ended_at is None and self.starts_at <= now < self.ends_at


def plan(whose: str, fault: Fault, share: float, seconds: float = 0.0, target: str = "") -> str:
    """Return one sentence that says what a drill does, or would do."""
    part = "All" if share == 1 else f"{share:.2%}".replace(".00%", "%")
    at = f" to {target}" if target else ""
    how = fault.effect.replace("wait", f"wait {seconds:g} s", 1) if fault is Fault.SLOW else fault.effect
    return f"{part} of the calls of {whose}{at} {how}."


class Drills:
    """The drills that operators run."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def start(
        self,
        principal: Principal,
        tenant: Tenant | None,
        fault: Fault,
        *,
        share: float,
        minutes: float,
        reason: str,
        target: str = "",
        seconds: float = 5.0,
    ) -> DrillView:
        """Begin a drill with one tenant, or with every demo tenant; effective with the next call, in every process.

        *target* narrows it to a ``provider`` or a ``provider/model``; *seconds* is how long slowness lasts.

        Raises:
            Forbidden: without ``drills.write``.
            Invalid: a value that a drill cannot have.
            NotFound: the tenant is gone.

        """
        principal.require_over(Permission.DRILLS_WRITE, tenant.id if tenant else None)
        provider, model = _target(target)
        _require_sane(share, minutes, reason, seconds if fault is Fault.SLOW else 1.0)
        now = self._clock.now()
        with self._store.writing() as session:
            tenant = None if tenant is None else present(session, tenant)
            row = FireDrill(
                id=self._clock.new_id(),
                tenant_id=tenant.id if tenant else "",
                provider=provider,
                model=model,
                fault=fault.value,
                share=share,
                seconds=seconds if fault is Fault.SLOW else 0.0,
                reason=reason.strip(),
                actor=principal.name,
                starts_at=now,
                ends_at=now + timedelta(minutes=minutes),
            )
            session.add(row)
            view = _view(row, {tenant.id: tenant.name} if tenant else {})
            summary = f"A fire drill began: {view.sentence}"
            self._record(session, view, principal, "drill.start", summary, {"reason": view.reason})
            return view

    def stop(self, principal: Principal, drill_id: str, **why: Unpack[Because]) -> DrillView:
        """End a drill before its time; effective with the next call, in every process.

        Raises:
            Forbidden: without ``drills.write``.
            NotFound: there is no such drill.
            Conflict: it is over already.

        """
        principal.require(Permission.DRILLS_WRITE)
        now = self._clock.now()
        with self._store.writing() as session:
            mine = visible(principal.scope_of(Permission.DRILLS_WRITE), FireDrill.tenant_id, with_shared=True)
            wanted = select(FireDrill).where(col(FireDrill.id) == drill_id, mine)
            row = session.exec(wanted.with_for_update(**FOR_CHANGE)).first()
            if row is None:
                raise NotFound(f"There is no fire drill {drill_id!r}. 'proctor drill list' shows them.")
            principal.require_over(Permission.DRILLS_WRITE, row.tenant_id)
            over = row.ended_at or (row.ends_at if row.ends_at <= now else None)
            if over is not None:
                raise Conflict(f"This fire drill is over already, since {minute(over)}.")
            names = _names(session, [row])
            before = _view(row, names)
            row.ended_at = now
            session.add(row)
            view = _view(row, names)
            summary = f"A fire drill was stopped: {view.sentence}"
            self._record(session, view, principal, "drill.stop", summary, why, before=before)
            return view

    def list(self, principal: Principal) -> Sequence[DrillView]:
        """Return the drills that run, and the last of those that are over; the newest first.

        Raises:
            Forbidden: without ``drills.read``.

        """
        principal.require(Permission.DRILLS_READ)
        now = self._clock.now()
        seen = visible(principal.scope_of(Permission.DRILLS_READ), FireDrill.tenant_id, with_shared=True)
        mine = select(FireDrill).where(seen)
        mine = mine.order_by(col(FireDrill.starts_at).desc())
        is_on = and_(col(FireDrill.ended_at).is_(None), col(FireDrill.starts_at) <= now, col(FireDrill.ends_at) > now)
        with self._store.reading() as session:
            rows = [*session.exec(mine.where(is_on)), *session.exec(mine.where(not_(is_on)).limit(_MOST_PAST))]
            names = _names(session, rows)
        return [_view(row, names) for row in rows]

    def running(self, principal: Principal) -> Sequence[DrillView]:
        """Return the drills that calls meet now, the one that ends first at the head.

        Raises:
            Forbidden: without ``drills.read``.

        """
        principal.require(Permission.DRILLS_READ)
        now = self._clock.now()
        seen = visible(principal.scope_of(Permission.DRILLS_READ), FireDrill.tenant_id, with_shared=True)
        mine = select(FireDrill).where(seen)
        mine = mine.where(col(FireDrill.ended_at).is_(None), col(FireDrill.ends_at) > now)
        with self._store.reading() as session:
            rows = session.exec(mine.order_by(col(FireDrill.ends_at))).all()
            names = _names(session, rows)
        return [_view(row, names) for row in rows]

    def end_expired(self) -> int:
        """Write down the end of every drill whose time has passed, once; return how many there were."""
        over = select(FireDrill).where(col(FireDrill.ended_at).is_(None), col(FireDrill.ends_at) <= self._clock.now())
        with self._store.reading() as session:
            if session.exec(over).first() is None:
                return 0
        with self._store.writing() as session:
            rows = session.exec(over.with_for_update(**FOR_CHANGE)).all()  # another process may have been first
            names = _names(session, rows)
            for row in rows:
                before = _view(row, names)
                row.ended_at = row.ends_at
                session.add(row)
                view = _view(row, names)
                summary = f"A fire drill ended by itself: {view.sentence}"
                self._record(session, view, SYSTEM, "drill.end", summary, {}, before=before, at=row.ends_at)
            return len(rows)

    def _record(  # noqa: PLR0917 one decision
        self,
        session: Session,
        view: DrillView,
        by: Principal,
        action: str,
        summary: str,
        why: Because,
        *,
        before: DrillView | None = None,
        at: datetime | None = None,
    ) -> None:
        audit.record(
            session,
            self._clock,
            by=by,
            action=action,
            kind="drill",
            subject=view.id,
            summary=summary,
            tenant_id=view.tenant_id or None,
            before=None if before is None else _described(before),
            after=_described(view),
            at=at,
            **why,
        )


def _undo_start(session: Session, drills: Drills, past: PastChange) -> Undo:
    """Return how a drill ends now."""
    row = session.get(FireDrill, past.subject)
    if row is None or row.ended_at is not None or row.ends_at <= past.now:
        raise Conflict("This fire drill is over already.")

    def do(principal: Principal, reason: str) -> None:
        drills.stop(principal, past.subject, reason=reason, undo_of=past.id)

    return Undo(now=past.after, then=None, needs=Permission.DRILLS_WRITE, do=do)


UNDO: Mapping[str, Undoing] = {"drill.start": _undo_start}
"""How each of its changes is undone."""


def concerning(session: Session, tenant: Tenant) -> tuple[Drill, ...]:
    """Return the drills that calls of *tenant* may meet: those not known to be over."""
    whose = [col(FireDrill.tenant_id) == tenant.id]
    if tenant.is_demo:
        whose.append(col(FireDrill.tenant_id) == "")
    rows = session.exec(
        select(FireDrill).where(col(FireDrill.ended_at).is_(None), or_(*whose)).order_by(col(FireDrill.starts_at))
    ).all()
    return tuple(
        Drill(
            id=row.id,
            fault=Fault(row.fault),
            share=row.share,
            seconds=row.seconds,
            provider=row.provider,
            model=row.model,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
        )
        for row in rows
    )


def _target(target: str) -> tuple[str, str]:
    """Return provider and model of ``provider``, ``provider/model``, or nothing."""
    target = target.strip()
    if not target or is_provider(target):
        return target, ""
    try:
        return provider_of(target)
    except ValueError:
        raise Invalid(
            f"{target!r} is neither a provider ({', '.join(RECIPES)}) nor a model written as provider/name."
        ) from None


def _require_sane(share: float, minutes: float, reason: str, seconds: float) -> None:
    if not 0 < share <= 1:
        raise Invalid(f"The share of a fire drill lies above 0 and is at most 1; this is {share:g}.")
    if not 0 < minutes <= LONGEST.total_seconds() / 60:
        raise Invalid(
            f"A fire drill ends after more than 0 and at most {LONGEST.total_seconds() / 60:g} minutes; "
            f"this is {minutes:g}."
        )
    if not reason.strip():
        raise Invalid("Say why: a fire drill needs a reason, for those who meet it.")
    if len(reason) > _LONGEST_REASON:
        raise Invalid(f"A reason has at most {_LONGEST_REASON} characters; this has {len(reason)}.")
    if not 0 < seconds <= MOST_SECONDS:
        raise Invalid(f"Slowness lasts above 0 and at most {MOST_SECONDS:g} seconds; this is {seconds:g}.")


def _view(row: FireDrill, names: Mapping[str, str]) -> DrillView:
    return DrillView(
        id=row.id,
        fault=Fault(row.fault),
        share=row.share,
        seconds=row.seconds,
        tenant_id=row.tenant_id,
        whose=names.get(row.tenant_id, "a removed tenant") if row.tenant_id else DEMO,
        target="/".join(part for part in (row.provider, row.model) if part),
        reason=row.reason,
        actor=row.actor,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        ended_at=row.ended_at,
    )


def _names(session: Session, drills: Sequence[FireDrill]) -> dict[str, str]:
    """Return the names of those whose drills they are, by id."""
    named = {drill.tenant_id for drill in drills if drill.tenant_id}
    if not named:
        return {}
    return dict(session.exec(select(Tenant.id, Tenant.name).where(col(Tenant.id).in_(named))).all())


def _described(view: DrillView) -> dict[str, Any]:
    return {
        "tenant": view.whose,
        "fault": view.fault.value,
        "share": view.share,
        "seconds": view.seconds,
        "target": view.target,
        "reason": view.reason,
        "starts_at": view.starts_at.isoformat(),
        "ends_at": view.ends_at.isoformat(),
        "ended_at": view.ended_at.isoformat() if view.ended_at else None,
    }
