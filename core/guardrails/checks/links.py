"""Links to what is not allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.links import LinkDetector
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import require_known, texts, usable


class ForeignLinks:
    """Finds links, but for those that begin with one of ``allowed``."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> LinkDetector:
        """Return the detector; without settings it finds every link."""
        require_known(settings, ("allowed",))
        allowed = texts(settings, "allowed")
        return usable("allowed", lambda: LinkDetector(allowed))


CHECK = ForeignLinks()
