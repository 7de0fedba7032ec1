"""What a caller gets of a generation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.attempts import Attempt
from core.json_values import JsonValue
from core.pricing import Usage
from core.record._remaining import NOTHING_TOLD, Remaining
from core.tables import Outcome
from core.unchanging import unchanging


@unchanging(kw_only=True)
class Generation:
    """One request and everything that came of it, as the caller reads it."""

    id: str
    tenant_id: str
    answer: JsonValue
    """The valid object as its caller gets it; null where there is none."""
    outcome: Outcome
    schema: str
    schema_version: int | None
    schema_hash: str
    route: str
    provider: str | None
    model: str | None
    attempts: tuple[Attempt, ...]
    usage: Usage
    """The sum over attempts."""
    cost_nano_usd: int | None
    """The sum over attempts; ``None`` where one of them is unpriced."""
    trace: tuple[dict[str, Any], ...]
    started_at: datetime
    duration_ms: float
    ttft_ms: float | None
    queue_us: int = 0
    """How long it waited for its turn before its first attempt, in microseconds."""
    answered_from: str | None = None
    """The generation that left the answer in the cache."""
    saved_nano_usd: int = 0
    """What that answer had cost."""
    is_kept: bool = False
    """Whether its prompts and answers are kept for a while."""
    reask_of: str | None = None
    """The generation whose invalid answer its caller asks again for."""
    media: Sequence[Mapping[str, Any]] = ()
    """What its messages held beside text: kind, type, size and hash of each image and document."""
    kept: JsonValue | None = None
    """The same as it is kept, where data were put back into it that nobody but the caller gets."""
    not_judged: Sequence[str] = ()
    """The rules by which something of it went on without a verdict."""
    remaining: Remaining = NOTHING_TOLD
    """What is left of limits and budget, now that it has ended."""

    @property
    def value(self) -> Any:
        """The valid object as a plain JSON value; ``None`` where there is none."""
        return self.answer.value
