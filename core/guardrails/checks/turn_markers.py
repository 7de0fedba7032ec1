"""Words by which models know whose turn it is, in data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.turns import TurnDetector
from core.guardrails._places import QUOTED
from core.guardrails._rules import Action, Stage
from core.guardrails._settings import require_none


class TurnMarkers:
    """Finds the markers of chat templates. To neutralise one puts a blank in it: ``<|im_start |>`` is a text."""

    stages = frozenset(Stage)
    actions = frozenset(Action)
    places = QUOTED

    def search(self, settings: Mapping[str, Any]) -> TurnDetector:
        """Return the detector; it has no settings."""
        require_none(settings)
        return TurnDetector()


CHECK = TurnMarkers()
