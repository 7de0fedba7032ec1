"""A text too long for any model is stopped before it costs anything."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from core.guardrails._rules import Action, Stage
from core.guardrails._settings import whole_number

MOST_CHARACTERS = 1_000_000
"""About 250 000 tokens, more than the models that structured output is used with can read."""


@dataclass(frozen=True, slots=True)
class LengthJudge:
    """Objects to texts of more than *most* characters."""

    most: int
    judges_restored = True
    """It asks nobody, so it may see what a caller gets back."""

    def objection(self, text: str) -> str:
        """Return why *text* may not go on; empty if it may."""
        if len(text) <= self.most:
            return ""
        return f"The text has {len(text):,} characters; at most {self.most:,} are accepted. Send it in parts."

    def may_find(self, text: str) -> bool:
        """Whether a text in a document of which all is *text* may be too long."""
        return len(text) > self.most


class Length:
    """Objects to long texts; ``most_characters`` says from where on."""

    stages = frozenset(Stage)
    actions = frozenset({Action.NOTE, Action.BLOCK})

    def search(self, settings: Mapping[str, Any]) -> LengthJudge:
        """Return the judge."""
        return LengthJudge(whole_number(settings, "most_characters", MOST_CHARACTERS, 1, 100_000_000))


CHECK = Length()
