"""What the SDKs make of vendors that are nearly OpenAI or Anthropic: odd bodies, fields, errors and headers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tests.doors import answers as said
from tests.doors.answers import Answer
from tests.doors.anthropic_programs import ASKED as MESSAGE
from tests.doors.compared import Clients, Program
from tests.doors.openai_programs import ANN, ASKED, TOOLS
from tests.wire.scripted import Scripted, events

RESHAPED = "Proctor tells an error of another shape as the dialect has it, so that the SDK finds its words"
NO_ANSWER = "the SDK hands on what is no answer; Proctor tells it as an error"


def _chat(settings: Mapping[str, Any] | None = None, **more: Any) -> Any:
    return lambda clients: clients.openai(**(settings or {})).chat.completions.create(**{**ASKED, **more})


def _message(**settings: Any) -> Any:
    return lambda clients: clients.anthropic(**settings).messages.create(**MESSAGE)


def _streamed(clients: Clients) -> None:
    clients.watch(clients.openai().chat.completions.create(**ASKED, stream=True))


def _raw(body: bytes, media: str = "application/json", status: int = 200, **headers: str) -> Answer:
    told = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _: Scripted(body, media, status, headers={"x-request-id": "req_vendor_1", **told})


_REASONED = said.whole(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {
                "index": 0,
                "finish_reason": "stop",
                "message": {"role": "assistant", "content": "x", "reasoning": "Here", "reasoning_content": "Here"},
            }
        ],
        "usage": {
            "prompt_tokens": 32,
            "completion_tokens": 9,
            "total_tokens": 135,
            "completion_tokens_details": {"reasoning_tokens": 94},
        },
    }
)
_FAILED_CALL = said.whole(
    {
        "error": {
            "message": "Failed to call a function.",
            "type": "invalid_request_error",
            "code": "tool_use_failed",
            "failed_generation": '{"name":"Ann","age":"x"}',
        }
    },
    400,
)
_REPEATED: Any = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "Person", "arguments": ""}},
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "Person", "arguments": '{"x":'}},
    {"index": 0, "id": "", "function": {"name": "", "arguments": "1}"}},
]


def _calls_streamed(deltas: Sequence[Any]) -> Answer:
    end = said.chat_deltas([None], finish="tool_calls")[-1]
    choices = [{"index": 0, "delta": {"tool_calls": [one]}, "finish_reason": None} for one in deltas]
    chunks = [{**end, "choices": [one]} for one in choices]
    return said.streamed(events(*chunks, end))


_WHOLE = (
    b'{"id":"c","object":"chat.completion","created":1,"model":"m","choices":[{"index":0,"finish_reason":"stop",'
    b'"message":{"role":"assistant","content":"Hi."}}],"big":123456789012345678901234567890}'
)
_LARGE = _WHOLE[:-1] + b',"x":1e400}'
_ORG: Any = {"organization": "org-old", "project": "proj-old", "default_headers": {"X-Client-Request-Id": "abc"}}
_UNHEARD: Any = {
    "extra_query": {"beta": "true", "include[]": ["a", "b c"], "é": "&"},
    "extra_headers": {"openai-unheard-of": "1", "anthropic-unheard-of": "2", "X-Forwarded-For": "192.0.2.1"},
}
"""What no SDK knows yet, beside the body."""
_AZURE = {"error": {"message": "The response was filtered.", "code": "content_filter", "innererror": {"code": "x"}}}

PROGRAMS: Sequence[Program] = (
    Program("odd/an organization in the environment", _chat(_ORG), [said.chat("Hi.")]),
    Program("odd/a query and headers that nobody knows", _chat(**_UNHEARD), [said.chat("Hi.")]),
    Program(
        "odd/responses, a query and headers that nobody knows",
        lambda clients: clients.openai().responses.create(model="gpt-4o-mini", input="Hi", **_UNHEARD),
        [said.response("Hi.")],
    ),
    Program(
        "odd/anthropic, a query and headers that nobody knows",
        lambda clients: clients.anthropic().messages.create(**MESSAGE, **_UNHEARD),
        [said.message(said.text_block("Hi."))],
    ),
    Program(
        "odd/anthropic, a beta's stream",
        lambda clients: clients.watch(clients.anthropic().beta.messages.create(**MESSAGE, betas=["x-1"], stream=True)),
        [said.message(said.text_block("Hi."))],
    ),
    Program("odd/blank lines before the body", _chat(), [_raw(b"\n\n\n" + _WHOLE)]),
    Program("odd/integers and figures that are too large for most", _chat(), [_raw(_LARGE)]),
    Program(
        "odd/figures that are too large for most, streamed",
        _streamed,
        [said.streamed(events(*said.chat_deltas(["Hi."])).replace(b'"index":0', b'"big":-1e400,"index":0'))],
    ),
    Program("odd/cookies", _chat(), [_raw(_WHOLE, set_cookie="__cf_bm=1; path=/", server="cloudflare")]),
    Program("odd/reasoning by other names, and not in the output's tokens", _chat(), [_REASONED]),
    Program("odd/a tool call that failed at the vendor", _chat(tools=TOOLS), [_FAILED_CALL]),
    Program("odd/calls with a repeated id", _streamed, [_calls_streamed(_REPEATED)]),
    Program(
        "odd/calls without an index",
        _streamed,
        [_calls_streamed([{k: v for k, v in one.items() if k != "index"} for one in _REPEATED])],
    ),
    Program("odd/no usage", _streamed, [said.streamed(events(*said.chat_deltas(["Hi."])))]),
    Program("odd/a filter's error", _chat(), [said.whole(_AZURE, 400)]),
    Program(
        "odd/a call where text was asked for",
        _chat(tools=TOOLS, tool_choice="none"),
        [said.chat_tools(("Person", ANN))],
    ),
    Program("odd/text where a call was asked for", _chat(tools=TOOLS, tool_choice="required"), [said.chat("No.")]),
    Program("odd/an empty body", _chat(), [_raw(b"")], {"error": NO_ANSWER}),
    Program(
        "odd/a web page",
        _chat(),
        [_raw(b"<p>Sign in", "text/html")],
        {"error": NO_ANSWER, "values": NO_ANSWER},
    ),
    Program("odd/half a body", _chat(), [_raw(_WHOLE[:50])], {"error": NO_ANSWER}),
    Program(
        "odd/an error with status 200",
        _chat(),
        [said.whole({"error": {"message": "No.", "code": 502}})],
        {"error": NO_ANSWER, "values": NO_ANSWER},
    ),
    Program(
        "odd/an error in a list",
        _chat(),
        [said.whole([{"error": {"code": 400, "message": "No.", "status": "INVALID_ARGUMENT"}}], 400)],
        {"error": RESHAPED},
    ),
    Program("odd/an error of a framework", _chat(), [said.whole({"detail": "No."}, 400)], {"error": RESHAPED}),
    Program("odd/a web page with status 400", _chat(), [_raw(b"<p>No.", "text/html", 400)], {"error": RESHAPED}),
    Program(
        "odd/anthropic, an error of a framework",
        _message(),
        [said.whole({"detail": "No."}, 400, request_id="req_vendor_1")],
        {"error": RESHAPED},
    ),
    Program(
        "odd/x-should-retry of the vendor's",
        _chat({"max_retries": 2}),
        [said.openai_no(503, "server_error", None, x_should_retry="false")],
    ),
)
