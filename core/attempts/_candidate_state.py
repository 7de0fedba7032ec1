"""How one candidate stands in a walk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from core.attempts._causes import context_window
from core.attempts._terms import MORE_TOKENS_TIMES, Candidate, Cause, RouteTerms
from core.providers import Exchange
from core.tables import AttemptKind


@dataclass(slots=True, kw_only=True)
class CandidateState:
    """How often a candidate may still be asked, and how it is asked next."""

    place: int
    """0 for the route's first candidate."""
    candidate: Candidate
    exchange: Exchange
    admitted: float
    """When its breaker let it in, on the clock's monotonic time."""
    reasks: int
    retries: int
    kind: AttemptKind
    """Of the next call."""
    asked: Any = None
    """The messages that the next call adds to those before it."""
    wait_seconds: float = 0.0
    """How long the next call is to wait."""
    calls: int = 0
    retried: int = 0
    was_asked_again: bool = False
    has_shown: bool = False
    """Whether the caller has been sent a beginning of its answer that cannot be taken back."""
    is_over: bool = False
    cause: Cause | None = None
    """Why it is over; ``None`` if the caller left."""

    @classmethod
    def of(cls, route: RouteTerms, place: int, candidate: Candidate, exchange: Exchange, now: float) -> CandidateState:
        """Return the state of a candidate that was let in *now*.

        Any candidate but the route's first is a fallback, even if those before it were only skipped.
        """
        return cls(
            place=place,
            candidate=candidate,
            exchange=exchange,
            admitted=now,
            reasks=route.max_reasks if candidate.max_reasks is None else candidate.max_reasks,
            retries=route.max_retries if candidate.max_retries is None else candidate.max_retries,
            kind=AttemptKind.FALLBACK if place else AttemptKind.FIRST,
        )

    @property
    def name(self) -> str:
        """The candidate's."""
        return self.candidate.name

    def give_up(self, cause: Cause | None) -> None:
        """Ask it no more."""
        self.is_over, self.cause = True, cause

    def ask_again(self, exchange: Exchange, added: Any) -> None:
        """Use up a re-ask, which goes on in *exchange* and adds the messages *added*."""
        self.reasks -= 1
        self.exchange = exchange
        self.kind, self.asked, self.wait_seconds = AttemptKind.REASK, added, 0.0

    def retry(self, wait_seconds: float = 0.0) -> None:
        """Use up a retry: the same is sent again, after a wait."""
        self.retries -= 1
        self.retried += 1
        self.kind, self.asked, self.wait_seconds = AttemptKind.RETRY, None, wait_seconds

    def more_tokens(self) -> int | None:
        """Return how many tokens a cut answer may be given on a retry: twice as many; ``None`` at the bound."""
        now = self.candidate.max_tokens
        bound = self.candidate.most_tokens or now * MORE_TOKENS_TIMES
        bound = min(bound, context_window(self.candidate.provider, self.candidate.model) or bound)
        return min(2 * now, bound) if self.retries and bound > now else None

    def allow(self, max_tokens: int) -> None:
        """Let the next answer be *max_tokens* long."""
        bound = self.candidate.most_tokens or self.candidate.max_tokens * MORE_TOKENS_TIMES
        self.candidate = replace(self.candidate, max_tokens=max_tokens, most_tokens=bound)
        self.exchange.allow(max_tokens)
