"""The messages of a request: what is stable goes out first, and nothing of them comes back in an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.providers import Ask


def messages_of(ask: Ask) -> list[dict[str, Any]]:
    """Return the messages of *ask* as plain dictionaries that a conversation may extend, what is stable first.

    A vendor's cache knows a prompt by its beginning. Stable is what is marked so, and the system messages that the
    messages begin with; among themselves both halves keep their order.
    """
    return [*(_plain(one) for one in stable_of(ask)), *(_plain(one) for one in varying_of(ask))]


def stable_of(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the messages that other calls begin with as well."""
    return [one for one, is_stable in _told_apart(ask.messages) if is_stable]


def varying_of(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the messages that are this call's own."""
    return [one for one, is_stable in _told_apart(ask.messages) if not is_stable]


def _told_apart(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    leads = True
    for message in messages:
        leads = leads and message["role"] == "system"
        yield message, bool(message.get("stable", leads))


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}


def sent_by(ask: Ask) -> tuple[str, ...]:
    """Return the texts of *ask* that no page, log or answer may show."""
    return tuple(message["content"] for message in ask.messages)
