"""Retention that was shortened reaches what is kept already.

Who reads a call holds it against what is said now, so nothing is shown for longer; here the rows follow, some hundred
at a time. First all calls are gone through; then, as long as a call can be out, those that began lately: what was out
when retention was shortened is written by what it began with.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal, NamedTuple

from sqlalchemy import update
from sqlmodel import col, select

from core.clock import EPOCH, Clock, from_micros, micros
from core.journal import JournalWriter
from core.store import AT_ONCE, Store
from core.tables import Route, Tenant

STILL_OUT = timedelta(hours=2)
"""No call is out for longer."""
_DAY = 86_400_000_000
_FOUND = """
    SELECT g.id, g.started_at FROM generation g
    WHERE g.{column} = :name AND g.started_at >= :after
    AND EXISTS (SELECT 1 FROM payload p WHERE p.generation_id = g.id AND p.expires_at > g.started_at + :lasts)
    ORDER BY g.started_at LIMIT :most
"""


class _Cut(NamedTuple):
    """Whose payloads are to be cut, and to how many days."""

    column: Literal["tenant_id", "route"]
    name: str
    days: int
    cut_from: datetime


class Retention:
    """Cuts what was to be kept for longer than is said now."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter) -> None:
        self._store = store
        self._clock = clock
        self._journal = journal

    def cut(self) -> int:
        """Cut the payloads of all tenants and routes whose retention was shortened; return of how many calls."""
        return sum(self._cut(one) for one in self._shortened())

    def _shortened(self) -> list[_Cut]:
        tenants = select(Tenant.id, Tenant.payload_retention_days, Tenant.payloads_cut_from)
        routes = select(Route.name, Route.payload_days, Route.payloads_cut_from)
        with self._store.reading() as session:
            by_tenant = session.exec(tenants.where(col(Tenant.payloads_cut_from).is_not(None))).all()
            by_route = session.exec(routes.where(col(Route.payloads_cut_from).is_not(None))).all()
        return [
            *(_Cut("tenant_id", name, days, cut_from) for name, days, cut_from in by_tenant if cut_from),
            *(
                _Cut("route", name, days, cut_from)
                for name, days, cut_from in by_route
                if cut_from and days is not None
            ),
        ]

    def _cut(self, one: _Cut) -> int:
        began, cut = self._clock.now(), 0
        sql = self._store.prepare(_FOUND.format(column=one.column))
        asked = {"name": one.name, "lasts": one.days * _DAY, "most": AT_ONCE}
        after = micros(one.cut_from)
        while True:
            with self._store.scanning() as session:
                found = session.connection().exec_driver_sql(sql, asked | {"after": after}).all()
            if found:
                lasts = timedelta(days=one.days)
                self._journal.cut_payloads({name: from_micros(started) + lasts for name, started in found})
            cut, after = cut + len(found), found[-1][1] if found else after
            if len(found) < AT_ONCE:
                break
            self._store.rest()
        self._went_through(one, began)
        return cut

    def _went_through(self, one: _Cut, began: datetime) -> None:
        """Write down from where on the next time goes, unless somebody has shortened it again meanwhile."""
        if one.cut_from == EPOCH:
            following = began - STILL_OUT
        else:
            following = one.cut_from if began < one.cut_from + 2 * STILL_OUT else None
        table = Tenant if one.column == "tenant_id" else Route
        is_it = col(Tenant.id) == one.name if table is Tenant else col(Route.name) == one.name
        at = table.payloads_cut_from
        with self._store.writing() as session:
            session.connection().execute(
                update(table).where(is_it, col(at) == one.cut_from).values(payloads_cut_from=following)
            )
