"""What is true in the demo world, read from ``data/seed.toml`` and checked."""

from __future__ import annotations

import tomllib
from datetime import datetime, time, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import orjson
from pydantic import BaseModel, ConfigDict, Field

from core.flags import Flag

SEED = Path(__file__).resolve().parents[2] / "data" / "seed.toml"
_SATURDAY = 5


class _Fact(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Model(_Fact):
    """How one model answers."""

    name: str
    """``provider/name``."""
    answers_as: str
    """The name under which the provider says that it answered."""
    first_token_seconds: float
    tokens_per_second: float
    slip: float
    """The chance that an answer breaks the schema."""
    again: float
    """The chance that the answer to a re-ask does."""


class Mishaps(_Fact):
    """What goes wrong at any time: a chance per call."""

    failed: float
    throttled: float
    unreachable: float
    hung: float
    broken: float
    refused: float
    filtered: float
    truncated: float
    left: float
    """Of streams."""
    stubborn: float
    """Of texts: whoever reads one is met by the same mishap."""
    stubborn_as: dict[str, float]

    def per_call(self) -> dict[str, float]:
        """Return the chance of each mishap that a single call may meet."""
        return self.model_dump(exclude={"left", "stubborn", "stubborn_as"})


class RouteSeed(_Fact):
    """One of the demo's routes."""

    name: str
    models: tuple[str, ...]
    max_tokens: int

    def candidates(self, models: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """Return its candidates, or those that *models* would be."""
        return [{"model": model, "max_tokens": self.max_tokens} for model in models or self.models]


class Use(_Fact):
    """What a tenant asks."""

    schema_name: str = Field(alias="schema")
    route: str
    share: float
    """Of the tenant's calls."""
    streamed: float
    """The share of these calls that is streamed."""


class BudgetSeed(_Fact):
    """A further budget of a tenant, for a part of what it does."""

    scope: str
    name: str
    period: str
    mode: str
    usd: str


class TenantSeed(_Fact):
    """One of the demo's tenants."""

    name: str
    timezone: str
    joined_days_ago: int | None = None
    """``None``: when the history begins."""
    per_day: float
    """Calls on an average working day."""
    growth: float
    rhythm: str
    week: tuple[float, ...] = Field(min_length=7, max_length=7)
    budget_usd: str
    budgets: tuple[BudgetSeed, ...] = ()
    retention_days: int = 30
    uses: tuple[Use, ...]


class When(_Fact):
    """A local time on a working day of the past."""

    days_ago: int
    at: str
    zone: str

    def before(self, now: datetime) -> datetime:
        """Return the last such time that lies at least ``days_ago`` days before *now*."""
        zone = ZoneInfo(self.zone)
        latest = now - timedelta(days=self.days_ago)
        day = latest.astimezone(zone).date()
        while True:
            moment = datetime.combine(day, time.fromisoformat(self.at), zone)
            if moment <= latest and day.weekday() < _SATURDAY:
                return moment.astimezone(now.tzinfo)
            day -= timedelta(days=1)


class Batch(_Fact):
    """More calls than usual, for a while."""

    after: float
    """Minutes from the event that it belongs to."""
    minutes: float
    per_minute: float

    @property
    def calls(self) -> int:
        """How many there are."""
        return round(self.minutes * self.per_minute)


class Storm(Batch):
    """A tenant's batch."""

    tenant: str


class Outage(When):
    """A provider fails every call."""

    provider: str
    minutes: float
    storms: tuple[Storm, ...]


class FallbackOff(_Fact):
    """A tenant has no fallback when it would need one."""

    tenant: str
    days_before: int
    at: str
    on_again_after_minutes: float


class Flip(When):
    """A flag is turned off for a tenant, and on again."""

    flag: Flag
    tenant: str
    minutes: float
    storm: Batch


class Promotion(When):
    """A stricter version of a schema is in production for a while."""

    schema_name: str = Field(alias="schema")
    hours: float
    habit: float
    """How often a model writes what only the older version allows."""


class Slowness(When):
    """A model takes longer than usual."""

    model: str
    minutes: float
    factor: float


class Cheaper(When):
    """A route is moved to another model."""

    route: str
    models: tuple[str, ...]


class Raised(When):
    """A budget is raised."""

    tenant: str
    budget_usd: str


class Negotiated(When):
    """A price below the list is agreed with a provider."""

    provider: str
    model: str
    discount_percent: str
    reason: str


class Tight(_Fact):
    """A budget is cut, and the day's batch meets it."""

    tenant: str
    hours_ago: float
    batch: Batch


class Stricter(_Fact):
    """What the stricter version says at one place of the schema."""

    path: tuple[str, ...]
    value: dict[str, Any]


class OwnSchema(_Fact):
    """The schema that exists in the demo world only."""

    description: str
    body: str
    stricter: Stricter

    def versions(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the schema as it was, and the stricter version."""
        after = orjson.loads(self.body)
        *way, last = self.stricter.path
        place = after
        for step in way:
            place = place[step]
        place[last] = self.stricter.value
        return orjson.loads(self.body), after


class Slip(_Fact):
    """One way in which an answer breaks its schema."""

    schema_name: str = Field(alias="schema")
    path: tuple[str, ...]
    instead: tuple[str, ...]
    """What stands there instead; ``-`` leaves the field out."""

    def break_(self, answer: Any, instead: str) -> None:
        """Change *answer*, in place."""
        *way, last = self.path
        place = answer
        for step in way:
            place = place[int(step) if step.isdecimal() else step]
        if instead == "-":
            del place[last]
        else:
            place[last] = instead


class Ticket(_Fact):
    """One message to a service desk, and what is in it."""

    text: str
    summary: str
    category: str
    priority: str
    sentiment: str
    needs_human: bool


class Pools(_Fact):
    """Names to draw from."""

    people: tuple[str, ...]
    firms: tuple[str, ...]
    places: tuple[tuple[str, str], ...]
    """City and country code."""
    cargo: tuple[str, ...]
    garden: tuple[str, ...]
    lodges: tuple[str, ...]
    editors: tuple[str, ...]
    books: tuple[str, ...]


class Seed(_Fact):
    """Everything."""

    seed: str
    days: int
    models: tuple[Model, ...]
    mishaps: Mishaps
    routes: tuple[RouteSeed, ...]
    rhythms: dict[str, tuple[float, ...]]
    tenants: tuple[TenantSeed, ...]
    outage: Outage
    fallback_off: FallbackOff
    flips: tuple[Flip, ...]
    promotion: Promotion
    slowness: Slowness
    negotiated: Negotiated
    cheaper: Cheaper
    raised: Raised
    tight: Tight
    shipment_notice: OwnSchema
    slips: tuple[Slip, ...]
    instructions: dict[str, str]
    pools: Pools
    tickets: tuple[Ticket, ...]

    def tenant(self, name: str) -> TenantSeed:
        """Return the tenant of that name."""
        return next(tenant for tenant in self.tenants if tenant.name == name)

    def route(self, name: str) -> RouteSeed:
        """Return the route of that name."""
        return next(route for route in self.routes if route.name == name)


@lru_cache(maxsize=1)
def seed() -> Seed:
    """Return the seed that ships with this release."""
    return Seed.model_validate(tomllib.loads(SEED.read_text(encoding="utf-8")))
