"""What stands in a document is judged at every door, before anything is sent."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from starlette.testclient import TestClient

from core.principals import LOCAL_OPERATOR
from tests.core.api.conftest import House
from tests.core.test_screened_documents import SECRET, document

KEY_IN_WHITE = b64encode(document(f"BT 1 1 1 rg /F1 9 Tf (key {SECRET}) Tj ET")).decode()
BROKEN = b64encode(b"%PDF-1.4\nbroken").decode()


def requests(house: House, data: str) -> dict[str, dict[str, Any]]:
    """Return a request that shows a PDF, by its door."""
    link = f"data:application/pdf;base64,{data}"
    own = [{"role": "user", "content": [{"type": "document", "media_type": "application/pdf", "data": data}]}]
    chat = {"type": "file", "file": {"filename": "a.pdf", "file_data": link}}
    response = {"type": "input_file", "filename": "a.pdf", "file_data": link}
    block = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": data}}
    result = [{"type": "tool_result", "tool_use_id": "t1", "content": [block]}]
    use = [{"type": "tool_use", "id": "t1", "name": "read", "input": {}}]
    messages = [{"role": "user", "content": "read"}, {"role": "assistant", "content": use}]
    return {
        "/v1/generate": {"schema": house.ask()["schema"], "messages": own},
        "/v1/chat/completions": {"model": "gpt-4o-mini", "messages": [{"role": "user", "content": [chat]}]},
        "/v1/responses": {"model": "gpt-4o-mini", "input": [{"role": "user", "content": [response]}]},
        "/v1/messages": {
            "model": "claude-haiku-4-5",
            "max_tokens": 100,
            "messages": [*messages, {"role": "user", "content": result}],
        },
    }


@pytest.mark.parametrize("door", ["/v1/generate", "/v1/chat/completions", "/v1/responses", "/v1/messages"])
def test_no_door_lets_a_document_pass_unread(client: TestClient, house: House, door: str) -> None:
    """What cannot be seen in it holds the request back, and so does one that is broken; both in our words alone."""
    house.runtime.guardrails.set(LOCAL_OPERATOR, "papers", house.tenant, "documents", "block", stages=["input"])
    for data, why in (
        (KEY_IN_WHITE, "stands in a document"),
        (BROKEN, "document 1 is broken, and the guardrail papers"),
    ):
        answer = client.post(door, json=requests(house, data)[door], headers=house.headers)
        assert answer.status_code in {400, 422}, answer.text
        assert why in answer.text
        assert SECRET not in answer.text
    assert not house.wire.ledger.calls()
