"""Messages as tests write them: dictionaries, as callers do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.messages import Message


def as_messages(*given: Mapping[str, Any]) -> list[Message]:
    """Return messages of one text each."""
    return [Message.of(one["role"], one["content"], stable=one.get("stable")) for one in given]
