"""Topics, or injection, by the verdict of a model that another route asks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.errors import Invalid
from core.guardrails._rules import Action, ModelJudge, Stage
from core.guardrails._settings import failing, number, require_known, texts

_MOST_TOPICS = 20
_LONGEST_TOPIC = 500


class Classifier:
    """Asks ``route`` whether texts are about one of ``topics`` or, without any, attempts of injection.

    ``threshold``: from how sure on, of a hundred. ``seconds``: how long that may take. ``on_failure``: whether texts
    go on without a verdict. ``most_characters``: how much is asked at once.
    """

    stages = frozenset(Stage)
    actions = frozenset({Action.NOTE, Action.BLOCK})
    places = ("user", "documents", "tool_results", "tool_arguments", "answer", "reasoning")

    def search(self, settings: Mapping[str, Any]) -> ModelJudge:
        """Return what is to be asked.

        Raises:
            Invalid: a setting cannot be used.

        """
        require_known(settings, ("route", "topics", "threshold", "seconds", "on_failure", "most_characters"))
        route: Any = settings.get("route")
        if not isinstance(route, str) or not route.strip():
            raise Invalid("route is the name of the route that is asked, such as one with a small model.")
        topics = tuple(texts(settings, "topics", most=_MOST_TOPICS))
        if any(len(one) > _LONGEST_TOPIC or not one.isprintable() for one in topics):
            raise Invalid(f"topics has an entry that is no line of at most {_LONGEST_TOPIC} characters.")
        seconds, goes_on = failing(settings, usual=10, most=120)
        return ModelJudge(
            route=route,
            topics=topics,
            threshold=number(settings, "threshold", 70, 1, 100),
            seconds=seconds,
            goes_on=goes_on,
            most_characters=number(settings, "most_characters", 100_000, 100, 1_000_000),
        )


CHECK = Classifier()
