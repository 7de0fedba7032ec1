"""What holds for a tenant, and what governs one generation of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import orjson

from core.attempts import Candidate, Cause, RouteTerms
from core.budgets import BudgetTerms, Mode
from core.errors import FeatureDisabled
from core.faults import Drill
from core.flags import Evaluation, Flag, FlagKind, RuleSet, kind_of, meaning_of
from core.guardrails import Guardrails, GuardrailTerms, Stage
from core.payload_terms import PayloadTerms
from core.pricing import PriceBook
from core.schemas import ResolvedSchema
from core.servers import recipe_of


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
    flags: Mapping[str, Evaluation]
    """Every feature, and whatever else has a rule."""
    rules: RuleSet | None = None
    """Where some of them depend on the time, or on who asks: what decides them for one generation."""
    guardrail_rules: tuple[tuple[str, GuardrailTerms], ...] = ()
    """What operators let its texts be searched for, in order, each with the route on which it holds."""
    drills: tuple[Drill, ...] = ()
    """The fire drills that its calls may meet; each looks at the clock itself."""
    refuses_unbudgeted: bool = False
    """Whether calls that no budget pays for are refused."""
    without_price: str = "unless-budgeted"
    """Whether models that have no price may be called: ``allow``, ``refuse``, or ``unless-budgeted``, where no budget
    that has a hard limit would have to pay for them.
    """

    route: str | None = None
    """The route that it has in the place of the default one; ``None`` is that."""
    payload_percent: int = 100
    """Of how many of a hundred valid calls prompts and answers are kept."""
    vendor_storage: str = "caller"
    """What of its answers vendors store: what its ``caller`` says, nothing (``off``), or nothing, and who does not say
    so himself is ``refused``.
    """

    @property
    def may_be_stored(self) -> bool:
        """Whether a vendor may store an answer of a relayed call where its caller lets it."""
        return self.vendor_storage == "caller"

    @property
    def payloads(self) -> PayloadTerms:
        """Of which of its calls prompts and answers are kept, whatever the route says."""
        return PayloadTerms(self.payload_retention_days if self.flags[Flag.PAYLOADS].value else 0, self.payload_percent)

    def require(self, flag: str) -> None:
        """Go on only if *flag* is on.

        Raises:
            FeatureDisabled: it is off.

        """
        if self.is_off(flag):
            raise self.disabled(flag)

    def is_off(self, flag: str) -> bool:
        """Whether *flag* is off; what is no feature and has no rule is on."""
        found = self.flags.get(flag)
        return found is not None and not found.value

    @cached_property
    def stops_tools(self) -> bool:
        """Whether there is a tool that may not be brought along."""
        return any(kind_of(name) is FlagKind.TOOL and not one.value for name, one in self.flags.items())

    def stop_of(self, candidate: Candidate) -> str | None:
        """Return the flag by which *candidate* may not be asked; ``None`` if it may."""
        if candidate.provider == "local" and self.is_off(Flag.LOCAL_MODEL):
            return Flag.LOCAL_MODEL
        own = FlagKind.MODEL.of(candidate.name)
        return own if self.is_off(own) else None

    def off(self, flag: str) -> str:
        """Return that *flag* is off, and by what: a sentence without its end."""
        title = meaning_of(flag).title
        return f"{title} is switched off for {self.name} by {self.flags[flag].rule} of the flag {flag!s}"

    def disabled(self, flag: str) -> FeatureDisabled:
        """Return what is told where *flag* is off."""
        return FeatureDisabled(f"{self.off(flag)}. An operator can turn it on.", flag=str(flag))

    @cached_property
    def turned(self) -> tuple[tuple[str, str], ...]:
        """What is not as by default, and by what, for the decision trace."""
        said = [
            f"{name} is {one.word} by {one.rule} ({one.reason})"
            for name, one in self.flags.items()
            if one.reason != "DEFAULT"
        ]
        return (("flags", f"{'; '.join(said)}."),) if said else ()


@dataclass(frozen=True, kw_only=True)
class Policy:
    """The frozen snapshot that governs one generation."""

    tenant: TenantTerms
    route: RouteTerms
    schema: ResolvedSchema
    prices: PriceBook
    """What every model costs this tenant; each attempt keeps the price that was applied."""
    guardrails: Guardrails
    """What judges its texts, both ways."""
    revision: int
    """How many decisions of operators, about all tenants and about this one, it follows from."""
    payer: str = ""
    """The key whose budget pays, where the tenant has a budget for it."""
    remarks: tuple[tuple[str, str], ...] = ()
    """Verdicts and sentences for the decision trace: why it is not as it usually is."""
    routed: frozenset[str] = frozenset()
    """Every model that some route names, as ``provider/name``: what else is asked, a caller chose."""

    @cached_property
    def payloads(self) -> PayloadTerms:
        """Of which calls prompts and answers are kept, and for how long."""
        return self.tenant.payloads.narrowed(self.route.payload_days, self.route.payload_percent)

    @cached_property
    def schema_passes(self) -> bool:
        """Whether no guardrail has anything to say of its schema and the example with it, which go out with each call.

        It is looked at once for all calls under this policy.
        """
        schema = self.schema
        document = json.dumps([schema.body, schema.example_input, schema.example_output], ensure_ascii=False)
        return self.guardrails.passes(document.encode(errors="replace"), Stage.INPUT)

    @cached_property
    def budgets(self) -> tuple[BudgetTerms, ...]:
        """The tenant's budgets that cover this schema, route and key; which of them pays may depend on the model."""
        schema, route = self.schema.name, self.route.name
        return tuple(one for one in self.tenant.budgets if one.covers(schema=schema, route=route, payer=self.payer))

    def unpayable(self, at: datetime) -> dict[str, str]:
        """Return the models of the route that may not be asked at *at* since nobody knows their price, each with why.

        By default that is who a budget with a hard limit would have to pay for: what cannot be counted would pass it.
        A model that runs in this process sends no bill.
        """
        rule = self.tenant.without_price
        if rule == "allow":
            return {}
        hard = [one for one in self.budgets if one.mode is not Mode.SOFT and one.span(at) is not None]
        if rule != "refuse" and not hard:
            return {}
        found: dict[str, str] = {}
        for one in self.route.candidates:
            if self.prices.terms(one.provider, one.model, at) is not None:
                continue
            if rule == "refuse":
                found[one.name] = "calls without a price are refused here"
            elif _sends_bills(one.provider) and (paying := next((b for b in hard if b.pays_for(one.name)), None)):
                found[one.name] = f"{paying.name} is hard, so it cannot pay for what nobody can count"
        return found

    @cached_property
    def recorded(self) -> tuple[str, str]:
        """The hash by which the policy is recorded, and what it says, as JSON."""
        body = orjson.dumps(self.described).decode()
        return hashlib.blake2b(f"{self.tenant.id} {body}".encode(), digest_size=16).hexdigest(), body

    @cached_property
    def described(self) -> dict[str, Any]:
        """What it says, without its revision: a decision that changes nothing in it leaves its hash as it is."""
        tenant, route = self.tenant, self.route
        return {
            "rate_limit_per_min": tenant.rate_limit_per_min,
            "tokens_per_min": tenant.tokens_per_min,
            "concurrent_limit": tenant.concurrent_limit,
            "without_price": tenant.without_price,
            "vendor_storage": tenant.vendor_storage,
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
            "guardrails": self.guardrails.described,
            "payload_percent": tenant.payload_percent,
            "flags": {str(flag): evaluation.value for flag, evaluation in tenant.flags.items()},
            "flag_reasons": {
                str(flag): evaluation.reason
                for flag, evaluation in tenant.flags.items()
                if evaluation.reason != "DEFAULT"
            },
            "route": {
                "name": route.name,
                "candidates": [candidate.name for candidate in route.candidates],
                "max_reasks": route.max_reasks,
                "max_retries": route.max_retries,
                "deadline_seconds": route.deadline_seconds,
                "fallback_on": [cause.value for cause in Cause if cause in route.fallback_on],
                "hedge_after_ms": route.hedge_after_ms,
                "cache_seconds": route.cache_seconds,
                "payload_days": route.payload_days,
                "payload_percent": route.payload_percent,
                "parameters": {one.name: dict(one.parameters) for one in route.candidates if one.parameters},
                "max_tokens": {one.name: one.max_tokens for one in route.candidates},
                "modes": {one.name: one.mode for one in route.candidates if one.mode},
            },
        }


def _sends_bills(provider: str) -> bool:
    recipe = recipe_of(provider)
    return recipe is None or recipe.is_remote
