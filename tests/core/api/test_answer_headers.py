"""What the headers of an answer say, a caller has partly written: it never becomes a header of its own."""

from __future__ import annotations

from urllib.parse import unquote

import pytest
from starlette.testclient import TestClient

from core.api.response_headers import plain
from tests.core.api.conftest import House

NAMES = ["gpt\r\nSet-Cookie: a=b", "gpt\n\nbody", "größe", "模型", "gpt\x00", "\U0001f600", "a b", "x" * 201]


@pytest.mark.parametrize("name", NAMES, ids=ascii)
@pytest.mark.parametrize("path", ["chat/completions", "messages"])
def test_a_model_with_any_name(name: str, path: str, house: House, client: TestClient) -> None:
    """What no vendor's model is called is not there, before anybody is asked; no header says it."""
    asked = {"model": f"openai/{name}", "messages": [{"role": "user", "content": "Bern. [[ok]]"}], "max_tokens": 9}
    answer = client.post(f"/v1/{path}", json=asked)
    assert answer.status_code == 404, answer.text
    assert "set-cookie" not in answer.headers
    assert not house.wire.ledger.calls()


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_a_header_is_one_line_of_ascii(name: str) -> None:
    """Whoever answered, by whatever name, can be told and read again."""
    assert plain(name).isascii()
    assert plain(name).isprintable()
    assert unquote(plain(name)) == name
