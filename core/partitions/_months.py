"""Which tables are cut by months, by what, and where a month begins.

Identifiers begin with their birth in milliseconds, so they sort by time: a table cut by them is cut by time, and still
finds a row by its id in one partition. All that belongs to a generation lies in the month of the id of the generation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from core.clock import first_id

KEYS: Mapping[str, str] = {
    "generation": "id",
    "attempt": "generation_id",
    "field_error": "generation_id",
    "finding": "generation_id",
    "payload": "generation_id",
}
"""The tables that are cut, and the column of each that says where."""
OWN_KEYS: Mapping[str, str] = {"attempt": "id", "field_error": "id"}
"""What is unique within a partition alone: a partitioned table has no key without the column that it is cut by."""
BEFORE, BEYOND = "before", "beyond"
"""The first partition, which has no lower bound, and the last, from ``core.clock.LATEST`` on: no month lies there, so
what found its way there, an id that is no time, keeps no month from being made."""


def month(moment: datetime) -> datetime:
    """Return when the month of *moment* begins, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def following(begins: datetime) -> datetime:
    """Return when the month after that which *begins* then begins."""
    return month(begins + timedelta(days=31))


def months(first: datetime, count: int) -> Sequence[datetime]:
    """Return when *count* months begin, from that of *first* on."""
    found = [month(first)]
    while len(found) < count:
        found.append(following(found[-1]))
    return found


@dataclass(frozen=True, slots=True)
class Partition:
    """One partition of a table."""

    name: str
    below: str | None
    """All its keys are less; ``None`` where nothing bounds them."""

    def is_past(self, now: datetime) -> bool:
        """Whether its last identifier was born before *now*."""
        return self.below is not None and self.below <= first_id(now)


def named(table: str, begins: datetime) -> str:
    """Return the name of the partition of a month."""
    return f"{table}_{begins:%Y_%m}"
