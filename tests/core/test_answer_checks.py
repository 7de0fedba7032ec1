"""What is said of answers that pass a front door: whether they are what was asked for, in each dialect."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.answer_checks import AnswerCheck, check_answer
from core.dialects import DIALECTS, DialectName, RelayRequest
from core.tables import Outcome
from core.validation import Effort

USER = {"type": "object", "properties": {"name": {"type": "string"}, "age": {"type": "integer"}}, "required": ["age"]}
GOOD, BAD = '{"name":"Ann","age":7}', '{"name":"Ann","age":"x"}'


def request_body(dialect: DialectName, **asked: Any) -> dict[str, Any]:
    """Return a request: with a ``format``, with ``tools`` by their names, with what must be called (``must``)."""
    schema, tools, must = asked.get("format"), asked.get("tools", {}), asked.get("must")
    body: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "Ann is 7"}]}
    match dialect:
        case DialectName.CHAT:
            if schema is not None:
                told = {"name": "User", "schema": schema}
                body["response_format"] = {"type": "json_schema", "json_schema": told}
            body["tools"] = [
                {"type": "function", "function": {"name": name, "parameters": one}} for name, one in tools.items()
            ]
            named = {"type": "function", "function": {"name": must}}
        case DialectName.RESPONSES:
            body["input"] = body.pop("messages")
            if schema is not None:
                body["text"] = {"format": {"type": "json_schema", "name": "User", "schema": schema}}
            body["tools"] = [{"type": "function", "name": name, "parameters": one} for name, one in tools.items()]
            named = {"type": "function", "name": must}
        case DialectName.MESSAGES:
            if schema is not None:
                body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
            body["tools"] = [{"name": name, "input_schema": one} for name, one in tools.items()]
            named = {"type": "any"} if must == "" else {"type": "tool", "name": must}
    if must is not None:
        body["tool_choice"] = "required" if must == "" and dialect is not DialectName.MESSAGES else named
    return body


def answer_body(dialect: DialectName, text: str = "", *calls: tuple[str, str], end: str = "") -> dict[str, Any]:
    """Return an answer with this text and these calls; *end* is ``cut`` or ``refused`` where it did not end well."""
    match dialect:
        case DialectName.CHAT:
            reason = {"cut": "length", "refused": "content_filter"}.get(end, "stop")
            told = [{"id": "c", "function": {"name": name, "arguments": given}} for name, given in calls]
            return {"choices": [{"finish_reason": reason, "message": {"content": text or None, "tool_calls": told}}]}
        case DialectName.RESPONSES:
            parts = (
                [{"type": "refusal", "refusal": "No."}] if end == "refused" else [{"type": "output_text", "text": text}]
            )
            output: list[Any] = [{"type": "message", "content": parts}] if text or end == "refused" else []
            output += [{"type": "function_call", "name": name, "arguments": given} for name, given in calls]
            return {"output": output, "incomplete_details": {"reason": "max_output_tokens"} if end == "cut" else None}
        case DialectName.MESSAGES:
            reason = {"cut": "max_tokens", "refused": "refusal"}.get(end, "end_turn")
            blocks: list[Any] = [{"type": "text", "text": text}] if text else []
            blocks += [{"type": "tool_use", "name": name, "input": given} for name, given in calls]
            return {"content": blocks, "stop_reason": reason}


CASES: list[tuple[dict[str, Any], tuple[Any, ...], str, Outcome, list[str]]] = [
    ({}, ("Hello",), "", Outcome.UNCHECKED, []),
    ({"format": USER}, (GOOD,), "", Outcome.VALID_FIRST_TRY, []),
    ({"format": USER}, (BAD,), "", Outcome.INVALID, ["$.age"]),
    ({"format": USER}, ("no JSON",), "", Outcome.INVALID, ["$"]),
    ({"format": USER}, ("",), "", Outcome.INVALID, ["$"]),
    ({"format": USER}, ("No.",), "refused", Outcome.REFUSED, []),
    ({"format": USER}, ('{"name":"A',), "cut", Outcome.TRUNCATED, []),
    ({"tools": {"User": USER}}, ("Hello",), "", Outcome.UNCHECKED, []),
    ({"tools": {"User": USER}}, ("Hel",), "cut", Outcome.UNCHECKED, []),
    ({"tools": {"User": USER}}, ("", ("User", GOOD)), "", Outcome.VALID_FIRST_TRY, []),
    ({"tools": {"User": USER}}, ("So:", ("User", BAD)), "", Outcome.INVALID, ["$.age"]),
    ({"tools": {"User": USER}}, ("", ("User", GOOD), ("User", BAD)), "", Outcome.INVALID, ["$.age"]),
    ({"tools": {"User": USER}}, ("", ("User", '{"na')), "cut", Outcome.TRUNCATED, []),
    ({"tools": {"User": USER}}, ("", ("Other", "{}")), "", Outcome.UNCHECKED, []),
    ({"tools": {"now": {"type": "object"}}}, ("", ("now", "")), "", Outcome.VALID_FIRST_TRY, []),
    ({"tools": {"User": USER}, "must": ""}, ("Hello",), "", Outcome.INVALID, ["$"]),
    ({"tools": {"User": USER}, "must": ""}, ("", ("User", GOOD)), "", Outcome.VALID_FIRST_TRY, []),
    ({"tools": {"User": USER, "f": {}}, "must": "User"}, ("", ("f", "{}")), "", Outcome.INVALID, ["$"]),
    ({"tools": {"f": USER}, "format": {"type": "array"}}, ("", ("f", GOOD)), "", Outcome.VALID_FIRST_TRY, []),
]  # fmt: skip


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize(("asked", "answered", "end", "outcome", "paths"), CASES)
def test_what_was_asked_for_decides(
    dialect: DialectName,
    *,
    asked: dict[str, Any],
    answered: tuple[Any, ...],
    end: str,
    outcome: Outcome,
    paths: list[str],
) -> None:
    """A text is as good as a call where nothing had to be called; and the same holds in every dialect."""
    request = DIALECTS[dialect].read(json.dumps(request_body(dialect, **asked)).encode())
    check = checked(request, answer_body(dialect, *answered, end=end))
    assert check.outcome is outcome
    assert [one.path for one in check.problems] == paths
    assert bool(check.reason) is (outcome is Outcome.UNCHECKED)


def checked(request: RelayRequest, body: dict[str, Any]) -> AnswerCheck:
    """Return what is said of an answer."""
    return check_answer(request, request.dialect.answer_objects(body), request.dialect.ends(body), Effort())


def check(schema: Any, text: str) -> tuple[Outcome, list[str]]:
    """Return what is said of a text under a schema."""
    body = request_body(DialectName.CHAT, format=schema)
    request = DIALECTS[DialectName.CHAT].read(json.dumps(body).encode())
    found = checked(request, answer_body(DialectName.CHAT, text))
    return found.outcome, [one.path for one in found.problems]


@pytest.mark.parametrize(
    ("schema", "good", "bad"),
    [
        ({"type": "array", "items": {"type": "integer"}}, "[1]", '["x"]'),
        ({"anyOf": [{"type": "object", "required": ["value"]}, {"type": "null"}]}, '{"value":1}', '{"a":1}'),
        ({"type": "integer"}, "7", '{"value":7}'),
        ({"type": "integer"}, "7", '1,"x":2'),
        ({"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
          "properties": {"a": {"$ref": "#/definitions/n"}}, "definitions": {"n": {"type": "integer"}}},
         '{"a":1}', '{"a":"x"}'),
    ],
)  # fmt: skip
def test_any_root_is_checked_as_it_was_sent(schema: Any, good: str, bad: str) -> None:
    """What the caller's vendor was sent is the schema itself, whatever its root."""
    assert check(schema, good) == (Outcome.VALID_FIRST_TRY, [])
    assert check(schema, bad)[0] is Outcome.INVALID


def test_where_a_root_is_no_object_paths_begin_at_it() -> None:
    """They lead to what the model wrote, not through what we wrap it in."""
    assert check({"type": "array", "items": {"type": "integer"}}, '[1,"x"]') == (Outcome.INVALID, ["$[1]"])


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"$ref": "https://example.org/s.json"}}},
        {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}},
        {"type": "nonsense"},
        {"$ref": "file:///etc/passwd"},
        {"$ref": "#/nowhere"},
        [],
        "schema",
        {"type": "object", "properties": {"a": {"enum": [f"{n:06}" for n in range(120_000)]}}},
    ],
    ids=lambda schema: str(schema)[:40],
)
def test_a_schema_that_cannot_be_used_here_is_not_held_against_the_answer(schema: Any) -> None:
    """Whoever sent it and the vendor know what they mean by it; the record says that nobody looked."""
    assert check(schema, '{"a":1}') == (Outcome.UNCHECKED, [])


def test_formats_are_not_enforced_and_properties_of_that_name_are() -> None:
    """No vendor promises a format; a property may be called so."""
    schema = {"type": "object", "properties": {"format": {"type": "string", "format": "date"}}, "required": ["format"]}
    assert check(schema, '{"format":"tomorrow"}') == (Outcome.VALID_FIRST_TRY, [])
    assert check(schema, '{"format":7}') == (Outcome.INVALID, ["$.format"])


def test_of_several_choices_the_worst_is_told() -> None:
    """One valid choice of two does not make the answer valid."""
    body = request_body(DialectName.CHAT, format=USER)
    request = DIALECTS[DialectName.CHAT].read(json.dumps(body).encode())
    good, bad = (answer_body(DialectName.CHAT, text)["choices"] for text in (GOOD, BAD))
    assert checked(request, {"choices": [*good, *good]}).outcome is Outcome.VALID_FIRST_TRY
    assert checked(request, {"choices": [*good, *bad]}).outcome is Outcome.INVALID
