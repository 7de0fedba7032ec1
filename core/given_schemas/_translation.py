"""A schema of any draft, or of OpenAPI's kind, in the words of JSON Schema 2020-12; what is valid stays the same."""

from __future__ import annotations

import re
from typing import Any, cast
from urllib.parse import quote

from core.given_schemas._checks import check
from core.given_schemas._notes import Notes, Refusal, Steps
from core.given_schemas._references import References, refuse_unknown, role_of
from core.given_schemas._words import SAYING, TAKES, TYPES, is_known, is_schema
from core.json_schemas import DEEPEST, MOST_NODES
from core.validation import steps_of

NEWEST = "https://json-schema.org/draft/2020-12/schema"
_DRAFT = re.compile(r"https?://json-schema\.org/(?:draft-0?(\d)|draft/(\d{4})-\d\d|(schema))")
_OTHER_DIALECTS = ("https://spec.openapis.org/",)
_SAFE = "$~!*'(),;:@&=+"
_DEFINITIONS = ("$defs", "definitions")
_YEAR_REF_STANDS_BESIDE = 2019
_EXCLUSIVE = {"minimum": "exclusiveMinimum", "maximum": "exclusiveMaximum"}
_DOCUMENT_WORDS = frozenset({"components", "paths", "openapi", "swagger", "info", "servers", "webhooks"})


class Translation:
    """One schema on its way: read where it stands in a document, written where it stands by itself."""

    def __init__(self, document: Any, at: Steps, notes: Notes) -> None:
        """Translate what stands at *at* in *document*."""
        self._notes = notes
        self._at = at
        schema = document
        for step in at:
            schema = schema[step]
        self._schema: dict[str, Any] = schema
        self._references = References(document, schema, at)
        self._draft = self._draft_of(schema, at)
        self._places: dict[Steps, Steps] = {}
        """Where each schema went that was read."""
        self._led: list[tuple[dict[str, Any], Steps, Any, Steps]] = []
        """Each reference: where it is written, where it leads, how it was written and where."""
        self._moved: dict[str, Any] = {}
        self._nodes = 0

    def whole(self) -> dict[str, Any]:
        """Return the schema.

        Raises:
            Refusal: it is none, or cannot be read.

        """
        schema = self._read(self._schema, self._at, (), "")
        done = 0
        while done < len(self._led):
            target = self._led[done][1]
            if target not in self._places:
                self._move(target, self._led[done])
            done += 1
        for holder, target, written, _ in self._led:
            place = self._places[target]
            is_same = (
                isinstance(written, str)
                and (written == "#" or written[:2] == "#/")
                and steps_of(written) == [*map(str, place)]
            )
            holder["$ref"] = written if is_same else _pointer(place)
        if self._moved:
            schema["$defs"] = {**schema.get("$defs", {}), **self._moved}
        return schema

    def _draft_of(self, schema: dict[str, Any], at: Steps) -> int:
        """Return the draft by its number, or its year; 0 where none is named."""
        named = schema.get("$schema")
        if not isinstance(named, str):
            return 0
        found = _DRAFT.match(named)
        if found is None and not named.startswith(_OTHER_DIALECTS):
            raise Refusal((*at, "$schema"), f"names a dialect that is not known; leave it out, or write {NEWEST!r}")
        return int(found[1] or found[2] or 0) if found else 0

    def _move(self, target: Steps, why: tuple[dict[str, Any], Steps, Any, Steps]) -> None:
        """Read what a reference leads to that is no part of the schema, into a definition of its own."""
        part = self._references.node(target)
        self._notes.add("dialect", why[3], "leads out of the schema, and what it means is copied to $defs")
        stem = re.sub(r"[^A-Za-z0-9_.-]+", "_", str(target[-1] if target else "root"))[:60] or "part"
        taken = self._schema.get("$defs")
        names = {*self._moved, *(cast("dict[str, Any]", taken) if isinstance(taken, dict) else ())}
        name = next(name for n in range(1, MOST_NODES * 2) if (name := f"{stem}_{n}" if n > 1 else stem) not in names)
        self._moved[name] = None  # its name is taken
        self._moved[name] = self._read(part, target, ("$defs", name), "")

    # ── One schema ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _read(self, node: Any, old: Steps, new: Steps, base: str) -> Any:
        """Return what stands at *old* as it is written at *new*."""
        self._nodes += 1 + (len(cast("dict[Any, Any]", node)) if isinstance(node, dict) else 0)
        if self._nodes > MOST_NODES:
            raise Refusal((), f"has over {MOST_NODES} values; split it, or move parts to $defs and refer to them")
        if len(new) > DEEPEST:
            raise Refusal((), f"nests deeper than {DEEPEST} levels; split it, or move parts to $defs")
        self._places[old] = new
        if isinstance(node, bool):
            return node
        if not isinstance(node, dict):
            raise Refusal(old, 'must be a schema, such as {"type": "string"}')
        known = cast("dict[str, Any]", node)
        if not all(isinstance(word, str) for word in cast("dict[Any, Any]", known)):
            raise Refusal(old, "has a key that is no text; make it text")
        base = self._references.bases.get(old, base)
        check(known, old, self._notes, self._references.holders if old == self._at else None)
        if self._is_nullable_apart(known):
            self._notes.add("dialect", (*old, "nullable"), "is read as a choice of this or null")
            apart = {name: part for name, part in known.items() if name in SAYING or name in ("$defs", "definitions")}
            rest = {name: part for name, part in known.items() if name not in apart and name != "nullable"}
            said = self._words(apart, old, new, base)
            return {**said, "anyOf": [self._words(rest, old, (*new, "anyOf", 0), base), {"type": "null"}]}
        return self._words(known, old, new, base)

    def _is_nullable_apart(self, node: dict[str, Any]) -> bool:
        """Whether null is one more value here that no list of types can name."""
        if node.get("nullable") is not True or node.get("enum", [None]) == []:
            return False
        kinds = node.get("type")
        has_null = isinstance(node.get("enum"), list) and None in node["enum"]
        if isinstance(kinds, list) and "null" in kinds and "enum" not in node and "const" not in node:
            return False
        asks = (node.keys() & TAKES.keys()) - {"type", "$defs", "definitions"}
        choosing = asks & {"$ref", "allOf", "anyOf", "oneOf", "not", "if", "then", "else", "const"}
        return bool(choosing or ("enum" in asks and not has_null) or (asks and kinds is None))

    def _words(self, node: dict[str, Any], old: Steps, new: Steps, base: str) -> dict[str, Any]:
        said: dict[str, Any] = {}
        ignores = "$ref" in node and 0 < self._draft < _YEAR_REF_STANDS_BESIDE
        for word in node:
            if not self._is_passed_over(word, node, old, ignores=ignores):
                self._word(word, said, node, (old, new, base))
        return said

    def _word(self, word: str, said: dict[str, Any], node: dict[str, Any], places: tuple[Steps, Steps, str]) -> None:
        """Write what *node* has under *word* into what is *said* of it."""
        old, new, base = places
        match word:
            case "$ref" | "$dynamicRef" | "$recursiveRef":
                self._refer(said, word, node[word], (*old, word), base)
            case "type":
                self._type(said, node, old)
            case "exclusiveMinimum" | "exclusiveMaximum":
                self._bound(word, said, node, old)
            case "minimum" | "maximum" if node.get(_EXCLUSIVE[word]) is True:
                pass  # it is written as the exclusive one
            case "items" if isinstance(node[word], list):
                self._listed(said, node, old, new, base)
            case "additionalItems":
                self._rest_of_list(said, node, old, new, base)
            case "dependencies":
                self._dependencies(said, node, old, new, base)
            case _:
                name = "$id" if word == "id" and self._references.bases.get(old) else word
                role = role_of("schema", word, node[word])
                said[name] = self._part(node[word], role, (*old, word), (*new, name), base)

    def _part(self, value: Any, role: str, old: Steps, new: Steps, base: str) -> Any:
        if role == "schema":
            return self._read(value, old, new, base)
        if role == "schemas" and isinstance(value, list):
            several = cast("list[Any]", value)
            return [self._read(part, (*old, n), (*new, n), base) for n, part in enumerate(several)]
        if role == "names" and isinstance(value, dict):
            by_name = cast("dict[str, Any]", value)
            if old[-1] in _DEFINITIONS:
                by_name = {name: part for name, part in by_name.items() if self._is_definition(part, (*old, name))}
            return {name: self._read(part, (*old, name), (*new, name), base) for name, part in by_name.items()}
        return value

    def _is_definition(self, part: Any, old: Steps) -> bool:
        """Whether *part* of the definitions is one, and not a group of some, or a remark."""
        if isinstance(part, bool) or (
            isinstance(part, dict) and (not part or any(map(is_known, cast("dict[str, Any]", part))))
        ):
            return True
        self._notes.add("dialect", old, "is no schema itself; what is referred to in it is copied to $defs")
        return False

    def _is_passed_over(self, word: str, node: dict[str, Any], old: Steps, *, ignores: bool) -> bool:
        """Whether *word* is not written: it says nothing, or nothing any more."""
        where = (*old, word)
        if word in ("$id", "id") and old != self._at:
            if word == "id" and old not in self._references.bases:
                return False
            self._notes.add("dialect", where, "is left out: references to it lead to where it stands")
            return True
        if word == "id":
            is_name = old in self._references.bases and self._references.bases[old] != ""
            if is_name:
                self._notes.add("dialect", where, "is read as '$id'")
            return False
        if word == "nullable" or (word in _DOCUMENT_WORDS and old == self._at and "$ref" in node):
            return True
        if ignores and word in TAKES and word not in ("$ref", "$defs", "definitions"):
            self._notes.add("dialect", where, f"is left out: draft-0{self._draft} ignores what stands beside '$ref'")
            return True
        return False

    def _refer(self, said: dict[str, Any], word: str, reference: Any, where: Steps, base: str) -> None:
        if not isinstance(reference, str):
            raise refuse_unknown(reference, where)
        if word != "$ref":
            anchor = reference.partition("#")[2]
            places = self._references.dynamic.get(anchor, ())
            is_fixed = self._references.resources == 1 if word == "$recursiveRef" else len(places) <= 1
            if not is_fixed:
                raise Refusal(where, "depends on where it is referred from; write '$ref' to the schema that is meant")
            self._notes.add("dialect", where, "is read as '$ref'")
        target = self._references.place(reference, base)
        if target is None or not is_schema(self._references.node(target)):
            raise refuse_unknown(reference, where)
        if word == "$ref" and not reference.startswith("#/") and reference != "#":
            self._notes.add("dialect", where, "is read as a path to the same place")
        holder = said
        if "$ref" in said:
            holder = {}
            said.setdefault("allOf", []).append(holder)
        holder["$ref"] = reference
        self._led.append((holder, target, reference, where))

    # ── Words of other drafts ─────────────────────────────────────────────────────────────────────────────────────────

    def _type(self, said: dict[str, Any], node: dict[str, Any], old: Steps) -> None:
        value: Any = node["type"]
        named = [value] if isinstance(value, str) else list(cast("list[Any]", value))
        if node.get("nullable") is True and "null" not in named and not self._is_nullable_apart(node):
            self._notes.add("dialect", (*old, "nullable"), "is read as the further type 'null'")
            named.append("null")
        if any(name not in TYPES for name in named):
            self._notes.add("dialect", (*old, "type"), "is read in small letters, as JSON Schema names types")
        small = [name.lower() for name in named]
        said["type"] = small[0] if len(small) == 1 and isinstance(value, str) else small

    def _bound(self, word: str, said: dict[str, Any], node: dict[str, Any], old: Steps) -> None:
        value, beside = node[word], next(one for one, other in _EXCLUSIVE.items() if other == word)
        if not isinstance(value, bool):
            said[word] = value
        elif value and beside in node:
            said[word] = node[beside]
            self._notes.add("dialect", (*old, word), f"is read as the bound that '{beside}' has")
        else:
            self._notes.add("dialect", (*old, word), "is left out: it changes nothing")

    def _listed(self, said: dict[str, Any], node: dict[str, Any], old: Steps, new: Steps, base: str) -> None:
        value: Any = node["items"]
        if "prefixItems" in node:
            raise Refusal((*old, "items"), "is a list beside 'prefixItems'; write what holds for the other items")
        self._notes.add("dialect", (*old, "items"), "is a list, and is read as 'prefixItems'")
        if value:
            said["prefixItems"] = self._part(value, "schemas", (*old, "items"), (*new, "prefixItems"), base)

    def _rest_of_list(self, said: dict[str, Any], node: dict[str, Any], old: Steps, new: Steps, base: str) -> None:
        if isinstance(node.get("items"), list):
            self._notes.add("dialect", (*old, "additionalItems"), "is read as 'items'")
            said["items"] = self._read(node["additionalItems"], (*old, "additionalItems"), (*new, "items"), base)
        else:
            self._notes.add(
                "dialect", (*old, "additionalItems"), "is left out: without a list of items it says nothing"
            )

    def _dependencies(self, said: dict[str, Any], node: dict[str, Any], old: Steps, new: Steps, base: str) -> None:
        value = cast("dict[str, Any]", node["dependencies"])
        where = (*old, "dependencies")
        if "dependentRequired" in node or "dependentSchemas" in node:
            raise Refusal(where, "says the same as 'dependentRequired' and 'dependentSchemas'; leave one of them out")
        self._notes.add("dialect", where, "is read as 'dependentRequired' and 'dependentSchemas'")
        lists: dict[str, Any] = {name: part for name, part in value.items() if isinstance(part, list)}
        schemas = {
            name: self._read(part, (*where, name), (*new, "dependentSchemas", name), base)
            for name, part in value.items()
            if not isinstance(part, list)
        }
        if lists:
            said["dependentRequired"] = lists
        if schemas:
            said["dependentSchemas"] = schemas


def _pointer(steps: Steps) -> str:
    """Return what a ``$ref`` to *steps* says."""
    escaped = (str(step).replace("~", "~0").replace("/", "~1") for step in steps)
    return "".join(["#", *(f"/{quote(step, safe=_SAFE)}" for step in escaped)])
