"""Finding calls by what is known of them. Lists never read payloads."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import ColumnElement, Select, and_, func, select
from sqlmodel import col

from core.pricing import usd
from core.reports.calls._columns import COST, FULL_MODEL, IS_SUPERSEDED, IS_UNPRICED, TENANT_NAME
from core.reports.calls._conditions import condition, within
from core.reports.calls._filters import CallFilter
from core.reports.calls._order import NEWEST, CallCursor, CallOrder
from core.reports.frames import Frame, frame
from core.reports.reading import Reading
from core.tables import GenerationRow, Tenant

PAGE_SIZE = 25
"""Calls on one page of a list."""
MOST_COUNTED_CALLS = 10_000
"""Up to here calls are counted; there may be more of them then."""
MOST_SORTED = 100_000
"""Among so many of the newest calls of a time a list is sorted by anything but time: each of them is looked at."""
MOST_EXPORTED = 50_000
"""Rows of one export."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallPage:
    """One page of a list of calls."""

    calls: Frame
    """``id started_at tenant outcome error_code schema version route model attempts duration_ms ttft_ms input_tokens
    output_tokens cost_usd wasted_usd unpriced estimated streamed request_id reask_of superseded principal``. The cost
    is what is known of it, and missing where nothing is; ``unpriced`` says that a part of it is not known;
    ``superseded`` that the client asked again for it, so that it is counted with the one that did."""
    total: int
    """Calls that pass the filter: at most ``MOST_COUNTED_CALLS``, which says that there may be more."""
    skipped: int
    """How many of them stand before this page; as many at most."""
    before: CallCursor | None
    """Where the page before this one ends; ``None`` on the first."""
    after: CallCursor | None
    """Where the next one begins; ``None`` on the last."""
    since: datetime | None
    """From when on calls were looked at, where those are not all of the time: see ``MOST_SORTED``."""
    as_of: datetime


LINE: Any = (
    GenerationRow.id,
    GenerationRow.started_at,
    TENANT_NAME.label("tenant"),
    GenerationRow.outcome,
    GenerationRow.error_code,
    col(GenerationRow.schema_name).label("schema"),
    col(GenerationRow.schema_version).label("version"),
    GenerationRow.route,
    FULL_MODEL.label("model"),
    GenerationRow.attempts,
    GenerationRow.duration_ms,
    GenerationRow.ttft_ms,
    GenerationRow.input_tokens,
    GenerationRow.output_tokens,
    COST.label("cost_usd"),
    col(GenerationRow.wasted_nano_usd).label("wasted_usd"),
    IS_UNPRICED.label("unpriced"),
    GenerationRow.estimated,
    GenerationRow.streamed,
    GenerationRow.request_id,
    GenerationRow.reask_of,
    IS_SUPERSEDED.label("superseded"),
    GenerationRow.principal,
)
"""What a line of a list is made of."""
_EXPORT: tuple[Any, ...] = (
    *LINE,
    GenerationRow.error_detail,
    GenerationRow.cached_tokens,
    GenerationRow.cache_write_tokens,
    GenerationRow.reasoning_tokens,
    COST.label("cost_nano_usd"),
    GenerationRow.schema_hash,
)


def call_count(reading: Reading, wanted: CallFilter, now: datetime | None = None) -> int:
    """Return how many calls pass *wanted*, at most ``MOST_COUNTED_CALLS``."""
    return _counted(reading, condition(reading, wanted, now))


def call_page(
    reading: Reading,
    wanted: CallFilter,
    as_of: datetime,
    *,
    order: CallOrder = NEWEST,
    cursor: CallCursor | None = None,
    size: int = PAGE_SIZE,
    total: int | None = None,
) -> CallPage:
    """Return one page of the calls that pass *wanted*; they are counted, unless *total* says how many there are."""
    looked, since = sorted_among(reading, wanted, order)
    conditions = condition(reading, looked, as_of)
    is_before = cursor is not None and cursor.is_before
    is_sqlite = reading.is_sqlite
    some = and_(conditions, order.beyond(cursor, is_sqlite=is_sqlite)) if cursor else conditions
    lines = joined_lines((*LINE, order.value.label("sorted_by")), some)
    lines = lines.order_by(*order.terms(is_sqlite=is_sqlite, is_reversed=is_before)).limit(size + 1)
    rows = [list(row) for row in reading.ask(lines)]
    has_more, rows = len(rows) > size, rows[:size]
    if is_before:
        rows.reverse()
    marks = [(row.pop(), str(row[0])) for row in rows]
    before = CallCursor(*marks[0], is_before=True) if marks and (has_more if is_before else cursor) else None
    after = CallCursor(*marks[-1]) if marks and (is_before or has_more) else None
    skipped = 0
    if cursor is not None and before is not None:
        skipped = _counted(reading, and_(conditions, order.beyond(before, is_sqlite=is_sqlite)))
    return CallPage(
        calls=_frame(_names(lines)[:-1], rows),
        total=_counted(reading, conditions) if total is None else total,
        skipped=skipped,
        before=before,
        after=after,
        since=since,
        as_of=as_of,
    )


def sorted_among(reading: Reading, wanted: CallFilter, order: CallOrder) -> tuple[CallFilter, datetime | None]:
    """Return among which calls a list is sorted, and since when those began where they are not all of the time."""
    if order.is_in_time:
        return wanted, None
    at = col(GenerationRow.started_at)
    beyond = reading.ask(select(at).where(within(wanted)).order_by(at.desc()).limit(1).offset(MOST_SORTED))
    if not beyond:
        return wanted, None
    return replace(wanted, starts_at=beyond[0][0]), beyond[0][0]


def calls_frames(
    look: Callable[[], AbstractContextManager[Reading]],
    wanted: CallFilter,
    at_once: int,
    now: datetime,
    order: CallOrder = NEWEST,
) -> Generator[Frame]:
    """Yield every call that passes *wanted*, with all that is known of it but its payload, in this order.

    Each table has a look of its own, so that nothing is kept open for whoever reads slowly. Where there are no calls,
    it is one table without rows. In another order than that of time, the ids are looked up at once: those stay as they
    were, whatever is recorded meanwhile.
    """
    if order.is_in_time:
        yield from _in_time(look, wanted, at_once, now, order)
        return
    with look() as reading:
        looked, _ = sorted_among(reading, wanted, order)
        ids = joined_lines((col(GenerationRow.id),), condition(reading, looked, now))
        ids = ids.order_by(*order.terms(is_sqlite=reading.is_sqlite)).limit(MOST_EXPORTED)
        listed = [row[0] for row in reading.ask(ids)]
    for first in range(0, max(1, len(listed)), at_once):
        some = listed[first : first + at_once]
        with look() as reading:
            lines = joined_lines(_EXPORT, col(GenerationRow.id).in_(some))
            rows = {row[0]: list(row) for row in reading.ask(lines)}
        yield _frame(_names(lines), [rows[call_id] for call_id in some if call_id in rows])


def _in_time(
    look: Callable[[], AbstractContextManager[Reading]],
    wanted: CallFilter,
    at_once: int,
    now: datetime,
    order: CallOrder,
) -> Generator[Frame]:
    behind: CallCursor | None = None
    for told in range(0, MOST_EXPORTED, at_once):
        with look() as reading:
            is_sqlite = reading.is_sqlite
            conditions = condition(reading, wanted, now)
            some = conditions if behind is None else and_(conditions, order.beyond(behind, is_sqlite=is_sqlite))
            lines = joined_lines(_EXPORT, some).order_by(*order.terms(is_sqlite=is_sqlite))
            found = frame_of(reading, lines.limit(min(at_once, MOST_EXPORTED - told)))
        if len(found) or not told:
            yield found
        if len(found) < at_once:
            return
        last = cast("Any", found.iloc[-1])  # pyright: ignore[reportUnknownMemberType]
        behind = CallCursor(last["started_at"].to_pydatetime(), str(last["id"]))


def latest_call_at(reading: Reading) -> datetime | None:
    """Return when the latest call began; ``None`` if there is none."""
    return reading.ask(select(func.max(GenerationRow.started_at)))[0][0]


def _counted(reading: Reading, conditions: ColumnElement[bool]) -> int:
    """Count calls as far as they are; the tenants are joined for an order that names them."""
    some = joined_lines((col(GenerationRow.id),), conditions).limit(MOST_COUNTED_CALLS)
    return reading.count(some)


def joined_lines(columns: Sequence[Any], conditions: ColumnElement[bool]) -> Select[*tuple[Any, ...]]:
    """Return the statement that reads such columns of calls, each with the name of its tenant at hand."""
    joined = select(*columns).select_from(GenerationRow)
    return joined.outerjoin(Tenant, col(Tenant.id) == col(GenerationRow.tenant_id)).where(conditions)


def frame_of(reading: Reading, lines: Select[*tuple[Any, ...]]) -> Frame:
    """Return the table that such a statement reads, amounts in dollars."""
    return _frame(_names(lines), [list(row) for row in reading.ask(lines)])


def _names(lines: Select[*tuple[Any, ...]]) -> list[str]:
    return [str(column["name"]) for column in lines.column_descriptions]


def _frame(names: Sequence[str], rows: Sequence[list[Any]]) -> Frame:
    money = [
        position for position, name in enumerate(names) if name.endswith("_usd") and not name.endswith("_nano_usd")
    ]
    for row in rows:
        for position in money:
            row[position] = usd(row[position])
    return frame(names, rows)
