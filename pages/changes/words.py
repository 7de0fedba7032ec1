"""A change in the words of the page."""

from __future__ import annotations

from core.reports import RecordedChange, differences
from pages.kit import formats, links, zones

SHOWN = 3
"""So many differences stand in the list; the page of the change has them all."""


def who(change: RecordedChange) -> str:
    """Return who did it."""
    return change.actor if change.is_decided else links.PROCTOR


def whose(change: RecordedChange) -> str:
    """Return of whom it is."""
    return change.tenant or "All tenants"


def became(change: RecordedChange, zone: str) -> str:
    """Return what it made of what it changed, in one line, with its times in *zone*."""
    if not change.is_decided:
        return ""
    found = differences(change.before, change.after)
    more = [f"and {len(found) - SHOWN} more"] if len(found) > SHOWN else []
    return zones.retold_in("; ".join([*map(str, found[:SHOWN]), *more]), zone)


def states(change: RecordedChange, side: int) -> str:
    """Return all that differs, as it was (0) or as it became (1), for a file: its times are in UTC, and say so."""
    return "; ".join(f"{one.what}: {(one.before, one.after)[side]}" for one in differences(change.before, change.after))


def told(change: RecordedChange, zone: str) -> str:
    """Return what happened; of what repeats itself also how often, and since when."""
    summary = zones.retold_in(change.summary, zone)
    if change.times == 1:
        return summary
    since = formats.moment(change.first_at, zone)
    return f"{formats.count(change.times)} times since {since}. Last: {summary}"
