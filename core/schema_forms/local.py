"""What the local model's server takes: its grammar is made by llguidance, which follows JSON Schema as far as it goes.

https://github.com/guidance-ai/llguidance/blob/main/docs/json_schema.md: an unknown keyword or format is an error, so
all of them are left out. The rest means what JSON Schema means, open objects and maps included, so nothing needs
closing.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.json_schemas import resolve
from core.schema_forms._form import LeftOut, SchemaForm
from core.schema_forms._joined import NOTES
from core.schema_forms._rules import ZONED, is_plain_pattern
from core.schema_forms._walk import rewritten, schemas_in

_SERVER = "The local model's server"
_FORMATS = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid", "uri"})
_LEFT_OUT = frozenset(
    {
        *("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "propertyNames"),
        *("unevaluatedProperties", "unevaluatedItems", "uniqueItems", "contains", "minContains", "maxContains"),
        *("minProperties", "maxProperties", "patternProperties"),
    }
)
_NOT_SENT = NOTES - {"title", "description", "$defs", "definitions"}


def form(schema: Mapping[str, Any], mode: str) -> SchemaForm:
    """Return *schema* as the local model's server is sent it: it forces no tool, so each mode is ``json_schema``."""
    left_out: dict[str, None] = {}

    def change(node: dict[str, Any]) -> dict[str, Any]:
        changed: dict[str, Any] = {}
        for name, part in node.items():
            if not _takes(name, part):
                left_out[name] = None
            elif name == "oneOf":
                left_out[name] = None
                changed = {**changed, **_choice(node, changed)}
            elif name not in _NOT_SENT:
                changed[name] = part
        if "patternProperties" in node:
            changed.pop("additionalProperties", None)
        return changed

    body = rewritten(schema, change)
    if _is_beyond(body):
        why = "A part of it refers to itself in a way that the local model's server cannot follow."
        return SchemaForm(vendor=_SERVER, asked=mode, mode="json", body=schema, relaxed=why)
    why = "The local model's server does not take it."
    return SchemaForm(
        vendor=_SERVER,
        asked=mode,
        mode="json_schema",
        body=body,
        is_enforced=True,
        left_out=tuple(LeftOut("$", name, why) for name in left_out),
    )


def _takes(name: str, part: Any) -> bool:
    match name:
        case "format":
            return part in _FORMATS - ZONED
        case "pattern":
            return is_plain_pattern(part)
        case _:
            return name not in _LEFT_OUT


def _choice(node: dict[str, Any], changed: dict[str, Any]) -> dict[str, Any]:
    """Return ``oneOf`` as ``anyOf``; beside another one it is a part of ``allOf``."""
    if "anyOf" not in node:
        return {"anyOf": node["oneOf"]}
    return {"allOf": [*changed.get("allOf", node.get("allOf", ())), {"anyOf": node["oneOf"]}]}


def _is_beyond(body: Mapping[str, Any]) -> bool:
    """Whether *body* refers to what was left out, or joins schemas where one refers to itself."""
    led: dict[str, set[str]] = {}
    for node in schemas_in(body):
        if "$ref" in node and node["$ref"] not in led:
            target = resolve(body, node["$ref"])
            if target is None:
                return True
            led[node["$ref"]] = {one["$ref"] for one in schemas_in(target) if "$ref" in one}
    is_circle = any(reference in _reached(led, reference) for reference in led)
    return is_circle and any(map(_joins, schemas_in(body)))


def _joins(node: Mapping[str, Any]) -> bool:
    """Whether *node* asks a value for what several schemas say."""
    says = node.keys() - NOTES
    return len(node.get("allOf", ())) > 1 or (len(says) > 1 and not says.isdisjoint(("$ref", "allOf", "anyOf")))


def _reached(led: Mapping[str, set[str]], reference: str) -> set[str]:
    """Return every reference to which one leads."""
    found: set[str] = set()
    waiting = [*led[reference]]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += led[one]
    return found
