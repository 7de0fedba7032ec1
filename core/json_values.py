"""A JSON value that is kept as its text for as long as nobody needs more: to make one of the other takes time."""

from __future__ import annotations

from typing import Any, Self

import orjson

_UNREAD: Any = object()


class JsonValue:
    """A JSON value and its compact text, of which one may be made when it is first asked for.

    A text of a megabyte is read in ten milliseconds, in which no other thread runs; most go on as they came.
    """

    __slots__ = ("_text", "_value")

    def __init__(self, value: Any = _UNREAD, text: bytes = b"") -> None:
        """Take what is known: a *value*, its *text*, or both."""
        self._value = value
        self._text = text

    def __eq__(self, other: object) -> bool:
        """Whether *other* stands for the same value, however it is written."""
        return isinstance(other, JsonValue) and (self is other or self.value == other.value)

    __hash__ = None  # pyright: ignore[reportAssignmentType] as of any value that holds dicts

    @classmethod
    def of(cls, value: Any) -> Self:
        """Return *value* as one; one that is one already as it is."""
        return value if isinstance(value, cls) else cls(value)

    @property
    def value(self) -> Any:
        """The plain value, not to be changed."""
        if self._value is _UNREAD:
            self._value = orjson.loads(self._text)
        return self._value

    @property
    def text(self) -> bytes:
        """The value as compact JSON."""
        if not self._text:
            self._text = orjson.dumps(self._value)
        return self._text

    @property
    def fragment(self) -> orjson.Fragment:
        """The value as a part of a larger document, without being read."""
        return orjson.Fragment(self.text)
