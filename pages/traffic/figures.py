"""What *Traffic* asks for: each question is made once for all who look at the same and may see the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import islice
from typing import TypeVar

from core.call_search import FieldMatch, exactly
from core.errors import Invalid
from core.principals import Permission
from core.reports import ENOUGH, ChangeFilter, Contrast, Query, QueryAnswer, RecordedChange, Window
from core.reports.measures import MEASURES, Measure
from core.reports.query import TIME, GroupFigures
from pages.kit.page import Visit
from pages.kit.shared import key_of, shared
from pages.traffic.asked import PickedCalls, TrafficView, narrowed

T = TypeVar("T")

TOTALS = ("calls", "got_object", "errors", "error_rate", "blocked", "p95", "tokens", "spend")
LATENCIES = {False: ("p50", "p95", "p99"), True: ("ttft_p50", "ttft_p95")}
"""What is drawn of how long calls took, or of how long their first token did."""
MOST_GROUPS, MOST_KINDS = 20, 7
_SAMPLED, _LEAST_POINTS = 3, 8
_MOST_MARKS, _SECOND = 100, timedelta(seconds=1)
TABLE = ("calls", "got_object", "errors", "error_rate", "blocked", "tokens", "spend")
TIMES = ("p95", "ttft_p95")
TIMED = frozenset({"tenant", "provider", "model", "schema", "version"})
"""By what the durations of calls are known without reading all of them."""


@dataclass(frozen=True, slots=True)
class Compared:
    """An answer, and the same over what it is compared with."""

    now: QueryAnswer
    before: QueryAnswer


@dataclass(frozen=True, slots=True)
class Course:
    """How calls went over time."""

    totals: Compared
    outcomes: QueryAnswer
    before: QueryAnswer
    """Calls of the period before, to the end of its last step."""
    changes: Sequence[RecordedChange]
    """The newest of the window, for the marks of its charts."""


def ask(
    visit: Visit, asked: TrafficView, window: Window, measures: Sequence[str], by: Sequence[str] = (), **more: object
) -> QueryAnswer:
    """Ask one question about the calls that are *asked* for, in that window."""
    query = Query(window=window, measures=measures, by=by, **{"q": asked.q, **more})  # pyright: ignore[reportArgumentType] fields by their names
    return visit.runtime.reports.query(visit.principal, query, asked.tenant_id)


def compared(
    visit: Visit, asked: TrafficView, measures: Sequence[str], by: Sequence[str] = (), **more: object
) -> Compared:
    """Ask it, and of what it is compared with: that ends where this one does, so a part is held against a part."""
    return Compared(*(ask(visit, asked, one, measures, by, **more) for one in (asked.window, asked.window.previous())))


def _to_its_end(window: Window, step: timedelta) -> Window:
    """Return a window of the past with all of its last step: that is over, whatever is held against it."""
    return replace(window, ends_at=window.step_at(window.steps(step), step))


def course(visit: Visit, asked: TrafficView) -> Course:
    """Return totals, and how calls ended over time."""
    step = asked.steps()
    earlier = _to_its_end(asked.window.previous(), step)

    def made() -> Course:
        return Course(
            totals=compared(visit, asked, TOTALS),
            outcomes=ask(visit, asked, asked.window, ("calls", "errors"), (TIME, "outcome"), step=step, limit=50),
            before=ask(visit, asked, earlier, ("calls",), (TIME,), step=step),
            changes=_changes(visit, asked) if visit.may(Permission.CHANGES_READ, asked.tenant_id) else (),
        )

    return _shared(visit, asked, "course", visit.may(Permission.CHANGES_READ, asked.tenant_id), made)


def _changes(visit: Visit, asked: TrafficView) -> Sequence[RecordedChange]:
    """Return the newest changes: few rows, by their index."""
    wanted = ChangeFilter(
        starts_at=asked.window.starts_at, ends_at=asked.window.ends_at + _SECOND, tenant_id=asked.tenant_id
    )
    return list(islice(visit.runtime.reports.every_change(visit.principal, wanted), _MOST_MARKS))


def codes(visit: Visit, asked: TrafficView) -> QueryAnswer:
    """Return errors over time by their code."""

    def made() -> QueryAnswer:
        by, step = (TIME, "error"), asked.steps()
        return ask(visit, _errors(asked), asked.window, ("errors",), by, step=step, limit=MOST_KINDS)

    return _shared(visit, asked, "codes", (), made)


def _errors(asked: TrafficView) -> TrafficView:
    return replace(asked, q=narrowed(asked.q, FieldMatch("outcome", exactly("any_error"))))


def latency(visit: Visit, asked: TrafficView, *, of_tokens: bool) -> Compared:
    """Return how long calls took over time, in steps that rest on enough of them."""
    measures = ("calls", *LATENCIES[of_tokens])

    def made() -> Compared:
        found = course(visit, asked)
        step = _step(asked, found, many(found.totals.now.total.whole, MEASURES["p95"]))
        earlier = _to_its_end(asked.window.previous(), step)
        return Compared(*(ask(visit, asked, one, measures, (TIME,), step=step) for one in (asked.window, earlier)))

    return _shared(visit, asked, "latency", of_tokens, made)


def groups(visit: Visit, asked: TrafficView, by: str, measure: str) -> Compared:
    """Return a measure over time by a dimension, of those that matter most to it."""

    def made() -> Compared:
        of, step = MEASURES[measure], asked.steps()
        if of.percent or of.unit == "share":
            most = table(visit, asked, by).now.groups[:_SAMPLED]
            calls = sum(one.whole.figures.calls for one in most) // max(1, len(most))
            step = _step(asked, course(visit, asked), calls)
        measures, told = tuple(dict.fromkeys((measure, "calls"))), (TIME, *_apart(asked, by))
        earlier = _to_its_end(asked.window.previous(), step)
        return Compared(
            *(ask(visit, asked, one, measures, told, step=step, limit=MOST_GROUPS) for one in (asked.window, earlier))
        )

    return _shared(visit, asked, "groups", (by, measure), made)


def _step(asked: TrafficView, found: Course, calls: int) -> timedelta:
    """Return steps so wide that as many calls are enough in each in which there are some, where so many are left."""
    step, base = asked.steps(), asked.steps()
    busy = sum(1 for cell in found.outcomes.total.cells if cell.figures.calls)
    length = asked.window.ends_at - asked.window.starts_at
    while calls * (step / base) < ENOUGH * busy and asked.coarser(step) * _LEAST_POINTS <= length:
        step = asked.coarser(step)
    return step


def table(visit: Visit, asked: TrafficView, by: str) -> Compared:
    """Return the figures of those that were called most."""
    untold = {"tokens"} if by in ("outcome", "error") else set[str]()
    measures = (*(one for one in TABLE if one not in untold), *(TIMES if by in TIMED else ()))
    told = _apart(asked, by)
    return _shared(visit, asked, "table", by, lambda: compared(visit, asked, measures, told, limit=MOST_GROUPS))


def _apart(asked: TrafficView, by: str) -> tuple[str, ...]:
    """Return what is told apart by: keys are of a tenant, and those of several may be called alike."""
    return ("tenant", by) if by == "key" and asked.tenant is None else (by,)


def difference(visit: Visit, asked: TrafficView, picked: PickedCalls) -> Contrast:
    """Return what tells the calls that were picked from the others."""
    key = (picked.terms, str(picked.chosen), picked.around, picked.within.starts_at)
    reports = visit.runtime.reports
    return _shared(
        visit, asked, "difference", key, lambda: reports.contrast(visit.principal, picked.among, picked.selected)
    )


def is_whole(answer: QueryAnswer, place: int) -> bool:
    """Whether a cell lies in the window from its begin to its end, and is over."""
    window = answer.query.window
    return window.starts_at <= answer.times[place] and step_end(answer, place) <= min(window.ends_at, answer.as_of)


def whole_cells(answer: QueryAnswer) -> list[int]:
    """Return the places of the cells that sentences, peaks and minima may speak of."""
    return [place for place in range(len(answer.times)) if is_whole(answer, place)]


def cell_end(answer: QueryAnswer, place: int) -> datetime:
    """Return until when a cell has calls: its end, or that of what is known."""
    return min(step_end(answer, place), answer.query.window.ends_at, answer.as_of)


def step_end(answer: QueryAnswer, place: int) -> datetime:
    """Return when a cell is over."""
    return answer.query.window.step_at(place + 1, answer.query.cell)


def timed(answer: QueryAnswer, cells: Sequence[GroupFigures]) -> list[int]:
    """Return on how many calls each point of a percentile rests."""
    of = next((one for one in answer.query.asked if one.percent), None)
    return [] if of is None else [many(cell, of) for cell in cells]


def many(part: GroupFigures, of: Measure) -> int:
    """Return on how many calls a percentile rests."""
    found = part.slots.get(of.timed)
    return sum(found.values()) if found else 0


def _shared(visit: Visit, asked: TrafficView, question: str, more: object, make: Callable[[], T]) -> T:
    key = (asked.tenant_id, asked.zone, asked.q, key_of(asked.chosen, asked.window), more)
    return shared(visit, f"traffic {question}", asked.window, key, make)


def refused(make: Callable[[], T]) -> T | str:
    """Return what *make* makes, or why there is no such figure."""
    try:
        return make()
    except Invalid as error:
        return error.message
