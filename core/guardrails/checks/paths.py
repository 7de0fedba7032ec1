"""Paths of files outside of the folders that are allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.paths import PathDetector
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import require_known, texts, usable


class Paths:
    """Finds paths of files, but for those in one of ``folders``."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> PathDetector:
        """Return the detector; without settings it finds every path."""
        require_known(settings, ("folders",))
        folders = texts(settings, "folders")
        return usable("folders", lambda: PathDetector(folders))


CHECK = Paths()
