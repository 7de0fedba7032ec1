"""Every measure once: what it is, in what unit, and how it follows from sums of calls.

A measure of several groups is that of their sums, never the mean of theirs; one over nothing is ``None``, never 0.
"""

from __future__ import annotations

from dataclasses import dataclass

from core.rollups.sums import NAMES, Sums


@dataclass(slots=True)
class CallFigures(Sums):
    """What some calls add up to, and every measure that follows."""

    def count_in(self, more: Sums) -> None:
        """Add *more*."""
        for name in NAMES:
            setattr(self, name, getattr(self, name) + getattr(more, name))

    def without(self, some: Sums) -> CallFigures:
        """Return what is left without *some*: the others, beside those that are shown."""
        return CallFigures(*(getattr(self, name) - getattr(some, name) for name in NAMES))

    @property
    def ended(self) -> int:
        """Calls that ended by themselves: with an answer or in error."""
        return self.valid + self.unchecked + self.errors

    @property
    def asked(self) -> int:
        """Calls whose callers waited for an answer: all but the cancelled ones."""
        return self.calls - self.cancelled

    @property
    def lost(self) -> int:
        """Calls whose callers waited for an answer and got none: errors and blocked ones."""
        return self.errors + self.blocked

    @property
    def got_object(self) -> float | None:
        """Valid and unchecked answers among the calls whose callers waited for one, blocked ones included."""
        return (self.valid + self.unchecked) / self.asked if self.asked else None

    @property
    def error_rate(self) -> float | None:
        """Errors among the calls that ended by themselves; blocked and cancelled ones stay out."""
        return self.errors / self.ended if self.ended else None

    @property
    def blocked_share(self) -> float | None:
        """Calls that policy refused, among all."""
        return self.blocked / self.calls if self.calls else None

    @property
    def validity(self) -> float | None:
        """Valid objects among the calls that reached a provider and were checked; cache hits are in neither."""
        return self.reached_valid / self.reached_checked if self.reached_checked else None

    @property
    def spend(self) -> int | None:
        """The known cost; ``None`` where something was paid for and none of it has a price."""
        return None if self.unpriced_calls and not self.known_calls else self.spent

    @property
    def useful(self) -> int:
        """The part of the spend that bought answers with which nothing is known to be wrong."""
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
    def tokens(self) -> int:
        """Input and output."""
        return self.input_tokens + self.output_tokens

    @property
    def hit_rate(self) -> float | None:
        """The part of the input that providers read from their caches; ``None`` without input."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None

    @property
    def answer_rate(self) -> float | None:
        """The part of the valid objects that came from our own cache; ``None`` without any."""
        return self.answers / self.valid if self.valid else None

    @property
    def saved(self) -> int:
        """What both caches took off the bill."""
        return self.cache_saved + self.answers_saved
