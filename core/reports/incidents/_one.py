"""One stretch of time, held against the same hours of the days before: what failed, for whom, and what it cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from statistics import median
from typing import Any

from core.clock import EPOCH, from_micros, micros
from core.errors import Invalid
from core.reports.calls import CallFilter
from core.reports.contrasts import Contrast, contrast
from core.reports.incidents._clusters import LONGEST, ClusterKind
from core.reports.incidents._fallbacks import FallbackPremium, premium
from core.reports.incidents._rule import ENOUGH_SLOWER, LEAST_OTHERS, is_unusual
from core.reports.measures import CallFigures
from core.reports.percentiles import Timing, timing
from core.reports.reading import Reading
from core.reports.sums import By, SumQuestion, figures_by, leading, slots, sums
from core.reports.windows import QUARTER, Window
from core.rollups.facets import DISCARDED, ERROR, FIELD, OUTCOME, Facet
from core.rollups.facts import listed, superseded
from core.rollups.sums import NAMES
from core.tables import BLOCKED, ERRORS, HAS_FAILED, Outcome

DAYS = 7
"""Days before whose same hours say what is usual."""
_LEAST_DAYS = 3
"""With fewer of them nothing is called usual."""
MOST_HIT = 20
"""Tenants that are told one by one, those that lost most; the others are told together."""
_MOST_CODES = 12
_MOST_FIELDS = 5
_MOST_IN_VAIN = 12
_ENOUGH_TIMED = 20
_DAY = timedelta(days=1)
_LOST_KIND: tuple[ClusterKind, ...] = ("lost",)
LOST_CALLS = "outcome:(error OR blocked)"
"""The search that finds calls which got no object."""
# First or last; the condition is that of the index, word for word.
_EDGE = f"""
SELECT g.id, g.started_at FROM generation g
WHERE g.{HAS_FAILED} AND g.outcome IN ({listed(ERRORS | BLOCKED)}) AND NOT {superseded()}
    AND g.started_at >= :starts_at AND g.started_at < :ends_at {{tenant}}
ORDER BY g.started_at {{order}}
LIMIT 1
"""  # noqa: S608 written here
Span = tuple[datetime, datetime]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usual:
    """How the same hours of the days before went."""

    spans: Sequence[Span]
    """The stretches that it is learned from, the oldest first; none where there were too few days with calls."""
    middle: CallFigures = field(default_factory=CallFigures)
    """Of each sum the one in the middle of those stretches: one bad day among seven moves it hardly."""
    together: CallFigures = field(default_factory=CallFigures)
    """All of them added up: rates are read from these."""
    latency: Timing = field(default_factory=Timing)


@dataclass(frozen=True, slots=True, kw_only=True)
class HowMany:
    """How some calls ended, or what was wrong with them."""

    which: str
    """An outcome, or a code of an error."""
    outcome: str
    """How calls with that code end."""
    calls: int
    usual: float | None
    """In the middle of the same hours of the days before; ``None`` where nothing is called usual."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """How one tenant fared."""

    tenant_id: str
    """Empty for those that are told together."""
    tenant: str
    figures: CallFigures
    usual: CallFigures | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FailingField:
    """A field that answers had wrong."""

    schema: str
    version: int | None
    path: str
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OneCall:
    """A call, and when it began."""

    id: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class InVain:
    """Attempts of which the caller got nothing, or something wrong."""

    outcome: str
    """How they ended or, where nothing was wrong with them, how their call did."""
    model: str
    """``provider/name``."""
    attempts: int
    nano_usd: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ToldApart:
    """What tells some calls of an incident from the others."""

    kind: ClusterKind
    search: str
    """What finds them among the calls of that time."""
    contrast: Contrast


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """A stretch of time, opened."""

    window: Window
    """In whole quarters of an hour, as sums are kept by them; at most up to now."""
    as_of: datetime
    tenant: str | None
    """The name of the one tenant that was asked about."""
    figures: CallFigures
    latency: Timing
    usual: Usual
    kinds: Sequence[ClusterKind]
    """What of it is out of the ordinary, the gravest first."""
    outcomes: Sequence[HowMany]
    """Every outcome that got no object, or that fallback or another question saved, or whose caller left."""
    codes: Sequence[HowMany]
    """The codes of errors, the most frequent first."""
    fields: Sequence[FailingField]
    """The fields that answers had wrong, the most frequent first."""
    saved: HowMany
    """Calls that ended valid as another model answered."""
    premium: FallbackPremium
    hit: Sequence[Hit]
    """Of several tenants each with calls, who lost most first, then those who are told together."""
    in_vain: Sequence[InVain]
    """Attempts that gave their caller nothing, the most frequent first."""
    told_apart: Sequence[ToldApart]
    """What the calls of each of its kinds have in common; of none of them, of those that got no object."""
    first: OneCall | None
    """The first call that got no object …"""
    last: OneCall | None
    """… and the last one."""

    def beyond(self, name: str) -> int | None:
        """Return how much more than usual one of the sums is; ``None`` where nothing is called usual."""
        if not self.usual.spans:
            return None
        return int(getattr(self.figures, name) - getattr(self.usual.middle, name))

    @property
    def lost_beyond(self) -> int | None:
        """Calls without an object beyond the usual."""
        return self.figures.lost - self.usual.middle.lost if self.usual.spans else None


def incident(reading: Reading, asked: Window, as_of: datetime) -> Incident:
    """Open a stretch of time for the tenants that *reading* sees, widened to whole quarters of an hour.

    Raises:
        Invalid: it is longer than an incident may be, or has not begun.

    """
    window = _window(asked, as_of)
    look = _Opening(reading, window, as_of)
    usual = look.usual()
    found = look.figures[DAYS]
    timed = look.latency(lambda span: span == DAYS)
    kinds = _kinds(found, timed, usual)
    endings = look.endings()
    saved = next((one for one in endings if one.which == Outcome.VALID_AFTER_FALLBACK), None)
    return Incident(
        window=window,
        as_of=as_of,
        tenant=look.one_tenant,
        figures=found,
        latency=timed,
        usual=usual,
        kinds=kinds,
        outcomes=endings,
        codes=look.codes(),
        fields=look.fields(),
        saved=saved
        or HowMany(which=Outcome.VALID_AFTER_FALLBACK, outcome=Outcome.VALID_AFTER_FALLBACK, calls=0, usual=0),
        premium=premium(reading, window.starts_at, window.ends_at) if saved and saved.calls else _NO_PREMIUM,
        hit=look.hit(),
        in_vain=look.in_vain(),
        told_apart=[look.told_apart(kind, found, usual) for kind in kinds or (_LOST_KIND if found.lost else ())],
        first=look.edge("ASC") if found.lost else None,
        last=look.edge("DESC") if found.lost else None,
    )


_NO_PREMIUM = FallbackPremium(nano_usd=0, known=0, looked_at=0)


def _window(asked: Window, as_of: datetime) -> Window:
    if asked.ends_at - asked.starts_at > LONGEST:
        raise Invalid(f"An incident is at most {LONGEST.days} days long. Open a shorter stretch of time.")
    if asked.starts_at >= as_of:
        raise Invalid("This stretch of time has not begun yet. Open one that has.")
    ends = EPOCH - (EPOCH - asked.ends_at) // QUARTER * QUARTER
    return Window.of(asked.origin, min(ends, as_of), asked.zone)


def _spans_before(window: Window) -> list[Span]:
    """Return the same hours of the days before, the oldest first: of what is longer than a day, of every second one."""
    length = window.ends_at - window.starts_at
    apart = -(-length // _DAY) * _DAY
    return [(window.starts_at - back * apart, window.ends_at - back * apart) for back in range(DAYS, 0, -1)]


def _kinds(found: CallFigures, timed: Timing, usual: Usual) -> list[ClusterKind]:
    if not usual.spans:
        return []
    kinds: list[ClusterKind] = []
    if is_unusual(found.lost, usual.middle.lost):
        kinds.append("lost")
    if is_unusual(found.reasks, usual.middle.reasks, LEAST_OTHERS):
        kinds.append("asked again")
    before = usual.latency
    if min(timed.timed, before.timed) >= _ENOUGH_TIMED and (timed.p95 or 0) >= ENOUGH_SLOWER * (before.p95 or 0):
        kinds.append("slow")
    return kinds


class _Opening:
    """One look at a stretch of time and at the same hours of the days before."""

    def __init__(self, reading: Reading, window: Window, as_of: datetime) -> None:
        self._reading, self._window, self._now = reading, window, micros(as_of)
        spans = _spans_before(window)
        self._spans = [*spans, (window.starts_at, window.ends_at)]
        self._whole = Window.of(spans[0][0], window.ends_at)
        self._ids = reading.scope.ids
        found = figures_by(reading, SumQuestion(window=self._whole, by=("cell",), spans=self._spans), self._now)
        self.figures = [found.get(number, CallFigures()) for number in range(DAYS + 1)]
        by_slot = SumQuestion(window=self._whole, by=("cell",), spans=self._spans)
        self._slots: list[Any] = slots(reading, by_slot, self._now)
        called = [number for number in range(DAYS) if self.figures[number].calls]
        first = min(called, default=DAYS)
        self._learned = range(first, DAYS) if DAYS - first >= _LEAST_DAYS else range(0)

    @property
    def one_tenant(self) -> str | None:
        ids = self._ids
        return self._reading.name_of(next(iter(ids))) if ids is not None and len(ids) == 1 else None

    def usual(self) -> Usual:
        some = [self.figures[number] for number in self._learned]
        together = CallFigures()
        for one in some:
            together.count_in(one)
        return Usual(
            spans=[self._spans[number] for number in self._learned],
            middle=_middle(some),
            together=together,
            latency=self.latency(lambda span: span in self._learned),
        )

    def latency(self, of: Callable[[int], bool]) -> Timing:
        return timing((slot, count) for span, slot, count in self._slots if of(span))

    def _counts(self, facet: Facet, *by: By) -> dict[tuple[str, ...], list[int]]:
        """Return calls per span, by what the facet tells apart."""
        asked = SumQuestion(window=self._whole, facet=facet, by=("cell", *by), spans=self._spans, names=("calls",))
        found: defaultdict[tuple[str, ...], list[int]] = defaultdict(lambda: [0] * (DAYS + 1))
        for span, *key, calls in sums(self._reading, asked, self._now):
            found[tuple(key)][span] += calls
        return found

    def _ending(self, name: str, outcome: str, calls: Sequence[int]) -> HowMany:
        usual = median([calls[number] for number in self._learned]) if self._learned else None
        return HowMany(which=name, outcome=outcome, calls=calls[DAYS], usual=usual)

    def endings(self) -> list[HowMany]:
        told = [self._ending(outcome, outcome, calls) for (outcome,), calls in self._counts(OUTCOME, "value").items()]
        return sorted((one for one in told if one.calls), key=lambda one: (-one.calls, one.which))

    def codes(self) -> list[HowMany]:
        found = self._counts(ERROR, "value", "detail")
        told = [self._ending(code, outcome, calls) for (code, outcome), calls in found.items()]
        return sorted((one for one in told if one.calls), key=lambda one: (-one.calls, one.which))[:_MOST_CODES]

    def fields(self) -> list[FailingField]:
        asked = SumQuestion(window=self._window, facet=FIELD, by=("value", "detail"), names=("errors",))
        found: defaultdict[tuple[str, int | None, str], int] = defaultdict(int)
        for schema, detail, errors in sums(self._reading, asked, self._now):
            number, _, path = detail.split(" ", 2)
            found[schema, int(number) if number else None, path] += errors
        worst = sorted(found.items(), key=lambda one: (-one[1], one[0][0], one[0][2]))[:_MOST_FIELDS]
        return [FailingField(schema=key[0], version=key[1], path=key[2], errors=errors) for key, errors in worst]

    def hit(self) -> list[Hit]:
        """Return how tenants fared; nothing where it is of one alone."""
        if self.one_tenant is not None:
            return []
        now = figures_by(self._reading, SumQuestion(window=self._window, by=("tenant_id",)), self._now)
        worst = sorted(now, key=lambda one: (-now[one].lost, -now[one].calls, one))[:MOST_HIT]
        if not worst:
            return []
        asked = SumQuestion(window=self._whole, by=("cell", "tenant_id"), spans=self._spans[:-1], tenants=sorted(worst))
        before = figures_by(self._reading, asked, self._now)
        found = [
            Hit(
                tenant_id=one,
                tenant=self._reading.name_of(one),
                figures=now[one],
                usual=_middle([before.get((span, one), CallFigures()) for span in self._learned])
                if self._learned
                else None,
            )
            for one in worst
        ]
        if len(now) > len(worst):
            others = CallFigures()
            for one in now.keys() - set(worst):
                others.count_in(now[one])
            found.append(Hit(tenant_id="", tenant="", figures=others, usual=None))
        return found

    def in_vain(self) -> list[InVain]:
        names = ("discarded_attempts", "discarded")
        asked = SumQuestion(window=self._window, facet=DISCARDED, by=("value", "detail"), names=names)
        rows, _ = leading(self._reading, asked, self._now, _MOST_IN_VAIN, names[:1])
        return [
            InVain(outcome=outcome, model=model, attempts=attempts, nano_usd=nano_usd)
            for outcome, model, attempts, nano_usd in rows
        ]

    def told_apart(self, kind: ClusterKind, found: CallFigures, usual: Usual) -> ToldApart:
        searches: Mapping[ClusterKind, str] = {
            "lost": LOST_CALLS,
            "asked again": "attempts:>1",
            "slow": f"latency:>{round(usual.latency.p95 or 0)}ms",
        }
        begins, ends = self._window.starts_at, self._window.ends_at
        # Where most calls were so, the day before is what they are told from as well.
        since = begins - _DAY if kind == "lost" and 2 * found.lost > found.calls else begins
        among = CallFilter(starts_at=since, ends_at=ends)
        selected = CallFilter(starts_at=begins, ends_at=ends, q=searches[kind])
        return ToldApart(kind=kind, search=searches[kind], contrast=contrast(self._reading, among, selected))

    def edge(self, order: str) -> OneCall | None:
        bound = {"starts_at": micros(self._window.starts_at), "ends_at": micros(self._window.ends_at)}
        rows: Sequence[Any] = self._reading.rows(_EDGE.replace("{order}", order), bound)
        return OneCall(id=rows[0].id, at=from_micros(rows[0].started_at)) if rows else None


def _middle(some: Sequence[CallFigures]) -> CallFigures:
    """Return of each sum the one in the middle; of an even number the mean of both, rounded."""
    if not some:
        return CallFigures()
    values: Mapping[str, int] = {name: round(median([getattr(one, name) for one in some])) for name in NAMES}
    return CallFigures(**values)
