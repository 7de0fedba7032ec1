"""What other checks find, in what is encoded: base64, hexadecimal, percent signs, escapes, entities, tags."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from core.detection.encoded import EncodedDetector
from core.detection.personal import PersonalDetector
from core.detection.secrets import SecretDetector
from core.detection.together import SparingDetector, Together
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import chosen, require_known

_SEARCHED: Mapping[str, Callable[[], SparingDetector]] = {"personal": PersonalDetector, "secrets": SecretDetector}


class Encoded:
    """Finds secrets that are encoded, or what else ``of`` names; plain ones are found by checks of their own."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> EncodedDetector:
        """Return the detector; without settings it looks for secrets."""
        require_known(settings, ("of",))
        names = chosen({"of": ("secrets",), **settings}, "of", _SEARCHED)
        return EncodedDetector(Together([_SEARCHED[name]() for name in names]))


CHECK = Encoded()
