"""The decisions of operators that hold for one tenant at one moment, and the policy of a generation made of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from core.attempts import RouteTerms
from core.breakers import ModelOverrides
from core.breakers import overrides as breaker_words
from core.dialects import DialectName, RelayRequest
from core.drills import concerning
from core.errors import Forbidden, Invalid, NotFound
from core.flags import Evaluation, Flag, FlagKind, RuleSet
from core.guardrails import Guardrails, Placeholders, guardrail_of
from core.limits import Quota, QuotaScope
from core.policy._askers import Asker, asker_of, candidates_of, quota_of, require_route
from core.policy._named_models import NamedModel, NamedModels, no_model
from core.policy._relay_terms import relay_terms
from core.policy._terms import Policy, TenantTerms
from core.pricing import PriceBook, books
from core.principals import Askable, Permission, Principal
from core.response_models import ResponseModel
from core.routes import DEFAULT, RouteTable
from core.schemas import ResolvedSchema
from core.tables import ApiKey, Tenant

if TYPE_CHECKING:
    from core.policy._policies import Policies

_INLINE_BREAKERS = 64
"""Schemas that come with a request share so many breakers per model: callers may send as many as they like."""

_MODEL = re.compile(r"[!-~]{1,200}")
"""What a caller may name: it is kept, and told in headers."""
GONE = "This tenant no longer exists."


class TenantSnapshot:
    """The decisions of operators that hold for one tenant at one moment, each read when it is first asked for.

    What is read after a further decision may be newer than the revision says; it is read anew at the next one all the
    same.
    """

    __slots__ = ("_decided", "_policies", "_shared", "_unit", "revision", "tenant_id")

    def __init__(self, policies: Policies, tenant_id: str, shared: int, own: int) -> None:
        self._policies = policies
        self._shared = shared
        self.tenant_id = tenant_id
        self.revision = shared + own
        """Neither of the two ever goes down, so their sum says as much as both."""
        self._decided: tuple[tuple[str, Evaluation], ...] = ()
        """What was decided for one generation of the flags that move, or said of any by another provider."""
        self._unit = ""
        """Whom shares are drawn for."""

    def deciding(self, *units: str | None) -> TenantSnapshot:
        """Return it for one generation: with the flags decided that depend on the time, or on who asks.

        Shares are drawn for the first of *units* that there is, the generation's user before its id, so that one user's
        calls are alike; else for this call alone. Where no flag moves it costs nothing, and it is decided once.
        """
        tenant, policies = self.tenant, self._policies
        if tenant.rules is None and policies.flags.other is None:
            return self
        clock = policies.tenants.clock
        unit = f"{tenant.id} {next((one for one in units if one), None) or clock.new_id()}"
        if tenant.rules is None:
            return self._asked(tuple(Flag), unit)
        now = clock.now()
        return self._deciding([(name, tenant.rules.evaluate(name, now, unit)) for name in tenant.rules.moving], unit)

    def _deciding(self, decided: Iterable[tuple[str, Evaluation]], unit: str) -> TenantSnapshot:
        made = TenantSnapshot(self._policies, self.tenant_id, self._shared, self.revision - self._shared)
        made._decided, made._unit = (*self._decided, *decided), unit
        return made

    def _asked(self, names: Iterable[str], unit: str) -> TenantSnapshot:
        """Return it with what another provider of flags says of *names*, if one decides; each is asked for once."""
        if (other := self._policies.flags.other) is None:
            return self
        known = dict(self._decided)
        new = [str(one) for one in dict.fromkeys(names) if one not in known]
        return self._deciding(other.ask(new, self.tenant_id, self.tenant.name, unit).items(), unit) if new else self

    def _told(self, schema: str, route: str | None, model: str | None) -> TenantSnapshot:
        """Return it with what another provider of flags says of all that a call is about, if one decides."""
        if self._policies.flags.other is None:
            return self
        route = route or (self.routes.for_schema(schema).terms.name if schema else DEFAULT)
        own = self._own_route(self.tenant, route)
        asked = [self._policies.routes.asked(model)] if model else self.routes.find(own).terms.candidates
        named = [FlagKind.ROUTE.of(own), *(FlagKind.MODEL.of(one.name) for one in asked)]
        rules = (*self._policies.built_in, *(rule for _, rule in self.tenant.guardrail_rules))
        named += [FlagKind.GUARDRAIL.of(one.name) for one in rules]
        return self._asked((*Flag, *([FlagKind.SCHEMA.of(schema)] if schema else ()), *named), self._unit)

    @property
    def tenant(self) -> TenantTerms:
        """What holds for the tenant, whatever it asks."""
        kept = self._policies.kept
        tenant = kept.get(("tenant", self.tenant_id), self.revision, self._read_tenant)
        if not self._decided:
            return tenant
        flags = {**tenant.flags, **dict(self._decided)}
        return kept.get(
            ("tenant", self.tenant_id, self._decided), self.revision, lambda: replace(tenant, flags=flags, rules=None)
        )

    @property
    def quota(self) -> Quota:
        """How fast the tenant may be."""
        tenant = self.tenant
        return Quota(
            QuotaScope.TENANT, tenant.id, tenant.rate_limit_per_min, tenant.tokens_per_min, tenant.concurrent_limit
        )

    def quotas(self, principal: Principal) -> tuple[Quota, ...]:
        """Return how fast the tenant may be and, if a key with limits of its own calls, how fast that may be in it."""
        key_id = principal.key_id
        return self._policies.kept.get(
            ("quotas", self.tenant_id, key_id), self.revision, lambda: self._read_quotas(key_id)
        )

    @property
    def prices(self) -> PriceBook:
        """What every model costs the tenant."""
        return self._policies.kept.get(("prices", self.tenant_id), self.revision, self._read_prices)

    @property
    def overrides(self) -> ModelOverrides:
        """What operators say about the breakers."""
        return self._policies.kept.get(("overrides",), self._shared, self._read_overrides)

    @property
    def routes(self) -> RouteTable:
        """The routes there are."""
        return self._policies.kept.get(("routes",), self._shared, self._policies.routes.table)

    def guardrails(self, route: str = "") -> Guardrails:
        """Return what judges the texts of its calls on *route*; without one, of what is no call."""
        key = ("guardrails", self.tenant_id, route, self._decided)
        return self._policies.kept.get(key, self.revision, lambda: self._guardrails(route))

    def placeholders(self, texts: Callable[[], Iterable[str]]) -> Placeholders:
        """Return what names data in one call of the tenant's, in which *texts* are its caller's."""
        return Placeholders(self._policies.store.own_keys.placeholder_key(self.tenant_id), texts)

    def _guardrails(self, route: str) -> Guardrails:
        """Put the rules to work that hold on *route*; who is no call meets those for all routes."""
        tenant = self.tenant
        own = [guardrail_of(rule) for on, rule in tenant.guardrail_rules if on in {"", route}]
        members = (*self._policies.built_in, *own)
        on = (one for one in members if not tenant.is_off(FlagKind.GUARDRAIL.of(one.name)))
        return Guardrails(on, self._policies.guardrails.outside)

    def resolve(
        self,
        principal: Principal,
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
        principal.require(Permission.GENERATIONS_WRITE, self.tenant_id)
        told = self._told(schema.partition("@")[0] if isinstance(schema, str) else "", route, model)
        if told is not self:
            return told.resolve(principal, schema=schema, route=route, model=model, stream=stream)
        tenant = self.tenant
        tenant.require(Flag.GENERATION)
        if stream:
            tenant.require(Flag.STREAMING)
        if model:
            self._require_model(principal, model)
        asker = asker_of(principal, self.tenant.budgets)
        if isinstance(schema, str):
            tenant.require(FlagKind.SCHEMA.of(schema.partition("@")[0]))
            return self._policies.kept.get(
                ("policy", tenant.id, schema, route, model, asker, self._decided),
                self.revision,
                lambda: self._policy(tenant, self._registered(schema), route, model, asker),
            )
        sent = self._policies.schemas.inline(schema)
        return self._policies.inline.get(
            (tenant.id, sent.hash, sent.name, sent.notes, route, model, asker, self._decided),
            self.revision,
            lambda: self._policy(tenant, sent, route, model, asker),
        )

    def resolve_relay(self, principal: Principal, request: RelayRequest, *, schema: str) -> Policy:
        """Return what governs a relayed *request*, which names a route or a model; *schema* is its format's name.

        A vendor's own name of a model is that of whoever some route names by it, or else of the dialect's own vendor.

        Raises:
            Forbidden: the principal may not generate in this tenant, or not ask this model.
            FeatureDisabled: a flag is off.
            NotFound: there is no such route or model.

        """
        principal.require(Permission.GENERATIONS_WRITE, self.tenant_id)
        if self._policies.flags.other is not None:
            told = self._asked((*Flag, *map(FlagKind.TOOL.of, request.tools)), self._unit)
            if told is not self:
                return told.resolve_relay(principal, request, schema=schema)
        tenant = self.tenant
        tenant.require(Flag.GENERATION)
        if request.streams:
            tenant.require(Flag.STREAMING)
        if tenant.stops_tools:
            for tool in request.tools:
                tenant.require(FlagKind.TOOL.of(tool))
        if not _MODEL.fullmatch(request.model):
            raise no_model(request.model)
        route, model = self._named.meant(request.model, request.dialect.name)
        try:
            if model:
                self._require_model(principal, model)
        except (Forbidden, Invalid):
            raise no_model(request.model) from None
        if (told := self._told("", route, model)) is not self:
            return told.resolve_relay(principal, request, schema=schema)
        asker = asker_of(principal, tenant.budgets)

        def read() -> Policy:
            named = ResolvedSchema(name=schema, version=None, hash="", body={}, response_model=ResponseModel)
            return self._relaying(self._governing(tenant, named, route, model, asker, counted=""))

        return self._policies.kept.get(
            ("relay", tenant.id, schema, route, model, asker, self._decided), self.revision, read
        )

    def models(self, principal: Principal) -> Sequence[NamedModel]:
        """Return what a caller may name as a model: the routes, the models that they name, and those of named servers.

        Where callers may name any model, a vendor may have more: who asks for one of these finds out.

        Raises:
            Forbidden: the principal may not generate in this tenant.

        """
        principal.require(Permission.GENERATIONS_WRITE, self.tenant_id)
        return self._named.all(principal.askable, any_model=self._may_name_any(principal))

    def model(self, principal: Principal, name: str, dialect: DialectName) -> NamedModel:
        """Return what *name* means of :meth:`models`, as in a request of *dialect*.

        Raises:
            Forbidden: the principal may not generate in this tenant.
            NotFound: nothing of them.

        """
        route, model = self._named.meant(name, dialect)
        found = {one.name: one for one in self.models(principal)}.get(model or route)
        if found is None:
            raise no_model(name)
        return found

    @property
    def _named(self) -> NamedModels:
        has_local = not self.tenant.is_off(Flag.LOCAL_MODEL)
        return NamedModels(self.routes, self._policies.settings, has_local=has_local)

    def _registered(self, schema: str) -> ResolvedSchema:
        policies = self._policies
        return policies.kept.get(("schema", schema), self._shared, lambda: policies.schemas.resolved(schema))

    def _require_model(self, principal: Principal, model: str) -> None:
        """Go on only if *model* may be asked by name: whoever may not edit routes asks what some route names."""
        routes = self._policies.routes
        asked = self._policies.kept.get(("asked", model), self._shared, lambda: routes.asked(model).name)
        if asked not in self.routes.named and not self._may_name_any(principal):
            named = ", ".join(self.routes.models)
            raise Forbidden(f"No route names the model {model}, and only those that one names may be asked: {named}.")

    def _may_name_any(self, principal: Principal) -> bool:
        return self._policies.settings.any_model == "allow" or principal.may_over(Permission.ROUTES_WRITE, None)

    def _policy(
        self, tenant: TenantTerms, schema: ResolvedSchema, route: str | None, model: str | None, asker: Asker
    ) -> Policy:
        is_inline = schema.version is None
        counted = f"inline {int(schema.hash, 16) % _INLINE_BREAKERS:02}" if is_inline else schema.reference
        if not route:
            route = DEFAULT if is_inline else self.routes.for_schema(schema.name).terms.name
        return self._governing(tenant, schema, route, model, asker, counted=counted)

    def _governing(
        self, tenant: TenantTerms, schema: ResolvedSchema, route: str, model: str | None, asker: Asker, *, counted: str
    ) -> Policy:
        own = self._own_route(tenant, route)
        terms = self._route(tenant, own, model, asker.askable, asked=route)
        terms = replace(terms, schema=counted, overrides=self.overrides)
        swapped = ("own route", f"{tenant.name} has the route {own} in the place of {route}.")
        remarks = ((swapped,) if own != route else ()) + tenant.turned
        remarks += tuple(("not asked", why) for why in terms.held_back)
        return Policy(
            tenant=tenant,
            route=terms,
            schema=schema,
            prices=self.prices,
            guardrails=self.guardrails(own),
            revision=self.revision,
            payer=asker.payer,
            remarks=remarks,
            routed=self.routes.named,
        )

    def _relaying(self, policy: Policy) -> Policy:
        terms = relay_terms(policy.route, self._policies.settings, self._policies.routes.card)
        return replace(policy, route=terms)

    def _own_route(self, tenant: TenantTerms, route: str) -> str:
        """Return the tenant's own route in the place of the default one."""
        return tenant.route if route == DEFAULT and tenant.route and self.routes.has(tenant.route) else route

    def _route(self, tenant: TenantTerms, route: str, model: str | None, askable: Askable, *, asked: str) -> RouteTerms:
        terms = self.routes.find(route).terms
        if route not in askable.routes:  # whose key may ask the default route may ask what stands in its place
            require_route(askable, asked)
        if model:
            terms = self.routes.narrowed(route, self._policies.routes.candidate({"model": model}))
        candidates = candidates_of(askable, terms.candidates, model or f"the route {route}")
        tenant.require(FlagKind.ROUTE.of(route))
        stopped = {one: flag for one in candidates if (flag := tenant.stop_of(one)) is not None}
        left = tuple(one for one in candidates if one not in stopped)
        if not left:
            raise tenant.disabled(stopped[candidates[0]])
        held_back = tuple(f"{one.name}: {tenant.off(flag)}." for one, flag in stopped.items())
        if tenant.is_off(Flag.FALLBACK):
            held_back += tuple(f"{one.name}: {tenant.off(Flag.FALLBACK)}." for one in left[1:])
            left = left[:1]
        return replace(terms, candidates=left, held_back=held_back, drills=tenant.drills)

    def _read_tenant(self) -> TenantTerms:
        policies = self._policies
        with policies.store.reading() as session:
            tenant = session.get(Tenant, self.tenant_id)
            if tenant is None:
                raise NotFound(GONE)
            drills = concerning(session, tenant)
            budgets = policies.budgets.terms(session, [tenant]).get(tenant.id, [])
            decides_here = policies.flags.other is None
            guardrail_rules = policies.guardrails.concerning(session, tenant.id)
            rules = RuleSet(policies.flags.concerning(session, tenant.id) if decides_here else (), tenant.id)
        return TenantTerms(
            id=tenant.id,
            name=tenant.name,
            timezone=tenant.timezone,
            rate_limit_per_min=tenant.rate_limit_per_min or policies.settings.rate_limit_per_min,
            tokens_per_min=tenant.tokens_per_min or policies.settings.tokens_per_min,
            concurrent_limit=tenant.concurrent_limit or policies.settings.concurrent_per_tenant,
            payload_retention_days=tenant.payload_retention_days,
            payload_percent=tenant.payload_percent,
            budgets=tuple(terms for terms, _ in budgets),
            flags=rules.all(None),
            rules=rules if rules.moving else None,
            guardrail_rules=tuple(guardrail_rules),
            drills=drills,
            route=tenant.route,
            refuses_unbudgeted=(tenant.without_budget or policies.settings.without_budget) == "refuse",
            without_price=tenant.without_price or policies.settings.without_price,
            vendor_storage=tenant.vendor_storage or policies.settings.vendor_storage,
        )

    def _read_prices(self) -> PriceBook:
        with self._policies.store.reading() as session:
            return books(session, [self.tenant_id])[self.tenant_id]

    def _read_overrides(self) -> ModelOverrides:
        with self._policies.store.reading() as session:
            return breaker_words.read(session)

    def _read_quotas(self, key_id: str | None) -> tuple[Quota, ...]:
        key: ApiKey | None = None
        if key_id is not None:
            with self._policies.store.reading() as session:
                key = session.get(ApiKey, key_id)
        own = None if key is None else quota_of(key)
        return (self.quota,) if own is None else (self.quota, own)
