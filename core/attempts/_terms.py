"""What governs a walk: a route's terms, its candidates in order."""

from __future__ import annotations

from dataclasses import dataclass

from core.faults import Drill


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One provider's model that a route may use."""

    provider: str
    model: str
    mode: str | None = None
    max_tokens: int = 1024
    timeout_seconds: float = 30.0

    @property
    def name(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTerms:
    """The route that governs one generation."""

    name: str
    candidates: tuple[Candidate, ...]
    max_reasks: int
    """Re-asks per candidate."""
    max_retries: int
    """Retries per candidate after a passing failure."""
    deadline_seconds: float
    drills: tuple[Drill, ...] = ()
    """The fire drills that its calls may meet."""
