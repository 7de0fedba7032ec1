"""OpenAI's strict subset: what we send satisfies its rules, and what comes back satisfies the author's schema."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jsonschema_rs
import orjson
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from core.schema_forms import SchemaForm, form_for
from core.schemas import SAMPLES
from tests.core.schema_forms.rules import openai_strict
from tests.examples import many
from tests.wire.objects import valid_text

LEFT_OUT = {
    "title",
    "default",
    "allOf",
    "uniqueItems",
    "if",
    "then",
    "else",
    "not",
    "patternProperties",
    "oneOf",
    "const",
}
SAMPLE_SCHEMAS = {path.stem: orjson.loads(path.read_bytes())["schema"] for path in sorted(SAMPLES.glob("*.json"))}

LEAVES = st.sampled_from(
    [
        {"type": "string"},
        {"type": "string", "maxLength": 12, "title": "A title"},
        {"type": "integer", "minimum": 0},
        {"type": "boolean", "default": True},
        {"type": ["string", "null"]},
        {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
        {"enum": ["a", "b", None]},
        {"enum": ["a", "b"]},
        {"const": 7},
        {"$ref": "#/$defs/line"},
        {"oneOf": [{"type": "string"}, {"type": "integer"}]},
        {"anyOf": [{"$ref": "#/$defs/line"}, {"type": "null"}]},
        {"anyOf": [{"type": "array", "items": {"$ref": "#/$defs/line"}}, {"type": "null"}]},
        {
            "oneOf": [
                {"type": "object", "properties": {"m": {"type": "string"}, "k": {"const": 1}}, "required": ["k"]},
                {"type": "object", "properties": {"m": {"type": "string"}, "k": {"const": 2}}, "required": ["k"]},
                {"type": "object", "properties": {"o": {"type": "string"}, "p": {"const": 2}}, "required": ["p"]},
            ]
        },
        {"allOf": [{"$ref": "#/$defs/line"}]},
    ]
)


def objects(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return strategies for objects some of whose properties are optional."""

    def made(properties: dict[str, Any], required: list[bool], closed: object) -> dict[str, Any]:
        names = [name for name, is_required in zip(properties, required, strict=False) if is_required]
        schema: dict[str, Any] = {"type": "object", "properties": properties, "required": names}
        return schema if closed is ... else schema | {"additionalProperties": closed}

    names = st.sampled_from(["id", "items", "properties", "type", "anyOf", "note"])
    return st.builds(
        made,
        st.dictionaries(names, inner, max_size=4),
        st.lists(st.booleans(), min_size=4, max_size=4),
        st.sampled_from([..., False]),
    )


SCHEMAS = objects(
    st.recursive(
        LEAVES,
        lambda inner: st.one_of(
            objects(inner),
            inner.map(lambda part: {"type": "array", "items": part, "maxItems": 2, "uniqueItems": False}),
        ),
        max_leaves=6,
    )
).map(lambda schema: schema | {"$defs": {"line": {"type": "object", "properties": {"n": {"type": "integer"}}}}})


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield every subschema."""
    if isinstance(schema, list):
        for part in schema:
            yield from parts(part)
    if isinstance(schema, dict):
        yield schema
        for name, part in schema.items():
            below = part.values() if name in ("properties", "$defs") else [part] if name != "enum" else []
            for one in below:
                yield from parts(one)


def strict(schema: dict[str, Any]) -> SchemaForm:
    """Return *schema* as OpenAI enforces it."""
    return form_for(schema, "openai", "json_schema")


def judge(schema: dict[str, Any]) -> SchemaForm:
    """Return the strict form of *schema*, held to OpenAI's rules."""
    before = orjson.dumps(schema)
    form = strict(schema)
    assert orjson.dumps(schema) == before, "the author's schema is left alone"
    assert form.is_enforced
    assert not openai_strict(form.body)
    for part in parts(form.body):
        assert not LEFT_OUT & part.keys()
        assert "$ref" not in part or part.keys() == {"$ref"}
    jsonschema_rs.meta.validate(form.body)
    return form


@settings(max_examples=many(150), deadline=None)
@given(schema=SCHEMAS, data=st.data())
def test_there_and_back(schema: dict[str, Any], data: st.DataObject) -> None:
    """The strict form keeps OpenAI's rules; its answers, freed of the nulls that it forces, are valid.

    But for what is left out of it, such as the length of a text: that is for validation.
    """
    assume(strict(schema).is_enforced)
    form = judge(schema)
    answer = orjson.loads(valid_text(form.body))
    nulled = _with_nulls(answer, form.body, form.body, data)
    assert jsonschema_rs.is_valid(form.body, nulled)

    restored = orjson.loads(form.restored(orjson.dumps(nulled).decode()))

    assert form.left_out or jsonschema_rs.is_valid(schema, restored), (nulled, restored)


def _with_nulls(value: Any, schema: Any, root: Any, data: st.DataObject) -> Any:
    """Return *value* with some of what may be null made null."""
    while schema.keys() & {"$ref", "anyOf"}:
        if "$ref" in schema:
            schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
        else:
            schema = next(
                one for one in schema["anyOf"] if jsonschema_rs.is_valid(one | {"$defs": root.get("$defs", {})}, value)
            )
    if isinstance(value, dict):
        found: dict[str, Any] = {}
        for name, part in value.items():
            inner = schema["properties"][name]
            options = inner.get("anyOf", [inner])
            can_be_null = any("null" in str(one.get("type")) or None in one.get("enum", ()) for one in options)
            if can_be_null and data.draw(st.booleans()):
                found[name] = None
            else:
                found[name] = _with_nulls(part, inner, root, data)
        return found
    if isinstance(value, list) and "items" in schema:
        return [_with_nulls(part, schema["items"], root, data) for part in value]
    return value


@pytest.mark.parametrize("name", SAMPLE_SCHEMAS)
def test_the_samples(name: str) -> None:
    """Every sample schema has a strict form, and what satisfies that satisfies the sample."""
    schema = SAMPLE_SCHEMAS[name]
    form = judge(schema)
    answer = valid_text(form.body)

    assert jsonschema_rs.is_valid(schema, orjson.loads(form.restored(answer)))


OPTIONAL = {
    "type": "object",
    "properties": {
        "a": {"type": "string"},
        "b": {"type": ["string", "null"]},
        "c": {"$ref": "#/$defs/c~1d"},
        "rows": {"type": "array", "items": {"type": "object", "properties": {"x": {"type": "integer"}}}},
    },
    "$defs": {"c/d": {"type": "object", "properties": {"e": {"enum": [1, None]}, "f": {"type": "integer"}}}},
}


@pytest.mark.parametrize(
    ("answered", "meant"),
    [
        ('{"a":null,"b":null}', {"b": None}),
        ('{"c":{"e":null,"f":null}}', {"c": {"e": None}}),
        ('{"c":null}', {}),
        ('{"rows":[{"x":null},{"x":1},null]}', {"rows": [{}, {"x": 1}, None]}),
        ('{"z":null}', {"z": None}),
        ('{"a":"null"}', {"a": "null"}),
        ("[null]", [None]),
        ("null", None),
    ],
)
def test_only_the_nulls_that_we_asked_for_go(answered: str, meant: object) -> None:
    """A null that the author allows, or that stands where no property is known, stays."""
    assert orjson.loads(strict(OPTIONAL).restored(answered)) == meant


@pytest.mark.parametrize(
    "text",
    ['{"a":1}', "no null in prose", '{"a": nul', "", '{"null": 1', *("[" * n + "null" + "]" * n for n in (300, 1000))],
    ids=["no null", "prose", "cut", "empty", "cut after null", "deep", "deeper"],
)
def test_other_text_comes_back_as_it_was(text: str) -> None:
    """What holds no null, is no JSON, or nests too deep, is not touched: reading it is for validation."""
    assert strict(OPTIONAL).restored(text) == text


def test_alternatives_that_look_alike_are_told_apart() -> None:
    """By types and enums of members, else by which of them the answer satisfies, however deep the answer is."""

    def tree(op: Any) -> dict[str, Any]:
        properties = {"left": {"$ref": "#/$defs/E"}, "note": {"type": "string"}, "op": op}
        return {"type": "object", "properties": properties, "required": ["left", "op"], "additionalProperties": False}

    for ops in ([{"const": "add"}, {"const": "mul"}], [{"type": "string"}, {"type": "string", "maxLength": 3}]):
        kinds = {"E": {"anyOf": [*map(tree, ops), {"type": "number"}]}}
        schema = {
            "type": "object",
            "properties": {"e": {"$ref": "#/$defs/E"}},
            "required": ["e"],
            "additionalProperties": False,
            "$defs": kinds,
        }
        answered: Any = 1
        for number in range(100):
            answered = {"left": answered, "note": None, "op": ("add", "mul")[number % 2]}
        meant = strict(schema).restored(orjson.dumps({"e": answered}).decode())

        assert "note" not in meant
        assert meant.count('"op"') == 100


def _either(*shapes: dict[str, Any], **definitions: Any) -> dict[str, Any]:
    """Return a schema whose field is one of closed objects, each given by its properties."""
    objects = [
        {"type": "object", "properties": shape, "required": list(shape), "additionalProperties": False}
        for shape in shapes
    ]
    return {
        "type": "object",
        "properties": {"e": {"anyOf": [*objects, {"type": "null"}]}},
        "required": ["e"],
        "additionalProperties": False,
        "$defs": definitions,
    }


TEXT: dict[str, Any] = {"type": "string"}


@pytest.mark.parametrize(
    ("schema", "begin"),
    [
        (_either({"name": TEXT, "kind": {"const": "a"}}, {"name": TEXT, "kind": {"const": "b"}}), ["kind", "kind"]),
        (_either({"kind": {"const": "a"}, "x": TEXT}, {"kind": {"enum": ["b", "c"]}, "x": TEXT}), ["kind", "kind"]),
        (_either({"name": TEXT, "x": TEXT}, {"name": TEXT, "y": TEXT}), ["x", "name"]),
        (_either({"name": TEXT, "x": TEXT}, {"name": TEXT}), ["x", "name"]),
        (_either({"name": TEXT}, {"other": TEXT}), ["name", "other"]),
        (
            _either(
                {"n": TEXT, "k": {"$ref": "#/$defs/A"}}, {"n": TEXT, "k": {"$ref": "#/$defs/B"}},
                A={"enum": ["a"]}, B={"enum": ["b"]},
            ),
            ["k", "k"],
        ),
    ],
)  # fmt: skip
def test_alternatives_begin_with_what_tells_them_apart(schema: dict[str, Any], begin: list[str]) -> None:
    """OpenAI turns away objects of a choice that begin alike: a tag comes first, or a property of their own."""
    form = judge(schema)
    shapes = [one["properties"] for one in form.body["properties"]["e"]["anyOf"] if "properties" in one]
    assert [next(iter(shape)) for shape in shapes] == begin


def test_alternatives_that_cannot_be_told_apart_are_not_sent_strictly() -> None:
    """Where all of them have one property, and the same, the mode is relaxed and says why."""
    form = strict(_either({"a": TEXT}, {"a": {"type": "integer"}}))
    assert not form.is_enforced
    assert "begin with the same property" in form.relaxed
