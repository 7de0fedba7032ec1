"""Keys, tokens and passwords in what is encoded: base64, hexadecimal, percent signs, escapes, entities, tags."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.encoded import EncodedDetector
from core.detection.secrets import SecretDetector
from core.guardrails._rules import Action, Stage
from core.guardrails._settings import require_none


class Encoded:
    """Finds secrets that are encoded; those in plain words are found by secrets."""

    stages = frozenset(Stage)
    actions = frozenset(Action)

    def search(self, settings: Mapping[str, Any]) -> EncodedDetector:
        """Return the detector; it has no settings."""
        require_none(settings)
        return EncodedDetector(SecretDetector())


CHECK = Encoded()
