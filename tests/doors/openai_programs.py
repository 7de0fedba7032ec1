"""Programs that were written for OpenAI's SDK."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import openai
from pydantic import BaseModel

from tests.doors import answers as said
from tests.doors.compared import Clients, Program

ASKED: Any = {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "Ann is 7 years old."}]}
INPUT: Any = {"model": "gpt-4o-mini", "input": "Ann is 7 years old."}


class Person(BaseModel):
    """What the programs ask for."""

    name: str
    age: int


ANN = '{"name":"Ann","age":7}'
SCHEMA = {**Person.model_json_schema(), "additionalProperties": False}
TOOLS: Any = [
    {"type": "function", "function": {"name": name, "description": name, "parameters": SCHEMA}}
    for name in ("Person", "Other")
]
FLAT_TOOLS: Any = [{"type": "function", "name": "Person", "parameters": SCHEMA, "strict": True}]
FORMAT: Any = {"type": "json_schema", "json_schema": {"name": "Person", "schema": SCHEMA, "strict": True}}


def _chat(**more: Any) -> Any:
    return lambda clients: clients.openai().chat.completions.create(**ASKED, **more)


def _chat_stream(**more: Any) -> Any:
    def run(clients: Clients) -> None:
        clients.watch(clients.openai().chat.completions.create(**ASKED, **more, stream=True))

    return run


def _chat_events(**more: Any) -> Any:
    def run(clients: Clients) -> Any:
        with clients.openai().chat.completions.stream(**ASKED, **more) as events:
            clients.seen += [event.type for event in events]
            return events.get_final_completion()

    return run


def _parsed(clients: Clients) -> Any:
    return clients.openai().chat.completions.parse(**ASKED, response_format=Person).choices[0].message.parsed


def _tool_turns(clients: Clients) -> list[Any]:
    """Call a tool, answer it, and ask on: the loop of the SDK's own example."""
    client, messages = clients.openai(), list(ASKED["messages"])
    first = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS, tool_choice="auto")
    messages.append(first.choices[0].message)
    calls = first.choices[0].message.tool_calls or ()
    messages += [{"role": "tool", "tool_call_id": call.id, "content": '{"ok": true}'} for call in calls]
    return [first, client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=TOOLS)]


def _chat_async(clients: Clients) -> Any:
    async def work(client: openai.AsyncOpenAI) -> list[Any]:
        whole = await client.chat.completions.create(**ASKED)
        stream = await client.chat.completions.create(**ASKED, stream=True)
        return [whole, *[chunk async for chunk in stream]]

    return clients.openai_async(work)


def _chat_raw(clients: Clients) -> list[Any]:
    raw = clients.openai().chat.completions.with_raw_response.create(**ASKED)
    names = ("content-type", "x-request-id", "openai-version")
    return [raw.status_code, raw.request_id, {name: raw.headers.get(name) for name in names}, raw.text, raw.parse()]


def _chat_streaming_response(clients: Clients) -> list[Any]:
    with clients.openai().chat.completions.with_streaming_response.create(**ASKED, stream=True) as raw:
        return [raw.status_code, raw.headers.get("x-request-id"), list(raw.iter_lines())]


def _responses(**more: Any) -> Any:
    return lambda clients: clients.openai().responses.create(**INPUT, **more)


def _responses_stream(**more: Any) -> Any:
    def run(clients: Clients) -> None:
        clients.watch(clients.openai().responses.create(**INPUT, **more, stream=True))

    return run


def _responses_events(clients: Clients) -> Any:
    with clients.openai().responses.stream(**INPUT, text_format=Person) as events:
        clients.seen += [event.type for event in events]
        return events.get_final_response().output_parsed


def _responses_parsed(clients: Clients) -> Any:
    return clients.openai().responses.parse(**INPUT, text_format=Person).output_parsed


def _responses_async(clients: Clients) -> Any:
    async def work(client: openai.AsyncOpenAI) -> list[Any]:
        stream = await client.responses.create(**INPUT, stream=True)
        return [await client.responses.create(**INPUT), *[event async for event in stream]]

    return clients.openai_async(work)


def _responses_raw(clients: Clients) -> list[Any]:
    raw = clients.openai().responses.with_raw_response.create(**INPUT)
    return [raw.status_code, raw.request_id, raw.text]


_IMAGE = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42m"
    "Nk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
_PARTS: Any = [
    {"role": "developer", "content": "Be exact."},
    {
        "role": "user",
        "content": [{"type": "text", "text": "Who?"}, {"type": "image_url", "image_url": {"url": _IMAGE}}],
    },
]
_LOGPROBS: Any = {
    "logprobs": {
        "content": [{"token": "Hi", "logprob": -0.25, "bytes": [72, 105], "top_logprobs": []}],
        "refusal": None,
    }
}
_SPREAD: Any = {
    "seed": 9007199254740993,
    "temperature": 0.10,
    "stop": ["\n\n", "§"],
    "logit_bias": {"50256": -100},
    "user": "u-1",
    "store": False,
    "service_tier": "default",
    "prompt_cache_key": "k",
    "safety_identifier": "s",
    "verbosity": "low",
    "extra_body": {"x_new_field": {"b": 1, "a": None}},
}

PROGRAMS: Sequence[Program] = (
    Program("openai chat/whole", _chat(), [said.chat("Hi.")]),
    Program("openai chat/a limit", _chat(max_completion_tokens=50), [said.chat("Hi.")]),
    Program("openai chat/every parameter, and unknown ones", _chat(**_SPREAD), [said.chat("Hi.")]),
    Program(
        "openai chat/parts",
        lambda c: c.openai().chat.completions.create(model="gpt-4o-mini", messages=_PARTS),
        [said.chat("A dot.")],
    ),
    Program("openai chat/stream", _chat_stream(), [said.chat("Hi, I am here: é, 你.")]),
    Program("openai chat/stream with usage", _chat_stream(stream_options={"include_usage": True}), [said.chat("Hi.")]),
    Program(
        "openai chat/stream without usage, as it says",
        _chat_stream(stream_options={"include_usage": False, "include_obfuscation": False}),
        [said.chat("Hi.")],
    ),
    Program(
        "openai chat/stream of tools", _chat_stream(tools=TOOLS), [said.chat_tools(("Person", ANN), ("Other", ANN))]
    ),
    Program("openai chat/stream of choices", _chat_stream(n=2), [said.chat("Hi.", "Hello.")]),
    Program("openai chat/.stream()", _chat_events(), [said.chat("Hi.")]),
    Program("openai chat/.stream() of a model", _chat_events(response_format=Person), [said.chat(ANN)]),
    Program("openai chat/parse", _parsed, [said.chat(ANN)]),
    Program("openai chat/parse of what is invalid", _parsed, [said.chat('{"name":"Ann"}')]),
    Program("openai chat/parse of what is cut", _parsed, [said.chat('{"name":"A', finish="length")]),
    Program("openai chat/json_schema", _chat(response_format=FORMAT), [said.chat(ANN)]),
    Program("openai chat/json_object", _chat(response_format={"type": "json_object"}), [said.chat(ANN)]),
    Program(
        "openai chat/tools",
        _chat(tools=TOOLS, tool_choice={"type": "function", "function": {"name": "Person"}}),
        [said.chat_tools(("Person", ANN))],
    ),
    Program(
        "openai chat/parallel tools",
        _chat(tools=TOOLS, tool_choice="required", parallel_tool_calls=True),
        [said.chat_tools(("Person", ANN), ("Other", ANN))],
    ),
    Program("openai chat/tools and turns", _tool_turns, [said.chat_tools(("Person", ANN)), said.chat("Done.")]),
    Program("openai chat/choices", _chat(n=2), [said.chat("Hi.", "Hello.")]),
    Program("openai chat/logprobs", _chat(logprobs=True, top_logprobs=2), [said.chat("Hi", **_LOGPROBS)]),
    Program(
        "openai chat/refusal",
        _chat(response_format=FORMAT),
        [said.chat(None, message={"role": "assistant", "content": None, "refusal": "No."})],
    ),
    Program("openai chat/content filter", _chat(), [said.chat("H", finish="content_filter")]),
    Program("openai chat/async", _chat_async, [said.chat("Hi.")]),
    Program("openai chat/with_raw_response", _chat_raw, [said.chat("Hi.")]),
    Program("openai chat/with_streaming_response", _chat_streaming_response, [said.chat("Hi.")]),
    Program("openai responses/whole", _responses(), [said.response("Hi.")]),
    Program(
        "openai responses/instructions and a limit",
        _responses(instructions="Be exact.", max_output_tokens=99),
        [said.response("Hi.")],
    ),
    Program("openai responses/stream", _responses_stream(), [said.response("Hi, I am here.")]),
    Program("openai responses/.stream() of a model", _responses_events, [said.response(ANN)]),
    Program("openai responses/parse", _responses_parsed, [said.response(ANN)]),
    Program(
        "openai responses/tools",
        _responses(tools=FLAT_TOOLS, tool_choice="required"),
        [said.response(calls=[("Person", ANN)])],
    ),
    Program(
        "openai responses/stream of tools",
        _responses_stream(tools=FLAT_TOOLS),
        [said.response(calls=[("Person", ANN), ("Person", ANN)])],
    ),
    Program("openai responses/async", _responses_async, [said.response("Hi.")]),
    Program("openai responses/with_raw_response, nulls kept", _responses_raw, [said.response("Hi.")]),
)
