"""What it costs an event of a relayed stream that its texts are screened, beside the same stream without that."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from core.dialects import DIALECTS, Dialect, DialectName
from core.frame_screens import AllowedTexts
from core.guardrails import Guardrails
from core.screened_frames import ScreenedFrames
from tests.bench.measure import in_turns, table

_EVENTS = 2_000
_WORDS = ("Since ", "this ", "morning ", "one ", "seat ", "is ", "charged ", "twice, ")


def run(_wire_url: str, _folder: Path) -> None:
    """Measure and print."""
    chat, messages = DIALECTS[DialectName.CHAT], DIALECTS[DialectName.MESSAGES]
    prose = [_WORDS[at % len(_WORDS)] for at in range(_EVENTS)]
    written = json.dumps({"rows": ["".join(_WORDS)] * (_EVENTS * 4 // 50)})
    pieces = [written[at : at + 4] for at in range(0, _EVENTS * 4, 4)]
    kinds = {
        "chat, prose": (chat, [_chat({"content": one}) for one in prose], False),
        "chat, an object": (chat, [_chat({"content": one}) for one in pieces], True),
        "chat, arguments": (chat, [_chat({"tool_calls": [_call(one)]}) for one in pieces], False),
        "messages, prose": (messages, [_block(one) for one in prose], False),
    }
    rows = [("an event of a stream", "cut and passed on, µs", "screened as well, µs", "times")]
    for kind, (dialect, events, is_json) in kinds.items():
        for name, at_once in (("one at a time", 1), ("thirty at once", 30)):
            came = [b"".join(events[at : at + at_once]) for at in range(0, len(events), at_once)]
            costs = in_turns(
                {
                    "passed": _passed(dialect, came, None, is_json=is_json),
                    "screened": _passed(dialect, came, Guardrails(), is_json=is_json),
                },
                calls=2,
            )
            passed, screened = (costs[one].cpu_ms * 1000 / len(events) for one in ("passed", "screened"))
            rows.append((f"{kind}, {name}", f"{passed:.1f}", f"{screened:.1f}", f"{screened / passed:.1f}"))
    table("Relayed streams: events cut, read and written, without a guardrail and with the built-in ones", rows)


def _passed(
    dialect: Dialect, came: Sequence[bytes], guardrails: Guardrails | None, *, is_json: bool
) -> Callable[[], int]:
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}], "stream": True, "max_tokens": 9}
    request = dialect.read(json.dumps(body).encode())

    def relay() -> int:
        frames, sent = dialect.frames(), 0
        screened = ScreenedFrames(AllowedTexts(guardrails), dialect.places, is_json=is_json) if guardrails else None
        for piece in came:
            cut = frames.feed(piece)
            passed = screened.of(cut) if screened else cut
            sent += len(b"".join(dialect.outward(frame, request) for frame in passed))
        return sent

    return relay


def _chat(delta: dict[str, Any]) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": None}
    told = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "gpt-4o-mini"}
    return _event({**told, "system_fingerprint": "fp_1", "choices": [choice], "usage": None})


def _call(arguments: str) -> dict[str, Any]:
    return {"index": 0, "function": {"arguments": arguments}}


def _block(text: str) -> bytes:
    told = {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}
    return b"event: content_block_delta\n" + _event(told)


def _event(told: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(told, separators=(",", ":")).encode() + b"\n\n"
