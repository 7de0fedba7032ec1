"""Values that only their member's name explains, and numbers that are no texts: found wherever an object is read."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.dialects import DIALECTS, DialectName
from core.errors import GuardrailBlocked
from core.growing_json import GrowingJson
from core.guardrails import ANSWER, Action, Finding, Guardrails, GuardrailTerms, Stage, guardrail_of, settings_text
from core.json_strings import JsonStrings
from core.screened_places import AnswerScreen, placed_screen
from tests.examples import many
from tests.patched import applied

CARD, SSN = 4111111111111111, "536904399"
SAID = "[redacted: a US social security number]"
OBJECT: dict[str, Any] = {
    "ssn": SSN,
    "of": {"ssn": f"{'long ago ' * 30}{SSN}"},
    "note": "SSN follows:",
    "next": SSN,
    "customerSsn": [SSN],
    "card": CARD,
    "phone": 15552345678,
    "order_id": 15552345678,
    "at_millis": 1748503543012,
    "version": "1.2.3.4",
    "n": 42,
    "long": 10**17 + 3,
    "at_last": -CARD,
}
LEFT: dict[str, Any] = OBJECT | {"ssn": SAID, "customerSsn": [SAID], "card": 0, "phone": 0, "at_last": 0}


def rule(action: Action = Action.REDACT) -> Guardrails:
    """Return what looks for personal data in answers and requests."""
    terms = GuardrailTerms("people", "personal", action, frozenset(Stage), settings_text({}))
    return Guardrails([guardrail_of(terms)])


def streamed(text: str, cuts: list[int]) -> list[str]:
    """Return what is shown of a JSON text that comes in pieces, after each."""
    on, shown = rule(), list[str]()
    strings = JsonStrings(on.screened_text, on.screened, on.screened, on.lets_stand)
    ends = [*sorted(cuts), len(text)]
    for begin, end in zip([0, *ends], ends, strict=False):
        strings.add(text[begin:end])
        shown.append(strings.news(is_last=end == len(text)))
    return shown


def test_a_whole_object() -> None:
    """The name of a member is a word before its value, numbers are looked at as digits, and all else is what it was."""
    findings: list[Finding] = []
    assert rule().screen_value(OBJECT, Stage.OUTPUT, findings, ANSWER) == LEFT
    assert {one.kind for one in findings} >= {"a card number", "a phone number", "a US social security number"}
    assert rule(Action.NOTE).screen_value(OBJECT, Stage.OUTPUT, findings, ANSWER) is OBJECT
    with pytest.raises(GuardrailBlocked):
        rule(Action.BLOCK).screen_value({"a": [CARD]}, Stage.OUTPUT, [], ANSWER)


@settings(max_examples=many(300), deadline=None)
@given(st.lists(st.integers(0, len(json.dumps(OBJECT))), max_size=30))
def test_while_it_is_written(cuts: list[int]) -> None:
    """However it is cut, no more is shown than of the whole, as text and as what has changed."""
    text = json.dumps(OBJECT)
    shown = streamed(text, cuts)
    whole = json.dumps(LEFT)
    assert "".join(shown) == whole
    assert all(whole.startswith("".join(shown[:count])) for count in range(len(shown)))
    on, value = rule(), None
    growing = GrowingJson(on.screened_text, "", on.screened, on.lets_stand)
    ends = [*sorted(cuts), len(text)]
    for begin, end in zip([0, *ends], ends, strict=False):
        growing.feed(text[begin:end])
        value = applied(value, growing.changes())
        assert str(CARD)[:9] not in json.dumps(value)
    assert value == LEFT


@pytest.mark.parametrize("name", list(DialectName))
def test_in_a_body_of_a_dialect(name: DialectName) -> None:
    """In the arguments of a tool, written as a text or as they are, and in an answer that is JSON."""
    screen = placed_screen(rule(), Stage.OUTPUT, [])
    texts: dict[DialectName, Any] = {
        DialectName.CHAT: {"choices": [{"message": {"tool_calls": [{"function": {"arguments": json.dumps(OBJECT)}}]}}]},
        DialectName.RESPONSES: {"output": [{"type": "function_call", "arguments": json.dumps(OBJECT)}]},
        DialectName.MESSAGES: {"content": [{"type": "tool_use", "input": OBJECT}]},
    }
    said: dict[DialectName, Any] = {
        DialectName.CHAT: {"choices": [{"message": {"content": json.dumps(OBJECT)}}]},
        DialectName.RESPONSES: {"output": [{"content": [{"type": "output_text", "text": json.dumps(OBJECT)}]}]},
        DialectName.MESSAGES: {"content": [{"type": "text", "text": json.dumps(OBJECT)}]},
    }
    for body in (texts[name], said[name]):
        left = DIALECTS[name].places.screened(body, screen, ANSWER, is_json=True)
        assert json.dumps(LEFT) in json.dumps(left).replace('\\"', '"')


def test_what_stands_in_no_field_is_looked_at_by_a_rule_for_one() -> None:
    """What leads to a text in the body of a dialect is a word before it, and no field of an answer."""
    given = settings_text({"only": ["$.summary"]})
    terms = GuardrailTerms("people", "personal", Action.REDACT, frozenset({Stage.OUTPUT}), given)
    screen = placed_screen(Guardrails([guardrail_of(terms)]), Stage.OUTPUT, [])
    said = {"role": "assistant", "refusal": f"No, SSN {SSN}.", f"SSN {SSN}": "x"}
    left = DIALECTS[DialectName.CHAT].places.screened({"choices": [{"message": said}]}, screen, ANSWER, is_json=True)
    assert SSN not in f"{left}"


def test_in_what_is_kept_of_an_invalid_answer() -> None:
    """Nobody gets it, and it is written down."""
    assert json.loads(AnswerScreen(rule()).kept(json.dumps(OBJECT))) == LEFT
