"""Which messages of a request belong to turns that are over, and which are what is asked now."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, cast

_ASSISTANT = "assistant"
_ALWAYS = ("system", "developer")
"""Roles whose messages order for all turns, so they are never over."""
_ANSWERS = ("_output", "_response", "_result")
"""How kinds of items end by which a caller answers, where an item has no role."""


def earlier(roles: Sequence[str]) -> Collection[int]:
    """Return the places of messages of turns that are over: up to the last of an assistant's that was answered.

    One that ends the request was begun in the assistant's name, and answered by nobody: it is a part of what is asked.
    """
    answers = [at for at, role in enumerate(roles) if role not in (_ASSISTANT, *_ALWAYS)]
    if not answers or _ASSISTANT not in roles[: answers[-1]]:
        return ()
    last = max(at for at, role in enumerate(roles[: answers[-1]]) if role == _ASSISTANT)
    return frozenset(at for at in range(last + 1) if roles[at] not in _ALWAYS)


def earlier_listed(items: Any) -> Collection[int]:
    """Return what :func:`earlier` does of messages or items as a body has them; nothing of what is no list."""
    return earlier([_role(one) for one in cast("list[Any]", items)]) if isinstance(items, list) else ()


def _role(item: Any) -> str:
    told = cast("dict[str, Any]", item) if isinstance(item, dict) else {}
    role, kind = told.get("role"), told.get("type")
    if isinstance(role, str):
        return role
    return "tool" if isinstance(kind, str) and kind.endswith(_ANSWERS) else _ASSISTANT
