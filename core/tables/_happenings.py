"""What happened."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import BigInteger, Index, UniqueConstraint
from sqlalchemy import text as sql_text
from sqlmodel import Field

from core.tables._columns import Row, json, long_text, money, utc
from core.tables._words import FAILED_BY, HAS_FAILED


class ChangeEvent(Row, table=True):
    """Something an operator or the system changed, at a time: it annotates every chart."""

    __table_args__ = (Index("ix_change_event_tenant_at", "tenant_id", "at"),)

    id: str = Field(primary_key=True)
    at: datetime = utc(index=True)
    kind: str
    """``budget``, ``flag``, ``route``, ``schema``, ``breaker``, ``tenant``, ``key``, ``drill`` …"""
    subject: str
    tenant_id: str | None = None
    summary: str
    before: Any = json(default=None, nullable=True)
    after: Any = json(default=None, nullable=True)


class Account(Row, table=True):
    """What a budget has spent and holds in one period. Changed only by conditional updates, explained by the ledger."""

    __table_args__ = (UniqueConstraint("budget_id", "starts_at", "ends_at"),)

    id: str = Field(primary_key=True)
    budget_id: str = Field(foreign_key="budget.id", index=True)
    tenant_id: str = Field(index=True)
    starts_at: datetime = utc()
    ends_at: datetime = utc()
    spent_nano_usd: int = money(default=0)
    held_nano_usd: int = money(default=0)
    opening_moves: int = 0
    """How often its opening balance was moved: who has summed that, and is about to write it, finds out."""


class Reservation(Row, table=True):
    """A generation that is out: the money held for it, and what is to be recorded should its process die.

    Gone once the generation has ended. One that outlives ``expires_at`` is settled by whoever sweeps.
    """

    generation_id: str = Field(primary_key=True)
    tenant_id: str = ""
    holds: dict[str, int] = json()
    """Nano-dollars held, by account."""
    generation: dict[str, Any] = json()
    """The row of the generation, as far as it is known."""
    attempts: list[dict[str, Any]] = json()
    """The rows of the attempts that are out, with their estimates."""
    owner: str = ""
    expires_at: datetime = utc(index=True)


class Process(Row, table=True):
    """A process that holds reservations, and when it last showed that it lives."""

    owner: str = Field(primary_key=True)
    started_at: datetime = utc()
    seen_at: datetime = utc()


_WITHOUT_ATTEMPT = sql_text("attempt_id IS NULL AND kind IN ('charge', 'refund')")
"""Only ledgers that the first release began have such entries."""


class LedgerEntry(Row, table=True):
    """Money spent from an account. An account's entries sum to what it has spent, always."""

    __table_args__ = (
        UniqueConstraint("attempt_id", "account_id", "kind", "cause"),
        Index("ix_ledger_entry_account_kind", "account_id", "kind"),
        Index(
            "ix_ledger_entry_without_attempt",
            "account_id",
            "nano_usd",
            sqlite_where=_WITHOUT_ATTEMPT,
            postgresql_where=_WITHOUT_ATTEMPT,
        ),
    )

    id: str = Field(primary_key=True)
    at: datetime = utc()
    account_id: str = Field(foreign_key="account.id")
    generation_id: str = Field(index=True)
    attempt_id: str | None = None
    kind: str
    cause: str = ""
    """The re-pricing that made it, or the attempt that was late for its opening; empty for every other entry."""
    nano_usd: int = money()
    estimated: bool = False


_IS_REASK = sql_text("reask_of IS NOT NULL")
"""Few are: their index costs the others nothing."""
_HAS_FAILED = sql_text(HAS_FAILED)
"""Likewise, and a search for errors is answered from theirs."""
_NAMES_USER, _BY_USER = sql_text("user_hash IS NOT NULL"), ("tenant_id", "user_hash", "started_at")
"""By what is looked up whose data is to be erased or handed out; a call that names no user costs it nothing."""


class GenerationRow(Row, table=True):
    """One request and everything that came of it; refusals too."""

    __table_args__ = (
        Index("ix_generation_started", "started_at"),
        Index("ix_generation_tenant_started", "tenant_id", "started_at"),
        Index("ix_generation_request", "request_id", postgresql_ops={"request_id": "text_pattern_ops"}),
        Index("ix_generation_failed", *FAILED_BY, sqlite_where=_HAS_FAILED, postgresql_where=_HAS_FAILED),
        Index("ix_generation_schema_started", "schema_name", "started_at"),
        Index("ix_generation_user", *_BY_USER, sqlite_where=_NAMES_USER, postgresql_where=_NAMES_USER),
        Index("ix_generation_reask_of", "reask_of", sqlite_where=_IS_REASK, postgresql_where=_IS_REASK),
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
    error_detail: str | None = long_text(default=None)
    streamed: bool = False
    started_at: datetime = utc()
    ended_at: datetime = utc()
    duration_ms: float
    """Wall time from the door to the record, in milliseconds."""
    ttft_ms: float | None = None
    """Milliseconds to the first token of the answering attempt; known for streams only."""
    queue_us: int | None = Field(default=None, sa_type=BigInteger)
    """How long it waited for its turn before its first attempt, in microseconds; ``None`` where that is not known."""
    attempts: int = 0
    provider: str | None = None
    model: str | None = None
    """Who answered, or who was asked last."""
    input_tokens: int = 0
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    cost_nano_usd: int | None = money(default=None)
    """Sum over attempts; ``None`` where any attempt is unpriced."""
    wasted_nano_usd: int = money(default=0)
    """The part of the cost that bought no valid object."""
    estimated: bool = False
    """Whether any part of usage or cost is an estimate."""
    saved_nano_usd: int = money(default=0)
    """What an answer from the cache would have cost."""
    answered_from: str | None = Field(default=None)
    """The generation that left the answer in the cache."""
    user_hash: str | None = None
    """A keyed hash of the caller's user id."""
    caller_metadata: dict[str, Any] | None = json(default=None)
    trace: list[dict[str, Any]] = json()
    """The decision trace: ``{"room", "verdict", "reason"}`` in the order walked."""
    policy_hash: str | None = None
    """The :class:`PolicySnapshot` it ran under, so that it can be explained afterwards."""
    policy_revision: int | None = None
    """How many decisions of operators there were then."""
    guardrail_ms: float | None = None
    """How long its texts were judged, in milliseconds; ``None`` where that is not known."""
    media: list[dict[str, Any]] | None = json(default=None)
    """Kind, type, size and hash of each image and document of its messages; ``None`` where there was none."""
    reask_of: str | None = None
    """The generation whose invalid answer its caller, who asks again by himself, asks again for. Each has one such
    successor, but for those that a client sent twice as it got no answer."""


class PolicySnapshot(Row, table=True):
    """What a policy said, kept once, however many generations ran under it."""

    hash: str = Field(primary_key=True)
    tenant_id: str = Field(index=True)
    body: dict[str, Any] = json()


_UNPRICED = sql_text("cost_nano_usd IS NULL AND input_tokens IS NOT NULL")
"""The index has the cost as well: SQLite reads the row for what the condition names and the index has not."""
"""Paid for, and nobody knows the price: few rows, so their index costs the others nothing."""


OF_REJECTED = "error_code IN ('key_rejected', 'quota_exhausted')"
"""Turned away for our key or our account, whatever was asked: none in good times. A question that says it in the same
words is answered from the index of such calls alone."""
_REJECTED = sql_text(OF_REJECTED)


class AttemptRow(Row, table=True):
    """One provider call."""

    __table_args__ = (
        UniqueConstraint("generation_id", "n"),
        Index("ix_attempt_started", "started_at"),
        Index(
            "ix_attempt_unpriced",
            *("started_at", "provider", "model", "tenant_id", "input_tokens", "output_tokens", "cost_nano_usd"),
            sqlite_where=_UNPRICED,
            postgresql_where=_UNPRICED,
        ),
        Index(
            "ix_attempt_rejected",
            *("started_at", "provider", "error_code", "tenant_id"),
            sqlite_where=_REJECTED,
            postgresql_where=_REJECTED,
        ),
    )

    id: str = Field(primary_key=True)
    generation_id: str
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
    started_at: datetime = utc()
    ended_at: datetime = utc()
    duration_ms: float
    ttft_ms: float | None = None
    http_status: int | None = None
    provider_request_id: str | None = None
    finish_reason: str | None = None
    outcome: str
    error_code: str | None = None
    error_detail: str | None = long_text(default=None)
    input_tokens: int | None = None
    """All input, cached included, as OpenAI counts; ``None`` where the wire never told."""
    cached_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    """All output, reasoning included."""
    reasoning_tokens: int | None = None
    estimated: bool = False
    """Whether usage was estimated because the wire never told it."""
    cost_nano_usd: int | None = money(default=None)
    price: dict[str, Any] | None = json(default=None)
    """The price it was charged at, frozen, with its source and date."""
    billing: dict[str, Any] | None = json(default=None)
    """Service tier, region, one-hour cache writes and a remark, where there are any: see ``core.pricing.billing``."""
    family: str | None = None
    """The one name of the model's family, as ``provider/name``, where it is not the name that was asked."""
    charges: int = 0
    """How many accounts were charged for it; the ledger has as many entries."""
    cache_saved_nano_usd: int = money(default=0)
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
    message: str = long_text()


class FindingRow(Row, table=True):
    """What guardrails found in one place of one generation: what and how often, and what came of it. Never the text."""

    __table_args__ = (Index("ix_finding_at", "at"), Index("ix_finding_tenant_at", "tenant_id", "at"))

    generation_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    tenant_id: str
    at: datetime = utc()
    """When the generation began, so that both belong to the same window."""
    guardrail: str
    """Empty where who refused does not say it."""
    rule_id: str | None = None
    """The rule that had it looked for; ``None`` where that is so by default."""
    stage: str
    """``input`` or ``output``."""
    place: str = ""
    """In our own words, such as ``user text``; empty where it is not told."""
    kind: str = ""
    """What was found, such as ``an API key``; empty where a text was refused for what it is as a whole."""
    action: str
    count: int = 1
    shape: str = ""
    """Of one secret among them its length, and what all of its vendor's begin with: nothing that only its owner has."""


class Payload(Row, table=True):
    """What was asked and answered, kept apart so that lists never read it and retention can delete it."""

    __table_args__ = (Index("ix_payload_expires", "expires_at"), Index("ix_payload_key_id", "key_id"))

    generation_id: str = Field(primary_key=True)
    n: int = Field(primary_key=True)
    """0 for the generation itself (request and final value), else the attempt's number."""
    asked: Any = json(default=None, nullable=True)
    """n = 0: the messages. Else: what this attempt added to them (a re-ask's correction)."""
    answered: str | None = long_text(default=None)
    """n = 0: the valid object as JSON. Else: the raw text of the answer."""
    expires_at: datetime = utc()
    key_id: str | None = None
    """The key that sealed both, if one did: see ``core.sealed_texts``."""


ANSWERED_BY = "substr(holder, 1, 32)"
"""The generation that left an answer, in the words of its index: which a migration that copies the table loses."""
IS_ANSWER = "kind IN ('answer', 'idempotency')"
_IS_ANSWER, _IS_SEALED = sql_text(IS_ANSWER), sql_text("key_id IS NOT NULL")


class Claim(Row, table=True):
    """Something that one of all threads and processes does, or has done: a lease, then a result."""

    __table_args__ = (
        Index("ix_claim_key_id", "key_id", sqlite_where=_IS_SEALED, postgresql_where=_IS_SEALED),
        Index("ix_claim_answered_by", sql_text(ANSWERED_BY), sqlite_where=_IS_ANSWER, postgresql_where=_IS_ANSWER),
    )

    kind: str = Field(primary_key=True)
    """``core.claims`` lists them."""
    key: str = Field(primary_key=True)
    tenant_id: str = Field(default="", index=True)
    """Whose data the result is; empty where it is nobody's."""
    holder: str
    """Names the one try that holds it, or that left the result; an answer's begins with its generation's id."""
    result: str | None = long_text(default=None)
    """What came of it, as JSON; ``None`` while somebody is at it."""
    key_id: str | None = None
    """The key that sealed it, where it is an answer; ``None`` where none did."""
    since: datetime = utc()
    """When it was taken, or when the result was left."""
    expires_at: datetime = utc(index=True)
    """When the result is too old, or, while somebody is at it, when they are given up."""


class Repricing(Row, table=True):
    """One re-pricing of history: an operator's decision, with what it changed."""

    id: str = Field(primary_key=True)
    at: datetime = utc()
    actor: str
    reason: str = long_text()
    tenant_id: str = ""
    provider: str = ""
    model: str = ""
    starts_at: datetime = utc()
    ends_at: datetime = utc()
    attempts: int = 0
    before_nano_usd: int = money(default=0)
    after_nano_usd: int = money(default=0)


class RepricedAttempt(Row, table=True):
    """The old figures of one attempt that a re-pricing changed."""

    repricing_id: str = Field(foreign_key="repricing.id", primary_key=True)
    attempt_id: str = Field(primary_key=True, index=True)
    before_nano_usd: int | None = money(default=None)
    after_nano_usd: int = money()
    price_before: dict[str, Any] | None = json(default=None, nullable=True)


class Verification(Row, table=True):
    """One run of ``verify``: whether ledger and attempts explain every account."""

    id: str = Field(primary_key=True)
    at: datetime = utc(index=True)
    ok: bool
    accounts: int
    attempts: int
    difference_nano_usd: int = money()
    held_nano_usd: int = money()
    duration_ms: float
    by: str
    is_whole: bool = True
    """Whether it looked at all history, or only at what was new since the last."""
    series: str = ""
    """The stretches of the ledger that it proved or built on; empty where it left no proof."""
