"""How far the analytics store has come, as the database says: which table holds what of which batches."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from core.clock import from_micros, micros, minute
from core.rollups.outbox import NOTHING

STATE = (
    "SELECT s.name, s.epoch, s.built_from, s.newest, s.shipped, s.waiting, s.caught_up_at, s.why FROM analytics_state s"
)


def table_of(name: str, epoch: int) -> str:
    """Return the name of the table that a database has in the store, of the times that it was begun."""
    return f"proctor_{name}_facts_{epoch}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far it has come."""

    name: str
    epoch: int
    built_from: int
    """In microseconds since 1970; calls of before it are not in it."""
    newest: int
    shipped: int
    waiting: int
    """How many rows wait to be sent."""
    caught_up_at: datetime | None
    why: str

    @classmethod
    def of(cls, row: Any) -> Progress:
        """Return what a row of :data:`STATE` says."""
        name, epoch, built_from, newest, shipped, waiting, caught_up_at, why = row
        return cls(
            name=name,
            epoch=epoch,
            built_from=built_from,
            newest=newest,
            shipped=shipped,
            waiting=waiting,
            caught_up_at=None if caught_up_at is None else from_micros(caught_up_at),
            why=why,
        )

    @property
    def is_on(self) -> bool:
        """Whether anything is sent there."""
        return bool(self.name)

    @property
    def is_begun(self) -> bool:
        """Whether it knows of any call."""
        return self.built_from < micros(NOTHING)

    @property
    def table(self) -> str:
        """Return the table in the store."""
        return table_of(self.name, self.epoch)

    def told(self, now: datetime) -> str:
        """Return how it stands, as one to three sentences."""
        if not self.is_on:
            return "Nothing is sent to an analytics store."
        if not self.is_begun:
            said = "The analytics store has been begun, and holds no call yet."
        elif self.built_from:
            said = f"The analytics store reaches back to {minute(from_micros(self.built_from))} so far."
        else:
            said = "The analytics store holds all that the sums hold."
        if self.waiting:
            seconds = round(self.behind_seconds(now))
            said += f" {self.waiting:,} rows wait to be sent, for {seconds:,} s at most."
        return f"{said} It was begun anew, as {self.why}." if self.why else said

    def behind_seconds(self, now: datetime) -> float:
        """Return for how long something has waited, at most; 0 where nothing does."""
        if not self.waiting:
            return 0
        return max(0.0, (now - self.caught_up_at).total_seconds()) if self.caught_up_at else 0
