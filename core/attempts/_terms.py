"""What governs a walk: a route's terms, its candidates in order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import StrEnum
from typing import Any

from core.breakers import ModelOverrides, Override
from core.faults import Drill
from core.unchanging import unchanging

MORE_TOKENS_TIMES = 8
"""How many times its limit a cut answer may be given at most, unless the candidate says otherwise."""


class Cause(StrEnum):
    """Why a candidate gives way to the next. A route may switch each of them off."""

    OUTAGE = "outage"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    REFUSAL = "refusal"
    CONTENT_FILTER = "content_filter"
    TRUNCATION = "truncation"
    CONTEXT_OVERFLOW = "context_overflow"
    NEVER_VALID = "never_valid"
    TURNED_AWAY = "turned_away"

    @property
    def meaning(self) -> str:
        """What the candidate did: the end of a sentence that begins with its name."""
        return _MEANINGS[self]


_MEANINGS = {
    Cause.OUTAGE: "failed or could not be reached",
    Cause.TIMEOUT: "did not answer in time",
    Cause.RATE_LIMIT: "takes no more calls at present",
    Cause.REFUSAL: "declined to answer",
    Cause.CONTENT_FILTER: "was stopped by its content filter",
    Cause.TRUNCATION: "ran into its limit of tokens",
    Cause.CONTEXT_OVERFLOW: "cannot take a prompt of this length",
    Cause.NEVER_VALID: "gave no valid object",
    Cause.TURNED_AWAY: "does not accept our key or our request",
}


@unchanging(kw_only=True)
class Candidate:
    """One provider's model that a route may use."""

    provider: str
    model: str
    mode: str | None = None
    max_tokens: int = 1024
    most_tokens: int | None = None
    """How far ``max_tokens`` may be doubled after an answer that was cut; ``None`` is eight times."""
    timeout_seconds: float = 30.0
    max_reasks: int | None = None
    """Its own number; ``None`` takes the route's. So for the retries."""
    max_retries: int | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """What the provider is asked with beside the length: ``core.providers.PARAMETERS``."""

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@unchanging(kw_only=True)
class RouteTerms:
    """The route that governs one generation."""

    name: str
    candidates: tuple[Candidate, ...]
    max_reasks: int
    """Re-asks per candidate."""
    max_retries: int
    """Retries per candidate after a passing failure."""
    deadline_seconds: float
    fallback_on: frozenset[Cause] = frozenset(Cause)
    """On any other cause the walk ends where it is."""
    hedge_after_ms: int | None = None
    """From when on a second candidate is asked beside a slow first; ``None`` is never. Not for streams."""
    cache_seconds: int | None = None
    """How long the same question gets the same answer again; ``None`` is never."""
    payload_days: int | None = None
    """How long prompts and answers are kept at most, whatever the tenant says; ``None`` is as that."""
    payload_percent: int | None = None
    """So for the share of valid calls of which they are kept."""
    marks_cache: bool = True
    """Whether stable context is marked for the provider's cache."""
    is_hurried: bool = False
    """Whether the caller has less time than the route: that it runs out says nothing about a provider."""
    remark: str = ""
    """A sentence for the decision trace: why these are not the route's usual terms."""
    held_back: tuple[str, ...] = ()
    """Who else there would be, each with why an operator's flag keeps him out: sentences."""
    drills: tuple[Drill, ...] = ()
    """The fire drills that its calls may meet."""
    schema: str = ""
    """What the breakers count its answers under; empty for none."""
    overrides: ModelOverrides = field(default_factory=dict[tuple[str, str], Override], hash=False)
    """What operators say about the breakers, by provider and model."""
