"""Documents, which are read so that the other rules see what stands in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.guardrails._document_policy import DocumentPolicy
from core.guardrails._rules import Action, Stage
from core.guardrails._settings import number, require_known

_MOST_SECONDS = 30
_MOST_PAGES = 2_000
_USUAL_SECONDS = 5
_USUAL_PAGES = 200


class Documents:
    """Has PDFs read, seen or not, for all rules that look at documents; one that cannot be read is noted, or blocks."""

    stages = frozenset({Stage.INPUT})
    actions = frozenset({Action.NOTE, Action.BLOCK})

    def search(self, settings: Mapping[str, Any]) -> DocumentPolicy:
        """Return within how many ``seconds`` and ``pages`` they are read."""
        require_known(settings, ("seconds", "pages"))
        return DocumentPolicy(
            number(settings, "seconds", _USUAL_SECONDS, 1, _MOST_SECONDS),
            number(settings, "pages", _USUAL_PAGES, 1, _MOST_PAGES),
        )


CHECK = Documents()
