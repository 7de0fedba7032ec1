"""What people send: messages and their parts, from the door to the record, and the one way through their texts.

Whoever looks for texts, weighs a request or writes one down asks here, so that a part of a new kind is seen by all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.messages.media import Media
from core.messages.parts import (
    Leaf,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
    ToolResult,
    bytes_in,
    leaves_of,
    mapped_part,
    plain_part,
    texts_in,
)

__all__ = [
    "Leaf",
    "Media",
    "Message",
    "Opaque",
    "Part",
    "Reasoning",
    "Text",
    "ToolCall",
    "ToolResult",
    "leaves",
    "mapped",
    "media_of",
    "plain",
    "text_bytes",
    "texts_of",
]

_ROLES = ("system", "user", "assistant")


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: who says it, and its parts in order."""

    role: str
    """``system``, ``user`` or ``assistant``; at the doors of the vendors' dialects also ``developer`` and ``tool``."""
    parts: tuple[Part, ...]
    stable: bool | None = None
    """Whether other calls begin with it too; ``None`` leaves it to its place."""

    @classmethod
    def of(cls, role: str, text: str, *, stable: bool | None = None) -> Message:
        """Return a message of one text."""
        return cls(role, (Text(text),), stable)

    @property
    def text(self) -> str | None:
        """Its text, if it is nothing but one; else ``None``."""
        if len(self.parts) == 1 and isinstance(self.parts[0], Text):
            return self.parts[0].text
        return None


def leaves(messages: Sequence[Message]) -> Iterator[Leaf]:
    """Yield every part that holds no others, in order."""
    for message in messages:
        for part in message.parts:
            yield from leaves_of(part)


def texts_of(messages: Sequence[Message]) -> Iterator[str]:
    """Yield every text that is sent, names of documents included."""
    for leaf in leaves(messages):
        yield from texts_in(leaf)


def media_of(messages: Sequence[Message]) -> Iterator[Media]:
    """Yield the images, documents and sounds, in order."""
    return (leaf for leaf in leaves(messages) if isinstance(leaf, Media))


def mapped(messages: Sequence[Message], change: Callable[[str, str], str]) -> Sequence[Message]:
    """Return *messages* with every text as *change* makes it, which is given the text and a word for its place.

    Those in which nothing changed are the same objects.
    """
    changed: list[Message] = []
    for message in messages:
        said = f"{message.role} text" if message.role in _ROLES else "message text"
        parts = tuple(mapped_part(part, change, said) for part in message.parts)
        is_same = all(new is old for new, old in zip(parts, message.parts, strict=True))
        changed.append(message if is_same else replace(message, parts=parts))
    return changed


def text_bytes(messages: Sequence[Message]) -> int:
    """Return how many bytes are paid as text, in UTF-8."""
    return sum(bytes_in(leaf) for leaf in leaves(messages))


def plain(message: Message, *, whole: bool = True) -> dict[str, Any]:
    """Return *message* as JSON, as callers of ``/v1/generate`` write one; unless *whole*, with hashes for media."""
    content = message.text
    told: dict[str, Any] = {"role": message.role}
    told["content"] = content if content is not None else [plain_part(part, whole=whole) for part in message.parts]
    if message.stable is not None:
        told["stable"] = message.stable
    return told
