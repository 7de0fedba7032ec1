"""What in a request opens something else goes on as it is, and is kept nowhere."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as some

from core.dialects import DIALECTS, DialectName
from core.messages.masks import MASK, masked, secrets_in

TOOL: dict[str, Any] = {
    "type": "mcp",
    "server_label": "z",
    "server_url": "https://actions.example/mcp/KEY-123456/sse",
    "authorization": "Bearer T1-secret-word",
    "headers": {"x-tenant": "T2-secret-word"},
}
LINK = "https://files.example/a.png?X-Amz-Signature=T4-secret-word"
SECRETS = ("T1-secret-word", "T2-secret-word", "KEY-123456", "T3-secret-word", "T4-secret-word")


def test_what_opens_something_is_masked_and_found_again() -> None:
    """Whatever is masked is what an error must not quote; the rest stays as it is."""
    body = {
        "tools": [TOOL],
        "mcp_servers": [{"type": "url", "authorization_token": "T3-secret-word"}],
        "image_url": LINK,
    }
    kept = orjson.dumps(masked(body)).decode()
    assert not [one for one in SECRETS if one in kept]
    assert masked(TOOL)["server_url"] == f"https://actions.example/{MASK}"
    assert masked(body)["image_url"] == f"https://files.example/a.png?{MASK}"
    assert masked(TOOL)["server_label"] == "z"
    found = list(secrets_in(body))
    assert all(any(one in text for text in found) for one in SECRETS)


_json = some.recursive(
    some.none() | some.integers() | some.text(max_size=5),
    lambda inner: (
        some.lists(inner, max_size=3)
        | some.dictionaries(
            some.sampled_from(("a", "text", "token", "headers", "url", "server_url")), inner, max_size=3
        )
    ),
)


@given(value=_json)
def test_what_is_masked_stays_so(value: Any) -> None:
    """Its shape is the same, and a second time changes nothing."""
    once = masked(value)
    assert masked(once) == once
    assert type(once) is type(value)


def test_what_a_body_carries_is_known() -> None:
    """Of tools that are the caller's own functions nothing is taken for a secret."""
    function = {"type": "function", "name": "f", "parameters": {"properties": {"token": {"type": "string"}}}}
    body = {"model": "m", "input": "x", "tools": [TOOL, function]}
    read = DIALECTS[DialectName.RESPONSES].read(orjson.dumps(body))
    assert set(read.secrets) == {TOOL["server_url"], TOOL["authorization"], "T2-secret-word"}
    assert read.body == orjson.dumps(body)
