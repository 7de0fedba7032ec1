"""Words, phrases and domains that somebody lists."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.detection.together import SparingDetector, Together
from core.detection.words import DomainDetector, WordDetector
from core.errors import Invalid
from core.guardrails._rules import USUAL_ACTIONS, Stage
from core.guardrails._settings import require_known, switch, texts, usable


class ListedWords:
    """Finds ``words`` and ``domains``: whole ones unless ``parts`` are wanted, in any case unless ``cased``."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS

    def search(self, settings: Mapping[str, Any]) -> Together:
        """Return the detector."""
        require_known(settings, ("words", "domains", "parts", "cased"))
        is_whole, is_cased = not switch(settings, "parts", default=False), switch(settings, "cased", default=False)
        words, domains = texts(settings, "words"), texts(settings, "domains")
        members: list[SparingDetector] = []
        if words:
            members.append(usable("words", lambda: WordDetector(words, is_whole=is_whole, is_cased=is_cased)))
        if domains:
            members.append(usable("domains", lambda: DomainDetector(domains)))
        if not members:
            raise Invalid("There is nothing to look for: give words or domains.")
        return Together(members)


CHECK = ListedWords()
