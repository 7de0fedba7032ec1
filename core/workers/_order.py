"""What goes to a worker and what comes back: JSON in front, then the bytes of the texts that it speaks of."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from typing import Any, Literal

import orjson

from core.object_texts import is_finished, of_blocks

_LENGTHS = struct.Struct(">II")
HEAD_BYTES = _LENGTHS.size
LATE = _LENGTHS.pack(0, 0)
"""What a worker is sent while it reads, once the deadline has passed: there is nothing in it."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a model wrote, in which an object is looked for."""

    texts: tuple[str, ...]
    """Where it may stand, the likeliest first."""
    blocks: tuple[str, ...] = ()
    """What the last of these texts is made of, where it has not been searched."""
    is_cut: bool = False
    """Whether only the likeliest text counts, and that only if it was not cut within an object."""

    def places(self) -> tuple[str, ...]:
        """Return where the object may stand; nowhere, where what was written was cut within it."""
        texts = (*self.texts[:-1], *of_blocks(self.blocks)) if self.blocks else self.texts
        if self.is_cut:
            return texts[:1] if is_finished(texts[0], texts[1:]) else ()
        return texts


@dataclass(frozen=True, slots=True)
class Order:
    """Texts to be read."""

    written: Written
    form: tuple[str, str] | None = None
    """Vendor and mode whose form leads the answer back; ``None`` where nothing is to be led back."""
    is_bare: bool = False
    """Whether the only text is the object, and none is to be looked for in it."""


@dataclass(frozen=True, slots=True)
class GivenText:
    """JSON that a person gave, to be read strictly; no schema is asked."""

    text: str
    what: str
    """What it is, as a sentence about it begins."""


@dataclass(frozen=True, slots=True)
class WorkerReply:
    """What a worker found."""

    found: Literal["valid", "invalid", "unjudged", "unknown", "failed", "lost"]
    """``unknown`` says that it has to be sent the schema, ``failed`` that a fault of ours was met; ``lost`` is said for
    those that did not reply; ``unjudged`` of a document that there was no time for it."""
    seconds: float = 0.0
    """Processor time that it took."""
    text: bytes = b""
    """The valid object as JSON, or what was given."""
    problems: list[Any] = field(default_factory=list[Any])
    """Place, kind and message of each; of what a person gave, the sentence with which it is refused."""


@dataclass(frozen=True, slots=True)
class GivenDocument:
    """A PDF whose texts are asked for."""

    content: bytes = field(repr=False)
    pages: int
    """The most that it may have."""


@dataclass(frozen=True, slots=True)
class GivenTexts:
    """Texts in which names of persons are looked for."""

    texts: tuple[str, ...] = field(repr=False)


def packed(head: dict[str, Any], body: bytes = b"") -> bytes:
    """Return a frame of *head* and *body*."""
    text = orjson.dumps(head)
    return _LENGTHS.pack(len(text), len(body)) + text + body


def lengths(head: bytes) -> tuple[int, int]:
    """Return how long head and body of a frame are, which begins with *head*."""
    one, other = _LENGTHS.unpack(head[:HEAD_BYTES])
    return one, other


def unpacked(frame: bytes) -> tuple[dict[str, Any], bytes]:
    """Return head and body of a whole *frame*."""
    length, _ = lengths(frame)
    end = HEAD_BYTES + length
    return orjson.loads(frame[HEAD_BYTES:end]), frame[end:]
