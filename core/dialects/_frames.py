"""The events of a stream as bytes: exactly what a vendor sent, cut where an event ends, and what each of them says."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from dataclasses import field, replace
from typing import Any, ClassVar, cast

from core.json_texts import as_python_reads
from core.unchanging import unchanging

_MARK = b"\xef\xbb\xbf"
_LINE_END = re.compile(rb"\r\n|\n|\r(?!\n)")
_FRAME_END = re.compile(rb"(?:\r\n|\n|\r(?!\n))(?:\r\n|\n|\r(?!\n))")
_MOST_BYTES = 64_000_000
"""Of one event. A picture that is drawn in a stream has some millions."""


@unchanging
class Frame:
    """One event of a stream."""

    raw: bytes = field(repr=False)
    """What came, with the empty line that ends it; the last one of a stream may have none."""
    event: dict[str, Any] | None = field(repr=False)
    """What it says; ``None`` for comments, empty lines, the word ``[DONE]`` and what is no JSON object."""
    kind: str
    """Its type; ``done``, ``comment``, ``mark`` (of the byte order), ``value`` (JSON, but no object) or ``garbled``."""
    is_closed: bool = True
    """Whether it ended with an empty line; readers drop one that does not."""
    before: Frame | None = field(default=None, repr=False)
    """The same as it may be kept, where data may have been put back into it that nobody but the caller gets."""

    @property
    def outward(self) -> bytes:
        """What a caller gets of it: the bytes that came, closed; a mark of the byte order would cost him an event."""
        if self.kind == "mark":
            return b""
        return self.raw if self.is_closed else self.raw + b"\n\n"

    @property
    def data(self) -> bytes:
        """The text of what it says."""
        return _fields(self.raw)[1]

    def saying(self, data: bytes) -> Frame:
        """Return the same event with other *data*, of one line."""
        name, _ = _fields(self.raw)
        head = b"event: " + name.encode() + b"\n" if name else b""
        return replace(self, raw=head + b"data: " + data + b"\n\n", event=as_python_reads(data), is_closed=True)


class Frames(ABC):
    """Cuts one stream into its frames, however it comes, and knows whether it was told to its end."""

    ends: ClassVar[frozenset[str]] = frozenset()
    """Kinds of events after which nothing more is to come."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._rest = bytearray()
        self._searched = 0
        self._has_begun = False
        self.has_ended = False
        """Whether the event came that ends an answer; a stream that ends without it was cut."""
        self.error: dict[str, Any] | None = None
        """What the stream said that went wrong."""

    def feed(self, piece: bytes) -> list[Frame]:
        """Take in *piece* of the stream; return the frames that are whole with it."""
        self._rest += piece
        # A CR that is last may be half of a line's end.
        frames = self._cut(len(self._rest) - self._rest.endswith(b"\r"))
        if len(self._rest) > _MOST_BYTES:
            raise OverflowError("an event of this stream does not end")
        return frames

    def end(self) -> list[Frame]:
        """Return what the stream ended with, if that was not closed by an empty line."""
        self._has_begun = self._has_begun or not _MARK.startswith(self._rest)
        frames = self._cut(len(self._rest))
        if self._rest:
            frames.append(replace(self._read(bytes(self._rest)), is_closed=False))
            self._rest.clear()
        return frames

    def _cut(self, size: int) -> list[Frame]:
        frames: list[Frame] = []
        start = 0
        if not self._has_begun:
            if len(self._rest) < len(_MARK) and _MARK.startswith(self._rest):
                return frames
            self._has_begun = True
            if self._rest.startswith(_MARK):
                frames.append(Frame(_MARK, None, "mark"))
                start = len(_MARK)
        while found := (
            _LINE_END.match(self._rest, start, size) or _FRAME_END.search(self._rest, max(start, self._searched), size)
        ):
            frames.append(self._read(bytes(self._rest[start : found.end()])))
            start = found.end()
        del self._rest[:start]
        self._searched = max(0, size - start - 3)
        return frames

    def _read(self, raw: bytes) -> Frame:
        name, data = _fields(raw)
        if not data.strip():
            return Frame(raw, None, "comment")
        if data.startswith(b"[DONE]"):
            self.told_done()
            return Frame(raw, None, "done")
        try:
            event: Any = as_python_reads(data)
        except (ValueError, RecursionError):
            return Frame(raw, None, "garbled")
        if not isinstance(event, dict):
            return Frame(raw, None, "value")
        event = cast("dict[str, Any]", event)
        kind = self.kind_of(name, event)
        self.told(kind, event)
        if kind in self.ends:
            self.has_ended = True
        return Frame(raw, event, kind)

    def kind_of(self, name: str, event: dict[str, Any]) -> str:
        """Return the kind of an event with this name."""
        kind = event.get("type")
        return kind if isinstance(kind, str) and kind else name

    @abstractmethod
    def told(self, kind: str, event: dict[str, Any]) -> None:
        """Take in what an event says of the stream itself."""

    def told_done(self) -> None:
        """Take in the word ``[DONE]``, which is an end in one dialect only."""
        return

    def closing(self) -> bytes:
        """Return what an answer that was told to its end still lacks for its readers."""
        return b""

    @abstractmethod
    def failing(self, status: int, code: str, sentence: str) -> bytes:
        """Return how a stream that has begun is told that it failed, so that its reader raises."""


def _fields(raw: bytes) -> tuple[str, bytes]:
    """Return the name of an event, and its data."""
    if raw.startswith(b"data: ") and raw.endswith(b"\n\n") and raw.count(b"\n") == 2 and b"\r" not in raw:
        return "", raw[6:-2]
    name, data = "", list[bytes]()
    for line in _LINE_END.split(raw):
        field_name, _, value = line.partition(b":")
        if field_name == b"data":
            data.append(value.removeprefix(b" "))
        elif field_name == b"event":
            name = value.removeprefix(b" ").decode(errors="replace")
    return name, b"\n".join(data)
