"""Decisions of operators."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlmodel import Field

from core.tables._columns import Row, json, long_text, money, utc


class Revision(Row, table=True):
    """One row that counts the decisions of operators that concern every tenant."""

    id: int = Field(default=1, primary_key=True)
    count: int = 0


class TenantRevision(Row, table=True):
    """Counts the decisions that concern one tenant alone: a policy read at the same two counts is still true."""

    tenant_id: str = Field(primary_key=True)
    count: int = Field(default=0, sa_type=BigInteger)


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
    vendor_storage: str | None = None
    """What of its answers vendors store: ``caller``, ``off`` or ``refused``; ``None`` takes the deployment's
    ``VENDOR_STORAGE``.
    """
    route: str | None = None
    """The name of the route that it has in the place of the default one; ``None`` is that."""
    payload_retention_days: int = 30
    """How long prompts and answers are kept; 0 keeps none."""
    payload_percent: int = 100
    """Of so many of a hundred valid calls they are kept; of a failure always."""
    payloads_cut_from: datetime | None = utc(default=None)
    """Where what is kept already is to be cut from, by when its call began: retention was shortened."""
    call_days: int | None = None
    """How long calls themselves are kept, with all that is recorded of each; ``None`` keeps them for ever."""
    is_demo: bool = Field(default=False, index=True)
    created_at: datetime = utc()
    version: int = 1
    """Goes up with each edit; an edit that names an older one is a conflict."""


class ApiKey(Row, table=True):
    """A key that lets a program call as its tenant, or manage. The key itself is shown once and never stored.

    It is one key through all its rotations: its limits, its budget and its calls stay with its id.
    """

    id: str = Field(primary_key=True)
    tenant_id: str | None = Field(default=None, foreign_key="tenant.id", index=True)
    """``None`` of a key that manages the whole deployment."""
    name: str = ""
    prefix: str
    """The first characters, so that people can tell keys apart."""
    hash: str = Field(unique=True, index=True)
    """SHA-256 of a key of so many random bits that there is nothing to guess, so no slow hash is needed."""
    scopes: list[str] = json(default_factory=lambda: ["generate", "read"])
    """``generate``, ``read``, ``manage``."""
    models: list[str] = json(default_factory=list)
    """The models (``provider/name``) that it may ask; empty for all that its tenant may. So for the routes."""
    routes: list[str] = json(default_factory=list)
    payer_id: str | None = None
    """The key whose budget pays for its calls, where a key with a budget made it; ``None`` is itself."""
    rate_limit_per_min: int | None = None
    """This key's own share of its tenant's limits; ``None`` is without one, as for the two below."""
    tokens_per_min: int | None = None
    concurrent_limit: int | None = None
    created_at: datetime = utc()
    ends_at: datetime | None = utc(default=None)
    """From when on it opens nothing; ``None`` is never."""
    revoked_at: datetime | None = utc(default=None)
    used_at: datetime | None = utc(default=None)
    """When it was last used, to a minute; ``None`` where nobody has since that is written down."""
    rotated_at: datetime | None = utc(default=None)
    """When its text was last replaced; the four below are of the text before, which opens until ``old_ends_at``."""
    old_hash: str | None = Field(default=None, unique=True, index=True)
    old_prefix: str | None = None
    old_ends_at: datetime | None = utc(default=None)
    old_used_at: datetime | None = utc(default=None)
    version: int = 1
    """Goes up with each edit and rotation; an edit that names an older one is a conflict."""


class Budget(Row, table=True):
    """What a tenant may spend per period, on everything or on one model, schema, route or key."""

    __table_args__ = (UniqueConstraint("tenant_id", "scope", "scope_name"),)

    id: str = Field(primary_key=True)
    tenant_id: str = Field(foreign_key="tenant.id")
    scope: str = "tenant"
    """``tenant``, ``model``, ``schema``, ``route`` or ``key``."""
    scope_name: str = ""
    """``provider/name`` of the model, the name of the schema or route, or the key's id; empty for the whole tenant."""
    period: str = "month"
    """``day``, ``week`` or ``month`` in the tenant's time zone, or ``span``: from ``starts_at`` to ``ends_at``."""
    starts_at: datetime | None = utc(default=None)
    ends_at: datetime | None = utc(default=None)
    mode: str = "hard"
    """``hard`` stops at the limit, ``soft`` only tells, ``degrade`` asks cheaper from the first threshold on."""
    thresholds: list[int] = json(default_factory=lambda: [80, 95])
    """Percentages of the limit at which people are told, ascending."""
    limit_nano_usd: int = money()
    created_at: datetime = utc()
    governs_since: datetime | None = utc(default=None)
    """Since when it governs these periods, in this time zone, without a break; ``None`` where that is not known."""
    removed_at: datetime | None = utc(default=None)
    """When it ceased to govern. Its accounts stay; a budget set anew on the same scope goes on with them."""
    version: int = 1


class BudgetRaise(Row, table=True):
    """More money for a while, with a reason."""

    id: str = Field(primary_key=True)
    budget_id: str = Field(foreign_key="budget.id", index=True)
    extra_nano_usd: int = money()
    starts_at: datetime = utc()
    ends_at: datetime = utc()
    reason: str = long_text()
    actor: str
    created_at: datetime = utc()
    withdrawn_at: datetime | None = utc(default=None)


class PriceOverride(Row, table=True):
    """What a model costs from a time on, where an operator knows better than the price list."""

    __table_args__ = (Index("ix_price_override_tenant", "tenant_id", "provider"),)

    id: str = Field(primary_key=True)
    tenant_id: str = ""
    """For one tenant, or (empty) for all."""
    provider: str
    model: str
    """The model's name, ``*`` for every model of the provider that has no override of its own, or ``tool:NAME``."""
    from_at: datetime = utc()
    """Calls that begin from here on cost this, until a later override of the same model and tenant begins."""
    kind: str
    """``rates`` (the four below), ``discount`` (a share off the list price), ``list`` (the list price again) or
    ``fee`` (so much per use of a tool)."""
    input_usd_per_mtok: str | None = None
    """Dollars per million tokens, as decimal text; so are the three below. A missing cache rate is the input's."""
    cached_usd_per_mtok: str | None = None
    cache_write_usd_per_mtok: str | None = None
    output_usd_per_mtok: str | None = None
    tiers: list[dict[str, Any]] | None = json(default=None, nullable=True)
    """Long contexts: ``{"from_input_tokens": int, ...the four rates}``, ascending."""
    discount_percent: str | None = None
    usd_per_1000_uses: str | None = None
    """Of a tool that the vendor runs: dollars, as decimal text."""
    reason: str = long_text(default="")
    actor: str
    created_at: datetime = utc()
    withdrawn_at: datetime | None = utc(default=None)


class BreakerOverride(Row, table=True):
    """An operator's word on a breaker, which holds until it is taken back."""

    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    state: str
    """``open``: nobody is asked. ``closed``: everybody is, whatever the breaker saw."""
    reason: str = long_text()
    actor: str
    at: datetime = utc()


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
    reason: str = long_text(default="")
    actor: str
    starts_at: datetime = utc()
    ends_at: datetime = utc()
    ended_at: datetime | None = utc(default=None)
    """When it was stopped, or found to be over."""


class Route(Row, table=True):
    """A named use: who may answer it, in what order, how often and how long."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True, index=True)
    candidates: list[dict[str, Any]] = json()
    """In fallback order: ``{"model": "provider/name", "mode"?, "max_tokens"?, "timeout_seconds"?, "max_reasks"?,
    "max_retries"?, "parameters"?}``."""
    description: str = ""
    schemas: list[str] = json(default_factory=list)
    """Schemas that take this route when the caller names none."""
    fallback_on: list[str] | None = json(default=None, nullable=True)
    """Causes on which the next candidate is asked (``core/attempts``); ``None`` is all of them."""
    hedge_after_ms: int | None = None
    """From when on a second candidate is asked beside a slow first; ``None`` is never."""
    cache_seconds: int | None = None
    """How long the same question gets the same answer again, without a call; ``None`` is never."""
    payload_days: int | None = None
    """How long prompts and answers of its calls are kept at most, whatever the tenant says; ``None`` is as that."""
    payload_percent: int | None = None
    """So for the share of valid calls."""
    payloads_cut_from: datetime | None = utc(default=None)
    """As a tenant's."""
    marks_cache: bool = True
    """Whether stable context is marked for the provider's cache."""
    max_reasks: int = 2
    max_retries: int = 1
    deadline_seconds: float = 60.0
    created_at: datetime = utc()
    version: int = 1


class Schema(Row, table=True):
    """A named response model."""

    id: str = Field(primary_key=True)
    name: str = Field(unique=True, index=True)
    description: str = ""
    is_demo: bool = False
    created_at: datetime = utc()


class SchemaVersion(Row, table=True):
    """One immutable shape of a schema, known by the hash of its canonical JSON."""

    __table_args__ = (UniqueConstraint("schema_id", "version"), UniqueConstraint("schema_id", "hash"))

    id: str = Field(primary_key=True)
    schema_id: str = Field(foreign_key="schema.id", index=True)
    version: int
    hash: str = Field(index=True)
    body: dict[str, Any] = json()
    """The JSON Schema."""
    example_input: str = long_text(default="")
    example_output: dict[str, Any] | None = json(default=None)
    created_at: datetime = utc()
    created_by: str = ""
    source: str = long_text(default="")
    """The Pydantic source that it was read from, as it was pasted; empty where it came as JSON Schema."""


class SchemaLabel(Row, table=True):
    """A movable name for a version, such as ``production``."""

    schema_id: str = Field(foreign_key="schema.id", primary_key=True)
    label: str = Field(primary_key=True)
    version_id: str = Field(foreign_key="schema_version.id")
    version_before: int | None = None
    """The version that it named before; ``None`` where it named none."""
    moved_at: datetime | None = utc(default=None)
    moved_by: str = ""


class FlagRule(Row, table=True):
    """An operator's setting of a flag, for one tenant or (``tenant_id`` empty) for all."""

    name: str = Field(primary_key=True)
    tenant_id: str = Field(default="", primary_key=True)
    is_on: bool
    percent: int | None = None
    """For so many of a hundred calls, drawn by ``salt``; for the others the opposite holds. ``None`` is for all."""
    salt: str = ""
    algorithm: int = 1
    """The number of the way in which it is drawn (``core/flags``)."""
    starts_wall: str | None = None
    """From when on it holds, by the clock in ``zone``: ``2027-03-28T02:30``; ``None`` is since ever."""
    ends_wall: str | None = None
    zone: str = ""
    is_permanent: bool = False
    """Whether it is meant to stay."""
    changed_at: datetime = utc()
    changed_by: str = ""
    reason: str = long_text(default="")


class GuardrailRule(Row, table=True):
    """What is searched for in texts, for one tenant or (``tenant_id`` empty) for all, and what becomes of it."""

    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: str = Field(primary_key=True)
    tenant_id: str = ""
    name: str
    route: str = ""
    """On this route alone, or (empty) on every."""
    check_name: str
    """What it searches for (``core/guardrails/checks``)."""
    action: str
    """``note``, ``replace``, ``redact`` or ``block``."""
    stages: list[str] = json(default_factory=list)
    """``input``, ``output``."""
    settings: dict[str, Any] = json(default_factory=dict)
    """The check's own."""
    exceptions: list[str] = json(default_factory=list)
    """What is found and is one of these is as if it had not been."""
    position: int = 100
    is_on: bool = True
    created_at: datetime = utc()
    version: int = 1
    """Goes up with each edit; an edit that names an older one is a conflict."""


class AuditEntry(Row, table=True):
    """Who changed what, from what, to what, and why: a link of the chain that ``core/audit`` makes and verifies."""

    __table_args__ = (Index("ix_audit_entry_tenant_at", "tenant_id", "at"),)

    id: str = Field(primary_key=True)
    at: datetime = utc(index=True)
    actor: str
    door: str = ""
    """From where: the console, a command line with its user and host, the API, Proctor itself; empty where unknown."""
    action: str
    """A verb on a noun, such as ``budget.set``."""
    kind: str = ""
    """The family of what was changed, as its event has it."""
    subject: str
    tenant_id: str | None = None
    summary: str = long_text(default="")
    reason: str = long_text(default="")
    before: Any = json(default=None, nullable=True)
    after: Any = json(default=None, nullable=True)
    undo_of: str | None = Field(default=None, index=True)
    """The entry of the change that this one undid."""
    seq: int | None = Field(default=None, sa_type=BigInteger, unique=True)
    """Its place in the chain, from 1 on without a gap; ``None`` for what the demo world's own people decided."""
    hash: str = ""
    """Of all above but the last, and of the hash before it."""


class AuditHead(Row, table=True):
    """Where the chain ends (``newest``), and up to where it was proven (``proven``)."""

    name: str = Field(primary_key=True)
    seq: int = Field(default=0, sa_type=BigInteger)
    hash: str = ""
