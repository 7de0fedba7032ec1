"""What a body and a stream of a vendor's dialect cost here, beside the least that anybody pays: to parse them once."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path

import orjson

from core.dialects import DIALECTS, DialectName
from core.messages import mapped
from tests import files
from tests.bench.measure import in_turns, table

_CHUNK = (
    b'data: {"id":"c1","object":"chat.completion.chunk","created":1,"model":"m","choices":[{"index":0,'
    b'"delta":{"content":"word "},"finish_reason":null}],"usage":null}\n\n'
)
_CHUNKS = 2_000


def run(_wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    _print_bodies()
    _print_streams()


def _print_bodies() -> None:
    chat = DIALECTS[DialectName.CHAT]
    rows: list[tuple[str, ...]] = [
        ("a body", "kB", "json.loads ms", "read ms", "patched ms", "redacted ms", "read, times")
    ]
    for name, body in (("one sentence", _small()), ("an image of 740 kB", _image()), ("1 500 messages", _agent())):
        request = chat.read(body)
        redacted = mapped(request.messages, lambda text, _: text.replace("hello", "HELLO"))
        costs = in_turns(
            {
                "parsed": lambda body=body: json.loads(body),
                "read": lambda body=body: chat.read(body),
                "patched": lambda request=request: request.patched(model="n", max_tokens=9),
                "redacted": lambda request=request, texts=redacted: request.patched(model="n", texts=texts),
            },
            calls=10,
        )
        shown = [f"{costs[one].cpu_ms:.3f}" for one in ("parsed", "read", "patched", "redacted")]
        ratio = costs["read"].cpu_ms / costs["parsed"].cpu_ms
        rows.append((name, f"{len(body) / 1000:.1f}", *shown, f"{ratio:.1f}"))
    table("Bodies of chat completions", rows)


def _print_streams() -> None:
    stream = _CHUNK * _CHUNKS
    costs = in_turns(
        {
            "events parsed and nothing else": lambda: [orjson.loads(one[6:]) for one in stream.split(b"\n\n") if one],
            "cut, parsed, usage taken out, in pieces of 16 kB": _relayed(stream, 16_384),
            "the same, an event at a time": _relayed(stream, len(_CHUNK)),
        },
        calls=3,
    )
    least = next(iter(costs.values())).cpu_ms
    rows = [("each event", "µs an event", "times")]
    rows += [
        (name, f"{cost.cpu_ms * 1000 / _CHUNKS:.1f}", f"{cost.cpu_ms / least:.1f}") for name, cost in costs.items()
    ]
    table("Streams of chat completions", rows)


def _relayed(stream: bytes, size: int) -> Callable[[], int]:
    chat = DIALECTS[DialectName.CHAT]
    request = chat.read(_small())

    def relay() -> int:
        frames, sent = chat.frames(), 0
        for at in range(0, len(stream), size):
            sent += sum(len(chat.outward(frame, request)) for frame in frames.feed(stream[at : at + size]))
        return sent

    return relay


def _small() -> bytes:
    said = [{"role": "user", "content": "hello, Ann is 7"}]
    return json.dumps({"model": "m", "messages": said, "stream": True}).encode()


def _image() -> bytes:
    data = base64.b64encode(files.image("png", 800, 600) + bytes(range(256)) * 2_900).decode()
    parts = [
        {"type": "text", "text": "hello, what is this?"},
        {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
    ]
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": parts}]}).encode()


def _agent() -> bytes:
    arguments = json.dumps({"a": ["b" * 10] * 20})
    turn = [
        {"role": "user", "content": "hello " * 100},
        {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": arguments}}]},
        {"role": "tool", "tool_call_id": "1", "content": "y" * 800},
    ]
    return json.dumps({"model": "m", "messages": turn * 500}).encode()
