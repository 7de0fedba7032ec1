"""A tenant's bill of one month of its time zone: what was called, what it bought and cost, what was saved.

Its totals are those of the window, and equal what the ledger says: every attempt of the month's calls either stands in
the ledger of the tenant-wide budget, or was made while the tenant had none, and the statement names both parts.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

from core.budgets.periods import Period, period_around
from core.errors import Invalid
from core.pricing import usd
from core.reports.frames import Frame, frame
from core.reports.measures import CallFigures
from core.reports.reading import Reading
from core.reports.spend import COLUMNS, Line, bounds, spend, tier_lines
from core.reports.spend_queries import KEPT_LEDGER, LEDGER, OUTSIDE
from core.reports.windows import Window

_MONTH = re.compile(r"(\d{4})-(0[1-9]|1[0-2])")
_FIGURES = tuple(name for name in COLUMNS if not name.endswith(("_share", "_rate", "nano_usd")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One tenant's month; ``starts_at`` is its first moment, ``ends_at`` the first after it."""

    tenant_id: str
    tenant: str
    timezone: str
    month: str
    """``2026-11``."""
    starts_at: datetime
    ends_at: datetime
    as_of: datetime
    total: CallFigures
    models: Sequence[Line]
    schemas: Sequence[Line]
    tiers: Sequence[Line]
    """By service tier and region, as the providers billed; empty where all was standard and in no region."""
    charged_nano_usd: int
    """What the ledger of the tenant-wide budget holds for the month's calls."""
    outside_nano_usd: int
    """What attempts cost that were made while there was no such budget."""
    calls_from: datetime | None
    """From when on the calls themselves are kept, where that is later than the month begins: the figures are whole."""

    @property
    def is_open(self) -> bool:
        """Whether the month is still under way, so that the figures are not final."""
        return self.as_of < self.ends_at

    @property
    def difference_nano_usd(self) -> int:
        """What ledger and attempts differ by; anything but 0 is a fault that ``verify`` tells more of."""
        return self.total.spent - self.charged_nano_usd - self.outside_nano_usd

    @property
    def unpriced(self) -> Sequence[Line]:
        """The models without a known price that answered in this month."""
        return [line for line in self.models if line.figures.unpriced_attempts]

    def frame(self) -> Frame:
        """Return every line: ``tenant month timezone part model schema version tier region``, figures, exact money.

        ``part`` is ``total``, ``model``, ``schema`` or ``tier``. The lines of ``schema`` add up to the total, in
        every figure; those of ``model`` in everything but calls, as a call that fell back asked two. Those of
        ``tier`` add up in what attempts cost and used; there are none where all was standard.
        """
        who = (self.tenant, self.month, self.timezone)
        rows = [(*who, "total", *[None] * 5, *_row(self.total))]
        rows += [(*who, "model", line.names[0], *[None] * 4, *_row(line.figures)) for line in self.models]
        rows += [(*who, "schema", None, *line.names, None, None, *_row(line.figures)) for line in self.schemas]
        rows += [
            (*who, "tier", None, None, None, line.names[0] or "standard", line.names[1] or None, *_row(line.figures))
            for line in self.tiers
        ]
        heads = ("tenant", "month", "timezone", "part", "model", "schema", "version", "tier", "region")
        return frame((*heads, *_FIGURES, *_EXACT), rows)


_EXACT = (
    "spend_nano_usd",
    "useful_nano_usd",
    "discarded_nano_usd",
    "estimated_nano_usd",
    "cache_saved_nano_usd",
    "answers_saved_nano_usd",
)


def statement(
    reading: Reading, tenant_id: str, month: str | None, as_of: datetime, routed: Collection[str] = ()
) -> Statement:
    """Return the statement of *month* (``2026-11``), or of the month under way. *reading* sees that tenant alone.

    Raises:
        NotFound: there is no such tenant.
        Invalid: *month* is none, or has not begun.

    """
    tenant = reading.tenant(tenant_id)
    starts_at, ends_at = month_around(tenant.timezone, month, as_of)
    window = Window.of(starts_at, ends_at, tenant.timezone)
    found = spend(reading, window, as_of, routed)
    charged = reading.rows(LEDGER, bounds(window))[0].charged
    outside = reading.rows(OUTSIDE, bounds(window))[0].outside
    aged = reading.rows(KEPT_LEDGER, bounds(window), tenant="q.tenant_id")[0]
    return Statement(
        tenant_id=tenant_id,
        tenant=tenant.name,
        timezone=tenant.timezone,
        month=month_name(starts_at, tenant.timezone),
        starts_at=starts_at,
        ends_at=ends_at,
        as_of=as_of,
        total=found.total,
        models=found.models,
        schemas=found.schemas,
        tiers=tier_lines(reading, window),
        charged_nano_usd=charged + aged.charged,
        outside_nano_usd=outside + aged.outside,
        calls_from=reading.unkept(starts_at).get(tenant_id),
    )


def month_around(timezone: str, month: str | None, now: datetime) -> tuple[datetime, datetime]:
    """Return the ends, in UTC, of *month* (``2026-11``) of a time zone, or of the one under way.

    Raises:
        Invalid: it is no month, or has not begun.

    """
    if month is None:
        return period_around(Period.MONTH, timezone, now)
    found = _MONTH.fullmatch(month)
    if found is None or not 1970 <= int(found[1]) <= 9998:
        raise Invalid(f"{month[:20]!r} is no month; write it like 2026-11.")
    first = datetime(int(found[1]), int(found[2]), 1, 12, tzinfo=ZoneInfo(timezone))
    starts_at, ends_at = period_around(Period.MONTH, timezone, first.astimezone(UTC))
    if starts_at > now:
        raise Invalid(f"The month {month} has not begun.")
    return starts_at, ends_at


def month_name(at: datetime, timezone: str) -> str:
    """Return the month around *at* as the calendar of *timezone* has it: ``2026-11``."""
    return f"{at.astimezone(ZoneInfo(timezone)):%Y-%m}"


def _row(figures: CallFigures) -> tuple[object, ...]:
    money = {
        "spend_usd": usd(figures.spend),
        "useful_usd": usd(figures.useful),
        "discarded_usd": usd(figures.discarded),
        "cost_per_valid_usd": usd(figures.cost_per_valid),
        "estimated_usd": usd(figures.estimated_spent),
        "cache_saved_usd": usd(figures.cache_saved),
        "answers_saved_usd": usd(figures.answers_saved),
    }
    row = (money[name] if name in money else getattr(figures, name) for name in _FIGURES)
    exact = (figures.useful, figures.discarded, figures.estimated_spent, figures.cache_saved, figures.answers_saved)
    return (*row, figures.spend, *exact)
