"""The words of JSON Schema, what each takes, and which of them was meant by one that is none of them."""

from __future__ import annotations

from functools import cache, lru_cache
from itertools import combinations, islice
from typing import Any, cast

TYPES = ("string", "integer", "number", "boolean", "object", "array", "null")
TAKES = {
    "type": "type", "enum": "list", "const": "any", "multipleOf": "number", "maximum": "number",
    "exclusiveMaximum": "number", "minimum": "number", "exclusiveMinimum": "number", "maxLength": "count",
    "minLength": "count", "pattern": "text", "format": "text", "maxItems": "count", "minItems": "count",
    "uniqueItems": "flag", "maxContains": "count", "minContains": "count", "maxProperties": "count",
    "minProperties": "count", "required": "texts", "dependentRequired": "lists", "dependentSchemas": "named",
    "properties": "named", "patternProperties": "named", "additionalProperties": "schema", "propertyNames": "schema",
    "unevaluatedProperties": "schema", "items": "schema", "prefixItems": "schemas", "contains": "schema",
    "unevaluatedItems": "schema", "additionalItems": "schema", "allOf": "schemas", "anyOf": "schemas",
    "oneOf": "schemas", "not": "schema", "if": "schema", "then": "schema", "else": "schema", "$ref": "text",
    "$defs": "named", "definitions": "named", "dependencies": "dependencies", "$dynamicRef": "text",
    "$recursiveRef": "text",
}  # fmt: skip
"""What a keyword takes, of all that ask for something or hold what does."""
SAYING = {
    "title": "text", "description": "text", "default": "any", "examples": "list", "deprecated": "flag",
    "readOnly": "flag", "writeOnly": "flag", "$comment": "text", "$schema": "text", "$id": "text", "$anchor": "text",
    "$dynamicAnchor": "text", "$recursiveAnchor": "flag", "$vocabulary": "any", "contentEncoding": "text",
    "contentMediaType": "text", "contentSchema": "any",
}  # fmt: skip
"""What the other keywords take: they name, describe and annotate."""
_OTHERS_OWN = frozenset(
    {
        # OpenAPI and Swagger
        "nullable", "discriminator", "example", "externalDocs", "xml", "openapi", "swagger", "info", "components",
        "paths", "servers", "tags", "webhooks", "jsonSchemaDialect", "collectionFormat",
        # editors
        "markdownDescription", "markdownEnumDescriptions", "enumDescriptions", "enumNames", "enumItemLabels",
        "defaultSnippets", "deprecationMessage", "markdownDeprecationMessage", "errorMessage",
        "patternErrorMessage", "doNotSuggest", "suggestSortText", "allowComments", "allowTrailingCommas", "tsType",
        "tsEnumNames", "typeof", "javaType", "existingJavaType", "javaInterfaces", "goType", "fileMatch", "meta:enum",
        "disallowUnknownFormats", "enumDetails", "examples", "options",
        # providers, and libraries that talk to them
        "propertyOrdering", "cache_control", "strict", "label", "hint", "help", "comment", "comments", "_comment",
        "version", "author", "name", "category", "group", "order", "scope", "language", "translations",
    }
)  # fmt: skip
"""Words of others, which are let through: they ask for nothing."""
_QUIET = frozenset({"name", "version", "strict"})
"""Those of them that may look as if they asked for something, so that they are told."""
_SYNONYMS = {
    "min": "minimum", "max": "maximum", "ge": "minimum", "le": "maximum", "gte": "minimum", "lte": "maximum",
    "gt": "exclusiveMinimum", "lt": "exclusiveMaximum", "regex": "pattern", "regexp": "pattern", "match": "pattern",
    "values": "enum", "choices": "enum", "options": "enum", "allowed": "enum", "allowedvalues": "enum",
    "oneofvalues": "enum", "literal": "const", "fields": "properties", "attributes": "properties",
    "props": "properties", "extends": "allOf", "elements": "items", "element": "items", "ref": "$ref",
    "defs": "$defs", "mandatory": "required", "requiredfields": "required", "divisibleby": "multipleOf",
    "disallow": "not", "extraproperties": "additionalProperties", "desc": "description", "datatype": "type",
    "minlen": "minLength", "maxlen": "maxLength", "minimumlength": "minLength", "maximumlength": "maxLength",
    "minsize": "minItems", "maxsize": "maxItems", "unique": "uniqueItems", "step": "multipleOf",
    "nullableof": "anyOf", "union": "anyOf", "any": "anyOf", "one": "oneOf", "all": "allOf",
}  # fmt: skip
"""Other languages' words for what a keyword says, in small letters; meant only where the value is what it takes."""
_FORMATS = {"date": "date", "datetime": "date-time", "timestamp": "date-time", "time": "time", "uuid": "uuid",
            "guid": "uuid", "email": "email", "uri": "uri", "url": "uri", "duration": "duration"}  # fmt: skip
_OTHER_TYPES = {
    "str": "string", "text": "string", "varchar": "string", "char": "string", "int": "integer", "int32": "integer",
    "int64": "integer", "long": "integer", "float": "number", "double": "number", "decimal": "number",
    "numeric": "number", "real": "number", "bool": "boolean", "dict": "object", "map": "object", "record": "object",
    "struct": "object", "hash": "object", "list": "array", "tuple": "array", "set": "array", "none": "null",
    "nil": "null", "undefined": "null",
}  # fmt: skip
_LONG = 6
"""A word of so many letters is told by its spelling alone; a shorter one must have what the keyword takes, too."""
_LONGEST = 40
_LOOKED_AT = 1_000
_STRUCTURE = frozenset(TAKES) - {"format", "contentSchema"}


def is_schema(value: Any) -> bool:
    """Whether *value* may be a schema: an object, true or false."""
    return isinstance(value, dict | bool)


def is_plainly_schema(value: Any) -> bool:
    """Whether *value* is an object that says something in words of JSON Schema, each with what it takes."""
    if not isinstance(value, dict):
        return False
    node = cast("dict[str, Any]", value)
    return any(name in _STRUCTURE and fits(name, part) for name, part in node.items())


def fits(keyword: str, value: Any) -> bool:
    """Whether *keyword* takes a value of this kind. Of lists and objects the first thousand parts are looked at."""
    takes = TAKES.get(keyword) or SAYING[keyword]
    if takes == "any":
        return True
    if isinstance(value, list):
        return _list_fits(takes, cast("list[Any]", value)[:_LOOKED_AT])
    if isinstance(value, dict):
        return _object_fits(takes, list(islice(cast("dict[str, Any]", value).values(), _LOOKED_AT)))
    if isinstance(value, bool):
        return takes in ("flag", "schema")
    if isinstance(value, int | float):
        return takes == "number" or (takes == "count" and value >= 0 and value % 1 == 0)
    return isinstance(value, str) and (value in TYPES if takes == "type" else takes == "text")


def _list_fits(takes: str, parts: list[Any]) -> bool:
    if takes == "type":
        return 0 < len(parts) <= len(TYPES) and all(part in TYPES for part in parts)
    if takes == "schemas":
        return bool(parts) and all(map(is_schema, parts))
    return takes == "list" or (takes == "texts" and all(isinstance(part, str) for part in parts))


def _object_fits(takes: str, parts: list[Any]) -> bool:
    if takes == "named":
        return all(map(is_schema, parts))
    if takes == "lists":
        return all(isinstance(part, list) for part in parts)
    return takes == "schema" or (
        takes == "dependencies" and all(isinstance(part, list | dict | bool) for part in parts)
    )


def is_known(word: str) -> bool:
    """Whether *word* is a keyword, or one that others are known to write beside them."""
    return word in TAKES or word in SAYING or is_others(word)


def is_others(word: str) -> bool:
    """Whether *word* is known to be another's own, which asks for nothing and is let through without a word."""
    return word in _OTHERS_OWN - _QUIET or word[:2].lower() in ("x-", "x_", "//") or ":" in word


def meant(word: str, value: Any) -> str | None:
    """Return the keyword that *word* stands for with this *value*; ``None`` where it is a word of somebody's own."""
    if len(word) > _LONGEST:
        return None
    plain = _plain(word)
    if plain in _spelled() and word not in _OTHERS_OWN:
        return _spelled()[plain]
    synonym = _SYNONYMS.get(plain)
    if synonym is not None and fits(synonym, value) and value not in ({}, []):
        return synonym
    if word in _OTHERS_OWN:
        return None
    close = _closest(plain)
    if close is None or (len(plain) < _LONG and not fits(close, value)):
        return None
    return close


def meant_type(word: str) -> str:
    """Return the schema that *word* means as a type, as JSON; nothing where that cannot be told."""
    plain = _plain(word)
    if plain in TYPES or plain in _OTHER_TYPES:
        return f'"{_OTHER_TYPES.get(plain, plain)}"'
    if plain in _FORMATS:
        return f'"string" with "format": "{_FORMATS[plain]}"'
    near = [kind for kind in TYPES if _distance(plain, kind) <= (2 if len(plain) > 4 else 1)]
    return f'"{near[0]}"' if near else ""


def _plain(word: str) -> str:
    return word.lower().replace("_", "").replace("-", "").replace(" ", "").lstrip("$@")


@cache
def _spelled() -> dict[str, str]:
    """Return each keyword by its letters alone."""
    return {_plain(word): word for word in (*SAYING, *TAKES) if word not in ("$schema", "$id")}


@cache
def _shortened() -> dict[str, list[str]]:
    """Return the keywords' letters by what is left of them without one or two: what is close has one in common."""
    found: dict[str, list[str]] = {}
    for word in _spelled():
        if len(word) > 3:
            for short in _without(word):
                found.setdefault(short, []).append(word)
    return found


def _without(word: str) -> set[str]:
    most = 2 if len(word) > _LONG else 1
    found = {word}
    for letters in range(1, most + 1):
        for gone in combinations(range(len(word)), letters):
            found.add("".join(letter for place, letter in enumerate(word) if place not in gone))
    return found


@lru_cache(maxsize=4096)
def _closest(plain: str) -> str | None:
    if len(plain) < 3 or len(plain) > 2 + max(map(len, _spelled())):
        return None
    candidates = {word for short in _without(plain) for word in _shortened().get(short, ())}
    near = sorted((_distance(plain, word), word) for word in candidates)
    if not near or near[0][0] > (2 if len(plain) > _LONG else 1):
        return None
    return _spelled()[near[0][1]]


def _distance(one: str, other: str) -> int:
    """Return how many letters are to be put in, left out, replaced or swapped with their neighbour."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, 1):
        further, before, row = before, row, [i]
        for j, theirs in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != theirs))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == theirs:
                cost = min(cost, further[j - 2] + 1)
            row.append(cost)
    return row[-1]
