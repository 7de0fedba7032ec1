"""What OpenAI takes: its strict subset, and any other schema where it only shows it to the model.

Supported schemas and their limits: https://developers.openai.com/api/docs/guides/structured-outputs (objects closed,
all properties required, nine formats, ``pattern``, bounds of numbers and lists, ``anyOf`` below the root, definitions
and recursion; 5 000 properties, 10 levels, 1 000 values of enums, 15 000 characters in an enum of over 250 values,
120 000 characters of names and values). That ``$ref`` stands alone, look-around is refused, a schema needs a type and
a list its items is what its errors say (openai/openai-python#1637, pydantic/pydantic-ai#5519, defog-ai/defog#244).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.schema_forms._enforced import Enforced
from core.schema_forms._form import SchemaForm
from core.schema_forms._rules import CannotSay, Rules, is_plain_pattern
from core.schema_forms._walk import depth, rewritten, subschemas

_MOST_PROPERTIES = 5_000
_DEEPEST = 10
_MOST_VALUES = 1_000
_MANY_VALUES = 250
_MOST_VALUE_CHARS = 15_000
_MOST_CHARS = 120_000


def _too_large(body: Mapping[str, Any]) -> str:
    properties = values = chars = 0
    for node in subschemas(body):
        names = node.get("properties", {})
        properties += len(names)
        listed = node.get("enum", ())
        values += len(listed)
        size = sum(len(value) for value in listed if isinstance(value, str))
        if len(listed) > _MANY_VALUES and size > _MOST_VALUE_CHARS:
            return f"has an enum of {len(listed)} values with {size} characters; OpenAI takes {_MOST_VALUE_CHARS}"
        chars += size + sum(map(len, names))
    chars += sum(map(len, body.get("$defs", {})))
    if properties > _MOST_PROPERTIES:
        return f"has {properties} properties; OpenAI takes {_MOST_PROPERTIES} where it is strict"
    if values > _MOST_VALUES:
        return f"has {values} values in enums; OpenAI takes {_MOST_VALUES} where it is strict"
    if chars > _MOST_CHARS:
        return f"has {chars} characters in names and values; OpenAI takes {_MOST_CHARS} where it is strict"
    if depth(body) > _DEEPEST:
        return f"nests objects deeper than {_DEEPEST} levels, which is what OpenAI takes where it is strict"
    return ""


STRICT = Rules(
    vendor="OpenAI",
    formats=frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}),
    bounds=frozenset(
        {
            *("pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
            *("minItems", "maxItems"),
        }
    ),
    takes_bound=lambda _kind, keyword, value: keyword != "pattern" or is_plain_pattern(value),
    optional_is_null=True,
    has_recursion=True,
    too_large=_too_large,
)


def form(schema: Mapping[str, Any], mode: str) -> SchemaForm:
    """Return *schema* as OpenAI is sent it in *mode*."""
    relaxed = ""
    if mode == "json_schema":
        try:
            said = Enforced(schema, STRICT)
        except CannotSay as error:
            relaxed = error.sentence
        else:
            return SchemaForm(
                vendor="OpenAI",
                asked=mode,
                mode=mode,
                body=said.body,
                is_enforced=True,
                left_out=said.left_out,
                way_back=said.way_back,
            )
    return shown(schema, mode, relaxed=relaxed)


def shown(schema: Mapping[str, Any], mode: str, *, vendor: str = "OpenAI", relaxed: str = "") -> SchemaForm:
    """Return *schema* as a server of OpenAI's dialect is sent it where nothing is strict: all of it."""
    body = schema if mode in ("json", "md_json") else rewritten(schema, _filled)
    return SchemaForm(vendor=vendor, asked=mode, mode=mode, body=body, relaxed=relaxed)


def _filled(node: dict[str, Any]) -> dict[str, Any]:
    """Return *node* with items, if it may be a list: one without them is turned away, strict or not."""
    kinds = node.get("type", ())
    is_list = kinds == "array" or (isinstance(kinds, list) and "array" in kinds)
    return {**node, "items": {}} if is_list and "items" not in node and "prefixItems" not in node else node
