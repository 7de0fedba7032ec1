"""Every measure once: what it is, in what unit, and how it follows from sums of calls.

A measure of several groups is that of their sums, never the mean of theirs; one over nothing is ``None``, never 0.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from core.rollups.sums import NAMES, Sums

Unit = Literal["calls", "attempts", "tokens", "nano_usd", "share", "ms"]


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
    def queue(self) -> float | None:
        """How long calls waited for their turn, on average: for a place at the door, and for money that others held."""
        return self.queue_us / self.queue_known / 1000 if self.queue_known else None

    @property
    def queued_share(self) -> float | None:
        """Calls that waited for their turn for a millisecond or more, among those of which that is known."""
        return self.queued / self.queue_known if self.queue_known else None

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """One figure that can be asked for by its name."""

    name: str
    label: str
    unit: Unit
    """``share`` is from 0 to 1; money is in nano-dollars, durations are in milliseconds."""
    sentence: str
    """What it is, for who reads it."""
    needs: tuple[str, ...] = ()
    """The sums that it follows from."""
    percent: int | None = None
    """Of a percentile, which."""
    timed: Literal["duration", "ttft"] = "duration"
    """Of a percentile, of what."""
    ranked_by: tuple[str, ...] = ("calls",)
    """The sums by which those are found that matter most to it: of a share what is counted, not the share itself,
    which is highest where there is next to nothing."""

    def of(self, figures: CallFigures) -> float | None:
        """Return it of some figures; a percentile follows from none."""
        found: float | None = getattr(figures, self.name)
        return found


def _sum(name: str, label: str, unit: Unit, sentence: str) -> Measure:
    return Measure(name=name, label=label, unit=unit, sentence=sentence, needs=(name,), ranked_by=(name,))


def _ratio(name: str, label: str, needs: str, ranked_by: str, unit: Unit = "share") -> Measure:
    sentence = inspect.getdoc(getattr(CallFigures, name)) or ""
    return Measure(
        name=name,
        label=label,
        unit=unit,
        sentence=sentence,
        needs=tuple(needs.split()),
        ranked_by=tuple(ranked_by.split()),
    )


def _percentile(percent: int, timed: Literal["duration", "ttft"], label: str, of: str) -> Measure:
    name = f"p{percent}" if timed == "duration" else f"ttft_p{percent}"
    what = "Half" if percent == 50 else f"{percent} of 100"
    return Measure(
        name=name,
        label=label,
        unit="ms",
        sentence=f"{what} of {of} took no longer, by nearest rank; at most 2.2 % off.",
        percent=percent,
        timed=timed,
    )


_TIMED = "the calls that reached a provider, from the door to the record,"
_STREAMED = "the streamed calls, until the first token,"
_LOST = "errors blocked"
_ALL = (
    _sum("calls", "Calls", "calls", "Calls that began, refused and cancelled ones included."),
    _ratio("got_object", "Got an object", "valid unchecked calls cancelled", _LOST),
    _ratio("lost", "Got none", _LOST, _LOST, unit="calls"),
    _sum("valid", "Valid", "calls", "Calls that gave a valid object, from the cache too."),
    _ratio("validity", "Validity", "reached_valid reached_checked", "errors"),
    _sum("errors", "Errors", "calls", "Calls that ended invalid, truncated, refused, content-filtered, in a provider's "
         "error or a timeout."),
    _ratio("error_rate", "Error rate", "errors valid unchecked", "errors"),
    _sum("blocked", "Blocked", "calls", "Calls that policy refused."),
    _ratio("blocked_share", "Blocked share", "blocked calls", "blocked"),
    _sum("cancelled", "Cancelled", "calls", "Calls whose caller left."),
    _percentile(50, "duration", "Latency p50", _TIMED),
    _percentile(95, "duration", "Latency p95", _TIMED),
    _percentile(99, "duration", "Latency p99", _TIMED),
    _percentile(50, "ttft", "First token p50", _STREAMED),
    _percentile(95, "ttft", "First token p95", _STREAMED),
    _ratio("queue", "Queue", "queue_us queue_known", "queue_us", unit="ms"),
    _ratio("queued_share", "Queued", "queued queue_known", "queued"),
    _sum("attempts", "Attempts", "attempts", "Calls of providers."),
    _sum("reasks", "Re-asks", "attempts", "Attempts that asked again for an invalid answer."),
    _sum("fallbacks", "Fallbacks", "attempts", "Attempts that asked another model, as one before had failed."),
    _ratio("tokens", "Tokens", "input_tokens output_tokens", "input_tokens output_tokens", unit="tokens"),
    _sum("input_tokens", "Input tokens", "tokens", "All input, cached included."),
    _sum("output_tokens", "Output tokens", "tokens", "All output, reasoning included."),
    _ratio("hit_rate", "Cached input", "cached_tokens input_tokens", "cached_tokens"),
    _ratio("spend", "Spend", "unpriced_calls known_calls spent", "spent", unit="nano_usd"),
    _sum("discarded", "Thrown away", "nano_usd", "The part of the spend that bought no answer which the caller got, or "
         "an invalid one."),
    _ratio("discarded_share", "Thrown away, share", "discarded spent", "discarded"),
    _ratio("cost_per_valid", "Cost per valid object", "priced_spent priced_valid", "spent", unit="nano_usd"),
)  # fmt: skip
MEASURES: Mapping[str, Measure] = {one.name: one for one in _ALL}
"""All that can be asked for, by name."""
