"""Server-sent events as vendors send them, cut anywhere.

The SDKs' own reading loses a first event behind a byte order mark, a last one without an empty line, and events without
the name that it expects; and it does not say whether the end was told.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

_MARK = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class NoEvent:
    """Data that are no JSON."""

    is_last: bool
    """Whether the stream ended within them."""


class EndOfStream:
    """The end of the stream, told by ``[DONE]``."""


class Events:
    """The events of one stream. Lines end with LF, CR or both; comments, names, ids and empty data are passed over."""

    def __init__(self) -> None:
        self._rest = b""
        self._data: list[bytes] = []
        self._is_first = True

    def feed(self, piece: bytes) -> Iterator[Any]:
        """Take in *piece* of the stream, yield what is whole with it: JSON values, ``EndOfStream`` or ``NoEvent``."""
        text = self._rest + piece
        if self._is_first:
            if len(text) < len(_MARK) and _MARK.startswith(text):
                self._rest = text
                return
            text, self._is_first = text.removeprefix(_MARK), False
        # The last line may go on, and a CR at the end may be half of its end.
        end = max(text.rfind(b"\n"), text.rfind(b"\r", 0, len(text) - 1)) + 1
        whole, self._rest = text[:end], text[end:]
        for line in whole.splitlines():
            yield from self._line(line)

    def end(self) -> Iterator[Any]:
        """Yield what the stream ended with, if that was not closed by an empty line."""
        rest, self._rest = self._rest.splitlines(), b""
        for line in rest:
            yield from self._line(line)
        if self._data:
            yield from self._event(is_last=True)

    def _line(self, line: bytes) -> Iterator[Any]:
        if not line:
            if self._data:
                yield from self._event()
            return
        name, _, value = line.partition(b":")
        if name == b"data":
            self._data.append(value.removeprefix(b" "))

    def _event(self, *, is_last: bool = False) -> Iterator[Any]:
        data, self._data = b"\n".join(self._data), []
        if not data.strip():
            return
        if data.startswith(b"[DONE]"):
            yield EndOfStream()
            return
        try:
            value = orjson.loads(data)
        except ValueError:
            value = NoEvent(is_last)
        yield value
