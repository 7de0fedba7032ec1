"""What operators decided in the demo world, at the times at which they did: the first thing that is made of it.

Traffic is played afterwards and the newest days first, so the policies that held between two decisions are remembered
as they were resolved then.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property, partial
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from typing_extensions import override

from core.budgets import Budgets
from core.capabilities import Cards
from core.clock import SystemClock
from core.demo._chance import DemoClock
from core.demo._provider import Spell
from core.demo._seed import Negotiated, Seed, TenantSeed
from core.flags import Flag, Flags
from core.guardrail_rules import GuardrailRules
from core.limits import Limits, Permit, Quota
from core.policy import Policies, TenantSnapshot
from core.pricing import Prices, nano_usd
from core.principals import Grant, Principal, Role
from core.routes import Routes
from core.schemas import SAMPLES, Schemas
from core.settings import Settings
from core.shared import Shared
from core.store import Store
from core.tables import Tenant
from core.telemetry import Metrics
from core.tenants import Tenants

ADA = Principal("Ada (demo)", (Grant(Role.ADMIN),))
BEN = Principal("Ben (demo)", (Grant(Role.ADMIN),))
CANDIDATE_SECONDS = 20.0
GRACE = timedelta(days=60)
"""Reservations are made in the past; the real clock's sweep must not take them for those of a process that crashed."""


class Remembered(Policies):
    """Policies that stay as they were when they were first asked for."""

    @cached_property
    def _first(self) -> dict[str, TenantSnapshot]:
        return {}

    @override
    def snapshot(self, tenant_id: str) -> TenantSnapshot:
        """Return what held then."""
        if tenant_id not in self._first:
            self._first[tenant_id] = super().snapshot(tenant_id)
        return self._first[tenant_id]


class Unhurried(Limits):
    """No limit: the real ones count on the real clock, on which a month passes in a minute here."""

    def __init__(self) -> None:
        super().__init__(Shared(None, SystemClock(), Metrics()))

    @override
    def admitted(self, quotas: Sequence[Quota], tokens: int, seconds: float) -> Permit:
        """Let everyone through."""
        return super().admitted((), tokens, seconds)


@dataclass(frozen=True, slots=True)
class Regime:
    """What held from a time on, until the next one."""

    starts_at: datetime
    policies: Policies


@dataclass(frozen=True, slots=True)
class Member:
    """A tenant of the demo world."""

    seed: TenantSeed
    row: Tenant
    principal: Principal
    """The program that calls in its name."""


class History:
    """The decisions, and what came of them."""

    def __init__(self, store: Store, settings: Settings, seed: Seed, now: datetime) -> None:
        self.seed = seed
        self.now = now
        self.starts_at = (now - timedelta(days=seed.days)).replace(minute=0, second=0, microsecond=0)
        self.limits = Unhurried()
        self.members: dict[str, Member] = {}
        self.references: dict[str, str] = {}
        """By schema name, how a request names the version that the demo means."""
        self.outage_at = seed.outage.before(now)
        self.spells = _spells(seed, now)
        self._store = store
        self._settings = settings
        self._clock = clock = DemoClock(self.starts_at, f"{seed.seed}/decisions")
        self._tenants = Tenants(store, clock)
        self._flags = Flags(store, clock)
        self._guardrails = GuardrailRules(store, clock)
        self._routes = Routes(store, clock, settings, Cards(settings, knows_lists=False))  # its past is invented
        self._schemas = Schemas(store, clock)
        self._budgets = Budgets(store, clock, owner="demo", grace=GRACE)
        self._regimes: list[Regime] = []

    def decide(self) -> None:
        """Make every decision of the seed, in its order, and remember what held after each."""
        self._begin()
        self._regimes = [self._regime(self.starts_at)]
        for at, deed in sorted(self._deeds(), key=lambda one: one[0]):
            self._clock.move_to(at)
            deed()
            self._regimes.append(self._regime(at))

    def policies(self, at: datetime) -> Policies:
        """Return what held *at* that time."""
        return self._regimes[bisect_right(self._regimes, at, key=lambda regime: regime.starts_at) - 1].policies

    def tighten(self, at: datetime, limit_nano_usd: int) -> Policies:
        """Cut the tight tenant's budget; return what holds for it afterwards."""
        member = self.members[self.seed.tight.tenant]
        clock = DemoClock(at, f"{self.seed.seed}/tight")
        Budgets(self._store, clock, owner="demo").set(BEN, member.row, limit_nano_usd)
        return self._regime(at, only=member.seed.name).policies

    # ── The decisions ─────────────────────────────────────────────────────────────────────────────────────────────────

    def _begin(self) -> None:
        own = self.seed.promotion.schema_name
        before, _ = self.seed.shipment_notice.versions()
        self._schemas.add(ADA, own, before, description=self.seed.shipment_notice.description, is_demo=True)
        self.references[own] = own
        for schema in sorted({use.schema_name for tenant in self.seed.tenants for use in tenant.uses} - {own}):
            # The sample as it ships, whatever an operator has put in production since.
            sample = orjson.loads((SAMPLES / f"{schema}.json").read_bytes())["schema"]
            version = self._schemas.add(ADA, schema, sample, label=None).version
            self.references[schema] = f"{schema}@{version}"
        for route in self.seed.routes:
            self._clock.advance(40)
            self._routes.set(ADA, route.name, _candidates(route.candidates()))
        for tenant in self.seed.tenants:
            if tenant.joined_days_ago is None:
                self._join(tenant)

    def _deeds(self) -> list[tuple[datetime, Callable[[], object]]]:
        seed, now = self.seed, self.now
        _, stricter = seed.shipment_notice.versions()
        promoted = seed.promotion.before(now)
        off, raised, cheaper, agreed = seed.fallback_off, seed.raised, seed.cheaper, seed.negotiated
        name = seed.promotion.schema_name
        fewer = seed.route(cheaper.route).candidates(cheaper.models)
        deeds: list[tuple[datetime, Callable[[], object]]] = [
            (now - timedelta(days=tenant.joined_days_ago, hours=5), partial(self._join, tenant))
            for tenant in seed.tenants
            if tenant.joined_days_ago is not None
        ]
        deeds += [
            (promoted - timedelta(hours=19), partial(self._schemas.add, BEN, name, stricter, label=None)),
            (promoted, partial(self._schemas.promote, BEN, name, 2)),
            (promoted + timedelta(hours=seed.promotion.hours), partial(self._schemas.promote, ADA, name, 1)),
            (cheaper.before(now), partial(self._routes.set, BEN, cheaper.route, _candidates(fewer))),
            (raised.before(now), partial(self._budget, ADA, raised.tenant, raised.budget_usd)),
            (agreed.before(now), partial(self._agree, BEN, agreed)),
            (self._fallback_off_at(), partial(self._flip, BEN, Flag.FALLBACK, off.tenant, is_on=False)),
            (
                self.outage_at + timedelta(minutes=off.on_again_after_minutes),
                partial(self._flip, ADA, Flag.FALLBACK, off.tenant, is_on=True),
            ),
        ]
        for flip in seed.flips:
            off_at = flip.before(now)
            on_at = off_at + timedelta(minutes=flip.minutes)
            deeds.append((off_at, partial(self._flip, ADA, flip.flag, flip.tenant, is_on=False)))
            deeds.append((on_at, partial(self._flip, BEN, flip.flag, flip.tenant, is_on=True)))
        return deeds

    def _fallback_off_at(self) -> datetime:
        off = self.seed.fallback_off
        zone = ZoneInfo(self.seed.tenant(off.tenant).timezone)
        day = (self.outage_at.astimezone(zone) - timedelta(days=off.days_before)).date()
        return datetime.combine(day, time.fromisoformat(off.at), zone).astimezone(self.now.tzinfo)

    def _join(self, tenant: TenantSeed) -> None:
        self._clock.advance(95)
        row = self._tenants.create(ADA, tenant.name, tenant.timezone, is_demo=True)
        row = self._tenants.edit(ADA, row.id, row.version, payload_retention_days=tenant.retention_days)
        self._clock.advance(30)
        key = self._tenants.create_key(ADA, row, "production")
        self._clock.advance(30)
        principal = Principal.of_key(key.id, row.id, key.prefix)
        self.members[tenant.name] = Member(tenant, row, principal)
        self._budget(ADA, tenant.name, tenant.budget_usd)
        for more in tenant.budgets:
            self._budgets.set(
                ADA, row, nano_usd(more.usd), scope=more.scope, scope_name=more.name, period=more.period, mode=more.mode
            )

    def _budget(self, actor: Principal, tenant: str, usd: str) -> None:
        self._budgets.set(actor, self.members[tenant].row, nano_usd(usd))

    def _agree(self, actor: Principal, agreed: Negotiated) -> None:
        Prices(self._store, self._clock).set(
            actor, agreed.provider, agreed.model, discount_percent=agreed.discount_percent, reason=agreed.reason
        )

    def _flip(self, actor: Principal, flag: Flag, tenant: str, *, is_on: bool) -> None:
        self._flags.set(actor, flag, self.members[tenant].row, is_on)

    def _regime(self, at: datetime, only: str | None = None) -> Regime:
        clock = self._clock
        policies = Remembered(
            self._store,
            self._settings,
            tenants=Tenants(self._store, clock),
            flags=self._flags,
            guardrails=self._guardrails,
            routes=self._routes,
            schemas=self._schemas,
            budgets=self._budgets,
            limits=self.limits,
        )
        for member in self.members.values():
            if only not in (None, member.seed.name):
                continue
            snapshot = policies.snapshot(member.row.id)
            for use in member.seed.uses:
                snapshot.resolve(
                    member.principal,
                    schema=self.references[use.schema_name],
                    route=use.route,
                    model=None,
                    stream=False,
                )
        return Regime(at, policies)


def _spells(seed: Seed, now: datetime) -> tuple[Spell, ...]:
    outage, slowness = seed.outage, seed.slowness
    out_at, slow_at = outage.before(now), slowness.before(now)
    return (
        Spell(outage.provider, out_at, out_at + timedelta(minutes=outage.minutes)),
        Spell(slowness.model, slow_at, slow_at + timedelta(minutes=slowness.minutes), slowness.factor),
    )


def _candidates(candidates: list[dict[str, Any]]) -> list[Mapping[str, Any]]:
    return [{**one, "timeout_seconds": CANDIDATE_SECONDS} for one in candidates]
