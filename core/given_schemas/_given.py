"""From what was given to the schema that was meant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from core.errors import Invalid
from core.given_schemas._envelopes import Enclosed, Library, enclosed, library, listed
from core.given_schemas._notes import Notes, Refusal, SchemaNote
from core.given_schemas._patterns import check_patterns
from core.given_schemas._translation import NEWEST, Translation
from core.json_schemas import DEEPEST, is_plain_name, json_path
from core.json_texts import json_in, line_of


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSchema:
    """A schema as it was read."""

    schema: dict[str, Any]
    """In the words of JSON Schema 2020-12."""
    notes: tuple[SchemaNote, ...] = ()
    """What was changed so that it could be read, and what of it nobody checks."""
    root: str = ""
    """Its name among several, where it came with others."""


def roots(given: Any) -> tuple[str, ...]:
    """Return the names of the schemas that may be meant, where there are several; nothing where it is plain."""
    try:
        found = enclosed(given)
        several = library(found.node, found.steps)
    except (Refusal, RecursionError):
        return ()
    return several.roots if several is not None and len(several.roots) > 1 else ()


def read(given: Any, root: str | None = None) -> GivenSchema:
    """Return the schema that *given* means; *root* is its name where it came with others.

    Raises:
        Invalid: it is no schema, or holds several; one sentence says where, and what was meant.

    """
    try:
        return _read(given, root)
    except Refusal as refusal:
        raise Invalid(_sentence(refusal)) from None
    except RecursionError:
        raise Invalid(f"The schema nests deeper than {DEEPEST} levels; move parts to $defs.") from None


def read_text(text: str, what: str, root: str | None = None) -> GivenSchema:
    """Return the schema that the JSON *text* means; *what* it is begins the sentence where it is no JSON.

    Raises:
        Invalid: it is no JSON or no schema; one sentence says where, by its line too, and what was meant.

    """
    return read_at_hand(json_in(text, what), text, root)


def read_at_hand(given: Any, text: str, root: str | None = None) -> GivenSchema:
    """Return the schema that *given* means, which is what the JSON *text* says; raises as :func:`read_text`."""
    try:
        found = _read(given, root)
        check_patterns(found.schema, given)
    except Refusal as refusal:
        if not refusal.steps:
            raise Invalid(_sentence(refusal)) from None
        line, path = line_of(text, refusal.steps), json_path(refusal.steps)
        raise Invalid(f"Line {line}: the schema's {path} {refusal.what}.") from None
    except RecursionError:
        raise Invalid(f"The schema nests deeper than {DEEPEST} levels; move parts to $defs.") from None
    return found


def noted(schema: dict[str, Any]) -> tuple[SchemaNote, ...]:
    """Return what of *schema*, which came of a source, no value satisfies, and what nobody checks.

    Raises:
        Invalid: it is no schema that can be read.

    """
    return tuple(note for note in read(schema).notes if note.kind in ("impossible", "unchecked"))


def _sentence(refusal: Refusal) -> str:
    if not refusal.steps:
        return f"The schema {refusal.what}."
    return f"The schema is not valid: {json_path(refusal.steps)} {refusal.what}."


def _read(given: Any, root: str | None) -> GivenSchema:
    notes = Notes()
    found = enclosed(given)
    if not isinstance(cast("object", found.node), dict):
        raise Refusal(found.steps, "is JSON, but not a JSON Schema: that is an object, in braces")
    if found.came_in:
        notes.add("envelope", found.steps, f"is the schema; it came in {found.came_in}")
    name, steps = "", found.steps
    several = library(found.node, found.steps)
    if several is not None:
        name = _chosen(several, root, found)
        steps = (*several.steps, name)
        others = f"; the others are left out: {listed(rest)}" if (rest := _others(several, name)) else ""
        notes.add("envelope", steps, f"is the schema, of {len(several.schemas)} in the document{others}")
    elif root is not None:
        raise Invalid("The schema has one root; leave out its name.")
    if several is not None and not isinstance(several.schemas[name], dict):
        raise Refusal(steps, "must be a schema, in braces")
    schema = Translation(given, steps, notes).whole()
    if enclosed(schema).steps or library(schema, ()) is not None:
        raise Refusal(found.steps, "asks for nothing itself; give the schema that stands in it")
    named = found.name or name
    above: dict[str, Any] = {}
    if named and not isinstance(schema.get("title"), str):
        above["title"] = named
    if found.description and "description" not in schema:
        above["description"] = found.description
    told = notes.all()
    if isinstance(schema.get("$schema"), str) and any(note.kind == "dialect" for note in told):
        schema["$schema"] = NEWEST
    return GivenSchema(schema={**above, **schema}, notes=told, root=name)


def _others(several: Library, name: str) -> tuple[str, ...]:
    return tuple(other for other in several.roots if other != name)


def _chosen(several: Library, root: str | None, found: Enclosed) -> str:
    """Return which of several schemas is meant."""
    names = tuple(several.schemas)
    if root is not None:
        if root not in several.schemas:
            raise Invalid(f"There is no schema {root[:60]!r} here. There are: {listed(names)}.")
        return root
    if len(several.roots) == 1:
        return several.roots[0]
    inside = several.steps[len(found.steps) :]
    example = next((name for name in several.roots if is_plain_name(name)), "NAME")
    way = "/".join(["#", *map(str, inside), example])
    what = "is an OpenAPI document with" if several.is_openapi else "asks for nothing; it only defines"
    raise Refusal(
        found.steps,
        f'{what} {len(names)} schemas: {listed(several.roots)}; choose one, or write "$ref": "{way}" beside them',
    )
