"""A question, answered: groups, all others together, and the whole, each over time if that was asked for."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from core.analytics import FactLook, StoreSilent
from core.clock import EPOCH, from_micros, micros, minute
from core.errors import Invalid
from core.pricing import usd
from core.reports.frames import OTHERS, Frame, frame
from core.reports.measures import CallFigures, Measure
from core.reports.pieces import reaching_out
from core.reports.query._asking import DIMENSIONS, TIME, Query
from core.reports.query._planning import MOST_READ, REACHED, Plan, planned
from core.reports.query._searching import wanted
from core.reports.reading import Reading
from core.reports.sums import Kind, SumCondition, SumQuestion, all_kept_from, figures_by, leading, slots, sums
from core.reports.value_names import value_names
from core.reports.windows import QUARTER
from core.rollups.slots import COARSE, percentile

_BETWEEN = "\x1f"
Slots = Mapping[Kind, Counter[int]]


def _untimed() -> Slots:
    return {}


@dataclass(frozen=True, slots=True)
class GroupFigures:
    """What some calls come to."""

    figures: CallFigures = field(default_factory=CallFigures)
    slots: Slots = field(default_factory=_untimed)

    def value(self, measure: Measure) -> float | None:
        """Return a measure of them; ``None`` where it is one of nothing, or not known."""
        if measure.percent is None:
            return measure.of(self.figures)
        return percentile(self.slots.get(measure.timed, Counter()).items(), measure.percent, COARSE)

    @property
    def timed(self) -> int:
        """Return on how many calls, or attempts, percentiles rest."""
        return sum(self.slots.get("duration", Counter()).values())

    def without(self, some: Iterable[GroupFigures]) -> GroupFigures:
        """Return what is left without *some* of it."""
        figures = self.figures
        left: dict[Kind, Counter[int]] = {kind: Counter(found) for kind, found in self.slots.items()}
        for part in some:
            figures = figures.without(part.figures)
            for kind, found in part.slots.items():
                left[kind].subtract(found)
        return GroupFigures(figures, left)


@dataclass(frozen=True, slots=True)
class Group:
    """The calls that are alike in what was asked for."""

    values: tuple[str | None, ...]
    """Of each dimension of the question, in its order; ``None`` where a call has none."""
    names: tuple[str, ...]
    """What people call them."""
    whole: GroupFigures
    cells: Sequence[GroupFigures] = ()
    """Over time, if that was asked for: one for each cell of the window, also where nothing was called."""


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryAnswer:
    """What a question is answered with."""

    query: Query
    as_of: datetime
    groups: Sequence[Group]
    """Those that matter most to the first measure, in that order. None without a dimension."""
    others: Group | None
    """All that are not told apart; ``None`` if all are."""
    others_count: int
    total: Group
    times: Sequence[datetime]
    """When each cell begins; empty if the question was not about time."""
    filling_from: datetime | None
    """When the cell begins that is not over yet: what it shows is less than it will be."""
    from_calls: bool
    """Whether it was added up from the calls themselves, as no rollup holds it."""
    from_facts: bool
    """Whether an analytics store added it up, or a part of it."""
    of_attempts: bool
    """Whether a call counts for each model that it asked."""
    calls_from: datetime | None
    """From when on all calls are kept that this is about, where that is later than the window begins.

    What is older is told by quarters of an hour: the window of :attr:`query` is the one that it is about.
    """

    @property
    def shown(self) -> Sequence[Group]:
        """The groups and all others; the total where there are none."""
        if not self.query.dimensions:
            return [self.total]
        return [*self.groups, *([self.others] if self.others else [])]

    def frame(self) -> Frame:
        """Return it as a table: ``at`` if it is over time, dimensions and measures by name; money in dollars."""
        asked = self.query.asked
        money = {one.name for one in asked if one.unit == "nano_usd"}
        over_time = bool(self.times)
        rows = [
            (*((at,) if over_time else ()), *group.names, *(_shown(part, one) for one in asked))
            for group in self.shown
            for at, part in (zip(self.times, group.cells, strict=True) if over_time else [(None, group.whole)])
        ]
        names = [f"{one.name}_usd" if one.name in money else one.name for one in asked]
        told = ["schema_version" if one == "version" else one for one in self.query.dimensions]
        return frame([*(("at",) if over_time else ()), *told, *names], rows, floats=names)


def _shown(part: GroupFigures, measure: Measure) -> float | None:
    found = part.value(measure)
    return usd(int(found)) if found is not None and measure.unit == "nano_usd" else found


def _none() -> None:
    """There is no analytics store."""


def answered(
    reading: Reading, query: Query, as_of: datetime, facts: Callable[[], FactLook | None] = _none
) -> QueryAnswer:
    """Answer *query* for the tenants that *reading* sees; what no rollup holds from *facts*, where those answer.

    Raises:
        Invalid: there are no such figures, or they would be added up from more than ``MOST_READ`` calls, or too many
            are in no sums yet.
        TooSlow: they took the analytics store longer than they may.

    """
    plan = planned(reading, query, wanted(reading, query.q))
    raw_from = all_kept_from(reading, query.window, plan.question.tenants, micros(as_of))
    query = _reaching_out(query, raw_from)
    plan = replace(plan, question=replace(plan.question, window=query.window))
    asking = _Asking(reading, query, plan, micros(as_of))
    silent = ""
    if asking.is_in_no_rollup and (found := facts()) is not None:
        try:
            of_facts = replace(plan, question=replace(plan.question, facts=found))
            return _answer(query, as_of, of_facts, _Asking(reading, query, of_facts, micros(as_of)), raw_from)
        except StoreSilent as error:
            silent = str(error)
    return _answer(query, as_of, plan, asking, raw_from, silent)


def _answer(  # noqa: PLR0917 what an answer is made of
    query: Query, as_of: datetime, plan: Plan, asking: _Asking, raw_from: int, silent: str = ""
) -> QueryAnswer:
    asking.refuse_if_too_many(silent)
    groups, others, count, total = asking.all()
    cells = query.cells if TIME in query.by else 0
    times = [query.window.step_at(number, query.cell) for number in range(cells)]
    is_filling = cells > 0 and query.window.step_at(cells, query.cell) > as_of
    return QueryAnswer(
        query=query,
        as_of=as_of,
        groups=groups,
        others=others,
        others_count=count,
        total=total,
        times=times,
        filling_from=times[-1] if is_filling else None,
        from_calls=not plan.question.facet.widths and plan.question.facts is None,
        from_facts=plan.question.facts is not None,
        of_attempts=plan.question.facet.is_apart,
        calls_from=from_micros(raw_from) if raw_from else None,
    )


def _reaching_out(query: Query, raw_from: int) -> Query:
    """Return *query* about whole quarters of an hour, where calls are gone that its window begins or ends between."""
    window = query.window
    since, until = reaching_out(micros(window.starts_at), micros(window.ends_at), raw_from)
    return replace(query, window=replace(window, starts_at=from_micros(since), ends_at=from_micros(until)))


class _Asking:
    def __init__(self, reading: Reading, query: Query, plan: Plan, now: int) -> None:
        self._reading = reading
        self._query = query
        self._plan = plan
        self._now = now
        self._kinds: list[Kind] = sorted({one.timed for one in query.asked if one.percent})
        self._step = query.cell // timedelta(microseconds=1)
        self._over_time = TIME in query.by

    @property
    def _by_minutes(self) -> bool:
        return self._over_time and bool(self._query.cell % QUARTER)

    @property
    def is_in_no_rollup(self) -> bool:
        """Whether any of it would be added up from the calls themselves."""
        facet = self._plan.question.facet
        return not facet.widths or self._by_minutes or (bool(self._kinds) and not facet.slot_widths)

    def refuse_if_too_many(self, silent: str = "") -> None:
        """Refuse what would be added up from too many calls; *silent* is why no analytics store is asked instead."""
        query, facts = self._query, self._plan.question.facts
        if not self.is_in_no_rollup:
            return
        window = query.window
        if facts is not None:
            begins = from_micros(facts.built_from) if facts.built_from else EPOCH
            if begins <= window.starts_at:
                return
            window = replace(window, ends_at=min(window.ends_at, begins))
            silent = f"The analytics store reaches back to {minute(begins)} so far."
        every = SumQuestion(window=window, by=(), tenants=self._plan.question.tenants, names=("calls",))
        calls = figures_by(self._reading, every, self._now).get((), CallFigures()).calls
        if calls > MOST_READ:
            why = "in steps of less than a quarter of an hour" if self._by_minutes else "for these together"
            raise Invalid(
                f"No figures are kept {why}: they would be added up from {calls:,} calls, and {MOST_READ:,} are read "
                f"at most. Choose a shorter time, or ask for less at once. {silent}".rstrip()
            )

    def all(self) -> tuple[list[Group], Group | None, int, Group]:
        question = self._plan.question
        bare = replace(question, by=())
        total = Group((), (), self._part(bare), self._cells(bare))
        if not question.by:
            return [], None, 0, total
        ranked_by = self._query.asked[0].ranked_by
        rows, count = leading(self._reading, question, self._now, self._query.limit, ranked_by)
        width = len(question.by)
        told = [(row[:width], self._figures(row[width:])) for row in rows]
        some = self._narrowed([keys for keys, _ in told]) if count > len(told) else question
        slotted, cells = self._slots(some), self._by_cell(some)
        names = value_names(
            self._reading,
            [pair for keys, _ in told for pair in zip(self._plan.dimensions, self._plan.values(keys), strict=True)],
        )
        groups = [
            self._group(keys, GroupFigures(figures, slotted.get(keys, {})), cells.get(keys, {}), names)
            for keys, figures in told
        ]
        others = self._others(total, groups) if count > len(told) else None
        return groups, others, count - len(told), total

    def _group(
        self,
        keys: tuple[Any, ...],
        whole: GroupFigures,
        cells: Mapping[int, GroupFigures],
        names: Mapping[tuple[str, str], str],
    ) -> Group:
        values = self._plan.values(keys)
        said = tuple(
            DIMENSIONS[one].nothing if value is None else names.get((one, value), value)
            for one, value in zip(self._plan.dimensions, values, strict=True)
        )
        return Group(values, said, whole, [cells.get(at) or GroupFigures() for at in self._places])

    def _others(self, total: Group, groups: Sequence[Group]) -> Group:
        left = [cell.without(group.cells[at] for group in groups) for at, cell in enumerate(total.cells)]
        values = (None,) * len(self._plan.dimensions)
        return Group(values, (OTHERS,) * len(values), total.whole.without(one.whole for one in groups), left)

    @property
    def _places(self) -> range:
        return range(self._query.cells if self._over_time else 0)

    def _narrowed(self, keys: Sequence[tuple[Any, ...]]) -> SumQuestion:
        """Return the question about the groups of these keys alone, and such as have a part of each of two of them."""
        question = self._plan.question
        if "tenant_id" in question.by:
            question = replace(question, tenants=sorted({one[0] for one in keys}))
        own = [one for one in question.by if one != "tenant_id"]
        if not own:
            return question
        joined = f" || '{_BETWEEN}' || ".join(f"{{{one}}}" for one in own)
        pairs = {_BETWEEN.join(row[-len(own) :]) for row in keys}
        return replace(
            question, conditions=[*question.conditions, SumCondition(f"{joined} IN ({{list}})", tuple(sorted(pairs)))]
        )

    def _figures(self, row: Sequence[int]) -> CallFigures:
        found = CallFigures(**dict(zip(self._plan.question.names, row, strict=True)))
        if self._plan.question.facet.is_apart:
            of = (found.attempts, found.valid - found.answers, found.attempts - found.unchecked)
            for name, value in zip(REACHED, of, strict=True):
                setattr(found, name, value)
        return found

    def _part(self, question: SumQuestion) -> GroupFigures:
        found = figures_by(self._reading, question, self._now).get((), CallFigures())
        figures = self._figures([getattr(found, name) for name in question.names])
        return GroupFigures(figures, self._slots(question).get((), {}))

    def _cells(self, question: SumQuestion) -> list[GroupFigures]:
        found = self._by_cell(question).get((), {})
        return [found.get(at) or GroupFigures() for at in self._places]

    def _by_cell(self, question: SumQuestion) -> Mapping[tuple[Any, ...], Mapping[int, GroupFigures]]:
        found: defaultdict[tuple[Any, ...], dict[int, GroupFigures]] = defaultdict(dict)
        if not self._over_time:
            return found
        asked = replace(question, by=("cell", *question.by), step=self._step)
        timed, width = self._slots(asked), len(question.by)
        for cell, *row in sums(self._reading, asked, self._now):
            keys = tuple(row[:width])
            found[keys][cell] = GroupFigures(self._figures(row[width:]), timed.get((cell, *keys), {}))
        return found

    def _slots(self, question: SumQuestion) -> Mapping[tuple[Any, ...], Slots]:
        found: defaultdict[tuple[Any, ...], dict[Kind, Counter[int]]] = defaultdict(dict)
        for kind in self._kinds:
            for *keys, slot, count in slots(self._reading, question, self._now, kind):
                found[tuple(keys)].setdefault(kind, Counter())[slot] = count
        return found
