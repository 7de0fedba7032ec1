"""Routes: named uses, each with its candidates in fallback order and its limits on attempts and time.

The route ``default`` is what the environment says (``MODEL_PRIMARY``, ``MODEL_FALLBACK``) until an operator edits it.
A request that names no route takes the one that lists its schema, else the default.
"""

from core.attempts import Cause
from core.providers import PARAMETERS
from core.routes.checks import (
    CANDIDATE_FIELDS,
    MODES,
    MOST_CACHE_SECONDS,
    MOST_HEDGE_MS,
    USUAL_DEADLINE_SECONDS,
    adjusted,
)
from core.routes.routes import RouteLimits, Routes
from core.routes.table import DEFAULT, RouteTable, RouteView

__all__ = [
    "CANDIDATE_FIELDS",
    "DEFAULT",
    "MODES",
    "MOST_CACHE_SECONDS",
    "MOST_HEDGE_MS",
    "PARAMETERS",
    "USUAL_DEADLINE_SECONDS",
    "Cause",
    "RouteLimits",
    "RouteTable",
    "RouteView",
    "Routes",
    "adjusted",
]
