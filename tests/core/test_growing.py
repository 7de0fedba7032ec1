"""An answer that comes in pieces is joined once, whatever the dialect."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from core.providers.reading.chat_message import ChatMessage
from core.providers.reading.growth import Growth
from core.providers.reading.message_blocks import MessageBlocks
from core.providers.reading.response_output import ResponseOutput

PIECE = "four"
ADDING: dict[str, tuple[type[Any], dict[str, Any]]] = {
    "chat": (
        ChatMessage,
        {"choices": [{"index": 0, "delta": {"tool_calls": [{"index": 0, "function": {"arguments": PIECE}}]}}]},
    ),
    "messages": (
        MessageBlocks,
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": PIECE}},
    ),
    "responses": (
        ResponseOutput,
        {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": PIECE},
    ),
}


def longest_held(growth: Growth, event: dict[str, Any], count: int) -> int:
    """Return the length of the longest text that *growth* keeps once it has taken *event* in *count* times."""
    for _ in range(count):
        growth.take(event)
    held: list[object] = [growth]
    seen, longest = set[int](), 0
    while held:
        one = held.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, str):
            longest = max(longest, sys.getsizeof(one) - sys.getsizeof(""))
        elif isinstance(one, dict):
            held += one.values()
        elif isinstance(one, list | tuple):
            held += one
        else:
            held += [getattr(one, name, None) for name in getattr(type(one), "__slots__", ())]
            held += getattr(one, "__dict__", {}).values()
    return longest


@pytest.mark.parametrize("dialect", ADDING)
def test_pieces_are_joined_when_they_are_read(dialect: str) -> None:
    """While an answer grows no text of it is longer than a piece; its body holds it whole."""
    kind, event = ADDING[dialect]
    growth = kind(in_calls=True)
    assert longest_held(growth, event, 500) < 10 * len(PIECE)
    assert PIECE * 500 in str(growth.body())
    growth.take(event)
    assert PIECE * 501 in str(growth.body()), "what was read may go on"
