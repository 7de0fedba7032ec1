"""What the calls that pass a filter are: how many, what they cost, and what there is among them to go on with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import BigInteger, case, cast, func, select
from sqlmodel import col

from core.call_search import FieldMatch, FieldRange, Limit, Term, every, exactly
from core.reports.calls._columns import COST, IS_UNPRICED
from core.reports.calls._conditions import condition
from core.reports.calls._filters import CallFilter
from core.reports.calls._lists import MOST_COUNTED_CALLS
from core.reports.reading import Reading
from core.tables import ApiKey, GenerationRow
from core.visibility import visible

FACETS = ("outcome", "tenant", "schema", "model", "route", "error", "key")
"""By what calls are counted, in the order in which that is shown."""
MOST_VALUES = 8
"""Values of one facet: those of most calls."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FacetValue:
    """One value that occurs, and in how many calls."""

    label: str
    """Empty where the calls have none."""
    calls: int
    term: Term
    """What keeps just these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CallSummary:
    """What the newest of the calls that pass a filter add up to: all of them, where there are not too many."""

    calls: int
    """How many were looked at: at most ``MOST_COUNTED_CALLS``, which says that there may be more."""
    spend_nano_usd: int | None
    """What is known of their cost; ``None`` where something was paid for and nothing is known."""
    unpriced: int
    """Calls with an attempt that has no price: their part of the sum is missing or too low."""
    estimated: int
    """Calls with an attempt whose usage the provider never told."""
    facets: Mapping[str, Sequence[FacetValue]]
    """By their names in ``FACETS``, the values of most calls first."""

    @property
    def is_all(self) -> bool:
        """Whether there are no more of them."""
        return self.calls < MOST_COUNTED_CALLS


def call_summary(reading: Reading, wanted: CallFilter, now: datetime) -> CallSummary:
    """Return what the newest of the calls that pass *wanted* are."""
    some = (
        select(
            col(GenerationRow.outcome),
            col(GenerationRow.tenant_id),
            col(GenerationRow.schema_name),
            col(GenerationRow.schema_version),
            col(GenerationRow.provider),
            col(GenerationRow.model),
            col(GenerationRow.route),
            col(GenerationRow.error_code),
            col(GenerationRow.key_id),
            case((col(GenerationRow.attempts) > 0, 1), else_=0).label("asked"),
            COST.label("cost"),
            case((IS_UNPRICED, 1), else_=0).label("unpriced"),
            case((col(GenerationRow.estimated), 1), else_=0).label("estimated"),
        )
        .where(condition(reading, wanted, now), visible(reading.scope, GenerationRow.tenant_id))
        .order_by(col(GenerationRow.started_at).desc())
        .limit(MOST_COUNTED_CALLS)
        .subquery()
    )
    by = [some.c[name] for name in some.c.keys()[:9]]
    sums = (
        func.count(),
        cast(func.coalesce(func.sum(some.c.cost), 0), BigInteger),
        func.count(case((some.c.asked == 1, some.c.cost))),
        cast(func.sum(some.c.unpriced), BigInteger),
        cast(func.sum(some.c.estimated), BigInteger),
    )
    rows = reading.ask(select(*by, *sums).group_by(*by), some.c.tenant_id)
    calls, spent, known, unpriced, estimated = (sum(row[place] for row in rows) for place in range(-5, 0))
    return CallSummary(
        calls=calls,
        spend_nano_usd=None if unpriced and not known else spent,
        unpriced=unpriced,
        estimated=estimated,
        facets=_facets(reading, rows),
    )


def _facets(reading: Reading, rows: Sequence[Any]) -> dict[str, Sequence[FacetValue]]:
    most = {name: _most(rows, places) for name, places in _PLACES.items()}
    keys = _key_prefixes(reading, [str(value) for (value,), _ in most["key"] if value])
    found: dict[str, Sequence[FacetValue]] = {}
    for name in FACETS:
        found[name] = [
            FacetValue(label=_label(reading, keys, name, value), calls=calls, term=_term(name, value))
            for value, calls in most[name]
            if value[-1] is not None or value[0]
        ]
    return found


_PLACES = {
    "outcome": (0,), "tenant": (1,), "schema": (2, 3), "model": (4, 5), "route": (6,), "error": (7,), "key": (8,),
}  # fmt: skip


def _most(rows: Iterable[Any], places: tuple[int, ...]) -> Sequence[tuple[tuple[Any, ...], int]]:
    """Return the values of most calls, and of how many."""
    found: Counter[tuple[Any, ...]] = Counter()
    for row in rows:
        found[tuple(row[place] for place in places)] += row[-5]
    return sorted(found.items(), key=lambda one: (-one[1], str(one[0])))[:MOST_VALUES]


def _label(reading: Reading, keys: Mapping[str, str], name: str, value: tuple[Any, ...]) -> str:
    match name:
        case "tenant":
            return reading.name_of(value[0])
        case "key":
            return keys.get(value[0], value[0])
        case "schema":
            return f"{value[0]}@{value[1]}" if value[1] is not None else value[0]
        case "model":
            return "/".join(part for part in value if part)
        case _:
            return value[0] or ""


def _term(name: str, value: tuple[Any, ...]) -> Term:
    if name == "schema":
        schema = FieldMatch("schema", exactly(value[0]))
        if value[1] is None:
            return every(schema, FieldMatch("version", ())) or schema
        version = FieldRange("version", Limit(Decimal(value[1])), Limit(Decimal(value[1])))
        return every(schema, version) or version
    whole = "/".join(part for part in value if part) if name == "model" else value[0]
    return FieldMatch(name, exactly(whole or ""))


def _key_prefixes(reading: Reading, ids: Sequence[str]) -> dict[str, str]:
    """Return by what people know the keys."""
    known = select(col(ApiKey.id), col(ApiKey.prefix)).where(col(ApiKey.id).in_(ids))
    return {row.id: f"{row.prefix}…" for row in reading.ask(known, ApiKey.tenant_id)}
