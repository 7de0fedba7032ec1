"""What governs one generation: read once, frozen, recorded with it.

Everything here changes only by an operator's decision, and every decision moves the revision. So what was read at the
present revision is still true, in every process, and the hot path reads one number.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, TypeVar

from core import audit
from core.attempts import Cause, RouteTerms
from core.breakers import Standing as BreakerWords
from core.breakers import overrides as breaker_words
from core.budgets import Budgets, BudgetTerms
from core.drills import concerning
from core.errors import FeatureDisabled, Forbidden, NotFound, ProctorError
from core.faults import Drill
from core.flags import Evaluation, Flag, Flags, evaluate_all
from core.limits import Pace, Scope
from core.pricing import PriceBook, Prices
from core.principals import Permission, Principal
from core.routes import DEFAULT, Routes
from core.schemas import ResolvedSchema, Schemas
from core.settings import Settings
from core.store import Store
from core.tables import ApiKey, Tenant
from core.tenants import Tenants

_MOST_KEPT = 4096
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class TenantTerms:
    """What holds for a tenant, whatever it asks."""

    id: str
    name: str
    timezone: str
    rate_limit_per_min: int
    tokens_per_min: int | None
    concurrent_limit: int | None
    payload_retention_days: int
    budgets: tuple[BudgetTerms, ...]
    flags: Mapping[Flag, Evaluation]
    drills: tuple[Drill, ...] = ()
    """The fire drills that its calls may meet; each looks at the clock itself."""
    refuses_unbudgeted: bool = False
    """Whether calls that no budget pays for are refused."""
    refuses_unpriced: bool = False
    """Whether models that have no price are not to be called."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The frozen snapshot that governs one generation."""

    tenant: TenantTerms
    route: RouteTerms
    schema: ResolvedSchema
    prices: PriceBook
    """What every model costs this tenant; each attempt keeps the price that was applied."""
    revision: int

    @cached_property
    def budgets(self) -> tuple[BudgetTerms, ...]:
        """The tenant's budgets that cover this schema on this route; which of them pays may depend on the model."""
        return tuple(one for one in self.tenant.budgets if one.covers(schema=self.schema.name, route=self.route.name))

    @cached_property
    def described(self) -> dict[str, Any]:
        """The policy as it is recorded."""
        tenant, route = self.tenant, self.route
        return {
            "revision": self.revision,
            "rate_limit_per_min": tenant.rate_limit_per_min,
            "tokens_per_min": tenant.tokens_per_min,
            "concurrent_limit": tenant.concurrent_limit,
            "without_price": "refuse" if tenant.refuses_unpriced else "allow",
            "without_budget": "refuse" if tenant.refuses_unbudgeted else "allow",
            "budgets": [
                {
                    "scope": one.scope.value,
                    "scope_name": one.scope_name,
                    "period": one.period.value,
                    "mode": one.mode.value,
                    "limit_nano_usd": one.limit_nano_usd,
                }
                for one in self.budgets
            ],
            "payload_retention_days": tenant.payload_retention_days,
            "flags": {flag.value: evaluation.value for flag, evaluation in tenant.flags.items()},
            "route": {
                "name": route.name,
                "candidates": [candidate.name for candidate in route.candidates],
                "max_reasks": route.max_reasks,
                "max_retries": route.max_retries,
                "deadline_seconds": route.deadline_seconds,
                "fallback_on": [cause.value for cause in Cause if cause in route.fallback_on],
                "hedge_after_ms": route.hedge_after_ms,
                "cache_seconds": route.cache_seconds,
                "parameters": {one.name: dict(one.parameters) for one in route.candidates if one.parameters},
            },
        }


class Policies:
    """Resolves policies, and keeps what it read for as long as it is true."""

    def __init__(
        self,
        store: Store,
        settings: Settings,
        *,
        tenants: Tenants,
        flags: Flags,
        routes: Routes,
        schemas: Schemas,
        prices: Prices,
        budgets: Budgets,
    ) -> None:
        self.store = store
        self.settings = settings
        self.tenants = tenants
        self.flags = flags
        self.routes = routes
        self.schemas = schemas
        self.prices = prices
        self.budgets = budgets
        self._standing = Standing(self, -1)

    def authenticate(self, secret: str) -> Principal:
        """Return who holds *secret*, or raise Unauthenticated."""
        return self.standing().principal(secret)

    def overrides(self) -> BreakerWords:
        """Return what operators say about the breakers, as it is now."""
        with self.store.reading() as session:
            return breaker_words.read(session)

    def standing(self) -> Standing:
        """Return what stands now: what was kept, or an empty one if an operator has decided anything since."""
        row = self.store.read_one(audit.REVISION, {})
        revision = row[0] if row else 0
        standing = self._standing
        if standing.revision != revision:
            standing = self._standing = Standing(self, revision)
        return standing


class Standing:
    """The decisions of operators at one revision, each read when it is first asked for.

    What is read after a further decision may be newer than the revision says; it is dropped with the rest all the same.
    """

    def __init__(self, policies: Policies, revision: int) -> None:
        self._policies = policies
        self.revision = revision
        self._kept: dict[tuple[Any, ...], Any] = {}

    def _once(self, key: tuple[Any, ...], read: Callable[[], _T]) -> _T:
        value = self._kept.get(key)
        if value is None:
            value = read()
            if len(self._kept) >= _MOST_KEPT:
                self._kept.clear()
            self._kept[key] = value
        return value

    def principal(self, secret: str) -> Principal:
        """Return who holds *secret*, or raise Unauthenticated."""
        digest = hashlib.sha256(secret.encode()).digest()  # what is kept must not be a key
        return self._once(("principal", digest), lambda: self._policies.tenants.authenticate(secret))

    def tenant(self, tenant_id: str) -> TenantTerms:
        """Return what holds for a tenant.

        Raises:
            NotFound: there is no such tenant any more.

        """
        return self._once(("tenant", tenant_id), lambda: self._read_tenant(tenant_id))

    def paces(self, tenant: TenantTerms, principal: Principal) -> tuple[Pace, ...]:
        """Return how fast a tenant may be and, if a key with limits of its own calls, how fast that may be in it."""
        return self._once(("paces", tenant.id, principal.key_id), lambda: self._read_paces(tenant, principal.key_id))

    def prices(self, tenant_id: str) -> PriceBook:
        """Return what every model costs a tenant."""
        return self._once(("prices", tenant_id), lambda: self._policies.prices.book(tenant_id))

    def overrides(self) -> BreakerWords:
        """Return what operators say about the breakers."""
        return self._once(("overrides",), self._policies.overrides)

    def resolve(
        self,
        principal: Principal,
        tenant: TenantTerms,
        *,
        schema: str | dict[str, Any],
        route: str | None,
        model: str | None,
        stream: bool,
    ) -> Policy:
        """Return what governs this generation. Without *route* it takes the one that lists its schema, else default.

        Raises:
            Forbidden: the principal may not generate in this tenant, or not ask this model.
            FeatureDisabled: a flag is off.
            NotFound: there is no such schema or route.
            Invalid: the inline schema or the model cannot be used.

        """
        principal.require(Permission.GENERATIONS_WRITE, tenant.id)
        _require(tenant, Flag.GENERATION)
        if stream:
            _require(tenant, Flag.STREAMING)
        if model:
            self._require_model(principal, model)
        if not isinstance(schema, str):
            return self._policy(tenant, self._policies.schemas.inline(schema), route, model)
        return self._once(
            ("policy", tenant.id, schema, route, model),
            lambda: self._policy(tenant, self._policies.schemas.find(schema), route, model),
        )

    def _require_model(self, principal: Principal, model: str) -> None:
        """Go on only if *model* may be asked by name: whoever may not edit routes asks what some route names."""
        routes = self._policies.routes
        if self._policies.settings.any_model == "allow" or principal.may(Permission.ROUTES_WRITE):
            return
        named = self._once(("models",), routes.models)
        if routes.candidate({"model": model}).name not in named:
            raise Forbidden(
                f"No route names the model {model}, and only those that one names may be asked: {', '.join(named)}."
            )

    def _policy(self, tenant: TenantTerms, schema: ResolvedSchema, route: str | None, model: str | None) -> Policy:
        counted = f"inline {schema.hash}" if schema.version is None else schema.reference
        if not route:
            route = self._policies.routes.for_schema(schema.name).terms.name if schema.version is not None else DEFAULT
        terms = replace(self._route(tenant, route, model), schema=counted, overrides=self.overrides())
        return Policy(
            tenant=tenant,
            route=terms,
            schema=schema,
            prices=self.prices(tenant.id),
            revision=self.revision,
        )

    def _route(self, tenant: TenantTerms, route: str, model: str | None) -> RouteTerms:
        routes = self._policies.routes
        terms = routes.of_model(model, route) if model else routes.find(route).terms
        candidates = terms.candidates
        if not tenant.flags[Flag.LOCAL_MODEL].value:
            candidates = tuple(candidate for candidate in candidates if candidate.provider != "local")
            if not candidates:
                raise _disabled(tenant, Flag.LOCAL_MODEL)
        if not tenant.flags[Flag.FALLBACK].value:
            candidates = candidates[:1]
        return replace(terms, candidates=candidates, drills=tenant.drills)

    def _read_tenant(self, tenant_id: str) -> TenantTerms:
        with self._policies.store.reading() as session:
            tenant = session.get(Tenant, tenant_id)
            if tenant is None:
                raise NotFound("This tenant no longer exists.")
            drills = concerning(session, tenant)
            budgets = self._policies.budgets.terms(session, [tenant]).get(tenant_id, [])
        return TenantTerms(
            id=tenant.id,
            name=tenant.name,
            timezone=tenant.timezone,
            rate_limit_per_min=tenant.rate_limit_per_min or self._policies.settings.rate_limit_per_min,
            tokens_per_min=tenant.tokens_per_min or self._policies.settings.tokens_per_min,
            concurrent_limit=tenant.concurrent_limit or self._policies.settings.concurrent_per_tenant,
            payload_retention_days=tenant.payload_retention_days,
            budgets=tuple(terms for terms, _ in budgets),
            flags=evaluate_all(self._policies.flags.rules(), tenant_id),
            drills=drills,
            refuses_unbudgeted=(tenant.without_budget or self._policies.settings.without_budget) == "refuse",
            refuses_unpriced=(tenant.without_price or self._policies.settings.without_price) == "refuse",
        )

    def _read_paces(self, tenant: TenantTerms, key_id: str | None) -> tuple[Pace, ...]:
        pace = Pace(Scope.TENANT, tenant.id, tenant.rate_limit_per_min, tenant.tokens_per_min, tenant.concurrent_limit)
        if key_id is None:
            return (pace,)
        with self._policies.store.reading() as session:
            key = session.get(ApiKey, key_id)
        if key is None or not (key.rate_limit_per_min or key.tokens_per_min or key.concurrent_limit):
            return (pace,)
        return pace, Pace(Scope.KEY, key.id, key.rate_limit_per_min, key.tokens_per_min, key.concurrent_limit)


def _require(tenant: TenantTerms, flag: Flag) -> None:
    if not tenant.flags[flag].value:
        raise _disabled(tenant, flag)


def _disabled(tenant: TenantTerms, flag: Flag) -> ProctorError:
    rule = tenant.flags[flag].rule
    return FeatureDisabled(
        f"{flag.meaning.title} is switched off for {tenant.name} by {rule} of the flag {flag.value}. "
        "An operator can turn it on.",
        flag=flag.value,
    )
