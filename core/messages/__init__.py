"""What people send: messages and their parts, from the door to the record, and the one way through their texts.

Whoever looks for texts, weighs a request or writes one down asks here, so that a part of a new kind is seen by all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from core.messages.media import Media

__all__ = ["Media", "Message", "Part", "Text", "mapped", "media_of", "plain", "text_bytes", "texts_of"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


Part = Text | Media


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation: who says it, and its parts in order."""

    role: str
    """``system``, ``user`` or ``assistant``."""
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


def texts_of(messages: Sequence[Message]) -> Iterator[str]:
    """Yield every text that is sent, names of documents included."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, Text):
                yield part.text
            elif part.name:
                yield part.name


def media_of(messages: Sequence[Message]) -> Iterator[Media]:
    """Yield what is not text, in order."""
    for message in messages:
        for part in message.parts:
            if isinstance(part, Media):
                yield part


def mapped(messages: Sequence[Message], change: Callable[[str], str]) -> Sequence[Message]:
    """Return *messages* with every text as *change* makes it; those in which nothing changed are the same objects."""

    def part_of(part: Part) -> Part:
        if isinstance(part, Text):
            return part if (text := change(part.text)) == part.text else Text(text)
        return part if not part.name or (name := change(part.name)) == part.name else replace(part, name=name)

    changed: list[Message] = []
    for message in messages:
        parts = tuple(part_of(part) for part in message.parts)
        is_same = all(new is old for new, old in zip(parts, message.parts, strict=True))
        changed.append(message if is_same else replace(message, parts=parts))
    return changed


def text_bytes(messages: Sequence[Message]) -> int:
    """Return how many bytes the texts have in UTF-8."""
    return sum(len(text.encode()) for text in texts_of(messages))


def plain(message: Message, *, whole: bool = True) -> dict[str, Any]:
    """Return *message* as JSON, as callers of ``/v1/generate`` write one; unless *whole*, with hashes for media."""
    content = message.text
    told: dict[str, Any] = {"role": message.role}
    told["content"] = content if content is not None else [_plain(part, whole=whole) for part in message.parts]
    if message.stable is not None:
        told["stable"] = message.stable
    return told


def _plain(part: Part, *, whole: bool) -> Mapping[str, Any]:
    if isinstance(part, Text):
        return {"type": "text", "text": part.text}
    return part.whole() if whole else part.summary()
