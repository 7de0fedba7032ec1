"""Words of a relayed request that a database or a page could stumble over, on PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import col, select
from starlette.testclient import TestClient

from core.settings import Settings
from core.tables import GenerationRow, Payload
from tests.core.api.conftest import CITY, House, api_settings
from tests.wire.server import WireServer

NUL = "a\x00b"
NAMES = [NUL, "c" * 10_000, "line\nline", "\u202etiac", ""]


@pytest.fixture
def settings(pg_database_url: str, wire: WireServer) -> Settings:
    """PostgreSQL takes no NUL in a text."""
    return api_settings(pg_database_url, wire)


def chat(name: str) -> tuple[str, dict[str, Any]]:
    """Return a chat completion that names its format and its tool so."""
    message = {"role": "user", "content": f"{NUL} [[ok]]"}
    told = {"type": "json_schema", "json_schema": {"name": name, "schema": CITY}}
    return "/v1/chat/completions", {"model": "gpt-4o-mini", "messages": [message], "response_format": told}


def tool(name: str) -> tuple[str, dict[str, Any]]:
    """Return a message that names its tool so."""
    messages = [{"role": "user", "content": f"{NUL} [[ok]]"}]
    tools = [{"name": name, "input_schema": CITY}]
    return "/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 99, "messages": messages, "tools": tools}


@pytest.mark.parametrize("ask", [chat, tool])
@pytest.mark.parametrize("name", NAMES, ids=["nul", "long", "lines", "direction", "empty"])
def test_names_of_formats_are_kept_as_plain_short_words(name: str, ask: Any, house: House, client: TestClient) -> None:
    """Whatever a format or a tool is called, the call is relayed and recorded once; nothing in its name is no word."""
    path, body = ask(name)
    answer = client.post(path, json=body)
    assert answer.status_code in (200, 400), answer.text
    with house.runtime.store.reading() as session:
        rows = session.exec(select(GenerationRow)).all()
        payloads = session.exec(select(Payload)).all()
    assert len(rows) == 1
    for row in rows:
        assert len(row.schema_name) <= 100
        assert row.schema_name.isprintable()
        assert payloads


def test_a_number_of_any_size_in_a_conversation_is_kept(house: House, client: TestClient) -> None:
    """Arguments of calls, and parts of a kind that is not known: what is paid for is on record, with every digit."""
    big = 2**64 + 3
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": f'{{"n": {big}}}'}}
    said = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c1", "content": "x"}]
    used = {"type": "tool_use", "id": "c1", "name": "f", "input": {"n": [big]}}
    told = [{"type": "tool_result", "tool_use_id": "c1", "content": "x"}, {"type": "strange", "n": big}]
    turns = [{"role": "assistant", "content": [used]}, {"role": "user", "content": told}]
    for ask, more in ((chat, said), (tool, turns)):
        path, body = ask("city")
        answer = client.post(path, json=body | {"messages": [*body["messages"], *more]})
        assert answer.status_code == 200, answer.text
    with house.runtime.store.reading() as session:
        kept = [f"{one.asked}" for one in session.exec(select(Payload).where(col(Payload.n) == 0))]
    assert [one.count(str(big)) for one in kept] == [1, 2]
