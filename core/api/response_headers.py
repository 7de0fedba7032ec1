"""What the headers of an answer say of its generation, for programs whose dialect has no place for it.

It imports nothing heavy: some of it is told during the start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.record import Generation, Remaining

GENERATION = "X-Proctor-Generation-Id"
COST = "X-Proctor-Cost-Usd"
ATTEMPTS = "X-Proctor-Attempts"
MODEL = "X-Proctor-Model"
REQUEST = "X-Proctor-Request-Id"
"""Our own name of a request, where the dialect's header of that kind holds the vendor's."""
ESTIMATED = "X-Proctor-Estimated"
"""On a count of tokens that is ours: no vendor was asked."""
REMAINING = "X-Proctor-Remaining-"
"""How the names of headers begin that say what is left, of the moment and not of the answer."""
NOT_JUDGED = "X-Proctor-Not-Judged"
"""Which guardrails let something go on without a verdict, since whoever they ask did not answer."""
BUDGET_RESETS = "X-Proctor-Budget-Resets-At"
_NANO = 1_000_000_000


def told_of(generation: Generation) -> dict[str, str]:
    """Return the headers of an answer that is known as a whole: a stream's begin before any of it is."""
    told = {GENERATION: generation.id, ATTEMPTS: str(len(generation.attempts)), **left_of(generation.remaining)}
    told |= unjudged(generation.not_judged)
    if generation.cost_nano_usd is not None:
        told[COST] = _dollars(generation.cost_nano_usd)
    if generation.model is not None:
        told[MODEL] = plain(f"{generation.provider}/{generation.model}")
    return told


def left_of(remaining: Remaining) -> dict[str, str]:
    """Return the headers of what is left of limits and budget."""
    told = {f"{REMAINING}{one.what.value.capitalize()}": str(one.left) for one in remaining.limits}
    if (budget := remaining.budget) is not None:
        told[f"{REMAINING}Budget-Usd"] = _dollars(budget.nano_usd)
        told[BUDGET_RESETS] = budget.resets_at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return told


def unjudged(rules: Sequence[str]) -> dict[str, str]:
    """Return the header of the *rules* by which something went on without a verdict; none where all judged."""
    return {NOT_JUDGED: ", ".join(plain(one).replace(",", "%2C") for one in rules)} if rules else {}


def plain(text: str) -> str:
    """Return *text*, which a caller may have written, as a header can carry it: what is no plain ASCII as in a URL."""
    return text if text.isascii() and text.isprintable() else quote(text, safe="/", errors="replace")


def _dollars(nano_usd: int) -> str:
    dollars, rest = divmod(nano_usd, _NANO)
    return f"{dollars}.{rest:09}"
