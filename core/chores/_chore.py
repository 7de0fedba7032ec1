"""What a chore is, and how it stands."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from core.clock import minute

PATIENCE = timedelta(seconds=30)
"""By so much, or by its period if that is longer, a chore may be behind before it is called late."""
State = Literal["ok", "waiting", "failing", "late"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Chore:
    """Something that is done from time to time."""

    name: str
    """One or two words, as a label of metrics."""
    every: timedelta
    does: str
    """What it does, as one sentence."""
    otherwise: str
    """What it means for an operator while it is not done, as one sentence."""
    run: Callable[[], object]
    """Does it, once. What it raises is told, and it is tried again."""
    one_process: bool = False
    """Whether one process of all that share the database does it, instead of each."""
    first_after: timedelta = timedelta(seconds=30)
    """How long after a start it is first done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChoreStatus:
    """How a chore stands, as far as this process knows."""

    chore: Chore
    seen_at: datetime
    """When it was looked at."""
    due_at: datetime | None = None
    """When it should be done next, or should have been; ``None`` in a process that has not begun its chores."""
    last_success_at: datetime | None = None
    """By this process, or by another where one process does it for all."""
    running_since: datetime | None = None
    duration_seconds: float | None = None
    """How long it took this process the last time, whether it failed or not; ``None`` where it has not done it."""
    failures: int = 0
    """How often in a row it failed."""
    reason: str | None = None
    """Why it failed the last time, if it did."""

    @property
    def late_by(self) -> timedelta:
        """How long ago it should have been done; nothing while it is not due."""
        return max(timedelta(), self.seen_at - (self.due_at or self.seen_at))

    @property
    def state(self) -> State:
        """``late`` goes before ``failing``, as it says more; ``waiting`` is before its first time."""
        if self.late_by > max(PATIENCE, self.chore.every):
            return "late"
        if self.failures:
            return "failing"
        return "ok" if self.last_success_at else "waiting"

    @property
    def trouble(self) -> str | None:
        """What is wrong with it and what that means, as sentences; ``None`` while it fares well."""
        if self.state in {"ok", "waiting"}:
            return None
        said: list[str] = []
        if self.state == "late":
            last = self.last_success_at
            said.append(f"Last done {minute(last)}." if last else "Not done since this process started.")
            if self.running_since:
                said.append(f"It has been running since {minute(self.running_since)} and has not come back.")
        if self.failures:
            times = "once" if self.failures == 1 else f"{self.failures} times in a row"
            said.append(f"It failed {times}: {self.reason}")
        return " ".join([*said, self.chore.otherwise])
