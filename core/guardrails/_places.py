"""Where in a call a rule looks: at what sort of text, and in answers at which fields.

What nobody can say the place of is looked at by every rule: a place without a name hides nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from core.errors import Invalid
from core.guardrails._settings import chosen, texts
from core.json_schemas import json_path

ANSWER = "answer"
PLACES: Mapping[str, frozenset[str]] = {
    "instructions": frozenset({"system text"}),
    "user": frozenset({"user text", "message text", "prompt variable"}),
    "documents": frozenset({"document", "citation", "title"}),
    "tool_results": frozenset({"tool result"}),
    "tool_arguments": frozenset({"tool arguments"}),
    "schemas": frozenset({"schema text", "description"}),
    "metadata": frozenset(
        {"metadata", "user", "name", "stop sequence", "cache key", "setting", "location", "tool setting"}
    ),
    ANSWER: frozenset({"answer", "assistant text"}),
    "reasoning": frozenset({"reasoning"}),
}
"""What a rule calls a sort of place, and the words for the places of that sort."""
QUOTED = tuple(sort for sort in PLACES if sort != "instructions")
"""All that a model is only to read: whoever writes the instructions of a call may order."""
TURNS = "turns"
LATEST = "latest"
SETTINGS = ("places", "only", "except", TURNS)
"""Settings that a rule of any check may have."""
_SORTS: Mapping[str, str] = {word: sort for sort, words in PLACES.items() for word in words}
_KEY = " key"
_MOST_FIELDS = 100
_STEP = re.compile(r"""\.([^.\[\]"'*\s]+)|\.(\*)|\[(\d{1,9})\]|\[(\*)\]|\[("(?:[^"\\]|\\.)*")\]""")
Field = tuple[str | int | None, ...]
"""Steps from the root on; ``None`` is any one step. What stands below a field belongs to it."""


def sort_of(place: str) -> str:
    """Return of what sort a place is, by its word; empty for one that no rule can name."""
    return _SORTS.get(place) or _SORTS.get(place.removesuffix(_KEY), "")


@dataclass(frozen=True, slots=True)
class Where:
    """Where one rule looks."""

    sorts: frozenset[str] = frozenset()
    """Of ``PLACES``; empty for all."""
    only: tuple[Field, ...] = ()
    """Of answers these fields alone."""
    left_out: tuple[Field, ...] = ()
    """Of answers all but these."""
    latest_only: bool = False
    """Of the messages of a request not those of turns that are over."""

    @property
    def goes_by_fields(self) -> bool:
        """Whether the field of an answer makes a difference."""
        return bool(self.only or self.left_out)

    @property
    def told(self) -> str:
        """Where that is, in a few words; empty for everywhere."""
        parts = [", ".join(sort.replace("_", " ") for sort in PLACES if sort in self.sorts)] if self.sorts else []
        parts += [f"only {', '.join(map(field_told, self.only))}"] if self.only else []
        parts += [f"not {', '.join(map(field_told, self.left_out))}"] if self.left_out else []
        parts += ["only the latest turn"] if self.latest_only else []
        return "; ".join(parts)

    def holds(self, place: str, steps: Sequence[str | int] | None = None, *, is_earlier: bool = False) -> bool:
        """Whether it looks at a text in *place*; *steps* lead to it in an answer, where that is known.

        It *is_earlier* in a message of a turn that is over.
        """
        if is_earlier and self.latest_only:
            return False
        sort = sort_of(place)
        if sort and self.sorts and sort not in self.sorts:
            return False
        if sort != ANSWER or not steps:
            return True
        if self.only and not any(_leads(field, steps) for field in self.only):
            return False
        return not any(_leads(field, steps) for field in self.left_out)


EVERYWHERE = Where()


def where_of(settings: Mapping[str, Any], usual: Iterable[str] = ()) -> Where:
    """Return where a rule with *settings* looks; without a word of it in *usual* sorts of places, or everywhere.

    Raises:
        Invalid: there is no such place, or what is to be a field is none.

    """
    if "places" in settings:
        sorts = frozenset(chosen(settings, "places", PLACES))
        if not sorts:
            raise Invalid(f"places has no entry. Leave it out for every place, or give some of: {', '.join(PLACES)}.")
    else:
        sorts = frozenset(usual)
    only, left_out = _fields(settings, "only"), _fields(settings, "except")
    if only and "places" not in settings:
        sorts = frozenset({ANSWER})
    if (only or left_out) and sorts and ANSWER not in sorts:
        raise Invalid("only and except name fields of answers, so places has to have answer.")
    where = Where(sorts, only, left_out, _latest_only(settings))
    return EVERYWHERE if where == EVERYWHERE else where


def _latest_only(settings: Mapping[str, Any]) -> bool:
    turns: Any = settings.get(TURNS, "all")
    if turns not in ("all", LATEST):
        raise Invalid(f"{TURNS} is 'all', for every message of a request, or '{LATEST}', for those of the latest turn.")
    return turns == LATEST


def without_places(settings: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what is left of *settings* for the check itself."""
    return {name: value for name, value in settings.items() if name not in SETTINGS}


def _fields(settings: Mapping[str, Any], name: str) -> tuple[Field, ...]:
    return tuple(field_of(one, name) for one in texts(settings, name, most=_MOST_FIELDS))


def field_of(path: str, name: str) -> Field:
    """Return a field that somebody wrote in the setting *name*, as ``$.lines[*].note``; the root may be left out.

    Raises:
        Invalid: it is none.

    """
    written = path if path.startswith("$") else f"$.{path}" if not path.startswith("[") else f"${path}"
    steps: list[str | int | None] = []
    at = 1
    while at < len(written):
        found = _STEP.match(written, at)
        if found is None:
            raise Invalid(f"{name} has {path[:60]!r}, which is no path of a field: write it as $.lines[*].note.")
        plain, _, index, _, quoted = found.groups()
        steps.append(plain or (int(index) if index else json.loads(quoted) if quoted else None))
        at = found.end()
    if not steps:
        raise Invalid(f"{name} has {path[:60]!r}, which is all of an answer: name a field, as $.lines[*].note.")
    return tuple(steps)


def _leads(field: Field, steps: Sequence[str | int]) -> bool:
    """Whether *steps* lead to *field*, or to what stands below it."""
    return len(steps) >= len(field) and all(one is None or one == step for one, step in zip(field, steps, strict=False))


def field_told(field: Field) -> str:
    """Return a field as it is written."""
    return json_path(tuple(-1 if step is None else step for step in field)).replace("[-1]", "[*]")
