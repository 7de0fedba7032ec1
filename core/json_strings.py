"""JSON that stays a text: its strings are changed one by one, also while it is being written, and nothing beside them.

Readers of JSON differ in which of two members of one name they take, so each is looked at as if it were the one.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from core.json_leaves import LEAST_DIGITS, Change, MayStand, Steps, numbered

_HEX = "[0-9a-fA-F]"
BEGUN_ESCAPE = re.compile(r"\\(?:u(?:H{0,3}|[dD][89abAB]HH(?:\\(?:u(?:[dD](?:[c-fC-F]H?)?)?)?)?)?)?".replace("H", _HEX))
"""What may become an escape, at the end of a text."""
_ESCAPE = re.compile(r"\\(?:u[dD][89abAB]HH\\u[dD][c-fC-F]HH|uHHHH|.)".replace("H", _HEX), re.DOTALL)
_RUN = re.compile(r'[^"\\]+')
_WHOLE = re.compile(r'"([^"\\]*)"')
"""A string that has come to its end and has no escape in it, as next to all: it is read in one step."""
_BLANK = re.compile(r"[ \t\n\r]+")
_WORD = re.compile(r"[-+.0-9A-Za-z]+")
_PLAIN = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?|true|false|null|NaN|-?Infinity")
_SHORT = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}
_HALF = "\ufffd"
"""What half of a character is read as: no text can hold it."""


class OpenString(Protocol):
    """A text that grows, as it may be shown."""

    @property
    def told(self) -> int:
        """Of how many characters that came it is known what is shown in their place."""
        ...

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        ...

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time."""
        ...


def with_json_strings(text: str, change: Change, may_stand: MayStand | None = None) -> str:
    """Return a JSON *text* with every string in it as *change* makes it, names included.

    All else stays to the letter. What is no JSON is one text from where that is seen, and so is what stands in no
    object or list.
    """
    strings = JsonStrings(
        lambda at: _WholeString(change, at),
        lambda whole, at: change(whole, at, False),
        lambda name, at: change(name, at, True),
        may_stand,
    )
    strings.add(text)
    new = strings.news(is_last=True)
    return text if new == text else new


@dataclass(slots=True)
class _Level:
    """An object or a list that is open."""

    is_list: bool
    step: str | int = 0
    """The name, as it is shown, or the place of the member that comes now."""
    names: set[str] = field(default_factory=set[str])
    """Those that have come, as they are shown."""


class JsonStrings:
    """One JSON text that is being written: what is shown of it is always a beginning of what the whole would show."""

    def __init__(
        self,
        open_string: Callable[[Steps], OpenString],
        shown_whole: Callable[[str, Steps], str],
        shown_name: Callable[[str, Steps], str],
        may_stand: MayStand | None = None,
    ) -> None:
        """Begin with nothing. *open_string* makes what shows a string that grows, *shown_whole* says it of a whole one.

        *shown_name* says how a name is shown. All are given where it stands: a name, in which object. In the place of a
        whole number that *may_stand* says no to stands 0.
        """
        self._open_string = open_string
        self._shown_whole = shown_whole
        self._shown_name = shown_name
        self._may_stand = may_stand
        self._waiting: list[str] = []
        self._rest = ""
        """What has come and was not read."""
        self._told = 0
        self._begun = ""
        """Brackets of which it is not clear that JSON begins with them, or a number that may be none."""
        self._is_json = False
        self._levels: list[_Level] = []
        self._expects = "root"
        self._string: OpenString | None = None
        self._is_name = False
        self._string_told = 0
        self._units: deque[tuple[str, str]] = deque()
        """Of the open string what came and is not told: as it is written, and what that means."""
        self._plain: OpenString | None = None
        """What shows the text since it was seen to be no JSON."""
        self._out: list[str] = []

    @property
    def told(self) -> int:
        """Of how many characters that came it is known what is shown in their place."""
        return self._told + (self._plain.told if self._plain is not None else 0)

    def add(self, piece: str) -> None:
        """Go on with *piece*."""
        self._waiting.append(piece)

    def news(self, *, is_last: bool = False) -> str:
        """Return what is shown of it since the last time; whatever *open_string* and *shown_name* raise."""
        text = "".join((self._rest, *self._waiting))
        self._waiting.clear()
        at = 0
        while at < len(text) and self._plain is None:
            before = at
            at = self._between(text, at, is_last) if self._expects != "string" else self._within(text, at, is_last)
            if at == before:
                break
        self._rest = text[at:]
        if self._plain is not None:
            self._plain.add(self._rest)
            self._rest = ""
            self._out.append(self._plain.news(is_last=is_last))
        elif self._expects == "string" and self._string is not None:
            self._tell_string(is_last=is_last)
        elif is_last:
            self._end()
        news = "".join(self._out)
        self._out.clear()
        return news

    def _end(self) -> None:
        """Tell what is left of a text that ends where more was to come."""
        if self._expects == "string":
            self._tell_name(*self._taken_all(), "")
        elif self._begun:
            self._become_plain("")
            assert self._plain is not None  # noqa: S101 it has just been made
            self._out.append(self._plain.news(is_last=True))

    # ── Between strings ───────────────────────────────────────────────────────────────────────────────────────────────

    def _between(self, text: str, at: int, is_last: bool) -> int:  # noqa: FBT001 one of two ways on
        """Read on from *at*, where no string is open; return how far that came."""
        if blank := _BLANK.match(text, at):
            return self._tell(blank[0], at, is_clear=self._is_json and not self._begun)
        sign, level = text[at], self._levels[-1] if self._levels else None
        match self._expects, sign:
            case (("root" | "value" | "first value"), ("{" | "[")):
                self._levels.append(_Level(sign == "["))
                self._expects = "first value" if sign == "[" else "first name"
                return self._tell(sign, at, is_clear=self._is_json)
            case (("first name" | "comma"), "}") if level and not level.is_list:
                self._close()
            case (("first value" | "comma"), "]") if level and level.is_list:
                self._close()
            case "comma", "," if level:
                self._expects = "value" if level.is_list else "name"
                if level.is_list:
                    level.step = int(level.step) + 1
            case "colon", ":":
                self._expects = "value"
            case (("name" | "first name" | "value" | "first value"), '"'):
                whole = _WHOLE.match(text, at)
                return self._open(at) if whole is None else self._pass(whole[1], at)
            case (("value" | "first value"), _) if word := _WORD.match(text, at):
                if word.end() == len(text) and not is_last:
                    return at
                if _PLAIN.fullmatch(word[0]) is None:
                    return self._become_plain("", at)
                self._expects = "comma"
                return self._tell_word(word[0], at)
            case _:
                return self._become_plain("", at)
        return self._tell(sign, at)

    def _close(self) -> None:
        self._levels.pop()
        self._expects = "comma" if self._levels else "end"

    def _tell(self, raw: str, at: int, *, is_clear: bool = True) -> int:
        """Tell what goes on as it is, once it *is_clear* that this is JSON; return where it ends that stands *at*."""
        if is_clear:
            self._is_json = True
            self._out += (self._begun, raw)
            self._told += len(self._begun) + len(raw)
            self._begun = ""
        else:
            self._begun += raw
        return at + len(raw)

    def _tell_word(self, word: str, at: int) -> int:
        """Tell a number, or a word of JSON; return where it ends that stands *at*."""
        digits = word.removeprefix("-")
        if self._may_stand is None or len(digits) < LEAST_DIGITS or not digits.isdecimal() or not self._levels:
            return self._tell(word, at, is_clear=False)
        if self._may_stand(digits, self._steps(len(self._levels))):
            return self._tell(word, at, is_clear=False)
        self._tell("", at)
        self._told += len(word)
        self._out.append("0")
        return at + len(word)

    def _become_plain(self, text: str, at: int = 0) -> int:
        """Take all that is not told for no JSON."""
        self._plain = self._open_string(self._steps(len(self._levels)))
        self._plain.add(self._begun + text)
        self._begun = ""
        return at

    def _steps(self, depth: int) -> Steps:
        return [level.step for level in self._levels[:depth]]

    # ── Within strings ────────────────────────────────────────────────────────────────────────────────────────────────

    def _open(self, at: int) -> int:
        self._is_name = self._expects.endswith("name")
        self._expects = "string"
        if self._is_name:
            self._tell("", at)
            return at + 1  # the mark goes out with the name
        self._string, self._string_told = self._open_string(self._steps(len(self._levels))), 0
        return self._tell('"', at)

    def _within(self, text: str, at: int, is_last: bool) -> int:  # noqa: FBT001 one of two ways on
        """Read on from *at*, within a string; return how far that came."""
        if text[at] == '"':
            if self._is_name:
                self._tell_name(*self._taken_all(), '"')
                self._expects = "colon"
                return at + 1
            self._tell_string(is_last=True)
            self._string, self._expects = None, "comma"
            return self._tell('"', at)
        if run := _RUN.match(text, at):
            self._take(run[0], run[0])
            return run.end()
        if not is_last and BEGUN_ESCAPE.fullmatch(text, at):
            return at
        escape = _ESCAPE.match(text, at)
        raw = escape[0] if escape else text[at]
        self._take(raw, _meant(raw))
        return at + len(raw)

    def _take(self, raw: str, meant: str) -> None:
        self._units.append((raw, meant))
        if self._string is not None:
            self._string.add(meant)

    def _tell_string(self, *, is_last: bool) -> None:
        """Tell what is clear of the open string."""
        assert self._string is not None  # noqa: S101 who calls has looked
        news = self._string.news(is_last=is_last)
        told = self._string.told
        raw, meant = self._taken(told - self._string_told)
        self._string_told = told
        self._told += len(raw)
        self._out.append(raw if news == meant else _written(news))

    def _tell_name(self, raw: str, meant: str, end: str) -> None:
        """Tell a name, as it is written and as it is meant; *end* is the mark that it ends with."""
        level = self._levels[-1]
        shown = self._shown_name(meant, self._steps(len(self._levels) - 1))
        if shown != meant:
            shown = numbered(shown, level.names)
        level.names.add(shown)
        level.step = shown
        self._told += 1 + len(raw) + len(end)
        self._out.append(f'"{raw if shown == meant else _written(shown)}{end}')

    def _pass(self, text: str, at: int) -> int:
        """Tell a whole string that stands *at*, written as it is meant; return where it ends."""
        self._tell("", at)
        if self._expects.endswith("name"):
            self._tell_name(text, text, '"')
            self._expects = "colon"
        else:
            shown = self._shown_whole(text, self._steps(len(self._levels)))
            self._told += len(text) + 2
            self._out.append(f'"{text if shown == text else _written(shown)}"')
            self._expects = "comma"
        return at + len(text) + 2

    def _taken_all(self) -> tuple[str, str]:
        """Return all of the open name, as it is written and as it is meant."""
        units = list(self._units)
        self._units.clear()
        return "".join(raw for raw, _ in units), "".join(meant for _, meant in units)

    def _taken(self, size: int) -> tuple[str, str]:
        """Return the next *size* characters of the open string, as they are written and as they are meant."""
        raws, meants = list[str](), list[str]()
        while size:
            raw, meant = self._units.popleft()
            if len(meant) > size:  # no escape is: each means one character
                self._units.appendleft((raw[size:], meant[size:]))
                raw, meant = raw[:size], meant[:size]
            raws.append(raw)
            meants.append(meant)
            size -= len(meant)
        return "".join(raws), "".join(meants)


class _WholeString:
    """A string that is changed once it is whole."""

    def __init__(self, change: Change, steps: Steps) -> None:
        self._change = change
        self._steps = steps
        self._parts: list[str] = []
        self.told = 0

    def add(self, piece: str) -> None:
        self._parts.append(piece)

    def news(self, *, is_last: bool = False) -> str:
        if not is_last:
            return ""
        text = "".join(self._parts)
        self.told = len(text)
        return self._change(text, self._steps, False)


def _meant(raw: str) -> str:
    """Return the one character that an escape stands for; of one that JSON does not have, what follows the stroke."""
    if raw[1:2] != "u" or len(raw) < 6:
        return _SHORT.get(raw[1:2], raw[1:2] or raw)
    first = int(raw[2:6], 16)
    if len(raw) == 12:
        return chr(0x10000 + ((first - 0xD800) << 10) + int(raw[8:12], 16) - 0xDC00)
    return _HALF if 0xD800 <= first < 0xE000 else chr(first)


def _written(text: str) -> str:
    """Return *text* as it stands between the marks of a JSON string."""
    return orjson.dumps(text).decode()[1:-1]
