"""Whether a node is a schema: refused is what has a misspelt word, a word at the wrong level, or is an example."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from typing import Any, cast

from core.given_schemas._contradictions import note_contradictions
from core.given_schemas._notes import Notes, Refusal, Steps, shown
from core.given_schemas._references import identifier_of
from core.given_schemas._words import (
    SAYING,
    TAKES,
    TYPES,
    fits,
    is_known,
    is_others,
    is_plainly_schema,
    is_schema,
    meant,
    meant_type,
)
from core.validation import CHECKED_FORMATS

_EXAMPLE = (
    "looks like an example, not a schema; describe it instead, "
    'such as {"type": "object", "properties": {"NAME": {"type": "string"}}}'
)
_PROPERTIES = (
    'looks like the properties of an object; put them under "properties", as {"type": "object", "properties": {…}}'
)
_OLDER: Mapping[str, type] = {"exclusiveMinimum": bool, "exclusiveMaximum": bool, "items": list}
"""What older drafts have under a keyword; it is read."""
_WANTED = {
    "type": "", "list": "must be a list of values", "number": "must be a number", "count": "must be a whole number",
    "text": "must be a text", "flag": "must be true or false", "texts": "must be a list of names",
    "named": "must be an object of schemas by name", "lists": "must be an object of lists of names",
    "schema": 'must be a schema, such as {"type": "string"}', "schemas": "must be a list of schemas",
    "dependencies": "must be an object of lists of names, or of schemas",
}  # fmt: skip
_OF_TYPE = {
    **dict.fromkeys(("minLength", "maxLength", "pattern"), ("string",)),
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), ("number", "integer")),
    "multipleOf": ("number", "integer"),
    **dict.fromkeys(("items", "prefixItems", "contains", "minItems", "maxItems", "uniqueItems"), ("array",)),
    **dict.fromkeys(
        ("properties", "patternProperties", "additionalProperties", "required", "minProperties", "maxProperties"),
        ("object",),
    ),
}
"""The types whose values a keyword asks something of."""


def check(node: Mapping[str, Any], steps: Steps, notes: Notes, holders: AbstractSet[str] | None) -> None:
    """Go on only if *node*, which stands at *steps*, is a schema; note its words that nobody checks.

    At its root *holders* are the words under which stands what is referred to; elsewhere it is ``None``.

    Raises:
        Refusal: it is none, and what was meant.

    """
    unknown = [word for word in node if not (is_known(word) or (word == "id" and identifier_of(node)))]
    says = any(word in TAKES and _is_taken(word, node[word]) for word in node)
    held, is_root = holders or (), holders is not None
    if not says and is_root:
        unknown = [word for word in node if word not in SAYING and word[:2] != "x-" and word not in TAKES]
    if unknown and not says and not str(steps[-1:][0] if steps else "").startswith("x-"):
        _check_example(node, unknown, steps, is_root=is_root)
    for word, value in node.items():
        if word in TAKES or word in SAYING:
            _check_value(word, value, steps)
        elif not (is_others(word) or word in held or (word == "id" and identifier_of(node))):
            _check_word(word, value, steps, notes)
    _note_format(node, steps, notes)
    _note_without_effect(node, steps, notes)
    note_contradictions(node, steps, notes)


def _is_taken(word: str, value: Any) -> bool:
    return fits(word, value) or isinstance(value, _OLDER.get(word, ())) or (word == "type" and _is_loud(value))


def _is_loud(value: Any) -> bool:
    """Whether *value* is a type in capitals, as Google writes them."""
    return isinstance(value, str) and value.isupper() and value.lower() in TYPES


def _check_example(node: Mapping[str, Any], unknown: list[str], steps: Steps, *, is_root: bool) -> None:
    """Refuse a value in a schema's place."""
    if any(meant(word, node[word]) for word in unknown):
        return  # a keyword was, and that is said
    if all(is_plainly_schema(node[word]) for word in unknown):
        raise Refusal(steps, _PROPERTIES)
    if is_root or not node.keys() & SAYING.keys():
        raise Refusal(steps, _EXAMPLE)


def _check_word(word: str, value: Any, steps: Steps, notes: Notes) -> None:
    keyword = meant(word, value)
    where = (*steps, word)
    if keyword is not None:
        raise Refusal(where, f"is no keyword of JSON Schema; '{keyword}' was meant")
    if word == "optional" and isinstance(value, bool):
        notes.add("unchecked", where, "is no keyword: what 'required' of the object does not list may be absent")
    elif word == "name" and isinstance(value, str):
        notes.add("unchecked", where, "is no keyword and names nothing; 'title' would")
    else:
        notes.add("unchecked", where, "is no keyword of JSON Schema: it is kept, and nothing is checked by it")


def _check_value(word: str, value: Any, steps: Steps) -> None:
    """Refuse a keyword with what it does not take."""
    if _is_taken(word, value):
        return None
    where = (*steps, word)
    takes = TAKES.get(word) or SAYING[word]
    if takes == "type":
        raise Refusal(where, _wrong_type(value))
    if word == "required":
        raise Refusal(where, _wrong_required(value, steps))
    if isinstance(value, dict) and takes in ("named", "lists", "dependencies"):
        return _check_named(cast("dict[str, Any]", value), where)
    if isinstance(value, list) and takes == "schemas" and value:
        several = cast("list[Any]", value)
        place = next((place for place, part in enumerate(several) if not is_schema(part)), None)
        if place is not None:
            raise Refusal((*where, place), _no_schema(several[place]))
        return None
    if takes == "named" and isinstance(value, list):
        raise Refusal(where, 'is an object, not a list: {"NAME": {"type": "string"}}')
    if takes == "schemas" and value == []:
        raise Refusal(where, "must not be empty")
    if takes in ("number", "count") and isinstance(value, str):
        raise Refusal(where, f"{_WANTED[takes]}, without quotes")
    if takes == "schema":
        raise Refusal(where, _no_schema(value))
    raise Refusal(where, _WANTED[takes])


def _wrong_type(value: Any) -> str:
    named: list[Any] = cast("list[Any]", value) if isinstance(value, list) else [value]
    wrong = next((name for name in named if not (isinstance(name, str) and fits("type", name))), None)
    if isinstance(wrong, str):
        guess = meant_type(wrong)
        also = f"; {guess} was meant" if guess else "; leave it out for any value" if wrong.lower() == "any" else ""
        return f"is no type ({shown(wrong)}){also}; use one of {', '.join(TYPES)}"
    return f"is no type; use one of {', '.join(TYPES)}"


def _wrong_required(value: Any, steps: Steps) -> str:
    if isinstance(value, bool):
        name = steps[-1] if len(steps) > 1 and steps[-2] == "properties" else "NAME"
        what = f'list it around there instead, as "required": ["{str(name)[:60]}"]'
        return (
            f"is not true or false but a list of an object's names; {what}"
            if value
            else ("is not true or false but a list of an object's names; leave it out here")
        )
    return "must be a list of names"


def _check_named(value: dict[str, Any], where: Steps) -> None:
    for name, part in value.items():
        if is_schema(part) or (where[-1] in ("dependencies", "dependentRequired") and isinstance(part, list)):
            continue
        is_misplaced = name in TAKES and name not in ("dependencies", "definitions") and _is_taken(name, part)
        if where[-1] == "properties" and is_misplaced:
            raise Refusal((*where, name), f"stands among the properties, but '{name}' belongs beside 'properties'")
        raise Refusal((*where, name), _no_schema(part))


def _no_schema(value: Any) -> str:
    if isinstance(value, str) and (guess := meant_type(value)):
        return f'must be a schema, such as {{"type": {guess}}}'
    return 'must be a schema, such as {"type": "string"}'


def _note_format(node: Mapping[str, Any], steps: Steps, notes: Notes) -> None:
    """Say who checks a format: Proctor, of texts, those that it knows; nobody any other."""
    name, kind = node.get("format"), node.get("type")
    if not isinstance(name, str):
        return
    where = (*steps, "format")
    named = cast("list[Any]", kind) if isinstance(kind, list) else [kind]
    kinds = [each.lower() for each in named if isinstance(each, str)]
    others = [each for each in kinds if each not in ("string", "null")]
    if name not in CHECKED_FORMATS:
        notes.add("unchecked", where, f"names {shown(name)}, which tells the model what is meant; nobody checks it")
    elif kinds and "string" not in kinds:
        what = f"names {shown(name)}, which is checked of texts; nobody checks it of a value of the type {others[0]}"
        notes.add("unchecked", where, what)
    elif others or not (kinds or "enum" in node or "const" in node):
        notes.add(
            "unchecked", where, f"names {shown(name)}, which is checked of texts; nobody checks it of other values"
        )


def _note_without_effect(node: Mapping[str, Any], steps: Steps, notes: Notes) -> None:
    kind = node.get("type")
    if not isinstance(kind, str) or kind not in TYPES or "nullable" in node:
        return
    for word, kinds in _OF_TYPE.items():
        if word in node and kind not in kinds:
            notes.add("unchecked", (*steps, word), f"asks nothing of a value of the type {kind}")
