"""For how long each tenant's calls are kept, what has aged out, and what is to go next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.clock import EPOCH, from_micros, micros, minute
from core.payload_terms import call_days
from core.reports.reading import Reading

LATELY_DAYS = 7
_DAY = timedelta(days=1)
_KEPT = f"""
SELECT k.id, k.name, k.days, k.raw_from,
    CAST(SUM(CASE WHEN r.at < :today - k.days * {_DAY // timedelta(microseconds=1)} THEN r.calls ELSE 0 END) AS BIGINT),
    CAST(COALESCE(SUM(r.n), 0) AS BIGINT),
    CAST(SUM(CASE WHEN r.at >= :lately AND r.at < :today THEN r.n ELSE 0 END) AS BIGINT)
FROM (
    SELECT t.id, t.name, COALESCE(CAST(:days AS INTEGER), t.call_days) AS days, COALESCE(o.raw_from, 0) AS raw_from
    FROM tenant t LEFT JOIN aged_out o ON o.tenant_id = t.id WHERE 1 = 1 {{tenant}}
) k LEFT JOIN rollup r ON r.facet = 'all' AND r.minutes = 1440 AND r.tenant_id = k.id AND r.at >= k.raw_from
WHERE k.days IS NOT NULL OR k.raw_from > 0
GROUP BY 1, 2, 3, 4 ORDER BY LOWER(k.name)
"""  # noqa: S608 our own words
_DIFFERS = "SELECT MIN(p.day) FROM rollup_proof p WHERE p.differing > 0 {tenant}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CallKeeping:
    """How one tenant's calls are kept."""

    tenant_id: str
    tenant: str
    days: int | None
    """For how long; ``None`` for ever."""
    raw_from: datetime | None
    """Calls that began before it are gone or going; ``None`` if there never were such."""
    due: int
    """Calls that are older than they are kept."""
    is_counted: bool
    """Whether those are all; not while sums of older calls are still being made."""
    due_until: datetime | None
    """Those that began before it."""
    rows: int
    """Calls and attempts that are there."""
    rows_a_day: float
    """How many were recorded a day lately."""

    @property
    def sentence(self) -> str:
        """What comes of it, for whoever decides that."""
        if self.days is None or self.due_until is None:
            return f"Calls of {self.tenant} are kept for ever."
        if not self.is_counted:
            return (
                f"All calls of {self.tenant} that began before {minute(self.due_until)} will be deleted, with prompts, "
                "answers and all that is recorded of each; how many those are is not known until the sums of older "
                "calls are made. That cannot be undone. Their figures stay."
            )
        if not self.due:
            return f"No call of {self.tenant} is older than {self.days} days by now; what becomes so, goes."
        calls = f"{self.due:,} call{'' if self.due == 1 else 's'} of {self.tenant}"
        return (
            f"{calls} that began before {minute(self.due_until)} will be deleted within hours, the oldest first, with "
            "prompts, answers and all that is recorded of each. That cannot be undone. Their figures stay."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsKept:
    """How calls are kept, of those tenants that do not keep them for ever, or did not."""

    tenants: Sequence[CallKeeping]
    """By name."""
    waits: str
    """Why none go though some are due, as a sentence; empty where they do."""


def keeping(reading: Reading, now: datetime, days: int | None = None) -> CallsKept:
    """Return how calls are kept of the tenants that *reading* sees, or would be, were it for so many *days*.

    Raises:
        Invalid: so many days cannot be set.

    """
    call_days(days)
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    bound = {"today": micros(today), "lately": micros(today - LATELY_DAYS * _DAY), "days": days}
    tenants = [
        CallKeeping(
            tenant_id=tenant_id,
            tenant=name,
            days=kept,
            raw_from=from_micros(raw_from) if raw_from else None,
            due=due if kept is not None else 0,
            is_counted=not reading.rolled_from,
            due_until=None if kept is None else max(today - kept * _DAY, from_micros(raw_from)),
            rows=rows,
            rows_a_day=lately / LATELY_DAYS,
        )
        for tenant_id, name, kept, raw_from, due, rows, lately in reading.rows(_KEPT, bound, tenant="t.id")
    ]
    return CallsKept(tenants=tenants, waits=_waits(reading, tenants))


def _waits(reading: Reading, tenants: Sequence[CallKeeping]) -> str:
    until = max((one.due_until for one in tenants if one.due and one.due_until), default=EPOCH)
    if until == EPOCH:
        return ""
    if reading.rolled_from:
        return "No call goes while sums of older calls are still being made."
    differs = next((row[0] for row in reading.rows(_DIFFERS, {}, tenant="''")), None)
    if differs is None or from_micros(differs) >= until:
        return ""
    return (
        f"Calls of {from_micros(differs):%Y-%m-%d} stay, and with them later ones: that day's sums are not what they "
        "add up to, and can be made anew from them alone. 'proctor verify --rebuild' has that done."
    )


def unkept(reading: Reading, since: datetime, until: datetime) -> str:
    """Return of whom single calls of that time are not kept any more, as a sentence; empty if there are all."""
    found: Mapping[str, datetime] = reading.unkept(since)
    if not found:
        return ""
    first, raw_from = max(found.items(), key=lambda one: one[1])
    others = f" and of {len(found) - 1} more" if len(found) > 1 else ""
    until = min(until, raw_from)
    return (
        f"Calls of {reading.name_of(first)}{others} that began before {minute(until)} are not kept any more: here they "
        "are missing. Their figures are kept by whole quarters of an hour, and told by tenant, route, schema, key, "
        "outcome, error or model."
    )
