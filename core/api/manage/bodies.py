"""What the management API takes: the fields of each kind of thing that can be set."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from core.amounts import FORM, written_number
from core.changes import LONGEST_NOTE
from core.clock import iso
from core.payload_terms import LEAST_CALL_DAYS, LONGEST_DAYS
from core.principals import KeyScope

_Count = Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)] | None
_Words = Annotated[list[str], Field(max_length=100)]


def _dollars(given: object) -> Decimal:
    amount = written_number(given)
    if amount is None:
        raise PydanticCustomError("amount", f"it is not {FORM}")
    return amount


_Dollars = Annotated[
    Decimal,
    BeforeValidator(_dollars),
    Field(ge=0, max_digits=20, decimal_places=9, description="Dollars, as text or number."),
]
_Rule = Literal["allow", "refuse"] | None


class Body(BaseModel):
    """A body, without a field that it does not have."""

    model_config = ConfigDict(extra="forbid")

    @property
    def given(self) -> dict[str, Any]:
        """The fields that were sent."""
        return {field: getattr(self, field) for field in self.model_fields_set}


class TenantTerms(Body):
    """What can be set of a tenant beside its name; ``null`` is the deployment's default."""

    timezone: str = "UTC"
    rate_limit_per_min: _Count = None
    tokens_per_min: _Count = None
    concurrent_limit: _Count = None
    without_budget: _Rule = None
    without_price: _Rule = None
    vendor_storage: str | None = None
    route: str | None = None
    payload_retention_days: Annotated[int, Field(strict=True, ge=0, le=LONGEST_DAYS)] = 30
    payload_percent: Annotated[int, Field(strict=True, ge=0, le=100)] = 100
    call_days: Annotated[int, Field(strict=True, ge=LEAST_CALL_DAYS, le=LONGEST_DAYS)] | None = None


class TenantChange(TenantTerms):
    """What can be set of a tenant; what is left out stays."""

    name: str = ""


class NewTenant(TenantTerms):
    """A new tenant."""

    name: str


class KeyChange(Body):
    """What can be set of a key; an empty list is whatever its tenant may."""

    name: str = ""
    scopes: list[KeyScope] = Field(default=[KeyScope.GENERATE, KeyScope.READ], min_length=1)
    models: _Words = []
    routes: _Words = []
    ends_at: AwareDatetime | None = None
    rate_limit_per_min: _Count = None
    tokens_per_min: _Count = None
    concurrent_limit: _Count = None


class NewKey(KeyChange):
    """A new key of a tenant."""

    tenant: str = Field(description="The id or name of its tenant.")


class Rotation(Body):
    """How long the old text of a key stays good."""

    overlap_hours: Annotated[float, Field(ge=0, le=24 * 90)] = 24.0


class KeyText(Body):
    """The text of a key that leaked. It is not echoed, logged or kept."""

    text: Annotated[str, Field(min_length=1, max_length=200)]


class BudgetChange(Body):
    """What can be set of a budget."""

    limit_usd: _Dollars
    period: Literal["day", "week", "month", "span"] = "month"
    mode: Literal["hard", "soft", "degrade"] = "hard"
    thresholds: list[Annotated[int, Field(strict=True, ge=1, le=99)]] = Field(
        default=[80, 95], min_length=1, max_length=5
    )
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None


class NewBudget(BudgetChange):
    """A budget on something that has none yet."""

    scope: Literal["tenant", "model", "schema", "route", "key"] = "tenant"
    scope_name: str = ""


class NewRaise(Body):
    """More money for a while."""

    extra_usd: _Dollars
    ends_at: AwareDatetime
    starts_at: AwareDatetime | None = None
    reason: str


class FlagRule(Body):
    """Whether a flag is on, for how many calls and for how long; what is left out stays."""

    is_on: Annotated[bool, Field(strict=True)]
    percent: Annotated[int, Field(strict=True, ge=0, le=100)] | None = None
    starts: str | None = Field(default=None, description="By the clock of its zone: 2027-03-28T02:30.")
    ends: str | None = None
    zone: str | None = Field(default=None, description="IANA name; without one the tenant's, or UTC for all.")
    is_permanent: Annotated[bool, Field(strict=True)] = False


class GuardrailRule(Body):
    """A rule of the guardrails; what is left out is as usual."""

    check: str
    action: str
    stages: list[str] | None = None
    route: str = ""
    settings: dict[str, Any] = {}
    exceptions: Annotated[list[str], Field(max_length=1_000)] = []
    position: Annotated[int, Field(strict=True, ge=0, le=10_000)] = 100
    is_on: Annotated[bool, Field(strict=True)] = True


class RouteRule(Body):
    """A route; what is left out is as usual."""

    candidates: Annotated[list[dict[str, Any]], Field(min_length=1, max_length=50)]
    description: str = ""
    schemas: _Words = []
    max_reasks: Annotated[int, Field(strict=True)] = 2
    max_retries: Annotated[int, Field(strict=True)] = 1
    deadline_seconds: float = 60.0
    fallback_on: list[str] | None = None
    hedge_after_ms: Annotated[int, Field(strict=True)] | None = None
    cache_seconds: Annotated[int, Field(strict=True)] | None = None
    payload_days: Annotated[int, Field(strict=True)] | None = None
    payload_percent: Annotated[int, Field(strict=True)] | None = None
    marks_cache: bool = True


class NewVersion(Body):
    """A version of a schema, and the label that is to name it."""

    name: str
    body: dict[str, Any] = Field(description="The JSON Schema.")
    description: str = ""
    label: str | None = "production"


class LabelRule(Body):
    """The version that a label names."""

    version: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]


class NewPrice(Body):
    """What a model costs from a time on: one of rates, a discount, the list price again, or a tool's price."""

    tenant: str = Field(default="", description="The id or name of a tenant; empty for all.")
    provider: str
    model: str
    from_at: AwareDatetime | None = None
    rates: dict[str, str] | None = None
    tiers: Annotated[list[dict[str, Any]], Field(max_length=5)] = []
    discount_percent: str | None = None
    back_to_list: bool = False
    usd_per_1000_uses: str | None = None
    reason: str = ""


class NewChange(Body):
    """What was changed elsewhere, such as a deploy."""

    what: Annotated[str, Field(min_length=1, max_length=LONGEST_NOTE, description="In a sentence.")]
    kind: Literal["deploy", "incident", "config", "data", "other"] = "deploy"
    link: Annotated[str, Field(max_length=2_000, description="Leads to more; https:// or http://.")] = ""
    at: AwareDatetime | None = Field(default=None, description="When, if not just now: at most 31 days back.")
    tenant: str = Field(
        default="", description="The id or name of whom it is about; empty for all, or for the tenant of the key."
    )


class NamedUser(Body):
    """Of whom it is: who is erased, or of whom it is told what is kept."""

    user: Annotated[str, Field(min_length=1, max_length=512, description="As callers name him in `user`.")]


ALL = (
    NamedUser,
    TenantChange,
    NewTenant,
    KeyChange,
    NewKey,
    Rotation,
    KeyText,
    BudgetChange,
    NewBudget,
    NewRaise,
    FlagRule,
    GuardrailRule,
    RouteRule,
    NewVersion,
    LabelRule,
    NewPrice,
    NewChange,
)


def moment(at: datetime | None) -> str | None:
    """Return a time as every document writes it."""
    return None if at is None else iso(at)
