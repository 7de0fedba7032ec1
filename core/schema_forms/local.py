"""What the local model's server takes: llama.cpp makes a grammar of a schema, by its own converter.

What that does with a schema was read off the grammars that it made (xllamacpp 2026.10): it closes objects that say
nothing of further properties, requires whatever stands in ``allOf`` and every place of ``prefixItems``, takes no
boolean schemas, follows references of plain names only, misreads patterns beyond a row of classes, and bounds whole
numbers alone. It writes a date as 2026-01-31 and a UUID with its hyphens: the grammar is all that keeps it to either.
https://github.com/ggml-org/llama.cpp/blob/master/grammars/README.md lists more. Maps, any values and recursion it can
follow. A whole number has at most 16 digits in its grammars; nothing can be done about that here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from core.schema_forms._enforced import Enforced
from core.schema_forms._form import LeftOut, SchemaForm
from core.schema_forms._rules import CannotSay, Rules

_SERVER = "The local model's server"
_MOST_REPEATS = 1_000
_ROW_OF_CLASSES = re.compile(
    r"\^(?:(?:[A-Za-z0-9 _:/@,;=-]|\[[A-Za-z0-9_][A-Za-z0-9_ -]*\])(?:[?+*]|\{\d{1,2}(?:,\d{0,2})?\})?)+\$"
)


def _takes(kind: str, keyword: str, value: Any) -> bool:
    if keyword == "pattern":
        return _ROW_OF_CLASSES.fullmatch(value) is not None
    if kind == "integer":
        return value == int(value)
    return kind != "number" and value <= _MOST_REPEATS


GRAMMAR = Rules(
    vendor=_SERVER,
    formats=frozenset({"date", "date-time", "time", "uuid"}),
    bounds=frozenset(
        {
            *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
            *("minLength", "maxLength", "pattern", "minItems", "maxItems"),
        }
    ),
    narrowed=frozenset({"date", "uuid"}),
    takes_bound=_takes,
    optional_is_null=False,
    has_recursion=True,
)


class Followed(Enforced):
    """A schema as far as a grammar can follow it: from there on, any value."""

    def _say(self, node: Any, path: str) -> dict[str, Any]:
        try:
            return super()._say(node, path)
        except CannotSay as error:
            return self._any(error.path, error.why)

    def _any(self, path: str, why: str) -> dict[str, Any]:
        if why not in ("takes values of any type", "is a list of any items"):  # else nothing is lost
            self._left_out.append(LeftOut(path, "schema", f"It {why}, which a grammar cannot follow."))
        return {}

    def _further(self, node: Mapping[str, Any], path: str) -> bool | dict[str, Any]:
        try:
            return super()._further(node, path)
        except CannotSay:
            further = node.get("additionalProperties", True)
            is_map = isinstance(further, dict) and not node.get("patternProperties")
            return (self._say(further, f"{path}.*") if is_map else {}) or True


def form(schema: Mapping[str, Any], mode: str) -> SchemaForm:
    """Return *schema* as the local model's server is sent it: it forces no tool, so each mode is ``json_schema``."""
    try:
        said = Followed(schema, GRAMMAR)
    except CannotSay as error:
        return SchemaForm(vendor=_SERVER, asked=mode, mode="json", body=schema, relaxed=error.sentence)
    return SchemaForm(
        vendor=_SERVER,
        asked=mode,
        mode="json_schema",
        body=said.body,
        is_enforced=True,
        left_out=said.left_out,
        closed=said.closed,
    )
