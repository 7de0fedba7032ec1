"""Overrides of the price list: an operator's decisions, each effective from a time on, audited, never edited."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Unpack

from sqlmodel import Session, col, select

from core import audit
from core.audit import Because
from core.clock import Clock, minute
from core.errors import Conflict, NotFound
from core.pricing import _drafts, _work
from core.pricing._book import ANY_MODEL, OverridingPrice, PriceBook, line_of
from core.pricing._fees import OF_A_TOOL
from core.pricing._work import PricedModel, UnpricedModel
from core.principals import Permission, Principal
from core.store import FOR_CHANGE, Store
from core.tables import PriceOverride, Revision, Tenant
from core.visibility import present, visible


class Prices:
    """The overrides, and the books that follow from them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    def book(self, principal: Principal, tenant_id: str = "") -> PriceBook:
        """Return what every model costs a tenant, as it stands now; without one, what it costs all others.

        Raises:
            Forbidden: without ``prices.read``.
            NotFound: *principal* does not see that tenant.

        """
        return self.books(principal, [tenant_id])[tenant_id]

    def books(self, principal: Principal, tenant_ids: Sequence[str]) -> dict[str, PriceBook]:
        """Return the same for several tenants, by id: one read.

        Raises:
            Forbidden: without ``prices.read``.
            NotFound: *principal* does not see one of those tenants.

        """
        principal.require(Permission.PRICES_READ)
        for tenant_id in tenant_ids:
            if tenant_id and not principal.scope_of(Permission.PRICES_READ).holds(tenant_id):
                raise NotFound(f"There is no tenant {tenant_id!r}.")
        with self._store.reading() as session:
            return books(session, tenant_ids)

    def overrides(self, principal: Principal) -> list[OverridingPrice]:
        """Return every override there ever was, by model, the one that begins last first.

        Raises:
            Forbidden: without ``prices.read``.

        """
        principal.require(Permission.PRICES_READ)
        mine = visible(principal.scope_of(Permission.PRICES_READ), PriceOverride.tenant_id, with_shared=True)
        with self._store.reading() as session:
            found = [_drafts.read(row) for row in session.exec(select(PriceOverride).where(mine))]
        found.sort(key=lambda one: (one.from_at, one.created_at, one.id), reverse=True)
        return sorted(found, key=lambda one: (one.provider, one.model, one.tenant_id))

    def set(
        self,
        principal: Principal,
        provider: str,
        model: str,
        *,
        tenant: Tenant | None = None,
        from_at: datetime | None = None,
        rates: Mapping[str, Any] | None = None,
        tiers: Sequence[Mapping[str, Any]] = (),
        discount_percent: str | None = None,
        back_to_list: bool = False,
        usd_per_1000_uses: str | None = None,
        reason: str = "",
        expected: str | None = None,
        undo_of: str | None = None,
    ) -> OverridingPrice:
        """Say what *model* costs from a time on, for *tenant* or for all; effective with the next generation.

        Exactly one of *rates*, *discount_percent* and *back_to_list* is given; of a tool that the provider runs, which
        is named ``tool:web_search`` or the like, *usd_per_1000_uses* or *back_to_list*. *rates* are decimal texts in
        dollars per million tokens: ``input_usd_per_mtok`` and ``output_usd_per_mtok``, and if caching is priced
        ``cached_usd_per_mtok`` and ``cache_write_usd_per_mtok``; each of *tiers* has the same and
        ``from_input_tokens``: it prices every token of calls with more input than that. *model* may be ``*``: every
        model of the provider that has no override of its own. Without *from_at* it begins now. Calls that were recorded
        keep the price they were recorded at, whatever *from_at* is.

        *expected* is the id of the override that the operator saw to hold at *from_at*, or empty for the price list:
        if another holds by now, nothing is saved.

        Raises:
            Forbidden: without ``prices.write``.
            Invalid: a value that a price cannot have.
            NotFound: the tenant is gone.
            Conflict: another override of the same model and tenant begins at the same moment.
            Crossed: see *expected*.

        """
        principal.require_over(Permission.PRICES_WRITE, tenant.id if tenant else None)
        now = self._clock.now()
        draft = _drafts.checked(
            provider,
            model,
            from_at=from_at or now,
            rates=rates,
            tiers=tiers,
            discount_percent=discount_percent,
            back_to_list=back_to_list,
            usd_per_1000_uses=usd_per_1000_uses,
            reason=reason,
        )
        tenant_id = tenant.id if tenant else ""
        row = PriceOverride(id=self._clock.new_id(), tenant_id=tenant_id, actor=principal.name, created_at=now, **draft)
        override = _drafts.read(row)
        with self._store.writing() as session:
            session.get(Revision, 1, with_for_update=FOR_CHANGE)  # decisions about prices are made one after the other
            tenant = None if tenant is None else present(session, tenant)
            others = [
                _drafts.read(one)
                for one in session.exec(
                    select(PriceOverride).where(
                        col(PriceOverride.withdrawn_at).is_(None),
                        PriceOverride.provider == override.provider,
                        col(PriceOverride.tenant_id).in_({"", tenant_id}),
                    )
                )
            ]
            _require_free(override, others)
            holding = PriceBook(others).override(override.provider, override.model, override.from_at)
            if expected is not None and (holding.id if holding else "") != expected:
                raise audit.crossed(
                    session,
                    f"the price of {override.subject}",
                    kind="price",
                    subject=override.subject,
                    tenant_id=tenant_id or None,
                    present=_drafts.described(holding) if holding else None,
                    expected=holding.id if holding else "",
                )
            session.add(row)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="price.set",
                kind="price",
                subject=override.subject,
                summary=f"{override.subject} costs {override.sentence} from {minute(override.from_at)} on, "
                f"for {tenant.name if tenant else 'all tenants'}.",
                tenant_id=tenant_id or None,
                before=None if holding is None else _drafts.described(holding),
                after=_drafts.described(override),
                reason=override.reason,
                undo_of=undo_of,
            )
        return override

    def withdraw(self, principal: Principal, override_id: str, **why: Unpack[Because]) -> OverridingPrice:
        """Take an override back, as if it had never been set; effective with the next generation.

        Calls that were recorded keep the price they were recorded at. To end an override at a time, set the list price
        from then on instead.

        Raises:
            Forbidden: without ``prices.write``.
            NotFound: there is no such override.
            Conflict: it was withdrawn already.

        """
        principal.require(Permission.PRICES_WRITE)
        with self._store.writing() as session:
            mine = visible(principal.scope_of(Permission.PRICES_WRITE), PriceOverride.tenant_id, with_shared=True)
            wanted = select(PriceOverride).where(col(PriceOverride.id) == override_id, mine)
            row = session.exec(wanted.with_for_update(**FOR_CHANGE)).first()
            if row is None:
                raise NotFound("There is no such override. 'proctor price list' shows them with their ids.")
            principal.require_over(Permission.PRICES_WRITE, row.tenant_id)
            if row.withdrawn_at is not None:
                raise Conflict(f"This override was withdrawn already, at {minute(row.withdrawn_at)}.")
            before = _drafts.read(row)
            row.withdrawn_at = self._clock.now()
            session.add(row)
            tenant = session.get(Tenant, row.tenant_id) if row.tenant_id else None
            audit.record(
                session,
                self._clock,
                by=principal,
                action="price.withdraw",
                kind="price",
                subject=before.subject,
                summary=f"The price of {before.subject} ({before.sentence}) for "
                f"{tenant.name if tenant else 'all tenants'} was withdrawn.",
                tenant_id=row.tenant_id or None,
                before=_drafts.described(before),
                after=None,
                **why,
            )
            return replace(before, withdrawn_at=row.withdrawn_at)

    def in_use(self, principal: Principal, since: datetime, also: Iterable[tuple[str, str]] = ()) -> list[PricedModel]:
        """Return the models that were called since then, those called most first, then the others in use.

        In use are also *also*, such as the candidates of routes, and the models that have an override. Each of these
        has a row; of other names, which callers may invent, those called most, and the last row stands for the rest.

        Raises:
            Forbidden: without ``prices.read``.

        """
        principal.require(Permission.PRICES_READ)
        scope = principal.scope_of(Permission.PRICES_READ)
        return _work.in_use(self._store, scope, since, {*self._overridden(principal), *also})

    def unpriced(self, principal: Principal, also: Iterable[tuple[str, str]] = ()) -> list[UnpricedModel]:
        """Return the models whose calls of the last 92 days have no price, those called most first: work to do.

        Those of *also* and those with an override have a row each; see :meth:`in_use`.

        Raises:
            Forbidden: without ``prices.read``.

        """
        principal.require(Permission.PRICES_READ)
        since = self._clock.now() - timedelta(days=_work.UNPRICED_DAYS)
        scope = principal.scope_of(Permission.PRICES_READ)
        return _work.unpriced(self._store, scope, since, {*self._overridden(principal), *also})

    def _overridden(self, principal: Principal) -> list[tuple[str, str]]:
        query = (
            select(PriceOverride.provider, PriceOverride.model)
            .distinct()
            .where(
                visible(principal.scope_of(Permission.PRICES_READ), PriceOverride.tenant_id, with_shared=True),
                col(PriceOverride.withdrawn_at).is_(None),
                PriceOverride.model != ANY_MODEL,
                ~col(PriceOverride.model).startswith(OF_A_TOOL),
            )
        )
        with self._store.reading() as session:
            return [(provider, model) for provider, model in session.exec(query)]


def books(session: Session, tenant_ids: Sequence[str]) -> dict[str, PriceBook]:
    """Return what every model costs each of these tenants, by id; an empty id is everybody who has no own prices."""
    query = select(PriceOverride).where(
        col(PriceOverride.withdrawn_at).is_(None), col(PriceOverride.tenant_id).in_({"", *tenant_ids})
    )
    of: dict[str, list[OverridingPrice]] = defaultdict(list)
    for row in session.exec(query):
        of[row.tenant_id].append(_drafts.read(row))
    return {one: PriceBook([*of[""], *(of[one] if one else ())]) for one in tenant_ids}


def states(overrides: Iterable[OverridingPrice], now: datetime) -> dict[str, str]:
    """Return by id how each override stands: ``active``, ``future``, ``past`` (another followed) or ``withdrawn``."""
    found: dict[str, str] = {}
    active: dict[tuple[str, str, str], OverridingPrice] = {}
    for one in sorted(overrides, key=lambda one: (one.from_at, one.created_at, one.id)):
        if one.withdrawn_at is not None:
            found[one.id] = "withdrawn"
        elif one.from_at > now:
            found[one.id] = "future"
        else:
            line = (one.tenant_id, one.provider, line_of(one.provider, one.model))
            if line in active:
                found[active[line].id] = "past"
            active[line] = one
            found[one.id] = "active"
    return found


def _require_free(override: OverridingPrice, others: Sequence[OverridingPrice]) -> None:
    def line(one: OverridingPrice) -> tuple[Any, ...]:
        return one.tenant_id, one.provider, one.model, one.from_at

    if any(line(one) == line(override) for one in others):
        raise Conflict(
            f"There is an override of {override.subject} that begins at {minute(override.from_at)} already. "
            "Withdraw it first, or choose another time."
        )
