"""Regular expressions of a pasted schema that no engine takes, and where in the text they stand."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from core.given_schemas._notes import Refusal, Steps
from core.json_schemas import MOST_PATTERN_BYTES, MOST_PATTERNS, inner_role
from core.validation import is_pattern, size_of


def check_patterns(schema: Mapping[str, Any], given: Any) -> None:
    """Go on only if the patterns of *schema*, which was read from *given*, can be used.

    What is refused for their number or their size is looked at no further here.

    Raises:
        Refusal: one cannot; its steps lead to it in *given*, or nowhere where it was written in another way.

    """
    size = 0
    for number, (_, pattern) in enumerate(_patterns(schema, (), "schema")):
        size += size_of(pattern)
        if number >= MOST_PATTERNS or size > MOST_PATTERN_BYTES:
            return
        if not is_pattern(pattern):
            where = next((steps for steps, other in _patterns(given, (), "") if other == pattern), ())
            raise Refusal(where, "is not a regular expression that can be used; correct it")


def _patterns(node: Any, steps: Steps, role: str) -> Iterator[tuple[Steps, str]]:
    """Yield every pattern in *node* with the steps that lead to it; without a *role* it may be no schema itself."""
    if isinstance(node, list):
        for index, part in enumerate(cast("list[Any]", node)):
            yield from _patterns(part, (*steps, index), role and inner_role(role, ""))
    elif isinstance(node, dict):
        entries = cast("dict[str, Any]", node)
        if role in ("schema", ""):
            if isinstance(entries.get("pattern"), str):
                yield (*steps, "pattern"), entries["pattern"]
            named = entries.get("patternProperties")
            for name in cast("dict[str, Any]", named) if isinstance(named, dict) else ():
                yield (*steps, "patternProperties", name), name
        for name, part in entries.items():
            yield from _patterns(part, (*steps, name), role and inner_role(role, name))
