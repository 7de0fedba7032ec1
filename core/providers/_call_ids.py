"""Ids of calls for a vendor that takes none but its own kind: nine letters and digits, at Mistral."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from core.dialects import Path, RelayRequest
from core.providers.reading.parts import parts

_TAKEN = re.compile(r"[a-zA-Z0-9]{9}")
_SIGNS = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def call_id_changes(request: RelayRequest) -> list[tuple[Path, str]]:
    """Return what is changed of a chat completion's request so that Mistral takes every id of a call in it.

    The same id becomes the same again, in a call and its result, and in every request: so what is cached of a beginning
    is found again. Ids that it takes stay, and what it answers with is passed on as it is.
    """
    found = list(_ids(request.source.values))
    named = {old for _, old in found}
    made: dict[str, str] = {}
    taken = {old for old in named if _TAKEN.fullmatch(old)}
    for old in sorted(named - taken):
        made[old] = next(new for n in range(len(found) + 1) if (new := _nine(old, n)) not in taken)
        taken.add(made[old])
    return [(path, json.dumps(made[old])) for path, old in found if old in made]


def _ids(values: Mapping[str, Any]) -> Iterator[tuple[Path, str]]:
    for place, message in enumerate(values["messages"]):
        if isinstance(message.get("tool_call_id"), str):
            yield ("messages", place, "tool_call_id"), message["tool_call_id"]
        for n, call in enumerate(parts(message, "tool_calls")):
            if isinstance(call.get("id"), str):
                yield ("messages", place, "tool_calls", n, "id"), call["id"]


def _nine(old: str, attempt: int) -> str:
    number = int.from_bytes(hashlib.sha256(f"{attempt} {old}".encode(errors="replace")).digest()[:8])
    signs: list[str] = []
    for _ in range(9):
        number, sign = divmod(number, len(_SIGNS))
        signs.append(_SIGNS[sign])
    return "".join(signs)
