"""What OpenAI takes: its strict subset, and any other schema where it only shows it to the model.

Supported schemas and their limits: https://developers.openai.com/api/docs/guides/structured-outputs (objects closed,
all properties required, nine formats, ``pattern``, bounds of numbers and lists, ``anyOf`` below the root, definitions
and recursion; 5 000 properties, 10 levels, 1 000 values of enums, 15 000 characters in an enum of over 250 values,
120 000 characters of names and values). That ``$ref`` stands alone, look-around is refused, a schema needs a type and
a list its items is what its errors say (openai/openai-python#1637, pydantic/pydantic-ai#5519, defog-ai/defog#244), and
that objects of an ``anyOf`` may not begin with the same property, unless its values tell them apart (#2193).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from core.schema_forms._enforced import Enforced
from core.schema_forms._form import SchemaForm
from core.schema_forms._joined import text_of
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


def _arranged(body: Mapping[str, Any]) -> str:
    """Let the alternatives of each choice begin with what tells them apart."""
    choices = [found for node in subschemas(body) if len(found := _alternatives(node, body)) > 1]
    for objects in choices:
        if not _are_told_apart(objects, body):
            _begin_apart(objects, body)
    if all(_are_told_apart(objects, body) for objects in choices):
        return ""
    return "has alternatives that begin with the same property, which OpenAI does not take where it is strict"


def _alternatives(node: Mapping[str, Any], body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the objects among which *node* chooses, each once."""
    led = (_led(one, body) for one in node.get("anyOf", ()))
    return list({id(one): one for one in led if one.get("type") == "object" and one["properties"]}.values())


def _led(node: Any, body: Mapping[str, Any]) -> Any:
    return body["$defs"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _are_told_apart(objects: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> bool:
    begun: dict[str, list[Mapping[str, Any]]] = {}
    for one in objects:
        begun.setdefault(next(iter(one["properties"])), []).append(one)
    return all(len(alike) == 1 or _is_tag(name, alike, body) for name, alike in begun.items())


def _is_tag(name: str, objects: Sequence[Mapping[str, Any]], body: Mapping[str, Any]) -> bool:
    """Whether the values of the property *name* tell *objects* apart."""
    values = [_led(one["properties"].get(name, {}), body).get("enum", ()) for one in objects]
    told = [text_of(value) for each in values for value in each]
    return all(values) and len(told) == len(set(told))


def _begin_apart(objects: Sequence[dict[str, Any]], body: Mapping[str, Any]) -> None:
    """Bring to the front of each of *objects* a property that tells them apart, or else one that none begins with."""
    tag = next((name for name in objects[0]["properties"] if _is_tag(name, objects, body)), None)
    begins = dict.fromkeys(range(len(objects)), tag) if tag else _first_of_their_own(objects)
    for number, name in begins.items():
        properties = objects[number]["properties"]
        rest = {each: properties.pop(each) for each in [*properties] if each != name}
        properties.update(rest)  # in place, as its identity says which nulls were put in


def _first_of_their_own(objects: Sequence[Mapping[str, Any]]) -> dict[int, str]:
    """Return for each of *objects*, by number, a property that no other has been given; of some none may be left."""
    taken: dict[str, int] = {}

    def find(number: int, seen: set[str]) -> bool:
        for name in objects[number]["properties"]:
            if name not in seen:
                seen.add(name)
                if name not in taken or find(taken[name], seen):
                    taken[name] = number
                    return True
        return False

    for number in range(len(objects)):
        find(number, set())
    return {number: name for name, number in taken.items()}


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
    arranged=_arranged,
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
                closed=said.closed,
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
