"""The words that rows use for what happened."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """How a generation or an attempt ended."""

    VALID_FIRST_TRY = "valid_first_try"
    VALID_AFTER_REASK = "valid_after_reask"
    VALID_AFTER_FALLBACK = "valid_after_fallback"
    CACHE_HIT = "cache_hit"
    INVALID = "invalid"
    TRUNCATED = "truncated"
    REFUSED = "refused"
    CONTENT_FILTERED = "content_filtered"
    PROVIDER_ERROR = "provider_error"
    TIMEOUT = "timeout"
    INTERNAL_ERROR = "internal_error"
    """Proctor itself failed, or died; no provider is to blame."""
    BLOCKED_BUDGET = "blocked_budget"
    BLOCKED_RATE = "blocked_rate"
    BLOCKED_GUARDRAIL = "blocked_guardrail"
    BLOCKED_FLAG = "blocked_flag"
    CANCELLED = "cancelled"
    UNCHECKED = "unchecked"
    """Answered, and there was nothing to check the answer against, or nothing that could be."""

    @property
    def is_valid(self) -> bool:
        """Whether the caller got an object that satisfies the schema."""
        return self in VALID

    @property
    def is_successful(self) -> bool:
        """Whether the caller got an answer with which nothing is known to be wrong."""
        return self in SUCCESSFUL

    @property
    def is_blocked(self) -> bool:
        """Whether policy refused, so that no provider answer was given to the caller."""
        return self.value.startswith("blocked_")


VALID = frozenset({Outcome.VALID_FIRST_TRY, Outcome.VALID_AFTER_REASK, Outcome.VALID_AFTER_FALLBACK, Outcome.CACHE_HIT})
SUCCESSFUL = VALID | {Outcome.UNCHECKED}
"""What is paid for an answer that ended so was not paid in vain."""
ERRORS = frozenset(
    {
        Outcome.INVALID,
        Outcome.TRUNCATED,
        Outcome.REFUSED,
        Outcome.CONTENT_FILTERED,
        Outcome.PROVIDER_ERROR,
        Outcome.TIMEOUT,
        Outcome.INTERNAL_ERROR,
    }
)
"""Outcomes that count as errors: somebody was to answer and no valid object came of it."""
BLOCKED = frozenset(outcome for outcome in Outcome if outcome.is_blocked)
"""Outcomes by which policy refused; they are shown apart and are no errors."""
REASKABLE = frozenset({Outcome.INVALID, Outcome.UNCHECKED})
"""What clients that ask again by themselves ask again for: what nobody checked as well, where they ask in words."""


class AttemptKind(StrEnum):
    """Why a provider was called."""

    FIRST = "first"
    REASK = "re-ask"
    RETRY = "retry"
    FALLBACK = "fallback"
    HEDGE = "hedge"
    """Sent beside a call that was slow to answer; the first valid answer wins."""


class LedgerKind(StrEnum):
    """What an entry did to its account."""

    CHARGE = "charge"
    CORRECTION = "correction"
    """The difference between the estimate for a call that was given up for lost and what it cost after all."""
    REFUND = "refund"
    """As correction, in ledgers that were begun before attempts of lost calls were recorded."""
    OPENING_BALANCE = "opening_balance"
    """What had been spent in the period before the account was opened in it."""
    REPRICING = "repricing"
    """The difference that an operator's re-pricing of history made."""


HAS_FAILED = f"outcome <> '{Outcome.VALID_FIRST_TRY.value}'"
"""Not valid at once: few calls, and those that are looked for. A question that says it in the same words is answered
from the index of such calls alone."""
FAILED_BY = ("started_at", "outcome", "error_code", "tenant_id")
"""What that index has of them."""
