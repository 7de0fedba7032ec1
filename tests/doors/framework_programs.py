"""Programs that were written for pydantic-ai and LangChain, which this project does not need: see ``others.py``."""

from __future__ import annotations

import json
from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from tests.doors import answers as said
from tests.doors.compared import Clients, Program
from tests.doors.openai_programs import ANN, Person

_SAYS = "Ann is 7 years old."
_OFTEN = ("pydantic_ai", "langchain_openai", "langchain_anthropic")


def _agent(model: Any, output: str, *, streams: bool) -> Any:
    ai: Any = import_module("pydantic_ai")
    kinds = {"tool": Person, "native": ai.NativeOutput(Person), "prompted": ai.PromptedOutput(Person)}
    agent = ai.Agent(model, output_type=kinds[output], retries=2)

    async def run() -> Any:
        if not streams:
            return (await agent.run(_SAYS)).output
        async with agent.run_stream(_SAYS) as came:
            return [one async for one in came.stream_output(debounce_by=None)]

    return run()


def _pydantic_ai(vendor: str, kind: str, output: str = "tool", *, streams: bool = False) -> Any:
    """Ask with an agent; *kind* names pydantic-ai's class of models."""
    models: Any = import_module(f"pydantic_ai.models.{vendor}")
    providers: Any = import_module(f"pydantic_ai.providers.{vendor}")

    async def work(client: Any) -> Any:
        if vendor == "openai":
            model = getattr(models, kind)("gpt-4o-mini", provider=providers.OpenAIProvider(openai_client=client))
        else:
            provider = providers.AnthropicProvider(anthropic_client=client)
            model = getattr(models, kind)("claude-haiku-4-5", provider=provider)
        return await _agent(model, output, streams=streams)

    return lambda clients: (clients.openai_async if vendor == "openai" else clients.anthropic_async)(work)


def _langchain(vendor: str, method: str, *, streams: bool = False, **more: Any) -> Any:
    def run(clients: Clients) -> Any:
        if vendor == "openai":
            kind: Any = import_module("langchain_openai").ChatOpenAI
            at = {"model": "gpt-4o-mini", "base_url": clients.openai_url}
        else:
            kind = import_module("langchain_anthropic").ChatAnthropic
            at = {"model": "claude-haiku-4-5", "base_url": clients.anthropic_url, "max_tokens": 300}
        model = kind(api_key=clients.key, max_retries=0, **at, **more).with_structured_output(
            Person, method=method, include_raw=True
        )
        asked = f"{_SAYS} Answer in JSON."
        if streams:
            return [str(sorted(one)) for one in model.stream(asked)]
        return [model.invoke(asked)["parsed"], str(model.invoke(asked)["parsing_error"])]

    return run


def _all() -> Sequence[Program]:
    chat, used = said.chat(ANN), said.message_tools(("final_result", json.loads(ANN)))
    called = said.chat_tools(("final_result", ANN))
    wrong = said.chat_tools(("final_result", '{"name":"Ann"}'))
    worse = said.message_tools(("final_result", {"name": "Ann"}))
    answered = said.response(calls=[("final_result", ANN)])
    text = said.message(said.text_block(ANN))
    no = said.openai_no(400, "invalid_request_error", "invalid_value")
    ai, lc = "pydantic-ai", "langchain"
    chats, claude = ("openai", "OpenAIChatModel"), ("anthropic", "AnthropicModel")
    return [
        Program(f"{ai} openai/tool", _pydantic_ai(*chats), [called]),
        Program(f"{ai} openai/tool, asked again", _pydantic_ai(*chats), [wrong, called]),
        Program(f"{ai} openai/tool, never valid", _pydantic_ai(*chats), [wrong]),
        Program(f"{ai} openai/tool, streamed", _pydantic_ai(*chats, streams=True), [called]),
        Program(f"{ai} openai/native", _pydantic_ai(*chats, "native"), [chat]),
        Program(f"{ai} openai/native, asked again", _pydantic_ai(*chats, "native"), [said.chat('{"name":"A"}'), chat]),
        Program(f"{ai} openai/prompted", _pydantic_ai(*chats, "prompted"), [chat]),
        Program(f"{ai} openai/turned away", _pydantic_ai(*chats), [no]),
        Program(f"{ai} openai responses/tool", _pydantic_ai("openai", "OpenAIResponsesModel"), [answered]),
        Program(f"{ai} anthropic/tool", _pydantic_ai(*claude), [used]),
        Program(f"{ai} anthropic/tool, asked again", _pydantic_ai(*claude), [worse, used]),
        Program(f"{ai} anthropic/prompted", _pydantic_ai(*claude, "prompted"), [text]),
        Program(f"{lc} openai/json_schema", _langchain("openai", "json_schema"), [chat]),
        Program(f"{lc} openai/json_schema, streamed", _langchain("openai", "json_schema", streams=True), [chat]),
        Program(f"{lc} openai/json_schema, invalid", _langchain("openai", "json_schema"), [said.chat('{"name":"A"}')]),
        Program(
            f"{lc} openai/function_calling",
            _langchain("openai", "function_calling"),
            [said.chat_tools(("Person", ANN))],
        ),
        Program(f"{lc} openai/json_mode", _langchain("openai", "json_mode"), [chat]),
        Program(f"{lc} openai/turned away", _langchain("openai", "json_schema"), [no]),
        Program(
            f"{lc} openai responses/json_schema",
            _langchain("openai", "json_schema", use_responses_api=True),
            [said.response(ANN)],
        ),
        Program(
            f"{lc} anthropic/function_calling",
            _langchain("anthropic", "function_calling"),
            [said.message_tools(("Person", json.loads(ANN)))],
        ),
        Program(f"{lc} anthropic/json_schema", _langchain("anthropic", "json_schema"), [text]),
    ]


PROGRAMS: Sequence[Program] = _all() if all(map(find_spec, _OFTEN)) else ()
