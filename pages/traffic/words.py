"""Figures, steps and names of *Traffic* in words. What is not whole is in no sentence, peak or minimum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from core.pricing import NANO
from core.reports import OTHERS as OTHERS  # noqa: PLC0414 as the charts know it
from core.reports import QueryAnswer, wall
from core.reports.measures import MEASURES, Measure
from core.reports.query import DIMENSIONS, Group
from pages.kit import formats, outcomes
from pages.traffic.figures import cell_end, is_whole, step_end, whole_cells

GOOD = frozenset({"got_object", "validity", "valid"})
"""Of these less is worse."""
FEW = 5
"""Calls under which a figure that does not add up says nothing."""
_WORST_SHARE = 0.3
"""Where the colour of a share ends, from what is best on."""


def measure(name: str) -> Measure:
    """Return a measure by its name."""
    return MEASURES[name]


def dimension(by: str) -> str:
    """Return a dimension as it stands in a sentence."""
    return DIMENSIONS[by].label.lower()


def names(groups: Sequence[Group], by: str) -> list[str]:
    """Return what people call some groups, each by a name of its own: two keys may be called alike."""
    told = [_name(group, by) for group in groups]
    return [name if told.count(name) == 1 else f"{name} ({told[:at].count(name) + 1})" for at, name in enumerate(told)]


def _name(group: Group, by: str) -> str:
    if by == "outcome" and group.values[-1]:
        return outcomes.word(group.values[-1])
    return OTHERS if OTHERS in group.names else " · ".join(group.names)


def failing(answer: QueryAnswer) -> list[Group]:
    """Return the groups in which calls ended in error, those with the most of them first."""
    return sorted((one for one in answer.shown if one.whole.figures.errors), key=lambda one: -one.whole.figures.errors)


def short_names(groups: Sequence[Group], by: str) -> list[str]:
    """Return names as short as a legend has room for: models without their providers, unless two are called alike."""
    known = names(groups, by)
    told = [name.rpartition("/")[2] if by == "model" else name for name in known]
    return [name if told.count(name) == 1 else whole for name, whole in zip(told, known, strict=True)]


def is_count(of: Measure) -> bool:
    """Whether it adds up, so that none of it is 0; of all others few calls say little."""
    return not of.percent and of.unit != "share" and of.name not in {"cost_per_valid", "queue"}


def pace(calls: int, length: timedelta) -> str:
    """Return how many calls that is a minute, or an hour or a day where it would be less than one."""
    for size, unit in ((timedelta(minutes=1), "a minute"), (timedelta(hours=1), "an hour")):
        if calls * size >= length:
            return f"{formats.short(calls * size / length)} {unit}"
    return f"{formats.short(calls * timedelta(days=1) / length)} a day"


def when(answer: QueryAnswer, place: int) -> str:
    """Return from when to when a cell is, and that it is not over."""
    zone = answer.query.window.zone
    begins, ends = max(answer.times[place], answer.query.window.starts_at), cell_end(answer, place)
    told = f"{formats.moment(begins, zone)} \N{EN DASH} {end_of(begins, ends, zone)}"
    return told if is_whole(answer, place) else f"{told}, not whole"


def on_axis(answer: QueryAnswer, place: int, share: float = 0.0) -> Any:
    """Return when a cell begins as the axis has it, or a share of it later."""
    begins = answer.times[place]
    return wall(begins + (step_end(answer, place) - begins) * share, answer.query.window.zone)


def step(length: timedelta) -> str:
    """Return how wide a bar is: ``hour``, ``15 minutes``."""
    minutes = length // timedelta(minutes=1)
    for size, unit in ((7 * 1440, "week"), (1440, "day"), (60, "hour"), (1, "minute")):
        if minutes % size == 0:
            return unit if minutes == size else f"{minutes // size} {unit}s"
    return f"{minutes} minutes"


def end_of(begins: datetime, ends: datetime, zone: str) -> str:
    """Return when it ended, as short as it can be said behind when it began."""
    told = formats.moment(ends, zone)
    day, _, clock = told.rpartition(", ")
    return clock if formats.moment(begins, zone).startswith(day) else told


def drawn(value: float | None, of: Measure) -> float | None:
    """Return a figure as charts have it: money in dollars."""
    return value / NANO if value is not None and of.unit == "nano_usd" else value


def told(value: float | None, of: Measure) -> str:
    """Return a figure of a chart in words."""
    if value is None:
        return formats.UNKNOWN
    if of.unit == "ms":
        return formats.millis(value)
    if of.unit == "share":
        return formats.percent(value)
    return formats.dollars(round(value * NANO)) if of.unit == "nano_usd" else formats.short(value)


def axis(of: Measure, answer: QueryAnswer) -> str:
    """Return what an axis shows."""
    return f"{of.label} per {step(answer.query.cell)}"


def from_zero(of: Measure) -> bool:
    """Whether its axis begins at nothing; a share of nearly all would be a flat line at the top."""
    return of.name not in GOOD


def highest(values: Sequence[float | None], answer: QueryAnswer, of: Measure, whose: str) -> str:
    """Return where something is at its worst, among the cells that are whole."""
    known = [(values[place], place) for place in whole_cells(answer) if values[place] is not None]
    if not known:
        return ""
    value, place = min(known) if of.name in GOOD else max(known)
    verb = "is lowest" if of.name in GOOD else "peaks"
    return f"; {whose} {verb} at {told(value, of)} from {formats.moment(answer.times[place], answer.query.window.zone)}"


def peak(answer: QueryAnswer) -> str:
    """Return when most was called, in a cell that is whole."""
    known = [(answer.total.cells[place].figures.calls, -place) for place in whole_cells(answer)]
    if not known:
        return ""
    many, place = max(known)
    return f"; most from {formats.moment(answer.times[-place], answer.query.window.zone)}: {many:,}"


def heat_ends(of: Measure, values: Sequence[float]) -> tuple[float, float]:
    """Return where the colours of a map begin and end."""
    if of.unit == "share":
        return (1.0, 1.0 - _WORST_SHARE) if of.name in GOOD else (0.0, _WORST_SHARE)
    return 0.0, max(values, default=0.0) or 1.0


def worst(rows: Sequence[Mapping[str, Any]], of: Measure) -> str:
    """Return which cell of a map is worst, of those that are whole and no chance of a few calls."""
    known = [row for row in rows if row["whole"] and row["many"] >= FEW and (row["value"] or of.name in GOOD)]
    if not known:
        return ""
    sign = -1 if of.name in GOOD else 1
    found = max(known, key=lambda row: sign * row["value"])
    return f"; {'lowest' if of.name in GOOD else 'highest'} for {found['name']}, {found['when']}: {found['shown']}"


def share_whole(answer: QueryAnswer) -> bool:
    """Whether all that is shown is over."""
    return all(is_whole(answer, place) for place in range(len(answer.times)))
