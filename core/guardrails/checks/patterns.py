"""Patterns that somebody writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.patterns import LONGEST, PatternDetector
from core.detection.together import Together
from core.errors import Invalid
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import number, require_known, switch, texts, usable

_MOST = 100


class Patterns:
    """Finds what matches one of ``patterns``, up to ``longest`` characters, in any case unless they are ``cased``."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> Together:
        """Return the detector."""
        require_known(settings, ("patterns", "longest", "cased"))
        longest, is_cased = number(settings, "longest", 100, 1, LONGEST), switch(settings, "cased", default=False)
        written = texts(settings, "patterns", most=_MOST)
        if not written:
            raise Invalid("patterns is a list of patterns: write at least one.")
        return Together(
            [
                usable(f"Pattern {place}", lambda one=one: PatternDetector(one, longest=longest, is_cased=is_cased))
                for place, one in enumerate(written, 1)
            ]
        )


CHECK = Patterns()
