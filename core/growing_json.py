"""JSON that is still being written, read once: what comes is told as changes, each of which costs what is new in it.

Changes are JSON Patch (RFC 6902) and one operation more, since that has none by which a text grows: ``append`` adds a
text to the text, or a list to the list, at its path. The document begins as nothing; the first change gives it a root.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import jiter

from core.json_leaves import MayStand, digits_of, numbered
from core.json_strings import BEGUN_ESCAPE

Change = dict[str, Any]
"""``{"op": "add" | "replace" | "append", "path": a JSON Pointer, "value": any JSON}``."""

DEEPEST = 100
_HEX = "[0-9a-fA-F]"
_CHARACTERS = (
    r'(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u(?![dD][89a-fA-F])HHHH|u[dD][89abAB]HH\\u[dD][c-fC-F]HH))*+'
).replace("H", _HEX)
_TEXT = re.compile(_CHARACTERS)
_NAME = re.compile(f'"({_CHARACTERS})"')
_BLANK = re.compile(r"[ \t\n\r]*")
_PLAIN = re.compile(r"[-+.0-9A-Za-z]*")
_LITERALS = {"true": True, "false": False, "null": None}


class OpenText(Protocol):
    """A text that grows, as it may be shown."""

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        ...

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time."""
        ...

    def shown(self) -> str:
        """Return all that is shown of it."""
        ...


class _NoJson(Exception):
    """What comes is no JSON, or none that anybody could be sent."""


class _Incomplete(Exception):
    """More has to come."""


@dataclass(slots=True)
class _Frame:
    """An object or a list that is open."""

    value: Any
    step: str | int
    """Its name or its place in what it stands in."""
    is_list: bool = False
    is_told: bool = False
    names: dict[str, None] = field(default_factory=dict[str, None])
    """Of an object: the members that have come since it was told of."""
    told: int = 0
    """Of a list: how many have been told of."""
    name: str = ""
    """Of an object: the member that comes now, as it is shown."""
    shown: dict[str, str] = field(default_factory=dict[str, str])
    """Of an object: its names as they came, each with the one that is shown."""


class GrowingJson:
    """One JSON value that is being written."""

    def __init__(
        self,
        open_text: Callable[[Sequence[str | int]], OpenText],
        within: str = "",
        shown_name: Callable[[str, Sequence[str | int]], str] = lambda name, _: name,
        may_stand: MayStand = lambda _, __: True,
    ) -> None:
        """Begin with nothing; *open_text* makes what shows a text, and *shown_name* says how a name may be shown.

        Both are given the steps that lead to the text, or to the object that has the name. Of the root only the member
        *within* is told, and steps begin there. In the place of a number that *may_stand* says no to stands 0.
        """
        self._open_text = open_text
        self._shown_name = shown_name
        self._may_stand = may_stand
        self._within = within
        self._rest = ""
        self._frames: list[_Frame] = []
        self._text: OpenText | None = None
        self._is_text_told = False
        self._expects = "root"
        self._changes: list[Change] = []

    def feed(self, piece: str) -> None:
        """Take in *piece*. From where it is no JSON any more, nothing changes."""
        if self._expects == "nothing":
            return
        text = self._rest + piece
        at = 0
        try:
            while at < len(text):
                at = self._step(text, at)
        except _Incomplete:
            pass
        except (_NoJson, ValueError):
            self._expects, at = "nothing", len(text)
        self._rest = text[at:]

    def changes(self) -> list[Change]:
        """Return what has changed since the last time."""
        self._tell()
        told, self._changes = self._changes, []
        return [inner for one in told if (inner := self._inner(one)) is not None] if self._within else told

    def _inner(self, change: Change) -> Change | None:
        """Return *change* as it is in the member that counts; ``None`` where it is about another."""
        path, prefix = change["path"], pointer([self._within])
        if path == "":
            root = change["value"]
            return change | {"value": root[self._within]} if self._within in root else None
        return change | {"path": path[len(prefix) :]} if f"{path}/".startswith(f"{prefix}/") else None

    # ── What comes ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _step(self, text: str, at: int) -> int:
        """Take in the next sign at *at*; return where it ends."""
        if self._text is not None:
            return self._go_on(self._text, text, at)
        blank = _BLANK.match(text, at)
        at = blank.end() if blank else at
        if at == len(text):
            return at
        sign = text[at]
        match self._expects:
            case "root":
                at = text.find("{", at)
                if at < 0:
                    return len(text)
                return self._open({}, at)
            case "value" | "first value":
                return self._value(text, at, sign)
            case "name" | "first name":
                return self._named(text, at, sign)
            case "colon" if sign == ":":
                self._expects = "value"
            case "comma" if sign == ",":
                self._expects = "name" if not self._frames[-1].is_list else "value"
            case "comma" if sign == ("}" if not self._frames[-1].is_list else "]"):
                self._close()
            case _:
                raise _NoJson
        return at + 1

    def _value(self, text: str, at: int, sign: str) -> int:
        if sign == '"':
            frame = self._frames[-1]
            step = len(frame.value) if frame.is_list else frame.name
            self._text, self._is_text_told = self._open_text(self._told_steps(step)), False
            return at + 1
        if sign in "{[":
            return self._open({} if sign == "{" else [], at)
        if sign == "]" and self._expects == "first value":
            self._close()
            return at + 1
        found = _PLAIN.match(text, at)
        plain = found[0] if found else ""
        end = at + len(plain)
        if end == len(text) and plain not in _LITERALS:
            raise _Incomplete
        self._put(_LITERALS[plain] if plain in _LITERALS else self._shown_number(_number(plain)))
        return end

    def _shown_number(self, number: float) -> Any:
        """Return what stands in the place of *number*."""
        if not (digits := digits_of(number)):
            return number
        frame = self._frames[-1]
        steps = self._told_steps(len(frame.value) if frame.is_list else frame.name)
        return number if self._may_stand(digits, [*steps]) else 0

    def _named(self, text: str, at: int, sign: str) -> int:
        if sign == "}" and self._expects == "first name":
            self._close()
            return at + 1
        if sign != '"':
            raise _NoJson
        found = _NAME.match(text, at)
        if found is None:
            begun = _TEXT.match(text, at + 1)
            _require_begun(text, begun.end() if begun else at)
            raise _Incomplete
        frame, name = self._frames[-1], _decoded(found[1])
        if name not in frame.shown:
            frame.shown[name] = numbered(self._shown_name(name, self._told_steps()), frame.shown.values())
        frame.name = frame.shown[name]
        self._expects = "colon"
        return found.end()

    def _go_on(self, open_text: OpenText, text: str, at: int) -> int:
        """Take in what comes of the text that is open."""
        found = _TEXT.match(text, at)
        end = found.end() if found else at
        if end > at:
            open_text.add(_decoded(text[at:end]))
            return end
        if text[at] == '"':
            self._end_text(open_text)
            return at + 1
        _require_begun(text, at)
        raise _Incomplete

    def _end_text(self, open_text: OpenText) -> None:
        if self._is_text_told:
            self._tell_text(open_text, is_last=True)
            shown = open_text.shown()
        else:
            shown = open_text.news(is_last=True)
        self._text = None
        self._put(shown, is_told=self._is_text_told)

    def _open(self, value: Any, at: int) -> int:
        if len(self._frames) == DEEPEST:
            raise _NoJson
        step: str | int = ""
        if self._frames:
            parent = self._frames[-1]
            step = len(parent.value) if parent.is_list else parent.name
            self._put(value)
        self._frames.append(_Frame(value, step, isinstance(value, list)))
        self._expects = "first name" if isinstance(value, dict) else "first value"
        return at + 1

    def _put(self, value: Any, *, is_told: bool = False) -> None:
        """Let *value* stand where one was expected."""
        frame = self._frames[-1]
        if not frame.is_list:
            frame.value[frame.name] = value
            if is_told:
                frame.names.pop(frame.name, None)
            else:
                frame.names[frame.name] = None
        else:
            frame.value.append(value)
            frame.told += is_told
        self._expects = "comma"

    def _close(self) -> None:
        frame = self._frames[-1]
        if frame.is_told:
            self._tell_members(frame, len(self._frames), None)
        if len(self._frames) == 1:
            self._tell()
            self._expects = "nothing"
        else:
            self._expects = "comma"
        self._frames.pop()

    # ── What is told ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _tell(self) -> None:
        """Tell what has come since the last time."""
        for depth, frame in enumerate(self._frames, 1):
            if not frame.is_told:
                self._tell_new(depth, self._so_far(depth))
                return
            below = self._frames[depth] if depth < len(self._frames) else None
            self._tell_members(frame, depth, below)
        if self._text is not None and self._frames:
            self._tell_text(self._text)

    def _tell_new(self, depth: int, value: Any) -> None:
        """Tell of the open *value* at *depth*, which nobody knows yet."""
        if depth > 1 and (parent := self._frames[depth - 2]).is_list:
            parent.told = len(parent.value)
            self._changes.append({"op": "append", "path": self._path(depth - 1), "value": [value]})
        else:
            self._changes.append({"op": "add", "path": self._path(depth), "value": value})

    def _tell_members(self, frame: _Frame, depth: int, below: _Frame | None) -> None:
        """Tell the members of *frame* that have come, but for the open one *below*, which is told by itself."""
        if not frame.is_list:
            for name in frame.names:
                if below is None or name != below.step:
                    path = pointer([*self._steps(depth), name])
                    self._changes.append({"op": "add", "path": path, "value": frame.value[name]})
            frame.names.clear()
            return
        end = len(frame.value) - (below is not None)
        if end > frame.told:
            fresh = frame.value[frame.told : end]
            self._changes.append({"op": "append", "path": self._path(depth), "value": fresh})
            frame.told = end

    def _tell_text(self, open_text: OpenText, *, is_last: bool = False) -> None:
        frame = self._frames[-1]
        step = len(frame.value) if frame.is_list else frame.name
        path = pointer([*self._steps(len(self._frames)), step])
        told = open_text.news(is_last=is_last)
        if not self._is_text_told:
            self._is_text_told = True
            if frame.is_list:
                self._changes.append({"op": "append", "path": self._path(len(self._frames)), "value": [told]})
            else:
                self._changes.append({"op": "add", "path": path, "value": told})
        elif told:
            self._changes.append({"op": "append", "path": path, "value": told})

    def _so_far(self, depth: int) -> Any:
        """Return a copy of the open value at *depth*, so far; it and what is open in it count as told."""
        frame = self._frames[depth - 1]
        frame.is_told = True
        copied = frame.value.copy()
        frame.names.clear()
        frame.told = len(copied)
        if depth < len(self._frames):
            inner = self._frames[depth]
            copied[inner.step] = self._so_far(depth + 1)
        elif self._text is not None:
            self._is_text_told = True
            told = self._text.news()
            if frame.is_list:
                copied.append(told)
            else:
                copied[frame.name] = told
        return copied

    def _told_steps(self, *last: str | int) -> Sequence[str | int]:
        """Return what leads to the open value, and *last* in it, from what is told on."""
        return [*self._steps(len(self._frames)), *last][bool(self._within) :]

    def _steps(self, depth: int) -> list[str | int]:
        return [frame.step for frame in self._frames[1:depth]]

    def _path(self, depth: int) -> str:
        return pointer(self._steps(depth))


def _require_begun(text: str, at: int) -> None:
    """Require that what stands in a text *at* its end may go on."""
    if at < len(text) and BEGUN_ESCAPE.fullmatch(text, at) is None:
        raise _NoJson


def _decoded(characters: str) -> str:
    return characters if "\\" not in characters else jiter.from_json(b'"%b"' % characters.encode())


def _number(plain: str) -> int | float:
    found = jiter.from_json(plain.encode(), allow_inf_nan=False)
    if isinstance(found, float) and math.isfinite(found):
        return found
    if isinstance(found, int) and not isinstance(found, bool) and -(2**63) <= found < 2**64:
        return found
    raise _NoJson


def pointer(steps: list[str | int]) -> str:
    """Return the JSON Pointer (RFC 6901) of what *steps* lead to from the root."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in steps)
