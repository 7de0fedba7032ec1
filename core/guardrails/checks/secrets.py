"""Keys, tokens and passwords that people paste by accident."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.secrets import SecretDetector
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import require_none


class Secrets:
    """Finds what is a key, a token, a password or a private key."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> SecretDetector:
        """Return the detector; it has no settings."""
        require_none(settings)
        return SecretDetector()


CHECK = Secrets()
