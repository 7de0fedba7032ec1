"""Where much more than usual went wrong, over a window: the stretches of time that are worth to be opened.

Hours are counted, of all tenants together and of those that lost most; then hours, quarters of a day and days are held
against what is usual (:mod:`core.reports.incidents._rule`), so that an outage of an hour is found as well as a version
of a schema that fails a little for two days. What tells most is told, cut to the hours in which it happened.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Literal

from core.clock import EPOCH, micros
from core.reports.incidents._rule import LEAST_LOST, LEAST_OTHERS, is_unusual, telling
from core.reports.reading import Reading
from core.reports.sums import SumQuestion, figures_by, slots, sums
from core.reports.windows import Window
from core.rollups.slots import COARSE, middle, percentile

ClusterKind = Literal["lost", "asked again", "slow"]
LONGEST = timedelta(days=2)
"""No cluster is longer, and no incident: what goes on is another one."""
MOST_SEARCHED = timedelta(days=31)
"""Of a longer window its end is looked at."""
MOST_TENANTS = 20
"""Tenants that are looked at one by one: those that lost most."""
_BEFORE = timedelta(days=7)
"""What is usual is learned from so much before the window as well."""
_HOUR = timedelta(hours=1)
_SCALES = (1, 6, 24)
"""Hours that are held together."""
_LEAST_OF_PEAK = 0.2
"""An hour with a smaller part of what the worst one has is not in it any more, at either end."""
_NAMES = ("calls", "errors", "blocked", "reasks")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """A stretch of time in which much more than usual went wrong."""

    kind: ClusterKind
    """``lost``: calls that got no object. ``asked again``: attempts that asked again for an invalid answer. ``slow``:
    calls that took longer than nineteen of twenty do."""
    starts_at: datetime
    ends_at: datetime
    tenant_ids: tuple[str, ...]
    """Of whom, the worst hit first; empty where it is of many."""
    tenants: tuple[str, ...]
    """Their names."""
    count: int
    """How many there were …"""
    beyond: int
    """… and how many of those beyond what is usual."""

    @property
    def tenant(self) -> str | None:
        """The name of the one tenant that it is of; ``None`` where it is of several."""
        return self.tenants[0] if len(self.tenants) == 1 else None


_Counts = Mapping[int, tuple[int, int]]
"""By hour since 1970: how many, out of how many."""


@dataclass(frozen=True, slots=True)
class _Standing:
    kind: ClusterKind
    tenant_id: str
    """Empty for all together."""
    first: int
    end: int
    """The hours that it reaches over, since 1970; the last one is not in it."""
    width: int
    count: int
    usual: float

    @property
    def weight(self) -> float:
        return telling(self.count, self.usual)

    def meets(self, other: _Standing) -> bool:
        return self.first < other.end and other.first < self.end


def clusters(reading: Reading, window: Window, as_of: datetime) -> list[Cluster]:
    """Return where much more than usual went wrong in *window*, the worst first: what was lost before what took long.

    The hour that is under way is held against what is usual of as many calls as it has.
    """
    begins = max(window.starts_at, window.ends_at - MOST_SEARCHED)
    first, end = _hour(begins), _hour(window.ends_at + _HOUR - timedelta(microseconds=1))
    since = first - _BEFORE // _HOUR
    read = Window.of(EPOCH + since * _HOUR, min(window.ends_at, EPOCH + end * _HOUR), "UTC")
    found: list[_Standing] = []
    for tenant_id, counted in _counted(reading, read, since, as_of).items():
        kinds: tuple[tuple[ClusterKind, _Counts], ...] = (
            ("lost", {hour: (errors + blocked, calls) for hour, (calls, errors, blocked, _) in counted.items()}),
            ("asked again", {hour: (reasks, calls) for hour, (calls, _, _, reasks) in counted.items()}),
        )
        for kind, counts in kinds:
            found += _of_one(kind, tenant_id, counts, (first, end))
    found += _of_one("slow", "", _slow(reading, read, since, as_of), (first, end))
    return _told(reading, found, as_of)


def _hour(at: datetime) -> int:
    return (at - EPOCH) // _HOUR


def _counted(
    reading: Reading, read: Window, since: int, as_of: datetime
) -> Mapping[str, Mapping[int, tuple[int, int, int, int]]]:
    """Return the counts of every hour, of all together (empty) and of those that lost most."""
    now, step = micros(as_of), _HOUR // timedelta(microseconds=1)
    found: defaultdict[str, dict[int, tuple[int, int, int, int]]] = defaultdict(dict)
    whole = SumQuestion(window=read, by=("cell",), step=step, names=_NAMES)
    for cell, *counts in sums(reading, whole, now):
        found[""][since + cell] = (counts[0], counts[1], counts[2], counts[3])
    if reading.scope.ids is not None and len(reading.scope.ids) == 1:
        return {next(iter(reading.scope.ids)): found[""]}
    lost = figures_by(reading, SumQuestion(window=read, by=("tenant_id",), names=_NAMES), now)
    worst = sorted(lost, key=lambda one: (-lost[one].lost - lost[one].reasks, one))[:MOST_TENANTS]
    each = SumQuestion(window=read, by=("cell", "tenant_id"), step=step, names=_NAMES, tenants=sorted(worst))
    for cell, tenant_id, *counts in sums(reading, each, now):
        found[tenant_id][since + cell] = (counts[0], counts[1], counts[2], counts[3])
    return found


def _slow(reading: Reading, read: Window, since: int, as_of: datetime) -> _Counts:
    """Return how many calls of each hour took longer than nineteen of twenty of the whole time."""
    asked = SumQuestion(window=read, by=("cell",), step=_HOUR // timedelta(microseconds=1))
    rows: list[Any] = slots(reading, asked, micros(as_of))
    whole: Counter[int] = Counter()
    for _, slot, count in rows:
        whole[slot] += count
    limit = percentile(whole.items(), 95, COARSE)
    slower = {slot for slot in whole if limit and middle(slot, COARSE) > limit}
    found: dict[int, tuple[int, int]] = {}
    for cell, slot, count in rows:
        over, timed = found.get(since + cell, (0, 0))
        found[since + cell] = (over + (count if slot in slower else 0), timed + count)
    return found


def _of_one(kind: ClusterKind, tenant_id: str, counts: _Counts, looked_at: tuple[int, int]) -> list[_Standing]:
    """Return what stands out of one tenant's hours, or of all together: what tells most, without an overlap."""
    usual, least = _usual(counts), LEAST_LOST if kind == "lost" else LEAST_OTHERS
    first, end = looked_at
    happened = [(hour, count) for hour, (count, _) in counts.items() if count and first <= hour < end]
    found: list[_Standing] = []
    for width in _SCALES:
        sums_of: Counter[int] = Counter()
        for hour, count in happened:
            sums_of[hour // width] += count
        for cell, count in sums_of.items():
            if count < least:  # as in most stretches by far
                continue
            hours = range(max(first, cell * width), min(end, (cell + 1) * width))
            of = sum(counts[hour][1] for hour in hours if hour in counts)
            if is_unusual(count, usual * of, least):
                found.append(_Standing(kind, tenant_id, cell * width, (cell + 1) * width, width, count, usual * of))
    taken: list[_Standing] = []
    for one in sorted(found, key=lambda one: (-one.weight, one.first)):
        if not any(one.meets(other) for other in taken):
            taken.append(one)
    cut: list[_Standing] = []
    free = set(counts)
    for one in taken:
        if (narrowed := _cut(one, counts, free)) is not None:
            cut.append(narrowed)
            free.difference_update(range(narrowed.first, narrowed.end))
    return _joined(cut, counts, usual)


def _usual(counts: _Counts) -> float:
    """Return the share that is usual: that of the day in the middle of all days, so that one bad day moves nothing."""
    days: defaultdict[int, list[int]] = defaultdict(lambda: [0, 0])
    for hour, (count, of) in counts.items():
        days[hour // 24][0] += count
        days[hour // 24][1] += of
    return median([count / of for count, of in days.values() if of] or [0.0])


def _cut(one: _Standing, counts: _Counts, free: Collection[int]) -> _Standing | None:
    """Return it from the first to the last hour in which it happened, also beyond what it was found by.

    No longer than a cluster may be, and without the hours that are not *free*; ``None`` where those were all of it.
    """
    known = [hour for hour in range(one.first, one.end) if hour in free]
    least = max(1.0, max((counts[hour][0] for hour in known), default=0) * _LEAST_OF_PEAK)

    def is_in(hour: int) -> bool:
        return hour in free and counts[hour][0] >= least

    within = [hour for hour in known if is_in(hour)]
    if not within:
        return None
    first, last, longest = min(within), max(within), LONGEST // _HOUR
    while first > one.first - one.width and is_in(first - 1) and last - first + 1 < longest:
        first -= 1
    while last < one.end + one.width and is_in(last + 1) and last - first + 1 < longest:
        last += 1
    return replace(one, first=first, end=last + 1)


def _joined(found: Iterable[_Standing], counts: _Counts, usual: float) -> list[_Standing]:
    """Return them with those as one that follow each other within the width at which they were found."""
    made: list[_Standing] = []
    for one in sorted(found, key=lambda one: one.first):
        last = made[-1] if made else None
        longest = LONGEST // _HOUR
        if last and one.first - last.end <= max(last.width, one.width) and one.end - last.first <= longest:
            made[-1] = replace(last, end=max(last.end, one.end), width=max(last.width, one.width))
        else:
            made.append(one)
    return [_recounted(one, counts, usual) for one in made]


def _recounted(one: _Standing, counts: _Counts, usual: float) -> _Standing:
    within = [counts[hour] for hour in range(one.first, one.end) if hour in counts]
    return replace(one, count=sum(count for count, _ in within), usual=usual * sum(of for _, of in within))


def _told(reading: Reading, found: Sequence[_Standing], as_of: datetime) -> list[Cluster]:
    """Return what was found of tenants that overlaps as one; what is of all together, where no tenant has it."""
    groups: list[list[_Standing]] = []
    for one in sorted((one for one in found if one.tenant_id), key=lambda one: -one.weight):
        group = next((some for some in groups if _same(some, one)), None)
        if group is None:
            groups.append([one])
        else:
            group.append(one)
    for one in (one for one in found if not one.tenant_id):
        if not any(some[0].kind == one.kind and some[0].meets(one) for some in groups):
            groups.append([one])
    made = [_cluster(reading, some, as_of) for some in groups]
    return sorted(made, key=lambda one: (one.kind != "lost", -one.beyond, one.starts_at))


def _same(group: Sequence[_Standing], one: _Standing) -> bool:
    """Whether it happened with a group, and both together are no longer than a cluster may be."""
    if group[0].kind != one.kind or not group[0].meets(one):
        return False
    every = (*group, one)
    return max(some.end for some in every) - min(some.first for some in every) <= LONGEST // _HOUR


def _cluster(reading: Reading, group: Sequence[_Standing], as_of: datetime) -> Cluster:
    ids = tuple(dict.fromkeys(one.tenant_id for one in sorted(group, key=lambda one: -one.count) if one.tenant_id))
    begins, ends = min(one.first for one in group), max(one.end for one in group)
    return Cluster(
        kind=group[0].kind,
        starts_at=EPOCH + begins * _HOUR,
        ends_at=min(EPOCH + ends * _HOUR, max(as_of, EPOCH + begins * _HOUR + _HOUR)),
        tenant_ids=ids,
        tenants=tuple(reading.name_of(one) for one in ids),
        count=sum(one.count for one in group),
        beyond=round(sum(one.count - one.usual for one in group)),
    )
