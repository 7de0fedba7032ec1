"""Whether the analytics store holds what the rollups do: compared day by day, by how many facts, calls and how much."""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection

from core.analytics._looking import FactLook, StoreSilent
from core.clock import from_micros
from core.errors import Unavailable
from core.rollups.expanding import floored, signed
from core.rollups.facets import ALL, DAY
from core.rollups.facts import MINUTE_MICROS
from core.store import Store

_DAY = DAY * MINUTE_MICROS
_COMPARED = ("n", "calls", "spent")
_TOLD = ("facts", "calls", "nano-dollars of spend")
_MOST_TOLD = 3
_ROLLED = (
    f"SELECT r.at, {', '.join(f'r.{name}' for name in _COMPARED)} FROM rollup r WHERE r.facet = '{ALL.name}' "
    f"AND r.minutes = {DAY} AND r.tenant_id = '' AND r.at >= :since"
)
_SUMS = "SUM(d.n)", *(f"SUM({signed(ALL, name)})" for name in _COMPARED[1:])
_WAITING = (
    f"SELECT {floored(DAY, 'd.at')} AS day, {', '.join(f'CAST({one} AS BIGINT)' for one in _SUMS)} "
    f"FROM analytics_outbox d WHERE d.batch > :shipped AND d.at >= :since AND {ALL.where} GROUP BY 1"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnalyticsFinding:
    """How the store stood against the rollups."""

    days: int
    """How many were compared."""
    differing: Mapping[datetime, Sequence[int]]
    """Of each UTC day that differs by how many facts, calls and nano-dollars the store has too much."""
    built_from: datetime

    @property
    def ok(self) -> bool:
        """Whether no day differs."""
        return not self.differing

    @property
    def sentence(self) -> str:
        """What was found, as one or two sentences."""
        days = f"{self.days} day{'' if self.days == 1 else 's'}"
        if self.ok:
            return f"The analytics store agrees with the sums of calls on each of {days}."
        told = "; ".join(
            f"{day:%Y-%m-%d}: {by[place]:+,} {_TOLD[place]}"
            for day, by in sorted(self.differing.items())[:_MOST_TOLD]
            for place in [next(number for number, one in enumerate(by) if one)]
        )
        count = len(self.differing)
        which = "a day" if count == 1 else f"{count} days"
        return f"The analytics store differs from the sums of calls on {which} of {self.days}: {told}."


def compared(look: FactLook, store: Store, connection: Connection) -> AnalyticsFinding:
    """Compare the whole days that the store reaches back to, and of which the calls of all tenants are kept.

    Raises:
        Unavailable: it does not answer.

    """
    (aged,) = connection.exec_driver_sql("SELECT COALESCE(MAX(o.raw_from), 0) FROM aged_out o").one()
    since = -(-max(look.built_from, aged) // _DAY) * _DAY  # calls that have aged out are in no store begun since
    bound = {"since": since, "shipped": look.shipped}
    found = Counter[tuple[int, int]]()
    days = set[int]()
    at = f"intDiv(d.at, {_DAY}) * {_DAY}"
    sums = ", ".join(_SUMS)
    try:
        sent = look.rows(
            f"SELECT {at} AS day, {sums} FROM {look.source} AND d.at >= :since AND {ALL.where} GROUP BY day", bound
        )
    except StoreSilent as error:
        raise Unavailable(str(error)) from None
    told = [(sent, 1)]
    for sql, sign in ((_WAITING, 1), (_ROLLED, -1)):
        told.append((connection.exec_driver_sql(store.prepare(sql), bound).all(), sign))
    for rows, sign in told:
        for day, *figures in rows:
            days.add(day)
            for place, figure in enumerate(figures):
                found[day, place] += sign * figure
    differing = {
        from_micros(day): [found[day, place] for place in range(len(_COMPARED))]
        for day in days
        if any(found[day, place] for place in range(len(_COMPARED)))
    }
    return AnalyticsFinding(days=len(days), differing=differing, built_from=from_micros(since))
