"""What frameworks send that this project does not install, replayed: ``recorded_requests.json`` has its shape.

Recorded of pydantic-ai 2.31 (of its Anthropic models 2.68), LangChain (langchain-openai and langchain-anthropic 1.7),
LlamaIndex and Vercel's AI SDK 6, each asked for one small object; their own sentences are left out. ``others.py`` runs
two of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2

from tests.doors import answers as said
from tests.doors.answers import Answer
from tests.doors.compared import Clients, Program
from tests.doors.openai_programs import ANN
from tests.wire.scripted import Scripted

RECORDED: Sequence[Mapping[str, Any]] = json.loads(
    Path(__file__).with_name("recorded_requests.json").read_text(encoding="utf-8")
)
_INVALID = '{"name":"Ann"}'


def _replayed(requests: Sequence[Mapping[str, Any]]) -> Any:
    """Send *requests* one after another, and see all of each answer that is the same every time."""

    def run(clients: Clients) -> None:
        with httpx2.Client(timeout=30) as http:
            for one in requests:
                is_anthropic = one["path"].startswith("/v1/messages")
                url = clients.anthropic_url + one["path"] if is_anthropic else clients.openai_url + one["path"][3:]
                key = {"x-api-key": clients.key} if is_anthropic else {"authorization": f"Bearer {clients.key}"}
                content = json.dumps(one["body"], ensure_ascii=False, separators=(",", ":")).encode()
                answer = http.post(url, content=content, headers=one["headers"] | key)
                media = answer.headers["content-type"].partition(";")[0]
                clients.seen.append([answer.status_code, media, answer.text])

    return run


def _answer(text: str) -> Answer:
    """Return the answer with *text* that whoever asks looks for: a call of its tool, or the text itself."""

    def made(body: Mapping[str, Any]) -> Scripted:
        tool = (body.get("tools") or [None])[0]
        name = "" if tool is None else tool.get("name") or tool["function"]["name"]
        if "input" in body:
            answer = said.response(calls=[(name, text)]) if name else said.response(text)
        elif body["model"].startswith("claude"):
            used = said.message_tools((name, json.loads(text)))
            answer = used if name else said.message(said.text_block(text))
        else:
            answer = said.chat_tools((name, text)) if name else said.chat(text)
        return answer(body)

    return made


PROGRAMS: Sequence[Program] = [
    Program(
        f"recorded {one['case']}",
        _replayed(one["requests"]),
        [*[_answer(_INVALID)] * (len(one["requests"]) - 1), _answer(ANN)],
    )
    for one in RECORDED
]
