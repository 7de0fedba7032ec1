"""What guardrails write anew: the texts in which they found something, and no number with them."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attempts._translations import TranslatedExchange, translated_request
from core.clock import SystemClock
from core.dialects import DIALECTS, DialectName, VendorResponse
from core.guardrails import Guardrails, Stage
from core.json_texts import exactly_written
from core.screened_places import body_as_allowed

SECRET = "sk-proj-Zx81kPq0Lm3nVb7cXz92AsDfGh45"
GUARDRAILS = Guardrails()
NUMBERS = (
    *("1e400", "-1e400", "1E5", "0.10", "-0", "-0.0", "0.12345678901234567890123", "1e-400"),
    *("9" * 40, "-" + "9" * 19),
)
numbers = st.sampled_from(NUMBERS) | st.integers().map(str) | st.floats(allow_nan=False, allow_infinity=False).map(repr)
texts = st.sampled_from([json.dumps(SECRET), '"plain"', r'"\u00e9\n"', "null", "true"])
values = st.recursive(
    numbers | texts,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda some: f"[{','.join(some)}]")
        | st.dictionaries(st.sampled_from("abcdef"), inner, max_size=3).map(
            lambda some: "{" + ", ".join(f'"{name}": {value}' for name, value in some.items()) + "}"
        )
    ),
    max_leaves=8,
)


def exact(text: bytes | str) -> Any:
    """Return JSON with each number as it is, however large."""
    return json.loads(text, parse_float=Decimal, parse_int=Decimal)


def redacted(value: Any) -> Any:
    """Return *value* as it may go on."""
    if isinstance(value, dict):
        return {name: redacted(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [redacted(inner) for inner in value]
    return GUARDRAILS.screened(value) if isinstance(value, str) else value


@given(values)
def test_an_answer_is_the_same_but_for_its_texts(text: str) -> None:
    """Byte for byte where nothing was found; else each number is equal, whatever its size."""
    found: list[Any] = []
    screened = body_as_allowed(GUARDRAILS, None, text.encode(), found)
    assert exact(screened) == redacted(exact(text))
    assert found or screened == text.encode()
    assert SECRET.encode() not in screened


@pytest.mark.parametrize("dialect", DialectName)
@given(given=st.dictionaries(st.sampled_from("abc"), values, max_size=3), says_secret=st.booleans())
def test_a_request_is_the_same_but_for_its_texts(
    dialect: DialectName, given: dict[str, str], *, says_secret: bool
) -> None:
    """Arguments of a call that hold something are written anew; their numbers, and all around them, stay."""
    arguments = "{" + ", ".join(f'"{name}":{value}' for name, value in given.items()) + "}"
    body = _asking(dialect, arguments, SECRET if says_secret else "x")
    asked = DIALECTS[dialect].read(body)
    messages = GUARDRAILS.screen_messages(asked.messages, Stage.INPUT, [])
    sent = asked.patched(model="m", asks_usage=False, texts=messages)
    assert _read(dialect, sent) == redacted(_read(dialect, body))
    assert SECRET.encode() not in sent
    if all(new is old for new, old in zip(messages, asked.messages, strict=True)):
        assert sent == body


def _asking(dialect: DialectName, arguments: str, said: str) -> bytes:
    text, quoted = json.dumps(said), json.dumps(arguments)
    match dialect:
        case DialectName.CHAT:
            call = f'{{"id":"c","type":"function","function":{{"name":"f","arguments":{quoted}}}}}'
            turns = f'{{"role":"user","content":{text}}},{{"role":"assistant","tool_calls":[{call}]}}'
            return f'{{"model":"m","seed":1e400,"messages":[{turns}]}}'.encode()
        case DialectName.MESSAGES:
            use = f'{{"type":"tool_use","id":"c","name":"f","input":{arguments}}}'
            turns = f'{{"role":"user","content":{text}}},{{"role":"assistant","content":[{use}]}}'
            return f'{{"model":"m","max_tokens":9,"messages":[{turns}],"x":1e400}}'.encode()
        case DialectName.RESPONSES:
            call = f'{{"type":"function_call","call_id":"c","name":"f","arguments":{quoted}}}'
            return f'{{"model":"m","input":[{{"role":"user","content":{text}}},{call}],"x":0.10}}'.encode()


def _read(dialect: DialectName, body: bytes) -> Any:
    """Return a request with the arguments in it read too, which are a text in two dialects."""
    read = exact(body)
    match dialect:
        case DialectName.CHAT:
            call = read["messages"][1]["tool_calls"][0]["function"]
            call["arguments"] = exact(call["arguments"])
        case DialectName.RESPONSES:
            read["input"][1]["arguments"] = exact(read["input"][1]["arguments"])
        case DialectName.MESSAGES:
            pass
    return read


@given(numbers)
def test_a_translation_says_the_same_numbers(number: str) -> None:
    """In schemas, in what was called before, and in the answer: there, and on the way back."""
    arguments = f'{{"n":{number}}}'
    chat = DIALECTS[DialectName.CHAT].read(
        f'{{"model":"m","tools":[{{"type":"function","function":{{"name":"f","parameters":'
        f'{{"type":"object","properties":{{"n":{{"maximum":{number}}}}}}}}}}}],"messages":[{{"role":"user","content":"x"}},'
        f'{{"role":"assistant","tool_calls":[{{"id":"c","function":{{"name":"f","arguments":{json.dumps(arguments)}}}}}]}},'
        f'{{"role":"tool","tool_call_id":"c","content":"x"}}]}}'.encode()
    )
    made = translated_request(chat, chat.messages, ["messages"], max_tokens=9)
    sent = exact(made.request.body)
    assert sent["tools"][0]["input_schema"]["properties"]["n"]["maximum"] == Decimal(number)
    assert sent["messages"][1]["content"][0]["input"] == {"n": Decimal(number)}
    at = SystemClock().now()
    use = f'{{"type":"tool_use","id":"c","name":"f","input":{arguments}}}'
    told = f'{{"id":"i","model":"m","content":[{use}],"stop_reason":"tool_use","usage":{{"input_tokens":7}}}}'
    there = TranslatedExchange(_Unsent(), chat, made, at=at).whole(VendorResponse(200, {}, told.encode(), {}))
    answer = exact(there.body)
    assert exact(answer["choices"][0]["message"]["tool_calls"][0]["function"]["arguments"]) == {"n": Decimal(number)}
    assert answer["usage"]["prompt_tokens"] == 7
    asked = DIALECTS[DialectName.MESSAGES].read(made.request.body)
    back = translated_request(asked, asked.messages, ["chat"], max_tokens=9)
    again = exact(back.request.body)
    assert exact(again["messages"][1]["tool_calls"][0]["function"]["arguments"]) == {"n": Decimal(number)}
    answered = TranslatedExchange(_Unsent(), asked, back, at=at).whole(VendorResponse(200, {}, there.body, {}))
    assert exact(answered.body)["content"][0]["input"] == {"n": Decimal(number)}


class _Unsent:
    """An exchange that nobody sends."""

    mode, remark = "relay", ""


def test_half_of_a_character_is_written_as_the_sign_for_that() -> None:
    """Nothing in UTF-8 can hold it; what stands around it is kept."""
    assert exactly_written({"a": ["\ud800", 1]}) == '{"a":["\ufffd",1]}'.encode()
