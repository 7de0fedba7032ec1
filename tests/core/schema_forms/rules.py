"""The vendors' published rules, as a checker that knows nothing of how forms are made.

Each function returns the objections to a body; none means that the vendor takes it. Sources: as in the file of each
vendor under ``core/schema_forms/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

import jsonschema_rs

Schema = Mapping[str, Any]

TYPES = {"object", "array", "string", "integer", "number", "boolean", "null"}
NINE_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
STRUCTURE = {"type", "description", "enum", "anyOf", "$ref", "$defs", "properties", "required", "items"}
NUMBERS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
PLAIN_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
BY_NAME = ("properties", "$defs", "definitions", "patternProperties", "dependentSchemas")
ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
MANY = ("anyOf", "allOf", "oneOf", "prefixItems")


def parts(node: Any, path: str = "#") -> Iterator[tuple[str, Schema]]:
    """Yield every schema in *node* that is an object, with its path."""
    if not isinstance(node, dict):
        return
    yield path, node
    for name in BY_NAME:
        for key, part in node.get(name, {}).items():
            yield from parts(part, f"{path}/{name}/{key}")
    for name in (*ONE, "unevaluatedProperties", "unevaluatedItems"):
        yield from parts(node.get(name), f"{path}/{name}")
    for name in MANY:
        for place, part in enumerate(node.get(name, ())):
            yield from parts(part, f"{path}/{name}/{place}")


def target(body: Schema, reference: str) -> Any:
    """Return what *reference* leads to; ``None`` where that is nothing."""
    found: Any = body
    for step in unquote(reference).removeprefix("#").split("/")[1:]:
        key = step.replace("~1", "/").replace("~0", "~")
        found = {str(n): part for n, part in enumerate(found)} if isinstance(found, list) else found
        found = found.get(key) if isinstance(found, dict) else None
    return found


def any_schema(body: Schema) -> list[str]:
    """Return what is wrong with *body* as a JSON Schema of an object, whoever is sent it."""
    found = [] if body.get("type") == "object" else ["#: the root is no object"]
    found += [f"#: {name} at the root" for name in ("anyOf", "oneOf", "allOf", "enum", "not") if name in body]
    found += [
        f"{path}: {part['$ref']} leads nowhere"
        for path, part in parts(body)
        if "$ref" in part and target(body, part["$ref"]) is None
    ]
    return found if jsonschema_rs.meta.is_valid(dict(body)) else [*found, "#: no JSON Schema"]


def enforced(body: Schema, *, keywords: set[str], formats: set[str]) -> list[str]:
    """Return the objections that both vendors have to a schema that they are to enforce."""
    found = any_schema(body)
    for path, part in parts(body):
        found += [f"{path}: {name!r} is not permitted" for name in part if name not in keywords]
        if "$defs" in part and path != "#":
            found.append(f"{path}: definitions stand at the root only")
        if "$ref" in part:
            if part.keys() != {"$ref"}:
                found.append(f"{path}: $ref cannot have keywords beside it")
            continue
        if "anyOf" in part:
            if part.keys() - {"anyOf", "title", "description", "$defs"} or not part["anyOf"]:
                found.append(f"{path}: anyOf beside other keywords, or empty")
            continue
        found += [f"{path}: {what}" for what in untyped(part)]
        if any(isinstance(value, dict | list) for value in part.get("enum", ())) or part.get("enum") == []:
            found.append(f"{path}: enum of other than plain values")
        if "format" in part and part["format"] not in formats:
            found.append(f"{path}: {part['format']!r} is not a valid format")
        if re.search(r"\(\?[=!<]|\\[bBkA-CE-RTUVX-Z1-9]", part.get("pattern", "")):
            found.append(f"{path}: regex is not supported")
    return found


def untyped(part: Schema) -> list[str]:
    """Return what is wrong with the type of *part*, or with what a part of that type must have."""
    kinds = part["type"] if isinstance(part.get("type"), list) else [part.get("type")]
    found = [] if kinds and set(kinds) <= TYPES else ["schema must have a type"]
    if "object" in kinds and part.get("additionalProperties") is not False:
        found.append("additionalProperties must be false")
    if "array" in kinds and not isinstance(part.get("items"), dict):
        found.append("array schema missing items")
    return found


def openai_strict(body: Schema) -> list[str]:
    """Return OpenAI's objections to *body* where ``strict`` is true."""
    bounds = {"title", "additionalProperties", "pattern", "format", "minItems", "maxItems", *NUMBERS}
    found = enforced(body, keywords=STRUCTURE | bounds, formats=NINE_FORMATS)
    names: list[str] = []
    values: list[Any] = []
    for path, part in parts(body):
        names += [*part.get("properties", {}), *part.get("$defs", {})]
        values += part.get("enum", ())
        if "properties" in part and set(part["properties"]) != set(part.get("required", ())):
            found.append(f"{path}: required must include every key in properties")
        if len(part.get("enum", ())) > 250 and sum(len(one) for one in part["enum"] if isinstance(one, str)) > 15_000:
            found.append(f"{path}: enum too long")
    chars = sum(map(len, names)) + sum(len(one) for one in values if isinstance(one, str))
    if len(names) > 5_000 + len(body.get("$defs", {})) or len(values) > 1_000 or chars > 120_000:
        found.append("#: too large")
    if nesting(body, body, ()) > 10:
        found.append("#: nested too deep")
    return found + alike(body)


def alike(body: Schema) -> list[str]:
    """Return the choices whose alternatives begin with the same property, which does not tell them apart either."""
    found: list[str] = []
    for path, part in parts(body):
        branches = [target(body, one["$ref"]) if "$ref" in one else one for one in part.get("anyOf", ())]
        shapes = [[*one["properties"].items()] for one in branches if one.get("properties")]
        for n, shape in enumerate(shapes):
            for other in shapes[:n]:
                (name, mine), (its, theirs) = shape[0], other[0]
                tags = [(target(body, one["$ref"]) if "$ref" in one else one).get("enum", []) for one in (mine, theirs)]
                is_tag = all(tags) and not [one for one in tags[0] if one in tags[1]]
                if name == its and shape != other and not is_tag:
                    found.append(f"{path}: objects of anyOf must not share identical first keys ({name})")
    return found


def nesting(node: Any, body: Schema, seen: tuple[str, ...]) -> int:
    """Return how many objects stand in one another."""
    if "$ref" in node:
        return 0 if node["$ref"] in ("#", *seen) else nesting(target(body, node["$ref"]), body, (*seen, node["$ref"]))
    below = [
        *node.get("properties", {}).values(),
        *node.get("anyOf", ()),
        *([node["items"]] if "items" in node else []),
    ]
    return (node.get("type") == "object") + max((nesting(one, body, seen) for one in below), default=0)


def openai_shown(body: Schema) -> list[str]:
    """Return OpenAI's objections to *body* where it is not strict."""
    return any_schema(body) + listless(body)


def listless(body: Schema) -> list[str]:
    """Return the lists that do not say what is in them."""
    return [
        f"{path}: array schema missing items"
        for path, part in parts(body)
        if "array" in (part.get("type") or ()) and not {"items", "prefixItems"} & part.keys()
    ]


def anthropic_output(body: Schema) -> list[str]:
    """Return Anthropic's objections to *body* as an output format."""
    keywords = STRUCTURE | {"additionalProperties", "pattern", "format", "minItems"}
    found = enforced(body, keywords=keywords, formats=NINE_FORMATS | {"uri"}) + bad_names(body)
    optional = sum(len(set(part.get("properties", ())) - set(part.get("required", ()))) for _, part in parts(body))
    unions = sum("anyOf" in part or isinstance(part.get("type"), list) for _, part in parts(body))
    found += [f"{path}: minItems" for path, part in parts(body) if part.get("minItems", 0) not in (0, 1)]
    if optional > 24 or unions > 16:
        found.append(f"#: {optional} optional properties, {unions} unions")
    return [*found, "#: recursive"] if is_recursive(body) else found


def is_recursive(body: Schema) -> bool:
    """Whether a part of *body* leads to itself."""

    def leads_back(node: Any, seen: tuple[str, ...]) -> bool:
        refs = [part["$ref"] for path, part in parts(node) if "$ref" in part and "/$defs/" not in path]
        return any(ref == "#" or ref in seen or leads_back(target(body, ref), (*seen, ref)) for ref in refs)

    return leads_back(body, ())


def anthropic_tool(body: Schema) -> list[str]:
    """Return Anthropic's objections to *body* as the input of a tool."""
    return any_schema(body) + bad_names(body)


def bad_names(body: Schema) -> list[str]:
    """Return the properties whose names Anthropic does not take."""
    return [
        f"{path}: property keys should match pattern"
        for path, part in parts(body)
        for name in part.get("properties", ())
        if not PLAIN_NAME.fullmatch(name)
    ]


def local_grammar(body: Schema) -> list[str]:
    """Return where the grammar of the local model's server would not mean what *body* means, or be none."""
    found = any_schema(body)
    bounds = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems"}
    keywords = STRUCTURE | bounds | {"additionalProperties", "minLength", "maxLength", "pattern", "format"}
    for path, part in parts(body):
        found += [f"{path}: {name!r} is not followed" for name in part if name not in keywords]
        if "$ref" in part and not (part.keys() == {"$ref"} and re.fullmatch(r"#/\$defs/[A-Za-z0-9_-]+", part["$ref"])):
            found.append(f"{path}: {part['$ref']} is not followed, or what stands beside it")
        if "anyOf" in part and part.keys() - {"anyOf", "description"}:
            found.append(f"{path}: what stands beside anyOf is lost")
        if "properties" in part and "additionalProperties" not in part:
            found.append(f"{path}: it would be closed")
        if part.get("format", "date") not in ("date", "date-time", "time", "uuid"):
            found.append(f"{path}: format is not followed")
        if re.search(r"[|.\\\"()]|\[\^", part.get("pattern", "")):
            found.append(f"{path}: the pattern is misread")
        if part.get("type") == "number" and bounds & part.keys():
            found.append(f"{path}: bounds of numbers are not followed")
        below = [*part.get("properties", {}).values(), *part.get("anyOf", ()), *part.get("$defs", {}).values()]
        if any(isinstance(one, bool) for one in (*below, part.get("items"))):
            found.append(f"{path}: a boolean is no schema")
    return found


def shown(_body: Schema) -> list[str]:
    """Return nothing: what only stands in a text has no rules."""
    return []


RULES: Mapping[tuple[str, str, bool], Callable[[Schema], list[str]]] = {
    ("openai", "tools", False): openai_shown,
    ("openai", "json_schema", True): openai_strict,
    ("openai", "json_schema", False): openai_shown,
    ("anthropic", "tools", False): anthropic_tool,
    ("anthropic", "json_schema", True): anthropic_output,
    ("local", "json_schema", True): local_grammar,
}
"""By vendor, the mode that was taken, and whether the vendor enforces the body."""
