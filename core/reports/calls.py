"""Finding calls by what is known of them. Lists never read payloads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Select,
    and_,
    case,
    cast,
    func,
    literal_column,
    not_,
    or_,
    select,
)
from sqlmodel import col

from core.pricing import usd
from core.reports.frames import Frame, frame
from core.reports.guardrails import has_finding
from core.reports.reading import Reading
from core.reports.reask_chains import superseded
from core.tables import BLOCKED, ERRORS, VALID, AttemptRow, FieldError, GenerationRow, Tenant
from core.visibility import visible

PAGE_SIZE = 25
"""Calls on one page of a list."""
MOST_CHOICES = 100
"""Models to choose from."""
MOST_EXPORTED = 50_000
"""Rows of one export."""
OUTCOME_GROUPS = {
    "any_valid": tuple(outcome.value for outcome in sorted(VALID)),
    "any_error": tuple(outcome.value for outcome in sorted(ERRORS)),
    "any_blocked": tuple(outcome.value for outcome in sorted(BLOCKED)),
}
"""Names for several outcomes at once; a filter takes them beside single ones. Who was asked again for is no error."""
SUPERSEDED_CALLS = "superseded"
"""Beside them: calls that their client asked again for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls: all conditions must hold, and ``None`` is none."""

    starts_at: datetime
    """Calls that began at this time or later …"""
    ends_at: datetime
    """… and before this one."""
    tenant_id: str | None = None
    outcome: str | None = None
    """An outcome, a name in :data:`OUTCOME_GROUPS`, or :data:`SUPERSEDED_CALLS`."""
    model: str | None = None
    """``provider/name`` of who answered or was asked last."""
    provider: str | None = None
    """Who was asked, in any attempt."""
    key_id: str | None = None
    """With which key of the tenant; through all its rotations it is one."""
    schema: str | None = None
    version: int | None = None
    """The version of the schema."""
    route: str | None = None
    error_code: str | None = None
    field: str | None = None
    """A path with an error in any attempt; ``[*]`` stands for any position in a list."""
    guardrail: str | None = None
    """Calls in which this one found something."""
    found: str | None = None
    """Calls in which something of this kind was found."""
    text: str | None = None
    """How the call's id or its request id begins. A whole id is found outside the time, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """One page of a list of calls, the newest first."""

    calls: Frame
    """``id started_at tenant outcome error_code schema version route model attempts duration_ms ttft_ms input_tokens
    output_tokens cost_usd unpriced estimated streamed request_id reask_of superseded``. The cost is what is known of
    it, and missing where nothing is; ``unpriced`` says that a part of it is not known; ``superseded`` that the client
    asked again for it, so that it is counted with the one that did."""
    total: int
    """Calls that pass the filter."""
    page: int
    """From 1; a page beyond the last one is answered by the last one."""
    pages: int
    as_of: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSums:
    """What the calls that pass a filter add up to."""

    calls: int
    spend_nano_usd: int | None
    """What is known of their cost; ``None`` where something was paid for and nothing is known."""
    unpriced: int
    """Calls with an attempt that has no price: their part of the sum is missing or too low."""
    estimated: int
    """Calls with an attempt whose usage the provider never told."""


@dataclass(frozen=True, slots=True)
class Choices:
    """What occurs in a stretch of time, to choose from."""

    models: Sequence[str]
    schemas: Sequence[str]
    routes: Sequence[str]
    error_codes: Sequence[str]


def _named(column: Any, name: str) -> ColumnElement[Any]:
    return column.label(name)


_IS_UNPRICED = and_(col(GenerationRow.attempts) > 0, col(GenerationRow.cost_nano_usd).is_(None))
_PRICED_PART = (
    select(cast(func.sum(AttemptRow.cost_nano_usd), BigInteger))
    .where(col(AttemptRow.generation_id) == col(GenerationRow.id))
    .correlate(GenerationRow)
    .scalar_subquery()
)
_COST = case((_IS_UNPRICED, _PRICED_PART), else_=col(GenerationRow.cost_nano_usd))
"""What is known of a call's cost: its own sum or, where an attempt is unpriced, the sum of those that are priced."""
_IS_SUPERSEDED: ColumnElement[bool] = literal_column(superseded("generation"), Boolean)
_FULL_MODEL: ColumnElement[Any] = (col(GenerationRow.provider) + "/" + col(GenerationRow.model)).label("model")
_LINE: tuple[Any, ...] = (
    GenerationRow.id,
    GenerationRow.started_at,
    func.coalesce(col(Tenant.name), col(GenerationRow.tenant_id)).label("tenant"),
    GenerationRow.outcome,
    GenerationRow.error_code,
    _named(GenerationRow.schema_name, "schema"),
    _named(GenerationRow.schema_version, "version"),
    GenerationRow.route,
    _FULL_MODEL,
    GenerationRow.attempts,
    GenerationRow.duration_ms,
    GenerationRow.ttft_ms,
    GenerationRow.input_tokens,
    GenerationRow.output_tokens,
    _COST.label("cost_usd"),
    _IS_UNPRICED.label("unpriced"),
    GenerationRow.estimated,
    GenerationRow.streamed,
    GenerationRow.request_id,
    GenerationRow.reask_of,
    _named(_IS_SUPERSEDED, "superseded"),
)
_EXPORT: tuple[Any, ...] = (
    *_LINE,
    GenerationRow.error_detail,
    GenerationRow.cached_tokens,
    GenerationRow.cache_write_tokens,
    GenerationRow.reasoning_tokens,
    _named(GenerationRow.wasted_nano_usd, "wasted_usd"),
    _COST.label("cost_nano_usd"),
    GenerationRow.schema_hash,
    GenerationRow.principal,
)


def call_count(reading: Reading, wanted: CallFilter) -> int:
    """Return how many calls pass *wanted*."""
    return int(reading.ask(select(func.count()).select_from(GenerationRow).where(_conditions(wanted)))[0][0])


def call_sums(reading: Reading, wanted: CallFilter) -> CallSums:
    """Return what the calls that pass *wanted* add up to."""
    sums = select(
        func.count(),
        cast(func.coalesce(func.sum(_COST), 0), BigInteger),
        func.count(case((col(GenerationRow.attempts) > 0, _COST))),
        func.count(case((_IS_UNPRICED, 1))),
        func.count(case((col(GenerationRow.estimated), 1))),
    )
    row = reading.ask(sums.select_from(GenerationRow).where(_conditions(wanted)))[0]
    calls, spent, known, unpriced, estimated = row
    spend = None if unpriced and not known else spent
    return CallSums(calls=calls, spend_nano_usd=spend, unpriced=unpriced, estimated=estimated)


def call_page(reading: Reading, wanted: CallFilter, page: int, as_of: datetime, total: int | None = None) -> CallPage:
    """Return one page of the calls that pass *wanted*; they are counted, unless *total* says how many there are."""
    counted = call_count(reading, wanted) if total is None else total
    pages = max(1, -(-counted // PAGE_SIZE))
    shown = min(max(1, page), pages)
    lines = _newest_first(_LINE, _conditions(wanted)).limit(PAGE_SIZE).offset((shown - 1) * PAGE_SIZE)
    return CallPage(calls=_frame(reading, lines), total=counted, page=shown, pages=pages, as_of=as_of)


def calls_frames(
    look: Callable[[], AbstractContextManager[Reading]], wanted: CallFilter, at_once: int
) -> Generator[Frame]:
    """Yield every call that passes *wanted*, with all that is known of it but its payload, the newest first.

    Each table has a look of its own, so that nothing is kept open for whoever reads slowly. Where there are no calls,
    it is one table without rows.
    """
    conditions = _conditions(wanted)
    beyond = conditions
    for told in range(0, MOST_EXPORTED, at_once):
        with look() as reading:
            some = _frame(reading, _newest_first(_EXPORT, beyond).limit(min(at_once, MOST_EXPORTED - told)))
        if len(some) or not told:
            yield some
        if len(some) < at_once:
            return
        last: Any = some.iloc[-1]
        at, call_id = last["started_at"].to_pydatetime(), str(last["id"])
        is_same = and_(col(GenerationRow.started_at) == at, col(GenerationRow.id) < call_id)
        is_older = and_(col(GenerationRow.started_at) <= at, or_(col(GenerationRow.started_at) < at, is_same))
        beyond = and_(conditions, is_older)


def choices(reading: Reading, starts_at: datetime, ends_at: datetime, routed: Collection[str] = ()) -> Choices:
    """Return what occurs among the calls that began in that time: of models those *routed*, then those called most."""
    within = _conditions(CallFilter(starts_at=starts_at, ends_at=ends_at))
    counted = select(col(GenerationRow.provider), col(GenerationRow.model), func.count().label("calls"))
    by_name = counted.where(
        within, visible(reading.scope, GenerationRow.tenant_id), col(GenerationRow.model).is_not(None)
    )
    called = by_name.group_by(col(GenerationRow.provider), col(GenerationRow.model)).subquery()
    name = (called.c.provider + "/" + called.c.model).label("name")
    is_routed = case((name.in_(sorted(routed)), 0), else_=1)
    models = select(name).order_by(is_routed, called.c.calls.desc(), called.c.provider, called.c.model)
    occurring = select(col(GenerationRow.schema_name), col(GenerationRow.route), col(GenerationRow.error_code))
    rows = reading.ask(occurring.distinct().where(within))
    columns = [
        reading.session.scalars(models.limit(MOST_CHOICES)),
        *(zip(*rows, strict=True) if rows else ((), (), ())),
    ]
    return Choices(*(sorted({value for value in column if value}) for column in columns))


def latest_call_at(reading: Reading) -> datetime | None:
    """Return when the latest call began; ``None`` if there is none."""
    return reading.ask(select(func.max(GenerationRow.started_at)))[0][0]


def _newest_first(columns: Sequence[Any], conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    joined = select(*columns).select_from(GenerationRow)
    joined = joined.outerjoin(Tenant, col(Tenant.id) == col(GenerationRow.tenant_id)).where(conditions)
    return joined.order_by(col(GenerationRow.started_at).desc(), col(GenerationRow.id).desc())


def passing(wanted: CallFilter) -> ColumnElement[bool]:
    """Return the condition that a generation passes *wanted*, whoever its tenant is."""
    return _conditions(wanted)


def _conditions(wanted: CallFilter) -> ColumnElement[bool]:
    conditions: list[ColumnElement[bool]] = [
        col(GenerationRow.started_at) >= wanted.starts_at,
        col(GenerationRow.started_at) < wanted.ends_at,
    ]
    if wanted.outcome == SUPERSEDED_CALLS:
        conditions.append(_IS_SUPERSEDED)
    elif wanted.outcome:
        conditions.append(col(GenerationRow.outcome).in_(OUTCOME_GROUPS.get(wanted.outcome, (wanted.outcome,))))
        if wanted.outcome == "any_error":
            conditions.append(not_(_IS_SUPERSEDED))
    if wanted.model:
        provider, _, name = wanted.model.partition("/")
        conditions += [col(GenerationRow.provider) == provider, col(GenerationRow.model) == name]
    if wanted.provider:
        conditions.append(_asked(wanted.provider))
    for column, value in (
        (GenerationRow.key_id, wanted.key_id),
        (GenerationRow.schema_name, wanted.schema),
        (GenerationRow.schema_version, wanted.version),
        (GenerationRow.route, wanted.route),
        (GenerationRow.error_code, wanted.error_code),
    ):
        if value:
            conditions.append(col(column) == value)
    if wanted.guardrail or wanted.found:
        conditions.append(
            has_finding(wanted.guardrail, wanted.found, wanted.starts_at, wanted.ends_at, wanted.tenant_id)
        )
    if wanted.field:
        conditions.append(_failed_at(wanted.field))
    text = (wanted.text or "").strip()
    if text:
        beginning = or_(
            col(GenerationRow.id).startswith(text, autoescape=True),
            col(GenerationRow.request_id).startswith(text, autoescape=True),
        )
        every = or_(and_(*conditions, beginning), col(GenerationRow.id) == text)
    else:
        every = and_(*conditions)
    return every


def _asked(provider: str) -> ColumnElement[bool]:
    """Return the condition that it was asked; who was asked once only is told by the call itself."""
    attempt = select(col(AttemptRow.id)).where(
        col(AttemptRow.generation_id) == col(GenerationRow.id), col(AttemptRow.provider) == provider
    )
    several = and_(col(GenerationRow.attempts) > 1, attempt.exists())
    return or_(col(GenerationRow.provider) == provider, several)


def _failed_at(path: str) -> ColumnElement[bool]:
    pattern = path.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("[*]", "[%]")
    failed = select(col(FieldError.id)).where(
        col(FieldError.generation_id) == col(GenerationRow.id), col(FieldError.path).like(pattern, escape="\\")
    )
    return failed.exists()


def _frame(reading: Reading, lines: Select[*tuple[Any, ...]]) -> Frame:
    names = [str(column["name"]) for column in lines.column_descriptions]
    money = [
        position for position, name in enumerate(names) if name.endswith("_usd") and not name.endswith("_nano_usd")
    ]
    rows = [list(row) for row in reading.ask(lines)]
    for row in rows:
        for position in money:
            row[position] = usd(row[position])
    return frame(names, rows)
