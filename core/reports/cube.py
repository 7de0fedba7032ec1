"""The cube every count and sum of an overview is cut from: one row per bucket, tenant and outcome."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from core.tables import BLOCKED, ERRORS, VALID, Outcome

_Key = TypeVar("_Key", bound=Hashable)


class CubeRow(NamedTuple):
    """Calls of one tenant that began in one bucket and ended alike; in the order that the statement selects."""

    bucket: int
    tenant_id: str
    outcome: str
    calls: int
    reached: int
    """Calls that called a provider at least once."""
    unpriced: int
    """Calls with an attempt without a price."""
    known: int
    """Calls of which at least a part of the cost is known."""
    spent: int
    """What is known of the cost."""
    wasted: int
    priced: int
    """Calls whose whole cost is known, those without a provider call included."""
    priced_spent: int
    """The cost of those."""
    estimated: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(slots=True)
class Sums:
    """What some rows add up to."""

    calls: int = 0
    valid: int = 0
    first_try: int = 0
    errors: int = 0
    blocked: int = 0
    cancelled: int = 0
    unchecked: int = 0
    reached: int = 0
    valid_of_reached: int = 0
    checked_of_reached: int = 0
    unpriced: int = 0
    known: int = 0
    spent: int = 0
    wasted: int = 0
    priced_spent: int = 0
    priced_valid: int = 0
    estimated: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def add(self, row: CubeRow) -> None:
        """Count *row* in."""
        outcome = Outcome(row.outcome)
        self.calls += row.calls
        if outcome in VALID:
            self.valid += row.calls
            self.valid_of_reached += row.reached
            self.priced_valid += row.priced
        self.first_try += row.calls * (outcome is Outcome.VALID_FIRST_TRY)
        self.errors += row.calls * (outcome in ERRORS)
        self.blocked += row.calls * (outcome in BLOCKED)
        self.cancelled += row.calls * (outcome is Outcome.CANCELLED)
        self.unchecked += row.calls * (outcome is Outcome.UNCHECKED)
        self.reached += row.reached
        self.unpriced += row.unpriced
        self.known += row.known
        self.spent += row.spent
        self.wasted += row.wasted
        if outcome is not Outcome.UNCHECKED:
            self.checked_of_reached += row.reached
            self.priced_spent += row.priced_spent
        self.estimated += row.estimated
        self.input_tokens += row.input_tokens
        self.cached_tokens += row.cached_tokens
        self.output_tokens += row.output_tokens

    @property
    def ended(self) -> int:
        """Calls that ended by themselves: with an answer or in error."""
        return self.valid + self.unchecked + self.errors

    @property
    def error_rate(self) -> float | None:
        """Errors among the calls that ended by themselves."""
        return self.errors / self.ended if self.ended else None

    @property
    def validity(self) -> float | None:
        """Valid objects among the calls that reached a provider, but for those that nobody checked."""
        return self.valid_of_reached / self.checked_of_reached if self.checked_of_reached else None

    @property
    def spend(self) -> int | None:
        """The known cost in nano-dollars; ``None`` where providers were called and none of it is known."""
        return None if self.unpriced and not self.known else self.spent

    @property
    def cost_per_valid(self) -> int | None:
        """Nano-dollars per valid object, failures included, among wholly priced calls that were checked; rounded up."""
        return -(-self.priced_spent // self.priced_valid) if self.priced_valid else None


def total(rows: Iterable[CubeRow]) -> Sums:
    """Add all *rows* up."""
    sums = Sums()
    for row in rows:
        sums.add(row)
    return sums


def grouped(rows: Iterable[CubeRow], key: Callable[[CubeRow], _Key]) -> dict[_Key, Sums]:
    """Add *rows* up by *key*; what does not occur is missing."""
    groups: defaultdict[_Key, Sums] = defaultdict(Sums)
    for row in rows:
        groups[key(row)].add(row)
    return dict(groups)
