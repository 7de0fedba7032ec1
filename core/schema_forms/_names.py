"""Property names as a vendor takes them, and the author's names again in its answers."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast
from urllib.parse import unquote

from core.json_schemas import inner_role, resolve
from core.schema_forms._walk import rewritten, schemas_in

_LONGEST = 64
_IN_PLACE = ("allOf", "anyOf", "oneOf")
_BRANCHES = ("if", "then", "else")


def sent_names(schema: Mapping[str, Any], allowed: re.Pattern[str]) -> dict[str, str]:
    """Return the name to send for each property of *schema* whose own is not *allowed*.

    No two are alike, nor like one that stays, even with underscores added: those tell a property that the author did
    not name from a name that was made here.
    """
    own = {name: None for node in schemas_in(schema) for name in node.get("properties", ())}
    taken = {name.rstrip("_") for name in own}
    sent: dict[str, str] = {}
    for name in own:
        if allowed.fullmatch(name):
            continue
        bare = "".join(one for one in unicodedata.normalize("NFKD", name) if not unicodedata.combining(one))
        stem = re.sub(r"[^a-zA-Z0-9_.-]", "_", bare).rstrip("_")[: _LONGEST - 6] or "property"
        found = next(one for n in range(1, len(own) + 2) if (one := f"{stem}_{n}" if n > 1 else stem) not in taken)
        taken.add(found)
        sent[name] = found
    return sent


def renamed(schema: Mapping[str, Any], names: Mapping[str, str]) -> Any:
    """Return *schema* with its properties renamed, wherever it speaks of them."""

    def change(node: dict[str, Any]) -> dict[str, Any]:
        changed = {**node}
        for keyword in ("properties", "dependentSchemas", "dependentRequired"):
            if keyword in node:
                changed[keyword] = {names.get(name, name): part for name, part in node[keyword].items()}
        if "dependentRequired" in changed:
            spoken = changed["dependentRequired"].items()
            changed["dependentRequired"] = {name: [names.get(one, one) for one in part] for name, part in spoken}
        if "required" in node:
            changed["required"] = [names.get(name, name) for name in node["required"]]
        if "$ref" in node:
            changed["$ref"] = _reference(node["$ref"], names)
        return changed

    return rewritten(schema, change) if names else schema


def _reference(reference: str, names: Mapping[str, str]) -> str:
    """Return a *reference* that leads through renamed properties."""
    role, steps = "schema", reference.split("/")
    under = ""
    for place, step in enumerate(steps[1:], 1):
        own = unquote(step).replace("~1", "/").replace("~0", "~")
        if role == "names" and under in ("properties", "dependentSchemas") and own in names:
            steps[place] = names[own]
        role, under = inner_role(role, own), own
    return "/".join(steps)


def hang_on_names(schema: Mapping[str, Any]) -> bool:
    """Whether *schema* says something of names themselves, so that other names would change what is valid."""
    return any(
        "patternProperties" in node
        or "propertyNames" in node
        or any(isinstance(value, dict | list) for value in (*node.get("enum", ()), node.get("const")))
        for node in schemas_in(schema)
    )


class OwnNames:
    """The author's names again, in an answer to a schema that was renamed."""

    def __init__(self, schema: Mapping[str, Any], names: Mapping[str, str]) -> None:
        """Take the author's *schema*, and the name that was sent for each of his."""
        self._root = schema
        self._names = names
        self._known: dict[tuple[int, ...], tuple[list[dict[str, Any]], dict[str, str]]] = {}

    def __call__(self, value: Any) -> Any:
        """Return *value* with the author's names; one that a model wrote as the author has it stays."""
        return self._named(value, [self._root])

    def _named(self, value: Any, nodes: Sequence[Any]) -> Any:
        if not isinstance(value, dict | list) or not nodes:
            return cast("Any", value)
        here, declared = self._here(nodes)
        if isinstance(value, list):
            parts = cast("list[Any]", value)
            return [self._named(part, list(_inside(here, place))) for place, part in enumerate(parts)]
        found: dict[str, Any] = {}
        for name, part in cast("dict[str, Any]", value).items():
            own = declared.get(name, name)
            if own == name and name.endswith("_") and name.rstrip("_") in declared:
                own = name[:-1]
            found[own] = self._named(part, list(_under(here, own)))
        return found

    def _here(self, nodes: Sequence[Any]) -> tuple[list[dict[str, Any]], dict[str, str]]:
        """Return every schema that says something of a value of *nodes* itself, and its names by those sent."""
        key = tuple(map(id, nodes))
        if key not in self._known:
            found: dict[int, dict[str, Any]] = {}
            waiting = [*nodes]
            while waiting:
                node = waiting.pop()
                if not isinstance(node, dict) or id(cast("Any", node)) in found:
                    continue
                one = found[id(cast("Any", node))] = cast("dict[str, Any]", node)
                waiting += [part for name in _IN_PLACE for part in one.get(name, ())]
                waiting += [one[name] for name in _BRANCHES if name in one]
                waiting += one.get("dependentSchemas", {}).values()
                if "$ref" in one:
                    waiting.append(resolve(self._root, one["$ref"]))
            names = {name for node in found.values() for name in node.get("properties", ())} & self._names.keys()
            self._known[key] = list(found.values()), {self._names[name]: name for name in names}
        return self._known[key]


def _under(nodes: Sequence[dict[str, Any]], name: str) -> Iterator[Any]:
    for node in nodes:
        if name in node.get("properties", ()):
            yield node["properties"][name]
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            yield node.get(keyword)
        yield from node.get("patternProperties", {}).values()


def _inside(nodes: Sequence[dict[str, Any]], place: int) -> Iterator[Any]:
    for node in nodes:
        yield from node.get("prefixItems", ())[place : place + 1]
        for keyword in ("items", "contains", "unevaluatedItems"):
            yield node.get(keyword)
