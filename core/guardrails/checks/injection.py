"""Sentences that speak to the model in what it is only to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.injection import THRESHOLD, InjectionDetector
from core.guardrails._places import QUOTED
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import whole_number


class Injection:
    """Finds marks of injection; ``threshold`` says how much they have to weigh together, of a hundred."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS
    places = QUOTED

    def search(self, settings: Mapping[str, Any]) -> InjectionDetector:
        """Return the detector."""
        return InjectionDetector(whole_number(settings, "threshold", THRESHOLD, 10, 100))


CHECK = Injection()
