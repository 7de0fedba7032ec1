"""What a request asks and what the model says, free of any vendor's wire; and what all their wires share."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import lru_cache
from typing import Any, Protocol

import orjson

from tests.wire.caches import Block, Caches, Found
from tests.wire.ledger import Tokens

Body = dict[str, Any]

_PIECE_CHARS = 12
"""Characters in one piece of a stream: about three tokens."""
_DECODER = json.JSONDecoder()
_TOOL_NAME = re.compile(r"[a-zA-Z0-9_-]+")


class Finish(Enum):
    """Why the model stopped."""

    DONE = auto()
    LENGTH = auto()
    REFUSED = auto()
    FILTERED = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a request wants."""

    model: str
    user_texts: tuple[str, ...]
    """What the user said, first to last."""
    schema: Mapping[str, Any] | None = None
    """The shape of the object, wherever the request gave it; ``None`` where it gave none."""
    tool: str | None = None
    """The tool to call; ``None`` to answer in text."""
    is_forced: bool = False
    """Whether the request named that tool as the only choice."""
    is_json: bool = False
    """Whether the text must be JSON."""
    is_fenced: bool = False
    """Whether the JSON is to stand in a Markdown code block."""
    max_tokens: int | None = None
    stream: bool = False
    tells_usage: bool = True
    """Whether the usage is part of the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What the model answered, and what it billed."""

    asked: Asked
    text: str
    """The JSON text of the object, plain text, or the words of a refusal."""
    finish: Finish
    tokens: Tokens
    number: int
    """The call's; every identifier is made of it."""
    created_at: int
    """Seconds since 1970."""


@dataclass(frozen=True, slots=True)
class Event:
    """One server-sent event, ready for the wire."""

    data: bytes
    shown: int
    """How many characters of the answer are out when this is."""
    tells: bool = False
    """Whether the usage is whole with this event."""


@dataclass(frozen=True, slots=True)
class Failure:
    """An error as the vendor words it."""

    status: int
    kind: str
    message: str
    code: str | None = None


class Dialect(Protocol):
    """A vendor's wire: a module with these names."""

    PATH: str
    VENDOR: str
    """``openai`` or ``anthropic``."""
    REQUEST_ID_HEADER: str
    FAILURES: Mapping[int, Failure]
    FILTERED: Failure | None
    """How a filtered answer is reported, where that is an error."""
    TOO_LONG: Failure
    """How a request that is longer than the model's context is turned away."""

    def objection(self, body: Body) -> str | None:
        """Return why the vendor would turn this request away, if it would."""
        ...

    def asked(self, body: Body) -> Asked:
        """Return what the request asks."""
        ...

    def found(self, body: Body, caches: Caches, account: str, now: float) -> Found:
        """Return what *account*'s cache knows of the prompt at the time *now*, and keep it there."""
        ...

    def answer(self, said: Said) -> Body:
        """Return the body of an answer in one piece."""
        ...

    def events(self, said: Said) -> Iterator[Event]:
        """Return the events of a streamed answer."""
        ...

    def error(self, failure: Failure, request_id: str) -> Body:
        """Return the body of an error."""
        ...

    def error_event(self, failure: Failure, request_id: str) -> bytes:
        """Return an error that arrives in the middle of a stream."""
        ...


def pieces(text: str) -> Iterator[tuple[str, int]]:
    """Yield *text* in pieces, each with the number of characters up to its end."""
    for start in range(0, len(text), _PIECE_CHARS):
        piece = text[start : start + _PIECE_CHARS]
        yield piece, start + len(piece)


def frame(data: Body, event: str | None = None) -> bytes:
    """Return one server-sent event."""
    name = b"" if event is None else b"event: %s\n" % event.encode()
    return b"%sdata: %s\n\n" % (name, orjson.dumps(data))


def blocks_of(values: Sequence[Any]) -> list[Block]:
    """Return *values*, parts of a prompt, as a cache sees them: without their marks."""
    blocks: list[Block] = []
    for value in values:
        bare = {key: part for key, part in value.items() if key != "cache_control"}
        blocks.append(Block(orjson.dumps(bare), is_marked="cache_control" in value))
    return blocks


def texts(content: Any) -> Iterator[str]:
    """Yield the texts of a message's content, be it a string or parts."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, Sequence):
        for part in content:
            if isinstance(part, Mapping) and isinstance(text := part.get("text"), str):
                yield text


def texts_of(messages: Any, *roles: str) -> tuple[str, ...]:
    """Return the texts of all *messages* of these *roles*, one per message that has any."""
    joined = ("\n".join(texts(one.get("content"))) for one in messages if one.get("role") in roles)
    return tuple(text for text in joined if text)


@lru_cache(maxsize=256)
def schema_in(text: str) -> Mapping[str, Any] | None:
    """Return the first JSON Schema that stands in *text*; to be read only."""
    for value in _objects_in(text, "{"):
        if isinstance(value.get("properties"), dict) or "$ref" in value or "anyOf" in value or "allOf" in value:
            return value
    return None


@lru_cache(maxsize=256)
def given_texts(text: str) -> tuple[str, ...]:
    """Return the JSON texts that stand between ``<<`` and ``>>`` in *text*, in order."""
    return tuple(orjson.dumps(value).decode() for value in _objects_in(text, "<<{", ">>"))


def _objects_in(text: str, opening: str, closing: str = "") -> Iterator[dict[str, Any]]:
    at = text.find(opening)
    while at >= 0:
        start = at + len(opening) - 1
        try:
            value, end = _DECODER.raw_decode(text, start)
        except json.JSONDecodeError:
            end = start + 1
        else:
            if text.startswith(closing, end):
                yield value
        at = text.find(opening, end)


def is_fence_wanted(user_texts: Sequence[str]) -> bool:
    """Return whether the user asks for a code block."""
    return any("```json" in text for text in user_texts)


def bad_tool_name(names: Sequence[Any], longest: int = 64) -> str | None:
    """Return an objection to the first name that a vendor would not take for a tool or a schema."""
    for name in names:
        if not isinstance(name, str) or not _TOOL_NAME.fullmatch(name) or len(name) > longest:
            return f"{name!r} does not match '^[a-zA-Z0-9_-]{{1,{longest}}}$'"
    return None


def objection_to_schema(schema: Any, rule: Callable[[Mapping[str, Any]], list[str]]) -> str | None:
    """Return the first objection of *rule* to *schema*, worked out once for each."""
    return _first_objection(orjson.dumps(schema), rule)


@lru_cache(maxsize=512)
def _first_objection(schema: bytes, rule: Callable[[Mapping[str, Any]], list[str]]) -> str | None:
    return next(iter(rule(orjson.loads(schema) or {})), None)
