"""What people give for a schema: envelopes, documents, other drafts and OpenAPI are read; what is none is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.errors import Invalid
from core.given_schemas import KnownSchemas, read, read_text, roots, told
from core.json_schemas import compiled
from tests.examples import many

TICKET: dict[str, Any] = {"type": "object", "properties": {"s": {"type": "string"}}, "required": ["s"]}
NAMED = {"title": "Tkt", **TICKET}


@pytest.mark.parametrize(
    ("envelope", "path"),
    [
        ({"name": "Tkt", "strict": True, "schema": TICKET}, "$.schema"),
        ({"type": "json_schema", "json_schema": {"name": "Tkt", "schema": TICKET}}, "$.json_schema.schema"),
        ({"type": "json_schema", "name": "Tkt", "strict": True, "schema": TICKET}, "$.schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "Tkt", "schema": TICKET}}}, ""),
        ({"text": {"format": {"type": "json_schema", "name": "Tkt", "schema": TICKET}}}, "$.text.format.schema"),
        ({"type": "function", "function": {"name": "Tkt", "parameters": TICKET}}, "$.function.parameters"),
        ({"type": "function", "name": "Tkt", "strict": True, "parameters": TICKET}, "$.parameters"),
        ({"name": "Tkt", "parameters": TICKET}, "$.parameters"),
        ({"name": "Tkt", "input_schema": TICKET, "cache_control": {"type": "ephemeral"}}, "$.input_schema"),
        ({"name": "Tkt", "inputSchema": TICKET}, "$.inputSchema"),
        ({"toolSpec": {"name": "Tkt", "inputSchema": {"json": TICKET}}}, "$.toolSpec.inputSchema.json"),
        ({"model": "m", "messages": [], "tools": [{"name": "Tkt", "input_schema": TICKET}]}, "$.tools[0].input_schema"),
        ([{"name": "Tkt", "input_schema": TICKET}], "$[0].input_schema"),
        ({"openapi": "3.1.0", "paths": {}, "components": {"schemas": {"Tkt": TICKET}}}, "$.components.schemas.Tkt"),
        ({"swagger": "2.0", "definitions": {"Tkt": TICKET}}, "$.definitions.Tkt"),
        ({"$defs": {"Tkt": TICKET}}, "$['$defs'].Tkt"),
    ],
    ids=lambda value: ", ".join(value)[:40] if isinstance(value, dict) else None,
)
def test_an_envelope_is_unwrapped_and_said_so(envelope: Any, path: str) -> None:
    """What holds a schema is not taken for one: the schema is read, and gets the name that stands beside it."""
    found = read(envelope)
    assert found.schema == NAMED
    assert [note.kind for note in found.notes] == ["envelope"]
    assert path.replace("'", '"') in told(found.notes)


@pytest.mark.parametrize(
    ("nullable", "meant"),
    [
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "string", "nullable": False}, {"type": "string"}),
        ({"type": ["string", "null"], "nullable": True}, {"type": ["string", "null"]}),
        ({"enum": ["a"], "nullable": True}, {"anyOf": [{"enum": ["a"]}, {"type": "null"}]}),
        ({"type": "string", "enum": ["a", None], "nullable": True}, {"type": ["string", "null"], "enum": ["a", None]}),
        ({"$ref": "#/$defs/X", "nullable": True}, {"anyOf": [{"$ref": "#/$defs/X"}, {"type": "null"}]}),
        ({"description": "d", "nullable": True}, {"description": "d"}),
        (
            {"allOf": [{"$ref": "#/$defs/X"}], "nullable": True, "description": "d"},
            {"description": "d", "anyOf": [{"allOf": [{"$ref": "#/$defs/X"}]}, {"type": "null"}]},
        ),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
    ],
    ids=str,
)  # fmt: skip
def test_nullable_takes_null(nullable: dict[str, Any], meant: dict[str, Any]) -> None:
    """What OpenAPI calls nullable takes null, whatever stands beside it."""
    found = read({"type": "object", "properties": {"a": nullable}, "$defs": {"X": {"type": "integer"}}})
    assert found.schema["properties"]["a"] == meant
    assert compiled(found.schema, "t").validator.is_valid({"a": None}) == (nullable["nullable"] is True)


@pytest.mark.parametrize(
    ("older", "meant"),
    [
        ({"minimum": 0, "exclusiveMinimum": True}, {"exclusiveMinimum": 0}),
        ({"exclusiveMaximum": False, "maximum": 9}, {"maximum": 9}),
        (
            {"items": [{"type": "string"}], "additionalItems": {"type": "integer"}},
            {"prefixItems": [{"type": "string"}], "items": {"type": "integer"}},
        ),
        ({"items": [], "additionalItems": False}, {"items": False}),
        ({"items": {"type": "string"}, "additionalItems": False}, {"items": {"type": "string"}}),
        (
            {"dependencies": {"a": ["b"], "b": {"required": ["c"]}}},
            {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"b": {"required": ["c"]}}},
        ),
        ({"$recursiveRef": "#"}, {"$ref": "#"}),
        ({"$id": "#x", "anyOf": [{"$ref": "#x"}]}, {"$id": "#x", "anyOf": [{"$ref": "#"}]}),
        (
            {"$ref": "#here", "$defs": {"x": {"$anchor": "here"}}},
            {"$ref": "#/$defs/x", "$defs": {"x": {"$anchor": "here"}}},
        ),
        (
            {"$ref": "y.json", "$defs": {"x": {"$id": "y.json", "type": "string"}}},
            {"$ref": "#/$defs/x", "$defs": {"x": {"type": "string"}}},
        ),
        (
            {"$ref": "#/mine/x", "mine": {"x": {"items": [{}]}}},
            {"$ref": "#/$defs/x", "mine": {"x": {"items": [{}]}}, "$defs": {"x": {"prefixItems": [{}]}}},
        ),
        (
            {"items": [{"type": "string"}], "contains": {"$ref": "#/items/0"}},
            {"prefixItems": [{"type": "string"}], "contains": {"$ref": "#/prefixItems/0"}},
        ),
    ],
    ids=str,
)  # fmt: skip
def test_older_words_are_read(older: dict[str, Any], meant: dict[str, Any]) -> None:
    """Words of older drafts are written in those of 2020-12, references follow, and all is told."""
    found = read(older)
    assert found.schema == meant
    assert any(note.kind == "dialect" for note in found.notes)
    assert read(found.schema).schema == meant


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"type": "object", "propertys": {}}, "$.propertys is no keyword of JSON Schema; 'properties' was meant"),
        ({"type": "object", "requierd": ["s"]}, "$.requierd is no keyword of JSON Schema; 'required' was meant"),
        ({"properties": {"a": {"typ": "string"}}}, "$.properties.a.typ is no keyword of JSON Schema; 'type' was meant"),
        ({"Type": "object"}, "'type' was meant"),
        ({"type": "string", "enums": ["a"]}, "'enum' was meant"),
        ({"type": "string", "minlenght": 3}, "'minLength' was meant"),
        ({"type": "object", "additional_properties": False}, "'additionalProperties' was meant"),
        ({"type": "integer", "min": 1}, "'minimum' was meant"),
        ({"type": "string", "choices": ["a", "b"]}, "'enum' was meant"),
        ({"properties": {"a": {"type": "string", "required": True}}}, 'as "required": ["a"]'),
        ({"properties": {"a": {}, "required": ["a"]}}, "'required' belongs beside 'properties'"),
        ({"properties": {"type": "object", "properties": {}}}, "'type' belongs beside 'properties'"),
        ({"properties": {"a": "string"}}, '$.properties.a must be a schema, such as {"type": "string"}'),
        ({"properties": ["a"]}, "is an object, not a list"),
        ({"type": "int"}, '"integer" was meant'),
        ({"type": "date"}, '"string" with "format": "date" was meant'),
        ({"type": "any"}, "leave it out for any value"),
        ({"type": "string", "maxLength": "5"}, "must be a whole number, without quotes"),
        ({"anyOf": []}, "must not be empty"),
        ({"a": "string"}, "looks like an example, not a schema"),
        ({"name": "Ann", "age": 3, "tags": []}, "looks like an example, not a schema"),
        ({"title": "Dune", "author": "Herbert"}, "looks like an example, not a schema"),
        ({"type": "invoice", "total": 3}, "looks like an example, not a schema"),
        ({"a": {"type": "string"}, "b": {"type": "integer"}}, "looks like the properties of an object"),
        ({"properties": {"a": {"city": "Rome"}}}, "$.properties.a looks like an example"),
        ({"components": {"schemas": {"A": {}, "B": {}}}}, 'choose one, or write "$ref": "#/components/schemas/A"'),
        ({"tools": [{"name": "a", "input_schema": {}}, {"name": "b", "input_schema": {}}]}, "holds 2 schemas"),
        ({"$ref": "https://example.com/x.json"}, "leaves the schema"),
        ({"$ref": "#/$defs/none"}, "where there is no schema"),
        ({"$schema": "https://example.com/own"}, "names a dialect that is not known"),
        ([1], "is JSON, but not a JSON Schema"),
        ("text", "is JSON, but not a JSON Schema"),
        (None, "is JSON, but not a JSON Schema"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_no_schema_is_refused(wrong: Any, says: str) -> None:
    """A misspelt word, one at the wrong level, an example: one sentence says where, and what was meant."""
    with pytest.raises(Invalid) as refused:
        read(wrong)
    assert says in refused.value.message
    assert refused.value.message.count("\n") == 0


@pytest.mark.parametrize(
    "annotated",
    [
        {"x-order": 1}, {"markdownDescription": "d"}, {"propertyOrdering": ["a"]}, {"enumNames": ["A"]},
        {"discriminator": {"propertyName": "kind"}}, {"ui:widget": "text"}, {"_comment": "c"}, {"errorMessage": "e"},
    ],
    ids=str,
)  # fmt: skip
def test_annotations_of_ones_own_pass(annotated: dict[str, Any]) -> None:
    """What others write beside a schema's words is kept, and nothing is said of it."""
    schema = {"type": "object", "properties": {"a": {"type": "string", **annotated}}}
    found = read(schema)
    assert (found.schema, found.notes) == (schema, ())


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (
            {"type": "integer", "format": "int32"},
            "which tells the model what is meant; nobody checks it",
        ),
        ({"type": "string", "format": "decimal"}, "names 'decimal', which tells the model"),
        ({"format": "money"}, "names 'money', which tells the model"),
        ({"type": "NUMBER", "format": "float"}, "names 'float', which tells the model"),
        ({"type": "number", "format": "email"}, "nobody checks it of a value of the type number"),
        ({"type": ["array", "null"], "items": {}, "format": "uri"}, "nobody checks it of a value of the type array"),
        ({"type": "object", "format": "date"}, "nobody checks it of a value of the type object"),
        ({"type": ["string", "integer"], "format": "date"}, "checked of texts; nobody checks it of other values"),
        ({"format": "email"}, "checked of texts; nobody checks it of other values"),
        ({"type": "string", "format": "email"}, ""),
        ({"type": ["string", "null"], "format": "date-time-local"}, ""),
        ({"enum": ["a@b.de"], "format": "email"}, ""),
    ],
)
def test_who_checks_a_format_is_told(part: dict[str, Any], told: str) -> None:
    """One that Proctor does not check, or not of such a value, is an annotation, and that is said with its place."""
    notes = [note for note in read({"type": "object", "properties": {"a": part}}).notes if note.kind == "unchecked"]
    assert len(notes) == bool(told)
    assert all(note.path == "$.properties.a.format" and told in note.sentence for note in notes)


def test_an_unknown_word_is_told() -> None:
    """A word that is close to no keyword asks for nothing: it is kept, and that nobody checks it is said once."""
    schema = {"properties": {name: {"type": "string", "frobnicate": 1} for name in "abc"}}
    found = read(schema)
    assert found.schema == schema
    assert told(found.notes) == (
        "$.properties.a.frobnicate (and 2 more like it) is no keyword of JSON Schema: "
        "it is kept, and nothing is checked by it."
    )
    assert "asks nothing of a value of the type array" in told(read({"type": "array", "minLength": 2}).notes)


def test_of_several_schemas_one_is_chosen() -> None:
    """A document asks for none of its schemas by itself: the one that none refers to, or the one that is named."""
    line = {"type": "object", "properties": {"order": {"$ref": "#/components/schemas/Order"}}}
    order = {
        "type": "object",
        "properties": {"lines": {"type": "array", "items": {"$ref": "#/components/schemas/Line"}}},
    }
    document: dict[str, Any] = {
        "openapi": "3.0.3",
        "components": {"schemas": {"Line": {"type": "string"}, "Order": order}},
    }
    assert read(document).root == "Order"
    assert read(document).schema == {
        "title": "Order",
        "type": "object",
        "properties": {"lines": {"type": "array", "items": {"$ref": "#/$defs/Line"}}},
        "$defs": {"Line": {"type": "string"}},
    }
    document["components"]["schemas"] = {"Line": line, "Order": order, "Other": TICKET}
    assert roots(document) == ("Other",) or not roots(document)
    assert read(document, "Line").schema["properties"]["order"] == {"$ref": "#/$defs/Order"}
    with pytest.raises(Invalid, match=r"There is no schema 'Lines' here\. There are: Line, Order, Other"):
        read(document, "Lines")
    document["components"]["schemas"] = {"A": TICKET, "B": TICKET}
    assert roots(document) == ("A", "B")


def test_an_older_reference_stands_alone() -> None:
    """In drafts before 2019 a reference's neighbours say nothing: what they would ask for is left out, and told."""
    schema: dict[str, Any] = {"$schema": "http://json-schema.org/draft-07/schema#", "$defs": {"x": {}}}
    schema["properties"] = {"a": {"$ref": "#/$defs/x", "maxLength": 1}}
    found = read(schema)
    assert found.schema["properties"]["a"] == {"$ref": "#/$defs/x"}
    assert found.schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert "draft-07 ignores what stands beside" in told(found.notes)
    del schema["$schema"]
    assert read(schema).schema == schema


def test_a_line_is_named() -> None:
    """Of a text the line is named on which the wrong word stands, also inside an envelope."""
    text = '{"name": "t", "schema": {\n "properties": {\n  "a": {"type": "string",\n    "minlenght": 3}}}}'
    with pytest.raises(Invalid, match=r"^Line 4: the schema's \$\.schema\.properties\.a\.minlenght is no keyword"):
        read_text(text, "The schema")
    with pytest.raises(Invalid, match=r"is not JSON\. Line 1"):
        read_text("{", "The schema")


_WORDS = st.sampled_from(
    ["type", "properties", "items", "required", "$ref", "schema", "name", "parameters", "nullable", "enum", "anyOf",
     "$defs", "definitions", "id", "$id", "dependencies", "components", "schemas", "additionalItems", "propertys",
     "exclusiveMinimum", "minimum", "tools", "function", "$schema", "$anchor", "$dynamicRef", "a", "openapi", ""]
)  # fmt: skip
_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.floats(allow_nan=False, allow_infinity=False, width=16),
    st.sampled_from(["string", "object", "array", "STRING", "int", "#", "#/a", "#/$defs/a", "#x", "y"]),
)  # fmt: skip
ANYTHING = st.recursive(
    _VALUES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=4), max_leaves=25
)


@settings(max_examples=many(1500))
@given(ANYTHING)
@example({"nullable": None, "$defs": {"type": {}}})
def test_any_value_is_read_or_refused(value: Any) -> None:
    """Any JSON value is a schema, or is refused in one sentence; what was read means itself when it is read again."""
    text = json.dumps(value)
    said = ""
    try:
        found = read_text(text, "The schema")
        again = read(found.schema)
        assert json.loads(text) == value
        assert again.schema == found.schema
        assert all(note.kind == "unchecked" for note in again.notes)
        compiled(found.schema, "t")
    except Invalid as error:
        said = error.message
    assert not said or said.endswith(".")


def test_known_schemas_are_read_alike() -> None:
    """What comes again with each request is read once, and as the first time."""
    known = KnownSchemas()
    envelope = {"name": "Tkt", "schema": TICKET}
    assert known.read(envelope) is known.read(dict(envelope))
    known.read(TICKET)
    assert known.read(TICKET).schema is TICKET
    with pytest.raises(Invalid):
        known.read({"propertys": {}})


def test_what_is_too_large_is_refused_before_it_is_looked_at() -> None:
    """A node of very many words is counted before any of them is compared with the keywords."""
    with pytest.raises(Invalid, match="has over 5000 values"):
        read({"type": "object", **{f"word {n}": n for n in range(60_000)}})


def test_what_holds_a_schema_and_asks_for_nothing_is_refused() -> None:
    """What would be taken for an envelope when it is read again is refused at once."""
    with pytest.raises(Invalid, match="asks for nothing itself"):
        read({"schema": {}, "exclusiveMinimum": False})
