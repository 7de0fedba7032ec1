"""JSON Schema as a response model: what Instructor asks of it, and what comes back."""

from __future__ import annotations

import json
import threading
from typing import Any

import anthropic.types
import instructor
import pydantic
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from instructor import Mode
from instructor.v2 import Provider, mode_registry
from openai.types.chat import ChatCompletion

from core import response_models
from core.errors import Invalid
from core.response_models import ResponseModel, field_errors, partial, response_model, schema_hash
from tests.examples import many

INVOICE = {
    "type": "object",
    "title": "Invoice (EU)",
    "description": "An invoice.\n\n:param total: not to be read as documentation",
    "properties": {
        "number": {"type": "string", "minLength": 1},
        "total": {"type": "number"},
        "lines": {
            "type": "array",
            "items": {"type": "object", "properties": {"amount": {"type": "number"}}, "required": ["amount"]},
        },
        "note": {"type": ["string", "null"]},
    },
    "required": ["number", "total"],
    "additionalProperties": False,
}
GOOD = {"number": "A-1", "total": 12.5, "lines": [{"amount": 12.5}], "note": None}
LIST = {"type": "array", "items": {"type": "integer"}}


def test_valid_answer() -> None:
    """A valid answer comes back as the plain value, as a copy of it, and as text."""
    answer = response_model(INVOICE, "invoice").model_validate_json(json.dumps(GOOD, indent=2))
    assert answer.value == GOOD
    assert json.loads(answer.model_dump_json()) == GOOD
    copy = answer.model_dump()
    copy["lines"].clear()
    assert answer.value == GOOD


@pytest.mark.parametrize("text", [json.dumps(GOOD), json.dumps(GOOD).encode(), bytearray(json.dumps(GOOD).encode())])
@pytest.mark.parametrize("strict", [True, False, None])
def test_every_reading_is_the_same(text: str | bytes, *, strict: bool | None) -> None:
    """Text and bytes are read alike, and pydantic's options change nothing."""
    model = response_model(INVOICE, "invoice")
    answer = model.model_validate_json(text, strict=strict, context={"a": 1})
    assert answer.value == model.model_validate(GOOD, strict=strict).value == model(**GOOD).value
    assert answer == model.model_validate(answer)


def test_no_door_skips_validation() -> None:
    """Construction checks like every other door."""
    with pytest.raises(pydantic.ValidationError):
        response_model(INVOICE, "invoice")(number="", total=1)
    with pytest.raises(pydantic.ValidationError):
        pydantic.TypeAdapter(response_model(INVOICE, "invoice")).validate_python({"number": 5})


def test_invalid_answer() -> None:
    """An invalid answer raises pydantic's error with the place of every problem, and no value."""
    with pytest.raises(pydantic.ValidationError) as caught:
        response_model(INVOICE, "invoice").model_validate_json(
            '{"total": "lots", "lines": [{"amount": 1}, {}], "x": 1}'
        )
    assert {problem["loc"]: problem["type"] for problem in caught.value.errors()} == {
        ("number",): "missing",
        ("total",): "float_type",
        ("lines", 1, "amount"): "missing",
        ("x",): "extra_forbidden",
    }
    assert all(problem["input"] is None for problem in caught.value.errors())
    assert caught.value.title == "invoice"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "EOF while parsing a value"),
        ("Sorry, I cannot do that.", "expected value"),
        ('{"number": "A-1", "total": 1', "EOF while parsing an object"),
        ('{"number": "A-1", "total": NaN}', "expected value"),
        ('{"number": "A-1", "total": 1} and more', "trailing characters"),
        ("[" * 5_000 + "]" * 5_000, "recursion limit"),
    ],
    ids=lambda text: text[:30],
)
def test_broken_json(text: str, told: str) -> None:
    """An answer that is no JSON is an error of type json_invalid at the root, with where it broke."""
    with pytest.raises(pydantic.ValidationError, match=told) as caught:
        response_model(INVOICE, "invoice").model_validate_json(text)
    (problem,) = field_errors(caught.value)
    assert (problem.path, problem.type) == ("$", "json_invalid")


@pytest.mark.parametrize(
    ("text", "path", "kind"),
    [
        ('{"a": [1, 123456789012345678901234567890]}', "$.a[1]", "int_parsing_size"),
        ('{"a": {"b": 1e400}}', "$.a.b", "finite_number"),
        ('{"a": null, "b": -1e999}', "$.b", "finite_number"),
    ],
)
def test_numbers_that_cannot_be_kept(text: str, path: str, kind: str) -> None:
    """A number that no database or JSON reader keeps is refused even where the schema allows anything."""
    with pytest.raises(pydantic.ValidationError) as caught:
        response_model({"type": "object"}, "any").model_validate_json(text)
    (problem,) = field_errors(caught.value)
    assert (problem.path, problem.type) == (path, kind)


@pytest.mark.parametrize("value", [{"a": {1, 2}}, {1: "a"}, {"a": ...}, {"a": "\ud800"}, {"a": float("nan")}], ids=repr)
def test_python_values_that_are_no_json(value: Any) -> None:
    """A Python value that is no JSON is a validation error, never a crash."""
    with pytest.raises(pydantic.ValidationError):
        response_model({"type": "object"}, "any").model_validate(value)


def test_wrapped_root() -> None:
    """A schema whose root is no object is asked for as {"value": …} and gives the bare value."""
    model = response_model(LIST, "numbers")
    assert model.model_json_schema()["properties"] == {"value": {"items": {"type": "integer"}, "type": "array"}}
    for text in ('{"value": [1, 2]}', "[1, 2]"):
        assert model.model_validate_json(text).value == [1, 2]
        assert model.model_validate_json(text).model_dump_json() == "[1,2]"
    with pytest.raises(pydantic.ValidationError) as caught:
        model.model_validate_json('{"value": [1, "x"]}')
    assert field_errors(caught.value)[0].path == "$.value[1]"


@settings(max_examples=many(200), deadline=None)
@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers(-(2**63), 2**63 - 1)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(st.characters(exclude_categories=["Cs"])),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(exclude_categories=["Cs"])), inner),
        max_leaves=10,
    )
)
def test_values_survive(value: Any) -> None:
    """Any JSON value that the schema allows comes back unchanged, by either door."""
    model = response_model({"type": "object", "properties": {"any": {}}, "required": ["any"]}, "any")
    text = json.dumps({"any": value})
    assert model.model_validate_json(text).value == {"any": value}
    assert json.loads(model.model_validate({"any": value}).model_dump_json()) == {"any": value}


def test_same_schema_same_class() -> None:
    """Equal schemas under one name share one class; another name or content has its own."""
    model = response_model(INVOICE, "invoice")
    reordered = dict(reversed(INVOICE.items()))
    assert response_model(json.loads(json.dumps(INVOICE)), "invoice") is model
    assert response_model(reordered, "invoice") is model
    assert response_model(INVOICE, "bill") is not model
    assert response_model({**INVOICE, "description": "Another."}, "invoice") is not model
    assert model.schema_hash == schema_hash(INVOICE)


def test_class_does_not_follow_its_schema() -> None:
    """To change the dictionary after the class was made changes nothing in the class."""
    schema: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
    model = response_model(schema, "stable")
    schema["properties"]["a"]["type"] = "string"
    assert model.model_json_schema()["properties"] == {"a": {"type": "integer"}}
    copy = model.model_json_schema()
    copy["properties"].clear()
    assert model.model_json_schema()["properties"] == {"a": {"type": "integer"}}
    assert response_model(schema, "stable") is not model


def test_cache_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many schemas come by, the cache stands for a bounded amount of text, newest first."""
    monkeypatch.setattr(response_models, "MOST_CACHED_BYTES", 20_000)
    monkeypatch.setattr(response_models, "MOST_CACHED_HASHES", 10)

    def model(n: int) -> type[ResponseModel]:
        return response_model({"type": "object", "description": f"{n} {'x' * 1_000}"}, "bounded")

    models = [model(n) for n in range(40)]
    assert response_models._models_bytes <= 20_000
    assert sum(len(each.form.wire_text) for each in response_models._models.values()) == response_models._models_bytes
    assert model(39) is models[39]
    assert model(0) is not models[0]


def test_threads_share_one_class() -> None:
    """Threads that ask for the same new schema at once get the same class."""
    found: list[type[ResponseModel]] = []
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        found.append(response_model({"type": "object", "description": "asked by many"}, "shared"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_bad_schema_is_told() -> None:
    """A schema that cannot be used is refused in one sentence, each time it comes."""
    for _ in range(2):
        with pytest.raises(Invalid, match=r"\$\.type is no type"):
            response_model({"type": "objekt"}, "bad")


@pytest.mark.parametrize("schema", [{"default": float("nan")}, {"default": {1}}, {"default": 2**80}], ids=repr)
def test_schema_that_is_no_json_is_told(schema: dict[Any, Any]) -> None:
    """A schema that holds what JSON cannot say is refused."""
    with pytest.raises(Invalid, match=r"not JSON|64 bits"):
        response_model(schema, "bad")


def test_endless_schema_is_told() -> None:
    """A schema that contains itself, or nests without end, is refused before anything walks into it."""
    endless: dict[str, Any] = {"type": "object"}
    endless["properties"] = {"self": endless}
    with pytest.raises(Invalid, match="nests deeper than 40 levels"):
        response_model(endless, "endless")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("  ", None),
        ("no json", None),
        ("{", {}),
        ('{"num', {}),
        ('{"number": "A-', {"number": "A-"}),
        ('{"number": "A-1", "lines": [{"amount": 1', {"number": "A-1", "lines": [{"amount": 1}]}),
        ('{"number": "A-1", "lines": [{"amount": 12.5}]}', {"number": "A-1", "lines": [{"amount": 12.5}]}),
        ('{"a": tru', {}),
    ],
)
def test_partial(text: str, value: Any) -> None:
    """A streamed answer is shown as far as it goes, the last string cut where the stream is."""
    assert partial(text) == value


def test_partial_of_every_prefix() -> None:
    """Every prefix of an answer gives a value or nothing, and the last one gives it whole."""
    text = json.dumps({**GOOD, "note": 'a "quoted" \\ é 🙂'})
    for end in range(len(text)):
        assert isinstance(partial(text[:end]), dict | None)
    assert partial(text) == json.loads(text)


def test_partial_of_a_wrapped_root() -> None:
    """A wrapped answer is shown without its wrapping."""
    model = response_model(LIST, "numbers")
    assert [model.partial_value(text) for text in ("", "{", '{"value": [1, 2', "[1, 2")] == [None, None, [1, 2], [1, 2]]


def test_partial_without_what_json_cannot_carry() -> None:
    """While a streamed number is one that nobody could be sent, nothing is shown: the whole answer will be invalid."""
    model = response_model(INVOICE, "invoice")
    assert [model.partial_value(f'{{"total": {number}') for number in (2**64 - 1, 2**64, "1e999")] == [
        {"total": 2**64 - 1},
        None,
        None,
    ]


# ── Instructor ────────────────────────────────────────────────────────────────────────────────────────────────────────


def in_instructor(model: type[ResponseModel]) -> type[Any]:
    """Return *model* as a class that Instructor takes as its own."""
    return type(model.__name__, (model, instructor.ResponseSchema), {"__doc__": model.__doc__})


def openai_answer(text: str, *, as_tool: bool) -> ChatCompletion:
    """Return a completion that answers *text*."""
    call = {"id": "c", "type": "function", "function": {"name": "Invoice_EU", "arguments": text}}
    message = (
        {"role": "assistant", "content": None, "tool_calls": [call]}
        if as_tool
        else {"role": "assistant", "content": text}
    )
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return ChatCompletion.model_validate(
        {"id": "x", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}
    )


def anthropic_answer(text: str, *, as_tool: bool) -> anthropic.types.Message:
    """Return a message that answers *text*."""
    tool = {"type": "tool_use", "id": "c", "name": "Invoice_EU", "input": json.loads(text)}
    return anthropic.types.Message.model_validate(
        {
            "id": "x",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [tool if as_tool else {"type": "text", "text": text}],
            "stop_reason": "tool_use" if as_tool else "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


DIALECTS = [
    (Provider.OPENAI, Mode.TOOLS),
    (Provider.OPENAI, Mode.JSON_SCHEMA),
    (Provider.OPENAI, Mode.JSON),
    (Provider.ANTHROPIC, Mode.TOOLS),
    (Provider.ANTHROPIC, Mode.JSON),
]


@pytest.mark.parametrize(("provider", "mode"), DIALECTS, ids=str)
@pytest.mark.parametrize("schema", [INVOICE, LIST], ids=["object", "wrapped"])
def test_instructor_sends_the_wire_form(provider: Provider, mode: Mode, schema: dict[str, Any]) -> None:
    """Every dialect of Instructor sends the schema's wire form under the tool's name."""
    model = in_instructor(response_model(schema, "Invoice (EU)"))
    handlers = mode_registry.get_handlers(provider, mode)
    kwargs = {"messages": [{"role": "user", "content": "Read it."}], "model": "m"}
    _, prepared = handlers.request_handler(response_model=model, kwargs=kwargs)
    sent = json.dumps(prepared, default=str)
    wire = model.model_json_schema()
    assert wire["title"] == model.__name__ == "Invoice_EU"
    if mode is Mode.TOOLS:
        tool = prepared["tools"][0]
        tool = tool.get("function", tool)
        assert tool["name"] == "Invoice_EU"
        assert tool.get("parameters", tool.get("input_schema"))["properties"] == wire["properties"]
        assert "Invoice_EU" in json.dumps(prepared["tool_choice"])
    elif mode is Mode.JSON_SCHEMA:
        assert prepared["response_format"]["json_schema"] == {"name": "Invoice_EU", "schema": wire}
    else:
        assert all(name in sent for name in wire["properties"])


@pytest.mark.parametrize(("provider", "mode"), DIALECTS, ids=str)
@pytest.mark.parametrize("strict", [True, False])
def test_instructor_reads_answers(provider: Provider, mode: Mode, *, strict: bool) -> None:
    """Every dialect of Instructor reads a valid answer; an invalid one raises pydantic's error, fit for a re-ask."""
    model = in_instructor(response_model(INVOICE, "Invoice (EU)"))
    handlers = mode_registry.get_handlers(provider, mode)
    answered = openai_answer if provider is Provider.OPENAI else anthropic_answer

    def read(value: Any) -> Any:
        return handlers.response_parser(
            response=answered(json.dumps(value), as_tool=mode is Mode.TOOLS),
            response_model=model,
            validation_context=None,
            strict=strict,
            stream=False,
            is_async=False,
        )

    assert read(GOOD).value == GOOD
    with pytest.raises(pydantic.ValidationError) as caught:
        read({"number": "A-1", "total": "twelve"})
    kwargs = {"messages": [{"role": "user", "content": "Read it."}], "model": "m"}
    _, prepared = handlers.request_handler(response_model=model, kwargs=kwargs)
    answer = answered(json.dumps({"number": "A-1", "total": "twelve"}), as_tool=mode is Mode.TOOLS)
    again = handlers.reask_handler(kwargs=prepared, response=answer, exception=caught.value)
    added = json.dumps(again["messages"][len(kwargs["messages"]) :], default=str)
    assert "total" in added
    assert "Input should be a valid number [type=float_type]" in added
    assert "errors.pydantic.dev" not in added
