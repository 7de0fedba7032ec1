"""What a rule only notes in an answer changes nothing of it, and is recorded with its place, whole and in a stream."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter
from tests.core.api.conftest import CITY, House

EVER = CallFilter(starts_at=datetime(2000, 1, 1, tzinfo=UTC), ends_at=datetime(2200, 1, 1, tzinfo=UTC))
JANE = "jane@example.org"
SAID = [{"role": "user", "content": f"Who is it? <<{json.dumps({'name': JANE, 'people': 3})}>>"}]
CHAT = {"model": "gpt-4o-mini", "messages": SAID, "max_tokens": 300}
FORM = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
TOOL = {"type": "function", "function": {"name": "city", "parameters": CITY}}


def noted(client: TestClient, house: House, asked: dict[str, Any]) -> list[tuple[str, str, str, int]]:
    """Return side, place, kind and count of what was recorded of an answer."""
    answer = client.post("/v1/chat/completions", json=asked)
    assert answer.status_code == 200, answer.text
    reports = house.runtime.reports
    call = reports.call(LOCAL_OPERATOR, str(reports.calls(LOCAL_OPERATOR, EVER).calls["id"][0]))
    return [(one.stage, one.place, one.kind, one.count) for one in call.findings if one.stage == "output"]


@pytest.mark.parametrize("more", [{}, {"response_format": FORM}, {"tools": [TOOL]}], ids=["text", "object", "tool"])
def test_a_stream_is_recorded_as_a_whole_answer_is(more: dict[str, Any], client: TestClient, house: House) -> None:
    """In text, in an object that was asked for, and in the arguments of a tool."""
    house.runtime.guardrails.set(LOCAL_OPERATOR, "people", house.tenant, "personal", "note", stages=["output"])
    whole = noted(client, house, CHAT | more)
    assert whole
    assert noted(client, house, CHAT | more | {"stream": True}) == whole
