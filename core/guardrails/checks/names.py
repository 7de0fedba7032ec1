"""Names of persons, which a pipeline of spaCy's finds in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from core.guardrails._outside import NameTerms
from core.guardrails._rules import USUAL_ACTIONS, Action, Stage
from core.guardrails._settings import failing, require_known

_USUAL_SECONDS = 5
_MOST_SECONDS = 60


class PersonNames:
    """Finds names by ``pipeline``, one that the deployment names, in ``seconds``; else ``on_failure`` says what is."""

    stages = frozenset(Stage)
    actions = USUAL_ACTIONS - {Action.REPLACE}

    def search(self, settings: Mapping[str, Any]) -> NameTerms:
        """Return who is asked."""
        require_known(settings, ("pipeline", "seconds", "on_failure"))
        pipeline = settings.get("pipeline", "")
        if not isinstance(pipeline, str):
            raise Invalid("pipeline is the name of one of NAME_PIPELINES, such as en.")
        seconds, goes_on = failing(settings, usual=_USUAL_SECONDS, most=_MOST_SECONDS)
        return NameTerms(pipeline=pipeline, seconds=seconds, goes_on=goes_on)


CHECK = PersonNames()
