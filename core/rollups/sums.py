"""What rollups hold of calls: sums alone, which can be added up and taken back.

Most are what a generation says of itself; those in :data:`OF_ATTEMPTS` only its attempts know. By model every sum
is one of attempts: its calls are those that asked it, its valid objects those it gave, its tokens and its cost theirs.
Money is in nano-dollars.
"""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(slots=True)
class Sums:
    """What some calls add up to."""

    calls: int = 0
    """Generations, refused and cancelled ones included; one whose client asked again for it counts with the one that
    did."""
    valid: int = 0
    """Calls that gave a valid object, from the cache too."""
    first_try: int = 0
    """Those of them whose first answer was valid."""
    errors: int = 0
    """Calls that ended invalid, truncated, refused, content-filtered, in a provider's error or a timeout."""
    blocked: int = 0
    """Calls that policy refused."""
    cancelled: int = 0
    """Calls whose caller left."""
    unchecked: int = 0
    """Calls that were answered, and nobody could say whether rightly."""
    reached: int = 0
    """Calls that called a provider at least once."""
    reached_valid: int = 0
    """Those of them that gave a valid object."""
    reached_checked: int = 0
    """Those of them whose answer was checked."""
    unpriced_calls: int = 0
    """Calls with an attempt that was paid for and has no price: their part of the spend is missing or too low."""
    known_calls: int = 0
    """Calls (by model: attempts) of which at least a part of the cost is known."""
    priced_valid: int = 0
    """Valid objects whose cost is wholly known."""
    priced_spent: int = 0
    """What the calls cost whose cost is wholly known, failures included, but for those that nobody checked."""
    estimated_calls: int = 0
    """Calls with an attempt whose usage the provider never told."""
    answers: int = 0
    """Calls that were answered from our own cache."""
    answers_saved: int = 0
    """What those answers would have cost."""
    queue_known: int = 0
    """Calls of which it is known how long they waited for their turn before their first attempt."""
    queued: int = 0
    """Those of them that waited for a millisecond or more."""
    queue_us: int = 0
    """How long they waited, in microseconds."""
    attempts: int = 0
    """Calls of providers."""
    discarded_attempts: int = 0
    """Attempts of which the caller got no answer, or one that is known to be wrong."""
    reasks: int = 0
    """Attempts that asked again for an invalid answer."""
    fallbacks: int = 0
    """Attempts that asked another model, as one before had failed."""
    spent: int = 0
    """What is known of the cost of all attempts, however and whenever they ended."""
    discarded: int = 0
    """The part of it that discarded attempts cost."""
    estimated_attempts: int = 0
    """Attempts whose usage the provider never told."""
    estimated_spent: int = 0
    """The part of the cost that is an estimate for that."""
    unpriced_attempts: int = 0
    """Attempts that were paid for and have no price."""
    cache_saved: int = 0
    """What providers' caches took off the cost; below 0 where writing to them cost more than reading saved."""
    input_tokens: int = 0
    """All input, cached included."""
    cached_tokens: int = 0
    """Input that was read from a provider's cache."""
    cache_write_tokens: int = 0
    """Input that was written to a provider's cache."""
    output_tokens: int = 0
    """All output, reasoning included."""
    reasoning_tokens: int = 0
    """Output that was reasoning."""


NAMES: tuple[str, ...] = tuple(one.name for one in fields(Sums))
"""Every sum, in the order of the tables' columns."""
OF_ATTEMPTS = (
    "attempts", "discarded_attempts", "reasks", "fallbacks", "discarded", "estimated_attempts", "estimated_spent",
    "unpriced_attempts", "cache_saved", "input_tokens", "cached_tokens", "cache_write_tokens", "output_tokens",
    "reasoning_tokens",
)  # fmt: skip
AMOUNTS = (
    "priced_spent", "answers_saved", "queue_us", "spent", "discarded", "estimated_spent", "cache_saved", "input_tokens",
    "cached_tokens", "cache_write_tokens", "output_tokens", "reasoning_tokens",
)  # fmt: skip
"""Those of which one call may have any number; all others count calls or attempts, which each are one at most."""
