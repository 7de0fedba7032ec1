"""What rollups hold of calls: sums alone, which can be added up and taken back.

Most are what a generation says of itself; those in :data:`OF_ATTEMPTS` only its attempts know. By model every sum
is one of attempts: its calls are those that asked it, its valid objects those it gave, its tokens and its cost theirs.
"""

from __future__ import annotations

from core.tables import RollupSums

NAMES: tuple[str, ...] = tuple(RollupSums.model_fields)
"""Every sum, in the order of the tables' columns."""
OF_ATTEMPTS = (
    "attempts", "discarded_attempts", "reasks", "fallbacks", "estimated_attempts", "estimated_spent",
    "unpriced_attempts", "cache_saved",
)  # fmt: skip
MEANINGS = {
    "calls": "Calls; one whose client asked again for it counts with the one that did.",
    "valid": "Calls that gave a valid object, from the cache too.",
    "first_try": "Those of them whose first answer was valid.",
    "errors": "Calls that ended invalid, truncated, refused, filtered, in a provider's error or a timeout.",
    "blocked": "Calls that policy refused.",
    "cancelled": "Calls whose caller left.",
    "unchecked": "Calls that were answered, and nobody could say whether rightly.",
    "reached": "Calls that called a provider at least once.",
    "reached_valid": "Those of them that gave a valid object.",
    "reached_checked": "Those of them whose answer was checked.",
    "unpriced_calls": "Calls with an attempt that was paid for and has no price.",
    "known_calls": "Calls (by model: attempts) of which at least a part of the cost is known.",
    "priced_valid": "Valid objects whose cost is wholly known.",
    "priced_spent": "What the calls cost whose cost is wholly known, but for those that nobody checked.",
    "estimated_calls": "Calls with an attempt whose usage the provider never told.",
    "answers": "Calls that were answered from the cache.",
    "answers_saved": "What those answers would have cost.",
    "attempts": "Calls of providers.",
    "discarded_attempts": "Attempts of which the caller got no answer, or one that is known to be wrong.",
    "reasks": "Attempts that asked again for an invalid answer.",
    "fallbacks": "Attempts that asked another model, as one before had failed.",
    "spent": "What is known of the cost.",
    "discarded": "The part of it that discarded attempts cost.",
    "estimated_attempts": "Attempts whose usage the provider never told.",
    "estimated_spent": "What those cost, as estimated.",
    "unpriced_attempts": "Attempts that were paid for and have no price.",
    "cache_saved": "What providers' caches took off the cost.",
    "input_tokens": "All input, cached included.",
    "cached_tokens": "Input that was read from a provider's cache.",
    "cache_write_tokens": "Input that was written to a provider's cache.",
    "output_tokens": "All output, reasoning included.",
    "reasoning_tokens": "Output that was reasoning.",
}
