"""How many examples a property is tried with: a few in every run, always the same, and many in a soak, drawn anew.

What a run finds by luck would stop whoever lands something else; a soak is there to be lucky.
"""

from __future__ import annotations

import os

EVERY_RUN = 0.2
SHARE = float(os.environ.get("EXAMPLES", EVERY_RUN))
"""Of the examples that a property names; ``make soak`` asks for fifteen times as many as every run."""
IS_SOAK = SHARE > EVERY_RUN
"""Whether examples are drawn anew, and kept if they fail."""


def many(examples: int) -> int:
    """Return how many to try where *examples* would be thorough."""
    return max(20, round(examples * SHARE))


def few(examples: int) -> int:
    """Return how many to try where *examples* do in every run."""
    return round(examples * SHARE / EVERY_RUN)
