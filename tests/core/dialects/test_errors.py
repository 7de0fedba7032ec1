"""Our errors in each dialect: what the vendors' own SDKs raise for them, and when they ask again."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import openai
import pytest

from core.dialects import DIALECTS, DialectName
from tests.core.dialects.clients import Served

SDKS: dict[DialectName, Any] = {
    DialectName.CHAT: openai,
    DialectName.RESPONSES: openai,
    DialectName.MESSAGES: anthropic,
}
# status, code, whether asking again helps, after how long: the class, and how often the SDK asks when it may once more
CASES = [
    (422, "invalid", False, None, "BadRequestError", 1),
    (400, "guardrail_blocked", False, None, "BadRequestError", 1),
    (401, "unauthenticated", False, None, "AuthenticationError", 1),
    (402, "budget_exceeded", False, 90_000, "APIStatusError", 1),
    (402, "budget_held", True, 0.01, "APIStatusError", 2),
    (403, "feature_disabled", False, None, "PermissionDeniedError", 1),
    (404, "not_found", False, None, "NotFoundError", 1),
    (408, "too_slow", True, 0.01, "APIStatusError", 2),
    (409, "conflict", False, None, "ConflictError", 1),
    (409, "conflict", True, 0.01, "ConflictError", 2),
    (413, "too_large", False, None, "APIStatusError", 1),
    (429, "rate_limited", True, 86_400, "RateLimitError", 1),
    (429, "rate_limited", True, 61, "RateLimitError", 1),
    (429, "rate_limited", True, 0.01, "RateLimitError", 2),
    (429, "too_many_wrong_keys", False, 30, "RateLimitError", 1),
    (500, "internal_error", False, None, "InternalServerError", 1),
    (502, "exhausted", False, None, "InternalServerError", 1),
    (503, "overloaded", True, 0.01, "InternalServerError", 2),
    (504, "exhausted", False, None, "InternalServerError", 1),
]


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}-{case[1]}-{case[2]}-{case[3]}")
def test_the_sdk_raises_the_class_of_an_error_and_asks_again_only_where_that_helps(
    dialect: DialectName, case: tuple[int, str, bool, float | None, str, int]
) -> None:
    """Each of our errors, over the wire and through the SDK: its class, sentence, code and request id."""
    status, code, retry, wait, raised, calls = case
    refusal = DIALECTS[dialect].refusal(
        status, code, "No.", param="model", request_id="r1", retry=retry, wait_seconds=wait
    )
    served = Served.refusing(refusal)
    with pytest.raises(SDKS[dialect].APIStatusError, match=r"No\.") as told:
        served.ask(dialect, max_retries=1)

    error = told.value
    assert isinstance(error, getattr(SDKS[dialect], raised))
    assert error.request_id == "r1"
    assert error.status_code == (400 if status == 422 else status)
    assert len(served.calls) == calls
    body = json.loads(refusal.body)
    if dialect is DialectName.MESSAGES:
        assert body["error"]["details"] == {"error_code": code}
        assert (body["type"], body["request_id"]) == ("error", "r1")
    else:
        assert isinstance(error.code, str)
        assert error.param == "model"


@pytest.mark.parametrize(
    ("dialect", "error"),
    [
        (
            DialectName.CHAT,
            {"message": "?", "type": "invalid_request_error", "param": "model", "code": "model_not_found"},
        ),
        (
            DialectName.RESPONSES,
            {"message": "?", "type": "invalid_request_error", "param": "model", "code": "model_not_found"},
        ),
        (DialectName.MESSAGES, {"type": "not_found_error", "message": "?", "details": {"error_code": "not_found"}}),
    ],
)
def test_an_unknown_model_is_told_as_the_vendor_tells_it(dialect: DialectName, error: dict[str, Any]) -> None:
    """Programs look for these words, in these places."""
    refusal = DIALECTS[dialect].refusal(404, "not_found", "?", param="model", request_id="r1")
    assert json.loads(refusal.body)["error"] == error


def test_every_kind_of_error_is_one_that_anthropic_has() -> None:
    """Typed clients know a closed list."""
    from typing import get_args

    from anthropic.types.shared.error_type import ErrorType

    for status in range(400, 600):
        body = json.loads(DIALECTS[DialectName.MESSAGES].refusal(status, "x", "No.", request_id="r").body)
        assert body["error"]["type"] in get_args(ErrorType)


OPENAIS = (DialectName.CHAT, DialectName.RESPONSES)


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize(
    ("status", "body", "says"),
    [
        (
            400,
            b'[{"error":{"code":400,"message":"A part is missing.","status":"INVALID_ARGUMENT"}}]',
            "A part is missing",
        ),
        (400, b'{"object":"error","message":"Bad role.","type":"invalid","code":"3280"}', "Bad role"),
        (403, b'{"message":"Not authorized."}', "Not authorized"),
        (400, b'{"error":"No such model."}', "No such model"),
        (422, b'{"detail":[{"loc":["body","n"],"msg":"too many"}]}', "body.n: too many"),
        (404, b'{"detail":"Nothing here."}', "Nothing here"),
        (502, b"<html>Bad gateway of s3cret</html>", "status 502"),
        (500, b"", "status 500"),
        (500, b"[]", "status 500"),
    ],
)
def test_an_error_of_another_shape_is_told_in_the_dialects(
    dialect: DialectName, status: int, body: bytes, says: str
) -> None:
    """The SDK finds the sentence; a page that some server between wrote is not repeated."""
    told = DIALECTS[dialect].vendor_error(status, body)
    served = Served(status, {"content-type": "application/json", "x-should-retry": "false"}, told)
    with pytest.raises(SDKS[dialect].APIStatusError) as raised:
        served.ask(dialect)
    assert says in raised.value.message
    assert "s3cret" not in raised.value.message
    assert DIALECTS[dialect].vendor_error(status, told) == told
    if dialect in OPENAIS:
        assert raised.value.code is None or isinstance(raised.value.code, str)


def test_an_error_in_its_own_shape_passes_byte_for_byte() -> None:
    """Also what only that vendor has in it, by which its SDK picks a class."""
    chat = b'{ "error": {"message":"m", "type":"t","param":null,"code":429,"innererror":{"x":1.0}} }'
    messages = (
        b'{"type":"error", "error":{"type":"rate_limit_error","message":"m",'
        b'"details":{"error_code":"ramp_limit_exceeded"}},"request_id":"req_9"}'
    )
    for dialect in OPENAIS:
        assert DIALECTS[dialect].vendor_error(429, chat) == chat
    assert DIALECTS[DialectName.MESSAGES].vendor_error(429, messages) == messages
    served = Served(429, {"content-type": "application/json", "request-id": "req_9"}, messages)
    with pytest.raises(anthropic.RateLimitError) as raised:
        served.ask(DialectName.MESSAGES, max_retries=0)
    assert type(raised.value).__name__ == "RampLimitExceededError"
    assert raised.value.request_id == "req_9"


BEGUN = {
    DialectName.CHAT: b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":"half"},"finish_reason":null}]}\n\n',
    DialectName.RESPONSES: b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",'
    b'"sequence_number":3,"output_index":0,"content_index":0,"item_id":"i","logprobs":[],"delta":"half"}\n\n',
    DialectName.MESSAGES: b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,'
    b'"delta":{"type":"text_delta","text":"half"}}\n\n',
}


@pytest.mark.parametrize("dialect", list(DIALECTS))
@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_the_sdk_raises_what_a_broken_stream_is_told(dialect: DialectName, status: int) -> None:
    """What came is read; then the reader learns that it failed, instead of taking a half for the whole."""
    wire = DIALECTS[dialect]
    frames = wire.frames()
    frames.feed(BEGUN[dialect])
    assert not frames.has_ended
    failing = frames.failing(status, "broken_stream", "The answer broke off.")
    stream = Served.streaming([BEGUN[dialect], wire.keep_alive, failing]).ask(dialect, stream=True)
    got: list[Any] = []
    with pytest.raises(SDKS[dialect].APIError, match="broke off"):
        got.extend(stream)
    assert len(got) == 1
    frames.feed(failing)
    assert frames.has_ended
    assert frames.error is not None


def test_an_error_in_a_stream_of_responses_goes_on_with_the_count_and_has_both_forms() -> None:
    """Strict clients want a number that follows; who reads events himself looks beside the object ``error``."""
    frames = DIALECTS[DialectName.RESPONSES].frames()
    frames.feed(BEGUN[DialectName.RESPONSES])
    event = json.loads(frames.failing(502, "broken_stream", "It broke off.").split(b"data: ")[1])
    assert (event["type"], event["sequence_number"]) == ("error", 4)
    assert (event["code"], event["message"], event["param"]) == ("broken_stream", "It broke off.", None)
    assert (event["error"]["code"], event["error"]["message"]) == ("broken_stream", "It broke off.")


@pytest.mark.parametrize("dialect", list(DIALECTS))
def test_the_sdk_reads_over_keep_alives(dialect: DialectName) -> None:
    """Also behind events that have an id, where a comment with an empty line would break OpenAI's."""
    keep = DIALECTS[dialect].keep_alive
    named = b"id: 1\n" + BEGUN[dialect]
    stream = Served.streaming([named, keep, keep, named, keep]).ask(dialect, stream=True)
    assert len(list(stream)) == 2
