"""What a message is made of, and the one way through the texts of a part."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import orjson

from core.json_leaves import Steps, with_texts
from core.messages.media import Media


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A call of a tool, as a model made it."""

    id: str
    name: str
    arguments: Any
    """An object, as JSON has one; where what the model wrote is none, the text that it wrote."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a model thought. It belongs to no answer's text."""

    text: str
    sealed: str = field(default="", repr=False)
    """The vendor's signature of it, or the thoughts themselves as only the vendor can read them."""


@dataclass(frozen=True, slots=True)
class Opaque:
    """A part of a kind that is not known here: kept as what it is, and screened wherever it holds texts."""

    kind: str
    value: Any = field(repr=False)
    """As JSON has it."""


Leaf = Text | Media | ToolCall | Reasoning | Opaque
"""A part that holds no others."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a tool gave back."""

    call_id: str
    parts: tuple[Leaf, ...]
    name: str = ""
    is_error: bool = False


Part = Leaf | ToolResult
_PLACES: Mapping[type[Any], str] = {Media: "title", Reasoning: "reasoning", ToolCall: "tool arguments"}
"""The words for where the texts of parts stand that are no words of their message."""


def leaves_of(part: Part) -> tuple[Leaf, ...]:
    """Return the parts that *part* holds, or itself."""
    return part.parts if isinstance(part, ToolResult) else (part,)


def texts_in(leaf: Leaf) -> Iterator[str]:
    """Yield every text of *leaf* that is sent, names of documents and of members included."""
    match leaf:
        case Text(text):
            yield text
        case Media(name=name):
            if name:
                yield name
        case Reasoning(text):
            if text:
                yield text
        case ToolCall(arguments=value) | Opaque(value=value):
            yield from _strings(value)


def mapped_part(part: Part, change: Callable[[str, str], str], said: str) -> Part:
    """Return *part* with every text as *change* makes it, or the same object where nothing changed.

    It is given the text and a word for its place; words stand in *said*.
    """
    if isinstance(part, ToolResult):
        leaves = tuple(mapped_part(leaf, change, "tool result") for leaf in part.parts)
        is_same = all(new is old for new, old in zip(leaves, part.parts, strict=True))
        return part if is_same else replace(part, parts=cast("tuple[Leaf, ...]", leaves))
    place = _PLACES.get(type(part), said)
    return mapped_leaf(part, lambda text: change(text, place))


def mapped_leaf(leaf: Leaf, change: Callable[[str], str]) -> Leaf:
    """Return *leaf* with every text as *change* makes it, or the same object where nothing changed."""
    match leaf:
        case Text(text):
            return leaf if (new := change(text)) == text else Text(new)
        case Media(name=name):
            return leaf if not name or (new := change(name)) == name else replace(leaf, name=new)
        case Reasoning(text):
            return leaf if not text or (new := change(text)) == text else replace(leaf, text=new)
        case ToolCall(arguments=value):
            return leaf if (new := _mapped_value(value, change)) is value else replace(leaf, arguments=new)
        case Opaque(value=value):
            return leaf if (new := _mapped_value(value, change)) is value else replace(leaf, value=new)


def bytes_in(leaf: Leaf) -> int:
    """Return how many bytes of *leaf* are paid as text: of images and documents their names alone."""
    match leaf:
        case ToolCall(name=name, arguments=value):
            return len(name.encode()) + _size(value)
        case Reasoning(text, sealed):
            return len(text.encode()) or len(sealed)
        case Opaque(value=value):
            return _size(value)
        case _:
            return sum(len(text.encode()) for text in texts_in(leaf))


def plain_part(part: Part, *, whole: bool) -> Mapping[str, Any]:
    """Return *part* as JSON; unless *whole*, with hashes for what is large and no text."""
    match part:
        case Text(text):
            return {"type": "text", "text": text}
        case Media():
            return part.whole() if whole else part.summary()
        case ToolCall(id=call_id, name=name, arguments=arguments):
            return {"type": "tool_call", "id": call_id, "name": name, "arguments": _writable(arguments)}
        case ToolResult():
            content = [plain_part(leaf, whole=whole) for leaf in part.parts]
            told = {"type": "tool_result", "call_id": part.call_id, "content": content}
            return told | ({"is_error": True} if part.is_error else {})
        case Reasoning(text, sealed):
            told = {"type": "reasoning", "text": text}
            return told | ({"sealed": sealed if whole else _hash(sealed)} if sealed else {})
        case Opaque(kind, value):
            return {"type": kind, "value": _writable(value) if whole else {"sha256": _hash(_source(value))}}


def written(leaf: Leaf) -> Any:
    """Return the JSON value of *leaf* that its texts stand in: the words, the name, the arguments, or what it is."""
    match leaf:
        case Text(text) | Reasoning(text):
            return text
        case Media(name=name):
            return name
        case ToolCall(arguments=value) | Opaque(value=value):
            return value


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, inner in cast("dict[str, Any]", value).items():
            yield name
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _strings(inner)


def _mapped_value(value: Any, change: Callable[[str], str]) -> Any:
    def changed(text: str, _steps: Steps, _is_name: bool) -> str:  # noqa: FBT001 as the way calls it
        return change(text)

    return with_texts(value, changed)


def _writable(value: Any) -> Any:
    """Return a JSON *value* that every writer takes: as its text where it has a whole number of more than 64 bits."""
    try:
        orjson.dumps(value)
    except TypeError:
        return _source(value)
    return value


def _source(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _size(value: Any) -> int:
    return len(_source(value).encode())


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
