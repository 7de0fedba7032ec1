"""What the headers of an answer say of its generation, for programs whose dialect has no place for it.

It imports nothing heavy: some of it is told during the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from core.record import Generation

GENERATION = "X-Proctor-Generation-Id"
COST = "X-Proctor-Cost-Usd"
ATTEMPTS = "X-Proctor-Attempts"
MODEL = "X-Proctor-Model"
REQUEST = "X-Proctor-Request-Id"
"""Our own name of a request, where the dialect's header of that kind holds the vendor's."""
ESTIMATED = "X-Proctor-Estimated"
"""On a count of tokens that is ours: no vendor was asked."""
_NANO = 1_000_000_000


def told_of(generation: Generation) -> dict[str, str]:
    """Return the headers of an answer that is known as a whole: a stream's begin before any of it is."""
    told = {GENERATION: generation.id, ATTEMPTS: str(len(generation.attempts))}
    if generation.cost_nano_usd is not None:
        dollars, rest = divmod(generation.cost_nano_usd, _NANO)
        told[COST] = f"{dollars}.{rest:09}"
    if generation.model is not None:
        told[MODEL] = plain(f"{generation.provider}/{generation.model}")
    return told


def plain(text: str) -> str:
    """Return *text*, which a caller may have written, as a header can carry it: what is no plain ASCII as in a URL."""
    return text if text.isascii() and text.isprintable() else quote(text, safe="/", errors="replace")
