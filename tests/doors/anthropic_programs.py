"""Programs that were written for Anthropic's SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import anthropic

from tests.doors import answers as said
from tests.doors.compared import Clients, Program
from tests.doors.openai_programs import SCHEMA, Person

ASKED: Any = {
    "model": "claude-haiku-4-5",
    "max_tokens": 300,
    "messages": [{"role": "user", "content": "Ann is 7 years old."}],
}
TOOLS: Any = [{"name": name, "description": name, "input_schema": SCHEMA} for name in ("Person", "Other")]
ANN = {"name": "Ann", "age": 7}
_MARK = {"type": "ephemeral"}
_MARKED: Any = {
    "model": "claude-haiku-4-5",
    "max_tokens": 300,
    "system": [{"type": "text", "text": "S", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
    "tools": [TOOLS[0], {**TOOLS[1], "cache_control": _MARK}],
    "messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": _MARK}]}],
}
_THOUGHT: Any = [
    ASKED["messages"][0],
    {
        "role": "assistant",
        "content": [
            {"type": "thinking", "thinking": "", "signature": "EqQB=="},
            said.REDACTED,
            {"type": "text", "text": ""},
            {"type": "tool_use", "id": "toolu_1", "name": "Person", "input": {}},
        ],
    },
    {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "No.", "is_error": True}],
    },
]


def _whole(**more: Any) -> Any:
    return lambda clients: clients.anthropic().messages.create(**{**ASKED, **more})


def _stream(**more: Any) -> Any:
    def run(clients: Clients) -> None:
        clients.watch(clients.anthropic().messages.create(**{**ASKED, **more}, stream=True))

    return run


def _events(**more: Any) -> Any:
    def run(clients: Clients) -> Any:
        with clients.anthropic().messages.stream(**{**ASKED, **more}) as events:
            clients.seen += [event.type for event in events]
            return events.get_final_message()

    return run


def _parsed(clients: Clients) -> Any:
    return clients.anthropic().messages.parse(**ASKED, output_format=Person).parsed_output


def _async(clients: Clients) -> Any:
    async def work(client: anthropic.AsyncAnthropic) -> list[Any]:
        whole = await client.messages.create(**ASKED)
        async with client.messages.stream(**ASKED) as events:
            texts = [text async for text in events.text_stream]
        return [whole, texts]

    return clients.anthropic_async(work)


def _raw(clients: Clients) -> list[Any]:
    raw = clients.anthropic().messages.with_raw_response.create(**ASKED)
    names = ("content-type", "request-id")
    return [raw.status_code, {name: raw.headers.get(name) for name in names}, raw.text(), raw.parse()._request_id]


def _streaming_response(clients: Clients) -> list[Any]:
    with clients.anthropic().messages.with_streaming_response.create(**ASKED, stream=True) as raw:
        return [raw.status_code, raw.headers.get("request-id"), list(raw.iter_lines())]


def _beta(clients: Clients) -> Any:
    betas: Any = ["interleaved-thinking-2025-05-14", "context-management-2025-06-27"]
    return clients.anthropic().beta.messages.create(**ASKED, betas=betas)


_THINKING: Any = {"thinking": {"type": "enabled", "budget_tokens": 1024}, "max_tokens": 2048}
_SEARCHED = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}

PROGRAMS: Sequence[Program] = (
    Program("anthropic messages/whole", _whole(), [said.message(said.text_block("Hi."))]),
    Program(
        "anthropic messages/system, stops and metadata",
        _whole(system="S", stop_sequences=["§"], metadata={"user_id": "u-1"}),
        [said.message(said.text_block("Hi."), stop="stop_sequence")],
    ),
    Program("anthropic messages/stream", _stream(), [said.message(said.text_block("Hi, I am here: é, 你."))]),
    Program("anthropic messages/.stream()", _events(), [said.message(said.text_block("Hi."))]),
    Program("anthropic messages/parse", _parsed, [said.message(said.text_block('{"name":"Ann","age":7}'))]),
    Program(
        "anthropic messages/tools",
        _whole(tools=TOOLS, tool_choice={"type": "tool", "name": "Person"}),
        [said.message_tools(("Person", ANN))],
    ),
    Program(
        "anthropic messages/parallel tools",
        _whole(tools=TOOLS, tool_choice={"type": "any"}),
        [said.message_tools(("Person", ANN), ("Other", ANN))],
    ),
    Program(
        "anthropic messages/.stream() of tools",
        _events(tools=TOOLS),
        [said.message_tools(("Person", ANN), ("Other", ANN))],
    ),
    Program(
        "anthropic messages/thinking",
        _whole(**_THINKING),
        [said.message(said.THINKING, said.REDACTED, said.text_block("Hi."))],
    ),
    Program(
        "anthropic messages/.stream() of thinking",
        _events(**_THINKING),
        [said.message(said.THINKING, said.REDACTED, said.text_block("Hi."))],
    ),
    Program(
        "anthropic messages/thinking that is sent back",
        _whole(messages=_THOUGHT, tools=TOOLS),
        [said.message(said.text_block("Hi."))],
    ),
    Program(
        "anthropic messages/stream of blocks that are new",
        _stream(),
        [said.message(_SEARCHED, {"type": "brand_new", "x": 1}, said.text_block("Hi."))],
    ),
    Program(
        "anthropic messages/cache marks",
        lambda c: c.anthropic().messages.create(**_MARKED),
        [said.message(said.text_block("Hi."))],
    ),
    Program("anthropic messages/betas", _beta, [said.message(said.text_block("Hi."))]),
    Program("anthropic messages/refusal", _whole(), [said.message(stop="refusal")]),
    Program("anthropic messages/cut at the limit", _whole(), [said.message(said.text_block("Hi"), stop="max_tokens")]),
    Program("anthropic messages/async", _async, [said.message(said.text_block("Hi."))]),
    Program("anthropic messages/with_raw_response", _raw, [said.message(said.text_block("Hi."))]),
    Program("anthropic messages/with_streaming_response", _streaming_response, [said.message(said.text_block("Hi."))]),
)
