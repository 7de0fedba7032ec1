"""Characters that nobody sees, and such as turn the direction of what is seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.hidden import HiddenDetector
from core.guardrails._rules import Action, Stage
from core.guardrails._settings import require_none


class Hidden:
    """Finds what is invisible or turns the direction of a text, and is not explained by what stands beside it.

    To neutralise leaves it out.
    """

    stages = frozenset(Stage)
    actions = frozenset(Action)

    def search(self, settings: Mapping[str, Any]) -> HiddenDetector:
        """Return the detector; it has no settings."""
        require_none(settings)
        return HiddenDetector()


CHECK = Hidden()
