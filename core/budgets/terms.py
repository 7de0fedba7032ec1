"""The terms of a budget: whose money, for what, how long, how much, and what happens near its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from core.budgets.periods import Period, Span, period_around
from core.pricing import NANO, family_of


class Scope(StrEnum):
    """What a budget covers."""

    TENANT = "tenant"
    """Everything."""
    MODEL = "model"
    SCHEMA = "schema"
    ROUTE = "route"
    KEY = "key"
    """One key, with those that it made."""

    @property
    def is_of_attempts(self) -> bool:
        """Whether it covers some calls of a generation, and perhaps not the others."""
        return self is Scope.MODEL

    def subject(self, *, model: str, schema: str, route: str, payer: str) -> str:
        """Return what of a call a budget must name to cover it.

        *model* is ``provider/name``, by any of its names; *payer* the key whose budget pays, empty without one.
        """
        match self:
            case Scope.TENANT:
                return ""
            case Scope.MODEL:
                return family_of(model)
            case Scope.SCHEMA:
                return schema
            case Scope.ROUTE:
                return route
            case Scope.KEY:
                return payer

    def named(self, name: str) -> str:
        """Return what a budget of this scope that was set for *name* covers: for a model, its family."""
        return family_of(name) if self is Scope.MODEL else name

    @property
    def subject_sql(self) -> str:
        """The same in SQL, of a generation ``g`` and its attempt ``a``, which only what is of attempts reads."""
        return _SUBJECTS[self]


_SUBJECTS: Mapping[Scope, str] = {
    Scope.TENANT: "''",
    Scope.MODEL: "COALESCE(a.family, a.provider || '/' || a.model)",
    Scope.SCHEMA: "g.schema_name",
    Scope.ROUTE: "g.route",
    Scope.KEY: "COALESCE((SELECT k.payer_id FROM api_key k WHERE k.id = g.key_id), g.key_id, '')",
}
_WHEN = " ".join(f"WHEN '{scope.value}' THEN {sql}" for scope, sql in _SUBJECTS.items())
SUBJECT_OF_ANY_SQL = f"CASE b.scope {_WHEN} END"
"""The same of a budget ``b``, whatever its scope."""


class Mode(StrEnum):
    """What happens near the limit."""

    HARD = "hard"
    """Nothing goes out that could pass the limit."""
    SOFT = "soft"
    """People are told; traffic goes on."""
    DEGRADE = "degrade"
    """From the first threshold on, cheaper models are asked and fewer times; the limit is hard."""


_NAMES = {
    Period.DAY: "today's budget",
    Period.WEEK: "this week's budget",
    Period.MONTH: "this month's budget",
    Period.SPAN: "the budget",
}
_MOST_NANO_USD = 2**61
"""Two billion dollars, half of what says that there is no limit."""
THRESHOLDS = (80, 95)
"""Percentages of the limit at which people are told, unless the budget says otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Raise:
    """More money for a while."""

    id: str
    extra_nano_usd: int
    starts_at: datetime
    ends_at: datetime
    reason: str
    actor: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetTerms:
    """One budget, as it governs a generation."""

    budget_id: str
    tenant_id: str
    tenant: str
    """The tenant's name, for sentences."""
    timezone: str
    limit_nano_usd: int
    scope: Scope = Scope.TENANT
    scope_name: str = ""
    label: str = ""
    """What people call what it covers, where its name is none that they know: a key's first characters and its name."""
    period: Period = Period.MONTH
    starts_at: datetime | None = None
    """The ends of a fixed span; ``None`` for the periods of the calendar."""
    ends_at: datetime | None = None
    mode: Mode = Mode.HARD
    thresholds: tuple[int, ...] = THRESHOLDS
    raises: tuple[Raise, ...] = ()
    governs_since: datetime | None = None
    """Since when it governs these periods without a break; ``None`` where that is not known."""

    def covers(self, *, schema: str, route: str, payer: str) -> bool:
        """Whether it may have to pay for a generation of that schema on that route, asked with the key *payer*."""
        subject = self.scope.subject(model="", schema=schema, route=route, payer=payer)
        return self.scope.is_of_attempts or subject == self.scope_name

    def pays_for(self, model: str) -> bool:
        """Whether it pays for a call to *model* (``provider/name``), given that it covers the generation."""
        subject = self.scope.subject(model=model, schema="", route="", payer="")
        return not self.scope.is_of_attempts or subject == self.scope_name

    def span(self, at: datetime) -> Span | None:
        """Return the period around *at*; ``None`` outside of a fixed span, where the budget does not govern."""
        if self.period is not Period.SPAN:
            return period_around(self.period, self.timezone, at)
        assert self.starts_at is not None  # noqa: S101 a span is made with both
        assert self.ends_at is not None  # noqa: S101 as above
        return (self.starts_at, self.ends_at) if self.starts_at <= at < self.ends_at else None

    def limit_at(self, at: datetime) -> int:
        """Return the limit at that time, raises included, in nano-dollars; never more than databases can count."""
        extra = sum(more.extra_nano_usd for more in self.raises if more.starts_at <= at < more.ends_at)
        return min(self.limit_nano_usd + extra, _MOST_NANO_USD)

    @property
    def name(self) -> str:
        """What people call it, as in "this month's budget of Acme for the model openai/gpt-5"."""
        return f"{_NAMES[self.period]} of {self.tenant}{scope_suffix(self.scope, self.covered)}"

    @property
    def covered(self) -> str:
        """What people call what it covers; empty for the whole tenant."""
        return self.label or self.scope_name


def scope_suffix(scope: Scope | str, name: str) -> str:
    """Return `` for the model openai/gpt-5``; nothing for the whole tenant."""
    return "" if scope == Scope.TENANT else f" for the {scope} {name}"


def key_label(prefix: str | None, name: str | None) -> str:
    """Return what people call a key, as in ``proctor_a1B2c3… (nightly import)``; nothing where it is gone."""
    called = f" ({name})" if name else ""
    return f"{prefix}…{called}" if prefix else ""


def dollars(nano_usd: int) -> str:
    """Return an amount for a sentence: in cents, or with as many digits as a small one needs."""
    amount = nano_usd / NANO
    return f"${amount:,.2f}" if abs(amount) >= 0.01 or nano_usd == 0 else f"${amount:.6f}"
