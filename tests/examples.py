"""How many examples a property is tried with: a few in every run, which draws them anew, and many in a soak."""

from __future__ import annotations

import os

SHARE = float(os.environ.get("EXAMPLES", "0.3"))
"""Of the examples that a property names; ``make soak`` asks for ten times as many as that."""


def many(examples: int) -> int:
    """Return how many to try where *examples* would be thorough."""
    return max(20, round(examples * SHARE))
