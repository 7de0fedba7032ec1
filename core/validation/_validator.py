"""A schema as what answers are held against: the verdict, and the way to what is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, cast

from jsonschema_rs import Draft202012Validator

from core.errors import Invalid
from core.validation._compile import compiled
from core.validation._cost import MOST_VISITS, Extent, cost_of
from core.validation._effort import Effort, EffortSpent
from core.validation._parts import Parts
from core.validation._patterns import MOST_MATCHING, WatchedPattern, watched
from core.validation._violations import Violation, violations

MOST_VISITS_A_PLACE = 1_000_000
"""The most subschemas that may look at one place."""
_MOST_TRIES = 150
"""How many texts are matched by patterns that backtrack without a look at the time: 0.3 s at worst."""
_SMALL = Extent(0, 0)


class Validator:
    """One schema, compiled."""

    def __init__(self, wire: Mapping[str, Any]) -> None:
        """Compile the schema *wire*, whose every ``$ref`` is known to lead somewhere in it.

        Raises:
            jsonschema_rs.ValidationError: it is no JSON Schema.
            Invalid: it would take too long to check any value.

        """
        self._wire = wire
        self._plain = compiled(dict(wire), is_watched=False)
        try:
            self.cost, self._of_names = cost_of(wire)
        except RecursionError:
            raise _multiplies() from None
        if self.cost.visits > MOST_VISITS_A_PLACE:
            raise _multiplies()

    def is_valid(self, value: Any, extent: Extent = _SMALL, effort: Effort | None = None) -> bool:
        """Whether *value*, which is no larger than *extent*, satisfies the schema.

        Patterns that need a look at the time are paid from *effort*.

        Raises:
            EffortSpent: that would take too long to find out.
            ValueError: it is no JSON.

        """
        visits, pattern_bytes, backtracking = self.cost
        if visits * extent.values > MOST_VISITS:
            raise EffortSpent
        if pattern_bytes * extent.size_bytes <= MOST_MATCHING and backtracking * extent.values <= _MOST_TRIES:
            return self._plain.is_valid(value)
        with watched(effort or Effort()) as gave_up:
            if self._names_take_too_long(value):
                raise EffortSpent
            return self._watched.is_valid(value) and not gave_up()

    def _names_take_too_long(self, value: Any) -> bool:
        """Whether it takes too long to match every name in *value*: what the library does unwatched is tried before."""
        patterns = [WatchedPattern({}, each, []) for each in self._of_names]
        waiting = [value] if patterns else []
        while waiting:
            part = waiting.pop()
            if isinstance(part, dict):
                entries = cast("dict[str, Any]", part)
                for name in entries:
                    for pattern in patterns:
                        if pattern.is_too_slow(name):
                            return True
                        pattern.matches(name)
                waiting += entries.values()
            elif isinstance(part, list):
                waiting += cast("list[Any]", part)
        return False

    def violations(self, value: Any, effort: Effort | None = None) -> Iterator[Violation]:
        """Yield what is wrong with the invalid *value*, each as it is found.

        Raises:
            EffortSpent: while it looks on, as there is no end to be seen.

        """
        effort = effort or Effort()
        with watched(effort):
            yield from violations(self._parts, value, effort)

    @cached_property
    def _watched(self) -> Draft202012Validator:
        return compiled(dict(self._wire), is_watched=True)

    @cached_property
    def _parts(self) -> Parts:
        return Parts(self._wire)


def _multiplies() -> Invalid:
    return Invalid("The schema's $refs multiply into too many alternatives; use fewer anyOf, oneOf and allOf.")
