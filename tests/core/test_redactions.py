"""What is redacted satisfies its schema all the same, or is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName, VendorResponse
from core.guardrails import Action, Guardrails, GuardrailTerms, Stage, guardrail_of
from core.redactions import Unfitting, fitting
from core.response_models import response_model
from core.screened_calls import fitted_answer
from tests.examples import many

GUARDRAILS = Guardrails(
    guardrail_of(GuardrailTerms(name, name, Action.REDACT, frozenset(Stage))) for name in ("personal", "secrets")
)
JANE, PHONE, KEY = "jane@example.org", "+4930901820", "ghp_a1B2c3D4e5F6g7H8i9J0k1L2m3N4o5P6q7R8"
FIELDS: dict[str, tuple[dict[str, Any], str, str]] = {
    "free": ({}, JANE, "[redacted: an e-mail address]"),
    "email": ({"format": "email"}, JANE, "redacted-1@example.invalid"),
    "idn": ({"format": "idn-email"}, "jürgen@müller.example", "redacted-1@example.invalid"),
    "phone": ({"pattern": "^\\+[1-9]\\d{6,14}$"}, PHONE, "+15550100001"),
    "iban": ({"pattern": "^[A-Z]{2}\\d{2}[A-Z0-9]{11,30}$"}, "DE89370400440532013000", "ZZ00REDACTED00001"),
    "ip": ({"format": "ipv4"}, "203.0.114.7", "192.0.2.1"),
    "url": ({"format": "uri"}, f"https://x.example/u?m={JANE}", "https://x.example/u?m=redacted-1@example.invalid"),
    "short": ({"maxLength": 10}, "a@b.exampl", "[redacted]"),
    "shorter": ({"maxLength": 7}, "a@b.com", "*******"),
    "long": (
        {"minLength": 40},
        f"Write to {JANE} for more help..",
        "Write to [redacted: an e-mail address] for more help..",
    ),
    "desk": ({"enum": ["sales@corp.example", "help@corp.example"]}, "help@corp.example", "help@corp.example"),
    "fixed": ({"const": JANE}, JANE, JANE),
}


def redacted(schema: dict[str, Any], value: Any) -> Any:
    """Return *value*, which satisfies *schema*, redacted."""
    model = response_model(schema, "answer")
    model.model_validate(value)
    allowed = fitting(value, GUARDRAILS.screen_value(value, Stage.OUTPUT, []), model)
    model.model_validate(allowed)
    return allowed


@pytest.mark.parametrize("name", FIELDS)
def test_a_redacted_text_has_its_format_pattern_and_length(name: str) -> None:
    """A mark where the schema takes one, else what says as little; what the schema lists stays."""
    rule, value, expected = FIELDS[name]
    schema = {"type": "object", "properties": {"it": {"type": "string", **rule}}, "required": ["it"]}
    assert redacted(schema, {"it": value}) == {"it": expected}
    listed = {"type": "array", "items": schema, "maxItems": 3}
    assert redacted(listed, [{"it": value}] * 2) == [{"it": expected}] * 2


def test_different_data_stay_different_where_the_schema_asks_for_it() -> None:
    """Equal texts become equal ones, others others."""
    schema = {"type": "array", "uniqueItems": True, "items": {"type": "string"}}
    found = redacted(schema, [JANE, "bob@example.org", "none"])
    assert len({*found}) == 3
    assert found[2] == "none"
    assert not any("@example.org" in one for one in found)


@pytest.mark.parametrize(
    ("rule", "value"),
    [({"enum": [KEY]}, KEY), ({"const": KEY}, KEY), ({"pattern": "^jane@.*g$"}, JANE), ({"pattern": "^ghp_"}, KEY)],
)
def test_what_cannot_be_redacted_and_stay_valid_is_refused(rule: dict[str, Any], value: str) -> None:
    """A secret is no choice, whoever listed it; the refusal says where and by which rule, and nothing of the text."""
    schema = {"type": "object", "properties": {"it": {"type": "string", **rule}}}
    with pytest.raises(Unfitting) as told:
        redacted(schema, {"it": value})
    assert told.value.problem.path == "$.it"
    assert value not in f"{told.value} {told.value.problem.path} {told.value.problem.type}"


def test_a_number_that_is_taken_out_leaves_0_or_nothing() -> None:
    """Where the schema takes 0 that stands there; where it does not, the refusal says where."""
    card, rule = 4111111111111111, {"type": "integer"}
    assert redacted({"type": "object", "properties": {"it": rule}}, {"it": card}) == {"it": 0}
    with pytest.raises(Unfitting) as told:
        redacted({"type": "object", "properties": {"it": rule | {"minimum": 10**15}}}, {"it": card})
    assert told.value.problem.path == "$.it"
    assert str(card) not in f"{told.value} {told.value.problem}"


TEXTS = st.sampled_from([JANE, PHONE, KEY, "plain", f"to {JANE} or {PHONE}", "DE89370400440532013000", ""])
RULES = st.sampled_from([rule for rule, _, _ in FIELDS.values()])


@st.composite
def answered(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """Draw a schema of objects and lists, and a value that satisfies it."""
    properties: dict[str, Any] = {}
    value: dict[str, Any] = {}
    for name in draw(st.lists(st.sampled_from("abcdef"), unique=True, max_size=5)):
        rule, text = {"type": "string", **draw(RULES)}, draw(TEXTS)
        if not _takes(rule, text):
            rule = {"type": "string"}
        if draw(st.booleans()):
            properties[name], value[name] = {"type": "array", "items": rule}, [text] * draw(st.integers(0, 3))
        else:
            properties[name], value[name] = rule, text
    return {"type": "object", "properties": properties, "required": list(value)}, value


def _takes(rule: dict[str, Any], text: str) -> bool:
    try:
        response_model({"type": "object", "properties": {"it": rule}}, "one").model_validate({"it": text})
    except ValueError:
        return False
    return True


@given(answered())
@settings(max_examples=many(300))
def test_redaction_leaves_a_valid_object_or_refuses(drawn: tuple[dict[str, Any], Any]) -> None:
    """For any schema and object: what goes on satisfies the schema and holds no datum that the schema does not list."""
    schema, value = drawn
    try:
        allowed = redacted(schema, value)
    except Unfitting:
        return
    assert KEY not in f"{allowed}"
    listed = f"{schema}"
    assert (JANE in listed) or (JANE not in f"{allowed}")
    assert PHONE not in f"{allowed}"


STRICT = {"type": "object", "properties": {"to": {"type": "string", "maxLength": 12}}, "required": ["to"]}
MARKED = {"to": "[redacted: an e-mail address]"}


def answers(dialect: DialectName, said: dict[str, Any]) -> tuple[dict[str, Any], Any]:
    """Return what a request asks for, and an answer that calls a tool with what is *said*, or says it."""
    match dialect:
        case DialectName.CHAT:
            asked: dict[str, Any] = {"messages": [{"role": "user", "content": "x"}]}
            asked["response_format"] = {"type": "json_schema", "json_schema": {"name": "a", "schema": STRICT}}
            return asked, {"choices": [{"index": 0, "message": {"content": json.dumps(said)}, "finish_reason": "stop"}]}
        case DialectName.MESSAGES:
            asked = {"max_tokens": 9, "messages": [{"role": "user", "content": "x"}]}
            asked["tools"] = [{"name": "send", "input_schema": STRICT}]
            return asked, {"content": [{"type": "tool_use", "id": "toolu_1", "name": "send", "input": said}]}
        case DialectName.RESPONSES:
            asked = {"input": "x", "tools": [{"type": "function", "name": "send", "parameters": STRICT}]}
            call = {"type": "function_call", "call_id": "call_1", "name": "send", "arguments": json.dumps(said)}
            return asked, {"status": "completed", "output": [call]}


@pytest.mark.parametrize("dialect", DialectName)
def test_an_answer_in_a_dialect_stays_valid(dialect: DialectName) -> None:
    """Where a mark is too long something shorter stands, in the place of the text or of the arguments."""
    asked, before = answers(dialect, {"to": "jane@acme.co", "n": 1.50})
    request = DIALECTS[dialect].read(json.dumps({"model": "m", **asked}).encode())
    after = answers(dialect, {**MARKED, "n": 1.50})[1]
    one, other = (VendorResponse(200, {}, json.dumps(body).encode(), body) for body in (before, after))
    made = fitted_answer(request, one, other)
    (said,) = request.dialect.answer_objects(made.value or {})
    found = json.loads(said.text)
    assert len(found["to"]) <= 12
    assert "jane" not in found["to"]
    assert found["n"] == 1.5
    assert json.loads(made.body) == made.value
