"""What some money bought: calls, valid objects and attempts added up, with what of it was thrown away and saved.

An attempt's money is *useful* if its answer is what the caller got, and nothing is known to be wrong with it, else it
is *discarded*: invalid answers that were asked again, broken streams that were paid, answers that a guardrail kept
back. A sum is beside what it does not hold: the unpriced, whose cost nobody knows, and the estimated, whose usage
nobody told.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

from core.tables import VALID, Outcome

_Key = TypeVar("_Key", bound=Hashable)


class CallCell(NamedTuple):
    """Calls that began in one cell and are alike; in the order that the statement selects."""

    cell: int
    tenant_id: str
    schema: str
    version: int | None
    outcome: str
    given_by: str | None
    """``provider/model`` that once made the answer, of calls whose answer was from the cache."""
    calls: int
    reached: int
    unpriced: int
    known: int
    priced: int
    priced_spent: int
    estimated: int
    saved: int


class AttemptCell(NamedTuple):
    """Attempts of calls that began in one cell and are alike; in the order that the statement selects."""

    cell: int
    tenant_id: str
    schema: str
    version: int | None
    model: str
    """``provider/model`` that was asked."""
    calls: int
    attempts: int
    useful: int
    valid: int
    valid_priced: int
    spent: int
    unchecked_spent: int
    discarded: int
    unpriced: int
    unpriced_calls: int
    estimated: int
    estimated_calls: int
    estimated_spent: int
    cache_saved: int
    input_tokens: int
    cached_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int


@dataclass(slots=True)
class SpendFigures:
    """What some calls and attempts add up to; money in nano-dollars."""

    calls: int = 0
    """Generations, refused and cancelled ones included; of a model: those that asked it."""
    valid: int = 0
    """Valid objects that callers got, from our own cache too."""
    attempts: int = 0
    discarded_attempts: int = 0
    """Attempts that gave no valid object to a caller."""
    spent: int = 0
    """What is known of the cost."""
    discarded: int = 0
    """The part of it that attempts cost which gave no valid object."""
    estimated: int = 0
    """The part of it that is an estimate, because the provider never told the usage."""
    estimated_attempts: int = 0
    estimated_calls: int = 0
    unpriced_attempts: int = 0
    """Attempts that were answered by a model without a known price."""
    unpriced_calls: int = 0
    """Calls with such an attempt: their part of the spend is missing or too low."""
    cache_saved: int = 0
    """What the provider's cache took off the cost; below 0 where writing to it cost more than reading saved."""
    answers: int = 0
    """Calls that got an answer of our own cache."""
    answers_saved: int = 0
    """What those answers would have cost."""
    input_tokens: int = 0
    """All input, cached included."""
    cached_tokens: int = 0
    cache_write_tokens: int = 0
    output_tokens: int = 0
    """All output, reasoning included."""
    reasoning_tokens: int = 0
    known: int = 0
    """Calls (of a model: attempts) of which a part of the cost is known."""
    priced_valid: int = 0
    """Valid objects whose cost is wholly known."""
    priced_spent: int = 0
    """What the calls cost whose cost is wholly known; failures included, and without those that nobody checked."""

    @property
    def spend(self) -> int | None:
        """The known cost; ``None`` where something was paid for and none of it has a price."""
        return None if self.unpriced_attempts and not self.known else self.spent

    @property
    def useful(self) -> int:
        """The part of the spend that bought valid objects."""
        return self.spent - self.discarded

    @property
    def discarded_share(self) -> float | None:
        """The discarded part of the spend; ``None`` where nothing was spent."""
        return self.discarded / self.spent if self.spent else None

    @property
    def cost_per_valid(self) -> int | None:
        """All spend per valid object, that of failures included, over what is wholly priced; rounded up."""
        return -(-self.priced_spent // self.priced_valid) if self.priced_valid else None

    @property
    def hit_rate(self) -> float | None:
        """The part of the input tokens that the provider's cache held; ``None`` without input."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    @property
    def answer_rate(self) -> float | None:
        """The part of the valid objects that came from our own cache; ``None`` without any."""
        return self.answers / self.valid if self.valid else None

    @property
    def saved(self) -> int:
        """What both caches took off the bill."""
        return self.cache_saved + self.answers_saved

    def add_calls(self, row: CallCell) -> None:
        """Count calls in, as calls of a tenant or a schema: without what their attempts cost."""
        self.calls += row.calls
        self.estimated_calls += row.estimated
        self.unpriced_calls += row.unpriced
        self.known += row.known
        if row.outcome != Outcome.UNCHECKED:
            self.priced_spent += row.priced_spent
        if Outcome(row.outcome) in VALID:
            self.valid += row.calls
            self.priced_valid += row.priced
        self._add_answers(row)

    def add_attempts(self, row: AttemptCell) -> None:
        """Count in what attempts cost."""
        self.attempts += row.attempts
        self.discarded_attempts += row.attempts - row.useful
        self.spent += row.spent
        self.discarded += row.discarded
        self.estimated += row.estimated_spent
        self.estimated_attempts += row.estimated
        self.unpriced_attempts += row.unpriced
        self.cache_saved += row.cache_saved
        self.input_tokens += row.input_tokens
        self.cached_tokens += row.cached_tokens
        self.cache_write_tokens += row.cache_write_tokens
        self.output_tokens += row.output_tokens
        self.reasoning_tokens += row.reasoning_tokens

    def add_model(self, row: AttemptCell) -> None:
        """Count attempts in as those of one model: its calls are those that asked it, its objects those it gave."""
        self.add_attempts(row)
        self.calls += row.calls
        self.unpriced_calls += row.unpriced_calls
        self.estimated_calls += row.estimated_calls
        self.valid += row.valid
        self.known += row.attempts - row.unpriced
        self.priced_valid += row.valid_priced
        self.priced_spent += row.spent - row.unchecked_spent

    def add_given(self, row: CallCell) -> None:
        """Count in, for the model that made them once, objects that were from the cache."""
        self.calls += row.calls
        self.valid += row.calls
        self.priced_valid += row.calls
        self._add_answers(row)

    def _add_answers(self, row: CallCell) -> None:
        if row.outcome == Outcome.CACHE_HIT:
            self.answers += row.calls
            self.answers_saved += row.saved


def total(calls: Iterable[CallCell], attempts: Iterable[AttemptCell]) -> SpendFigures:
    """Add everything up."""
    found = by(calls, attempts, lambda _: 0, lambda _: 0)
    return found.get(0, SpendFigures())


def by(
    calls: Iterable[CallCell],
    attempts: Iterable[AttemptCell],
    call_key: Callable[[CallCell], _Key],
    attempt_key: Callable[[AttemptCell], _Key],
) -> dict[_Key, SpendFigures]:
    """Add up by tenant, by schema or by time: by what a call and its attempts have in common."""
    groups: dict[_Key, SpendFigures] = {}
    for call in calls:
        groups.setdefault(call_key(call), SpendFigures()).add_calls(call)
    for attempt in attempts:
        groups.setdefault(attempt_key(attempt), SpendFigures()).add_attempts(attempt)
    return groups


def by_model(calls: Iterable[CallCell], attempts: Iterable[AttemptCell]) -> dict[str, SpendFigures]:
    """Add up by the model that was asked; a call that fell back counts for both models that it asked."""
    groups: dict[str, SpendFigures] = {}
    for attempt in attempts:
        groups.setdefault(attempt.model, SpendFigures()).add_model(attempt)
    for call in calls:
        if call.given_by is not None:
            groups.setdefault(call.given_by, SpendFigures()).add_given(call)
    return groups
