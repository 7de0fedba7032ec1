"""Money without vendors: a tenant's budgets, and generations that are recorded and paid as always, answered by us."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import col, select

from core.attempts import Attempt, Candidate, ProviderCall
from core.budgets import Budgets, BudgetState, BudgetTerms, Period
from core.clock import Clock, ManualClock
from core.errors import Cancelled
from core.flags import Flags, evaluate_all
from core.journal import JournalWriter
from core.policy import TenantTerms
from core.pricing import Cost, Price, Usage
from core.principals import LOCAL_OPERATOR, Principal
from core.providers import Answer
from core.record import HEARTBEAT_EVERY, Record, Recorder, Recovery
from core.record.recovery import DEAD_AFTER
from core.store import Store
from core.tables import Account, AttemptKind, Budget, ChangeEvent, LedgerEntry, Outcome, Reservation, Row, Tenant
from core.telemetry import Metrics
from core.tenants import Tenants

MODEL, OTHER = "openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"
LASTS = 30.0
"""How long a call may take, in seconds."""
DEAD = DEAD_AFTER.total_seconds() + 1
PRICE = Price(
    provider="openai",
    model="gpt-4o-mini",
    input_usd_per_mtok="0.15",
    cached_usd_per_mtok="0.075",
    cache_write_usd_per_mtok="0.15",
    output_usd_per_mtok="0.6",
    source="test prices",
    date="2026-03-04",
)
_numbers = itertools.count(1)


class Till:
    """One process, and a tenant whose generations it runs."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *limits: int,
        timezone: str = "UTC",
        owner: str = "one",
        tenant: Tenant | None = None,
    ) -> None:
        self.store = store
        self.clock = clock
        self.owner = owner
        self.budgets = Budgets(store, clock, owner=owner)
        self.journal = JournalWriter(store)
        self.metrics = Metrics()
        self.recovery = Recovery(store, clock, self.journal, self.metrics, owner=owner)
        self.tenants = Tenants(store, clock, on_new_zone=self.budgets.new_zone, tries=self.budgets.freezes.tries)
        self.recorder = Recorder(store=store, clock=clock, budgets=self.budgets, metrics=self.metrics)
        self.tenant = tenant or self.tenants.create(LOCAL_OPERATOR, f"Acme {next(_numbers)}", timezone)
        for limit in limits:
            self.set(limit)

    def beside(self, owner: str) -> Till:
        """Return another process on the same database, for the same tenant."""
        return Till(self.store, self.clock, owner=owner, tenant=self.tenant)

    def advance(self, seconds: float) -> None:
        """Let time pass; only with a clock that stands still by itself."""
        assert isinstance(self.clock, ManualClock)
        self.clock.advance(seconds)

    def move_to(self, moment: datetime) -> None:
        """Let time pass until *moment*."""
        assert isinstance(self.clock, ManualClock)
        self.clock.move_to(moment)

    # ── Operators ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def set(self, limit: int, version: int | None = None, **more: Any) -> Budget:
        """Set a budget of the tenant."""
        return self.budgets.set(LOCAL_OPERATOR, self.tenant, limit, version, **more)

    def move_clock(self, timezone: str) -> None:
        """Give the tenant another time zone."""
        now = self.tenants.find(LOCAL_OPERATOR, self.tenant.id)
        self.tenants.edit(LOCAL_OPERATOR, now.id, now.version, timezone=timezone)
        self.tenant = self.tenants.find(LOCAL_OPERATOR, now.id)

    def terms(self) -> tuple[BudgetTerms, ...]:
        """Return what a policy that is read now says."""
        with self.store.reading() as session:
            found = self.budgets.terms(session, [self.tenant])
        return tuple(terms for terms, _ in found.get(self.tenant.id, []))

    def state(self, scope: str = "tenant", name: str = "") -> BudgetState:
        """Return how a budget stands."""
        return self.budgets.show(LOCAL_OPERATOR, self.tenant, scope, name)

    def account(self, scope: str = "tenant", name: str = "") -> tuple[int, int]:
        """Return what is spent and held of a budget now."""
        state = self.state(scope, name)
        return state.spent_nano_usd, state.held_nano_usd

    # ── Generations ───────────────────────────────────────────────────────────────────────────────────────────────────

    def begin(
        self,
        *,
        schema: str = "invoice",
        route: str = "default",
        terms: Sequence[BudgetTerms] | None = None,
        must_be_covered: bool = False,
    ) -> Walk:
        """Begin a generation under what holds now, or under *terms*."""
        named = TenantTerms(
            id=self.tenant.id,
            name=self.tenant.name,
            timezone=self.tenant.timezone,
            rate_limit_per_min=1_000_000,
            tokens_per_min=None,
            concurrent_limit=None,
            payload_retention_days=0,
            budgets=(),
            flags=evaluate_all(Flags(self.store, self.clock).rules(LOCAL_OPERATOR), self.tenant.id),
        )
        record = self.recorder.open(
            tenant=named,
            principal=Principal.of_key("key", self.tenant.id, "prk_test"),
            request_id="",
            route=route,
            schema=schema,
            streamed=False,
            user=None,
            metadata=None,
        )
        record.__enter__()
        covering = [one for one in (terms or self.terms()) if one.covers(schema=schema, route=route, payer="")]
        record.pays_from(covering, must_be_covered=must_be_covered)
        return Walk(self, record)

    def spend(self, nano_usd: int, model: str = MODEL, **more: Any) -> Walk:
        """Run a generation of one call that costs just what was held for it."""
        walk = self.begin(**more)
        walk.end(walk.cover(nano_usd, model), nano_usd)
        walk.close()
        return walk

    # ── What is there ─────────────────────────────────────────────────────────────────────────────────────────────────

    def rows(self, table: type[Row]) -> list[Any]:
        """Return every row of a table, in the order of their first key."""
        with self.store.reading() as session:
            keys: Any = table
            return list(session.exec(select(table).order_by(*keys.__table__.primary_key)))

    def accounts(self) -> list[tuple[int, int]]:
        """Return what is spent and held in every account of the tenant, the oldest period first."""
        with self.store.reading() as session:
            mine = select(Account).where(Account.tenant_id == self.tenant.id)
            found = session.exec(mine.order_by(col(Account.starts_at), col(Account.id)))
            return [(row.spent_nano_usd, row.held_nano_usd) for row in found]

    def threshold_events(self) -> list[int]:
        """Return the thresholds of which people were told, in the order of time."""
        events = [
            one for one in self.rows(ChangeEvent) if one.kind == "budget" and one.after and "percent" in one.after
        ]
        return [event.after["percent"] for event in events]

    def is_sound(self) -> bool:
        """Whether everything adds up, nothing is negative, and reservations explain what is held."""
        verified = self.budgets.verify(LOCAL_OPERATOR)
        ledger: dict[str, int] = {}
        for entry in self.rows(LedgerEntry):
            ledger[entry.account_id] = ledger.get(entry.account_id, 0) + entry.nano_usd
        held: dict[str, int] = {}
        for reservation in self.rows(Reservation):
            for account_id, nano_usd in reservation.holds.items():
                held[account_id] = held.get(account_id, 0) + nano_usd
        accounts = self.rows(Account)
        return (
            verified.ok
            and verified.difference_nano_usd == 0
            and all(ledger.get(one.id, 0) == one.spent_nano_usd >= 0 for one in accounts)
            and all(held.get(one.id, 0) == one.held_nano_usd >= 0 for one in accounts)
        )


@dataclass(slots=True)
class Walk:
    """One generation."""

    till: Till
    record: Record
    attempts: list[Attempt] = field(default_factory=list[Attempt])
    asked: int = 0

    @property
    def id(self) -> str:
        """Its id."""
        return self.record.id

    def cover(
        self, worst: int | None, model: str = MODEL, *, estimate: int | None = None, lasts: float = LASTS
    ) -> ProviderCall:
        """Send a call that may cost *worst*, and is charged *estimate* (if not given, *worst*) should we die."""
        provider, _, name = model.partition("/")
        clock, expected = self.till.clock, worst if estimate is None else estimate
        call = ProviderCall(
            id=clock.new_id(),
            n=self.asked + 1,
            kind=AttemptKind.REASK if self.asked else AttemptKind.FIRST,
            candidate=Candidate(provider=provider, model=name, timeout_seconds=lasts),
            mode="tools",
            started=clock.now(),
            began=clock.monotonic(),
            asked=None,
            expected=Usage(input_tokens=100, output_tokens=100, estimated=True),
            expected_cost=None if expected is None else Cost(expected, PRICE),
            worst_nano_usd=worst,
            counted_input=lambda: 100,
        )
        self.record.cover(call)
        self.asked += 1
        return call

    def end(self, call: ProviderCall, nano_usd: int | None, *, estimated: bool = False, free: bool = False) -> None:
        """End a call that cost *nano_usd*: ``None`` is unpriced; *free* was never paid for."""
        clock = self.till.clock
        attempt = Attempt(
            id=call.id,
            n=call.n,
            kind=call.kind,
            provider=call.candidate.provider,
            model=call.candidate.model,
            mode=call.mode,
            started_at=call.started,
            ended_at=clock.now(),
            duration_ms=1.0,
            outcome=Outcome.PROVIDER_ERROR if free else Outcome.VALID_FIRST_TRY,
            error_code="unreachable" if free else None,
            error_detail=None,
            answer=Answer(),
            usage=None if free else Usage(input_tokens=100, output_tokens=50, estimated=estimated),
            cost=None if free or nano_usd is None else Cost(nano_usd, PRICE),
        )
        self.record.ended(attempt)
        self.attempts.append(attempt)

    def close(self) -> None:
        """End the generation: answered if any call was, else left by its caller."""
        if self.attempts:
            self.record.succeeded({})
            self.record.__exit__(None, None, None)
        else:
            left = Cancelled("The caller left.")
            self.record.__exit__(Cancelled, left, None)


def span(starts_at: datetime, days: int) -> dict[str, Any]:
    """Return what makes a budget one over a fixed span."""
    return {"period": Period.SPAN, "starts_at": starts_at, "ends_at": starts_at + timedelta(days=days)}


__all__ = ["DEAD", "HEARTBEAT_EVERY", "LASTS", "MODEL", "OTHER", "Till", "Walk", "span"]
