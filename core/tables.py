"""Everything we keep.

Two kinds of table. *Decisions of operators* (tenant, key, budget, route, schema, flag) are changed by people, through
the module of the same name, each change audited in the same transaction. *What happened* (generation, attempt, field
error, ledger, change event) is appended by the corridor and never edited.

Times are stored as whole microseconds since 1970 UTC and read back as aware datetimes, so that buckets are integer
arithmetic and both databases agree. Money is integer nano-dollars; ``None`` means unknown, never zero.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any

import orjson
from sqlalchemy import BigInteger, Dialect, Index, MetaData, Text, UniqueConstraint, text
from sqlalchemy.orm import declared_attr, registry
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field, SQLModel

from core.clock import from_micros, micros


class Outcome(StrEnum):
    """How a generation or an attempt ended."""

    VALID_FIRST_TRY = "valid_first_try"
    VALID_AFTER_REASK = "valid_after_reask"
    VALID_AFTER_FALLBACK = "valid_after_fallback"
    CACHE_HIT = "cache_hit"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    CONTENT_FILTERED = "content_filtered"
    PROVIDER_ERROR = "provider_error"
    TIMEOUT = "timeout"
    BLOCKED_BUDGET = "blocked_budget"
    BLOCKED_RATE = "blocked_rate"
    BLOCKED_GUARDRAIL = "blocked_guardrail"
    BLOCKED_FLAG = "blocked_flag"
    CANCELLED = "cancelled"

    @property
    def is_valid(self) -> bool:
        """Whether the caller got an object that satisfies the schema."""
        return self in VALID

    @property
    def is_blocked(self) -> bool:
        """Whether policy refused, so that no provider answer was given to the caller."""
        return self.value.startswith("blocked_")


VALID = frozenset({Outcome.VALID_FIRST_TRY, Outcome.VALID_AFTER_REASK, Outcome.VALID_AFTER_FALLBACK, Outcome.CACHE_HIT})


class AttemptKind(StrEnum):
    """Why a provider was called."""

    FIRST = "first"
    REASK = "re-ask"
    RETRY = "retry"
    FALLBACK = "fallback"
    HEDGE = "hedge"
    """Sent beside a call that was slow to answer; the first valid answer wins."""


class LedgerKind(StrEnum):
    """What an entry did to its account."""

    CHARGE = "charge"
    CORRECTION = "correction"
    """The difference between the estimate for a call that was given up for lost and what it cost after all."""
    REFUND = "refund"
    """As correction, in ledgers that were begun before attempts of lost calls were recorded."""
    CARRIED = "carried"
    """What had been spent in the period before the account was opened in it."""
    REPRICING = "repricing"
    """The difference that an operator's re-pricing of history made."""


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC time, stored as microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Store the count."""
        return None if value is None else micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Read the time back, aware."""
        return None if value is None else from_micros(value)


class Json(TypeDecorator[Any]):
    """A JSON value kept as text, alike on every database."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """Write the value as JSON text."""
        return None if value is None else orjson.dumps(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """Read the value back."""
        return None if value is None else orjson.loads(value)


_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_NAMES = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}
"""Every constraint has a name, so that a later migration can speak of it on either database."""


class Row(SQLModel, registry=registry(metadata=MetaData(naming_convention=_NAMES))):
    """The base of every table. Its own registry lets a page reload re-import this module without a clash of names."""

    @declared_attr.directive
    @classmethod
    def __tablename__(cls) -> str:  # pyright: ignore[reportIncompatibleVariableOverride] as SQLModel itself does
        """The class's name in snake case: ``ApiKey`` is ``api_key``."""
        return _CAPITAL.sub("_", cls.__name__).lower()


def _at(**kwargs: Any) -> Any:
    return Field(sa_type=UtcTime, **kwargs)


def _json(**kwargs: Any) -> Any:
    return Field(sa_type=Json, **kwargs)


def _money(**kwargs: Any) -> Any:
    return Field(sa_type=BigInteger, **kwargs)


def _text(**kwargs: Any) -> Any:
    return Field(sa_type=Text, **kwargs)


# ── Decisions of operators ────────────────────────────────────────────────────────────────────────────────────────────


class Revision(Row, table=True):
    """One row that counts operator decisions: a policy read at the same count is still true."""

    id: int = Field(default=1, primary_key=True)
    count: int = 0


class Tenant(Row, table=True):
    """An organisation whose traffic is isolated, limited and billed."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True, index=True)
    timezone: str = "UTC"
    """IANA name; the tenant's days and budget periods follow it."""
    rate_limit_per_min: int | None = None
    """Generations per minute; ``None`` takes the deployment's ``RATE_LIMIT_PER_MIN``."""
    tokens_per_min: int | None = None
    """Input and output tokens per minute; ``None`` is without a limit."""
    concurrent_limit: int | None = None
    """Generations in flight at once; ``None`` is without a limit."""
    without_budget: str | None = None
    """``allow`` or ``refuse`` calls that no budget covers; ``None`` takes the deployment's ``WITHOUT_BUDGET``."""
    without_price: str | None = None
    """``allow`` or ``refuse`` models that have no price; ``None`` takes the deployment's ``WITHOUT_PRICE``."""
    payload_retention_days: int = 30
    """How long prompts and answers are kept; 0 keeps none."""
    is_demo: bool = Field(default=False, index=True)
    created_at: datetime = _at()
    version: int = 1
    """Goes up with each edit; an edit that names an older one is a conflict."""


class ApiKey(Row, table=True):
    """A key that lets a program call as its tenant. The key itself is shown once and never stored."""

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id", index=True)
    name: str = ""
    prefix: str
    """The first characters, so that people can tell keys apart."""
    hash: str = Field(unique=True, index=True)
    """SHA-256 of a key of 256 random bits: nothing to guess, so no slow hash is needed."""
    rate_limit_per_min: int | None = None
    """This key's own share of its tenant's limits; ``None`` is without one, as for the two below."""
    tokens_per_min: int | None = None
    concurrent_limit: int | None = None
    created_at: datetime = _at()
    revoked_at: datetime | None = _at(default=None)


class Budget(Row, table=True):
    """What a tenant may spend per period, on everything or on one model, schema or route."""

    __table_args__ = (UniqueConstraint("tenant_id", "scope", "scope_name"),)

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    scope: str = "tenant"
    """``tenant``, ``model``, ``schema`` or ``route``."""
    scope_name: str = ""
    """``provider/name`` of the model, or the name of the schema or route; empty for the whole tenant."""
    period: str = "month"
    """``day``, ``week`` or ``month`` in the tenant's time zone, or ``span``: from ``starts_at`` to ``ends_at``."""
    starts_at: datetime | None = _at(default=None)
    ends_at: datetime | None = _at(default=None)
    mode: str = "hard"
    """``hard`` stops at the limit, ``soft`` only tells, ``degrade`` asks cheaper from the first threshold on."""
    thresholds: list[int] = _json(default_factory=lambda: [80, 95])
    """Percentages of the limit at which people are told, ascending."""
    limit_nano_usd: int = _money()
    created_at: datetime = _at()
    removed_at: datetime | None = _at(default=None)
    """When it ceased to govern. Its accounts stay; a budget set anew on the same scope goes on with them."""
    version: int = 1


class BudgetRaise(Row, table=True):
    """More money for a while, with a reason."""

    id: str = Field(primary_key=True)
    budget_id: str = Field(foreign_key="budget.id", index=True)
    extra_nano_usd: int = _money()
    starts_at: datetime = _at()
    ends_at: datetime = _at()
    reason: str = _text()
    actor: str
    created_at: datetime = _at()
    withdrawn_at: datetime | None = _at(default=None)


class PriceOverride(Row, table=True):
    """What a model costs from a time on, where an operator knows better than the price list."""

    __table_args__ = (Index("ix_price_override_model", "provider", "model"),)

    id: str = Field(primary_key=True)
    tenant_id: str = ""
    """For one tenant, or (empty) for all."""
    provider: str
    model: str
    """The model's name, or ``*`` for every model of the provider that has no override of its own."""
    from_at: datetime = _at()
    """Calls that begin from here on cost this, until a later override of the same model and tenant begins."""
    kind: str
    """``rates`` (the four below), ``discount`` (a share off the list price) or ``list`` (the list price again)."""
    input_usd_per_mtok: str | None = None
    """Dollars per million tokens, as decimal text; so are the three below. A missing cache rate is the input's."""
    cached_usd_per_mtok: str | None = None
    cache_write_usd_per_mtok: str | None = None
    output_usd_per_mtok: str | None = None
    tiers: list[dict[str, Any]] | None = _json(default=None, nullable=True)
    """Long contexts: ``{"from_input_tokens": int, ...the four rates}``, ascending."""
    discount_percent: str | None = None
    reason: str = _text(default="")
    actor: str
    created_at: datetime = _at()
    withdrawn_at: datetime | None = _at(default=None)


class BreakerOverride(Row, table=True):
    """An operator's word on a breaker, which holds until it is taken back."""

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    state: str
    """``open``: nobody is asked. ``closed``: everybody is, whatever the breaker saw."""
    reason: str = _text()
    actor: str
    at: datetime = _at()


class FireDrill(Row, table=True):
    """Faults injected on purpose, into a share of some tenants' traffic, until an end."""

    id: str = Field(primary_key=True)
    tenant_id: str = ""
    """One tenant, or (empty) every demo tenant."""
    provider: str = ""
    """Only calls to this provider; empty for all. So for the model."""
    model: str = ""
    fault: str
    """``rate_limit``, ``server_error``, ``slow`` or ``invalid``."""
    share: float
    """Above 0, at most 1: the part of the attempts that meet the fault."""
    seconds: float = 0.0
    """How long ``slow`` waits before the call goes out."""
    reason: str = _text(default="")
    actor: str
    starts_at: datetime = _at()
    ends_at: datetime = _at()
    ended_at: datetime | None = _at(default=None)
    """When it was stopped, or found to be over."""


class Route(Row, table=True):
    """A named use: who may answer it, in what order, how often and how long."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True, index=True)
    candidates: list[dict[str, Any]] = _json()
    """In fallback order: ``{"model": "provider/name", "mode"?, "max_tokens"?, "timeout_seconds"?, "max_reasks"?,
    "max_retries"?, "parameters"?}``."""
    description: str = ""
    schemas: list[str] = _json(default_factory=list)
    """Schemas that take this route when the caller names none."""
    fallback_on: list[str] | None = _json(default=None, nullable=True)
    """Causes on which the next candidate is asked (``core/attempts.py``); ``None`` is all of them."""
    hedge_after_ms: int | None = None
    """From when on a second candidate is asked beside a slow first; ``None`` is never."""
    cache_seconds: int | None = None
    """How long the same question gets the same answer again, without a call; ``None`` is never."""
    marks_cache: bool = True
    """Whether stable context is marked for the provider's cache."""
    max_reasks: int = 2
    max_retries: int = 1
    deadline_seconds: float = 60.0
    created_at: datetime = _at()
    version: int = 1


class Schema(Row, table=True):
    """A named response model."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True, index=True)
    description: str = ""
    is_demo: bool = False
    created_at: datetime = _at()


class SchemaVersion(Row, table=True):
    """One immutable shape of a schema, known by the hash of its canonical JSON."""

    __table_args__ = (UniqueConstraint("schema_id", "version"), UniqueConstraint("schema_id", "hash"))

    id: str = Field(primary_key=True)
    schema_id: str = Field(foreign_key="schema.id", index=True)
    version: int
    hash: str = Field(index=True)
    body: dict[str, Any] = _json()
    """The JSON Schema."""
    example_input: str = _text(default="")
    example_output: dict[str, Any] | None = _json(default=None)
    created_at: datetime = _at()
    created_by: str = ""


class SchemaLabel(Row, table=True):
    """A movable name for a version, such as ``production``."""

    schema_id: str = Field(foreign_key="schema.id", primary_key=True)
    label: str = Field(primary_key=True)
    version_id: str = Field(foreign_key="schema_version.id")


class FlagRule(Row, table=True):
    """An operator's setting of a flag, for one tenant or (``tenant_id`` empty) for all."""

    name: str = Field(primary_key=True)
    tenant_id: str = Field(default="", primary_key=True)
    is_on: bool
    changed_at: datetime = _at()


class AuditEntry(Row, table=True):
    """Who changed what, from what, to what."""

    id: str = Field(primary_key=True)
    at: datetime = _at(index=True)
    actor: str
    action: str
    """A verb on a noun, such as ``budget.set``."""
    subject: str
    tenant_id: str | None = Field(default=None, index=True)
    before: Any = _json(default=None, nullable=True)
    after: Any = _json(default=None, nullable=True)


# ── What happened ─────────────────────────────────────────────────────────────────────────────────────────────────────


class ChangeEvent(Row, table=True):
    """Something an operator or the system changed, at a time: it annotates every chart."""

    id: str = Field(primary_key=True)
    at: datetime = _at(index=True)
    kind: str
    """``budget``, ``flag``, ``route``, ``schema``, ``breaker``, ``tenant``, ``key``."""
    subject: str
    tenant_id: str | None = None
    summary: str
    before: Any = _json(default=None, nullable=True)
    after: Any = _json(default=None, nullable=True)


class Account(Row, table=True):
    """What a budget has spent and holds in one period. Changed only by conditional updates, explained by the ledger."""

    __table_args__ = (UniqueConstraint("budget_id", "starts_at", "ends_at"),)

    id: str = Field(primary_key=True)
    budget_id: str = Field(foreign_key="budget.id", index=True)
    tenant_id: str = Field(index=True)
    starts_at: datetime = _at()
    ends_at: datetime = _at()
    spent_nano_usd: int = _money(default=0)
    held_nano_usd: int = _money(default=0)


class Reservation(Row, table=True):
    """A generation that is out: the money held for it, and what is to be recorded should its process die.

    Gone once the generation has ended. One that outlives ``expires_at`` is settled by whoever sweeps.
    """

    generation_id: str = Field(primary_key=True)
    tenant_id: str = ""
    holds: dict[str, int] = _json()
    """Nano-dollars held, by account."""
    generation: dict[str, Any] = _json()
    """The row of the generation, as far as it is known."""
    attempts: list[dict[str, Any]] = _json()
    """The rows of the attempts that are out, with their estimates."""
    owner: str = ""
    expires_at: datetime = _at(index=True)


class Process(Row, table=True):
    """A process that holds reservations, and when it last showed that it lives."""

    owner: str = Field(primary_key=True)
    started_at: datetime = _at()
    seen_at: datetime = _at()


class LedgerEntry(Row, table=True):
    """Money spent from an account. An account's entries sum to what it has spent, always."""

    __table_args__ = (UniqueConstraint("attempt_id", "account_id", "kind", "cause"),)

    id: str = Field(primary_key=True)
    at: datetime = _at()
    account_id: str = Field(foreign_key="account.id", index=True)
    generation_id: str = Field(index=True)
    attempt_id: str | None = None
    kind: str
    cause: str = ""
    """The re-pricing that made it; empty for every other kind."""
    nano_usd: int = _money()
    estimated: bool = False


class Generation(Row, table=True):
    """One request and everything that came of it; refusals too."""

    __table_args__ = (
        Index("ix_generation_started", "started_at"),
        Index("ix_generation_tenant_started", "tenant_id", "started_at"),
        Index("ix_generation_request", "request_id"),
    )

    id: str = Field(primary_key=True)
    tenant_id: str
    key_id: str | None = None
    principal: str = ""
    request_id: str = ""
    route: str = ""
    schema_name: str = ""
    schema_version: int | None = None
    schema_hash: str = ""
    outcome: str
    error_code: str | None = None
    error_detail: str | None = _text(default=None)
    streamed: bool = False
    started_at: datetime = _at()
    ended_at: datetime = _at()
    duration_ms: float
    """Wall time from the door to the record, in milliseconds."""
    ttft_ms: float | None = None
    """Milliseconds to the first token of the answering attempt; known for streams only."""
    attempts: int = 0
    provider: str | None = None
    model: str | None = None
    """Who answered, or who was asked last."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int | None = _money(default=None)
    """Sum over attempts; ``None`` where any attempt is unpriced."""
    wasted_nano_usd: int = _money(default=0)
    """The part of the cost that bought no valid object."""
    estimated: bool = False
    """Whether any part of usage or cost is an estimate."""
    saved_nano_usd: int = _money(default=0)
    """What an answer given again would have cost."""
    answered_from: str | None = Field(default=None)
    """The generation whose answer was given again."""
    user_hash: str | None = None
    """A keyed hash of the caller's user id."""
    caller_metadata: dict[str, Any] | None = _json(default=None)
    trace: list[dict[str, Any]] = _json()
    """The decision trace: ``{"room", "verdict", "reason"}`` in the order walked."""
    policy: dict[str, Any] | None = _json(default=None)
    """The policy it ran under, so that it can be explained afterwards."""


_UNPRICED = text("cost_nano_usd IS NULL AND input_tokens IS NOT NULL")
"""Paid for, and nobody knows the price: few rows, so their index costs the others nothing."""


class Attempt(Row, table=True):
    """One provider call."""

    __table_args__ = (
        UniqueConstraint("generation_id", "n"),
        Index("ix_attempt_started", "started_at"),
        Index("ix_attempt_unpriced", "provider", "model", sqlite_where=_UNPRICED, postgresql_where=_UNPRICED),
    )

    id: str = Field(primary_key=True)
    generation_id: str = Field(index=True)
    tenant_id: str
    n: int
    """1 for the first call of its generation."""
    kind: str
    provider: str
    model: str
    """The model asked for."""
    answered_model: str | None = None
    """The model that the provider says answered."""
    mode: str
    started_at: datetime = _at()
    ended_at: datetime = _at()
    duration_ms: float
    ttft_ms: float | None = None
    http_status: int | None = None
    provider_request_id: str | None = None
    finish_reason: str | None = None
    outcome: str
    error_code: str | None = None
    error_detail: str | None = _text(default=None)
    input_tokens: int | None = None
    """All input, cached included, as OpenAI counts; ``None`` where the wire never told."""
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    """All output, reasoning included."""
    reasoning_tokens: int | None = None
    estimated: bool = False
    """Whether usage was estimated because the wire never told it."""
    cost_nano_usd: int | None = _money(default=None)
    price: dict[str, Any] | None = _json(default=None)
    """The price it was charged at, frozen, with its source and date."""
    charges: int = 0
    """How many accounts were charged for it; the ledger has as many entries."""
    cache_saved_nano_usd: int = _money(default=0)
    """What the provider's cache took off the cost; below 0 where writing to it cost more than reading saved."""
    drill_id: str | None = None
    """The fire drill that it met. But for slowness, such a call never went out, and nothing was paid."""


class FieldError(Row, table=True):
    """One field of one invalid answer: where, and which rule. Never the value."""

    id: str = Field(primary_key=True)
    attempt_id: str = Field(index=True)
    generation_id: str = Field(index=True)
    schema_name: str = ""
    schema_hash: str = Field(default="", index=True)
    path: str
    """A JSON path, such as ``$.lines[2].amount``."""
    type: str
    """Pydantic's name for the error, such as ``int_type``."""
    message: str = _text()


class Payload(Row, table=True):
    """What was asked and answered, kept apart so that lists never read it and retention can delete it."""

    __table_args__ = (Index("ix_payload_expires", "expires_at"),)

    generation_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    """0 for the generation itself (request and final value), else the attempt's number."""
    asked: Any = _json(default=None, nullable=True)
    """n = 0: the messages. Else: what this attempt added to them (a re-ask's correction)."""
    answered: str | None = _text(default=None)
    """n = 0: the valid object as JSON. Else: the raw text of the answer."""
    expires_at: datetime = _at()


class CachedAnswer(Row, table=True):
    """A valid answer that may be given again to the same question, or a question that is being answered."""

    key: str = Field(primary_key=True)
    """A hash of the tenant and of everything that the answer depends on."""
    tenant_id: str = Field(index=True)
    generation_id: str
    """Who gave the answer, or is about to."""
    value: str | None = _text(default=None)
    """The valid object as JSON; ``None`` while it is being made."""
    provider: str = ""
    model: str = ""
    cost_nano_usd: int | None = _money(default=None)
    """What the answer cost when it was made."""
    created_at: datetime = _at()
    expires_at: datetime = _at(index=True)
    """When it is too old, or, while it is being made, when whoever makes it is given up."""


class Repricing(Row, table=True):
    """One re-pricing of history: an operator's decision, with what it changed."""

    id: str = Field(primary_key=True)
    at: datetime = _at()
    actor: str
    reason: str = _text()
    tenant_id: str = ""
    provider: str = ""
    model: str = ""
    starts_at: datetime = _at()
    ends_at: datetime = _at()
    attempts: int = 0
    before_nano_usd: int = _money(default=0)
    after_nano_usd: int = _money(default=0)


class RepricedAttempt(Row, table=True):
    """The old figures of one attempt that a re-pricing changed."""

    repricing_id: str = Field(foreign_key="repricing.id", primary_key=True)
    attempt_id: str = Field(primary_key=True)
    before_nano_usd: int | None = _money(default=None)
    after_nano_usd: int = _money()
    price_before: dict[str, Any] | None = _json(default=None, nullable=True)


class Verification(Row, table=True):
    """One run of ``verify``: whether ledger and attempts explain every account."""

    id: str = Field(primary_key=True)
    at: datetime = _at(index=True)
    ok: bool
    accounts: int
    attempts: int
    difference_nano_usd: int = _money()
    held_nano_usd: int = _money()
    duration_ms: float
    by: str


METADATA = Row.metadata
