"""From what a window's figures are read: whole days, hours and quarters from rollups, and its edges from the calls.

Where no rollup serves it may be read by whole minutes from the facts of an analytics store.

Half-open like the window itself, the pieces hold each moment of it once. Where a series is cut into cells only such
rollups serve as have a cut at each of the cells' cuts; sums over all of a window may be read from any.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MINUTE = 60_000_000
"""In microseconds, as all times here; they count from 1970."""
CALLS = 0
"""The width of what is read from the calls themselves."""
FACTS = 1
"""That of the facts in an analytics store, which tell the minute."""
_QUARTER = 15 * MINUTE


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of a window."""

    minutes: int
    """The width of the rollups that it is read from; :data:`CALLS` where it is read from the calls."""
    since: int
    until: int
    sign: int = 1
    """-1 where it is outside of the window, in rollups that reach beyond its end."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """How a window is cut into steps."""

    step: int
    origin: int
    """From where they count."""
    shifts: Sequence[tuple[int, int]] = ()
    """From when on how much later the clock on the wall is than at the origin, by which they count."""

    def are_cuts_of(self, minutes: int) -> bool:
        """Return whether rollups of that width have a cut at each of them."""
        every = (self.step, self.origin, *(time for shift in self.shifts for time in shift))
        return not any(time % (minutes * MINUTE) for time in every)


def pieces(
    since: int,
    until: int,
    widths: Sequence[int],
    *,
    built_from: int,
    now: int,
    cuts: Cuts | None = None,
    raw_from: int = 0,
) -> list[Section]:
    """Return what adds up to the window from *since* to *until*.

    *widths* are the rollups that there are, in minutes; those of before *built_from* are not there yet. With *cuts*
    it is cut there. Of before *raw_from* nothing is read from calls while any width serves. A window that ends *now* is
    read from rollups to their end: nothing is there that began later, or little, and that is taken off.
    """
    usable = sorted((one for one in widths if cuts is None or cuts.are_cuts_of(one)), reverse=True)
    if not usable:
        return [Section(CALLS, since, until)] if since < until else []
    since, until = reaching_out(since, until, raw_from, usable[-1] * MINUTE)
    begins = min(until, max(since, _up(built_from, _QUARTER)))
    found = [Section(CALLS, since, begins)] if since < begins else []
    if begins >= until:
        return found
    ends = _up(until, usable[-1] * MINUTE) if until >= now else until
    found += _cut(begins, ends, usable)
    return [*found, Section(CALLS, until, ends, sign=-1)] if until < ends else found


def reaching_out(since: int, until: int, raw_from: int, width: int = _QUARTER) -> tuple[int, int]:
    """Return a window whose ends of before *raw_from* are cuts of *width*: those of its ends inwards are not known."""
    return (
        since // width * width if since < raw_from else since,
        _up(until, width) if until < raw_from else until,
    )


def _cut(since: int, until: int, widths: Sequence[int]) -> list[Section]:
    if since >= until:
        return []
    if not widths:
        return [Section(CALLS, since, until)]
    width, narrower = widths[0] * MINUTE, widths[1:]
    first, last = _up(since, width), until // width * width
    if first >= last:
        return _cut(since, until, narrower)
    return [*_cut(since, first, narrower), Section(widths[0], first, last), *_cut(last, until, narrower)]


def _up(at: int, width: int) -> int:
    return -(-at // width) * width
