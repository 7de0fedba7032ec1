"""What passes through a walk: the call about to go out, the attempt that it became, the reply, and who keeps them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from core.attempts._terms import Candidate
from core.faults import InjectedFault
from core.pricing import Cost, Usage
from core.providers import Answer
from core.response_models import FieldProblem
from core.tables import AttemptKind, Outcome
from core.unchanging import unchanging


@unchanging(kw_only=True)
class Attempt:
    """One provider call that has ended."""

    id: str
    n: int
    kind: AttemptKind
    provider: str
    model: str
    mode: str
    started_at: datetime
    ended_at: datetime
    duration_ms: float
    outcome: Outcome
    error_code: str | None
    error_detail: str | None
    answer: Answer
    usage: Usage | None
    """``None`` where nothing was paid for."""
    cost: Cost | None
    """``None`` where the model is unpriced."""
    field_errors: tuple[FieldProblem, ...] = ()
    asked: Any = None
    """The messages that this attempt added to those before it."""
    drill_id: str | None = None
    """The fire drill that it met. But for slowness, such a call never went out, and nothing was paid."""


@unchanging
class Reply:
    """What the walk ended with."""

    value: Any
    outcome: Outcome
    candidate: Candidate
    n: int
    """The attempt that gave it."""
    answer: Answer


@unchanging(kw_only=True)
class ProviderCall:
    """A provider call that is about to go out, or is out."""

    id: str
    """The id that its attempt will have."""
    n: int
    kind: AttemptKind
    candidate: Candidate
    mode: str
    started: datetime
    began: float
    """``started`` on the clock's monotonic time."""
    asked: Any
    """The messages that this call adds to those before it."""
    expected: Usage
    """What it is charged if its process ends: its bytes as tokens, and as many out as such answers usually have."""
    expected_cost: Cost | None
    """``None`` where the model is unpriced."""
    worst_nano_usd: int | None
    """More than it can cost: a token for every byte, at the dearest rate possible; ``None`` where it is unpriced."""
    counted_input: Callable[[], int]
    """How many tokens it is likely to take in, counted in its texts: for who knows that nobody will ever tell."""
    injected: InjectedFault | None = None
    """The fire drill that it meets."""


class Bookkeeper(Protocol):
    """Who pays for the calls of a walk and writes down what came of them: the one turn upward that a walk takes."""

    def cover(self, call: ProviderCall) -> float:
        """Hold money for one more call, or raise BudgetExceeded; return for how many seconds that had to wait."""
        ...

    def ended(self, attempt: Attempt) -> None:
        """Take in an attempt that has ended."""
        ...

    def note(self, verdict: str, reason: str) -> None:
        """Add a step to the decision trace."""
        ...
