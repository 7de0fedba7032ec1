"""JSON that a person gives, pasted or in a file: read in one place, within bounds, and refused in one sentence."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn, cast

import orjson

from core.errors import Invalid

MOST_BYTES = 1_000_000
"""The longest text."""
_SHOWN = 60
_MOST_DIGITS = 4000
"""Python reads some more, and then refuses."""
_SURE_DIGITS = 18
"""A whole number of so many fits into 64 bits."""
_HALF = re.compile("[\ud800-\udfff]")
_VALUES = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")


def json_in(text: str | bytes, what: str) -> Any:
    """Return the value that the JSON *text* stands for; *what* it is begins each sentence, such as ``The schema``.

    Raises:
        Invalid: it is no JSON, or JSON that says a name twice, nests too deep or has numbers without end.

    """
    if len(text) > MOST_BYTES:
        raise Invalid(f"{what} is larger than {MOST_BYTES // 1_000} kB; shorten it.")
    with strictly(what) as values:
        plain = text.removeprefix("\ufeff") if isinstance(text, str) else text.decode("utf-8-sig")
        if not plain.strip():
            raise Invalid(f"{what} is empty.")
        return values.decode(plain)


@contextmanager
def strictly(what: str) -> Generator[json.JSONDecoder]:
    """Give a decoder that takes JSON alone, and turn what it raises into one sentence that begins with *what*.

    Raises:
        Invalid: it is no JSON, or JSON that says a name twice, nests too deep or has numbers without end.

    """
    names = _Names(what)
    try:
        yield json.JSONDecoder(object_pairs_hook=names.once, parse_constant=names.refused)
    except UnicodeDecodeError:
        raise Invalid(f"{what} is not text in UTF-8.") from None
    except json.JSONDecodeError as error:
        reason = error.msg[:1].lower() + error.msg[1:]
        where = f"Line {error.lineno}, column {error.colno}"
        raise Invalid(f"{what} is not JSON. {where}: {reason}.") from None
    except RecursionError:
        raise Invalid(f"{what} nests too deep to be read; nest it less.") from None
    except ValueError:  # Python refuses numbers of thousands of digits
        raise Invalid(f"{what} has a number with too many digits; use a shorter one.") from None


def as_python_reads(data: bytes) -> Any:
    """Return what JSON of others says, with what only Python's reader takes: numbers of any size, halves of characters.

    A whole number of thousands of digits is read as a float, as one beyond all floats is: both are infinite.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it nests too deep.

    """
    try:
        return orjson.loads(data)
    except ValueError:
        return json.loads(data, parse_int=_whole)


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float(digits)


def exactly(data: bytes | str) -> Any:
    """Return JSON of others that is to be written again: a number that Python would write otherwise stays its text.

    Raises:
        ValueError: it is no JSON.
        RecursionError: it nests too deep.

    """
    return json.loads(data, parse_float=_exact, parse_int=_exact_whole, parse_constant=orjson.Fragment)


def exactly_written(value: Any) -> bytes:
    """Return as JSON what :func:`exactly` has read; half of a character, which is none, as the sign for that."""
    try:
        return orjson.dumps(value)
    except TypeError:
        return orjson.dumps(_without_halves(value))


def _exact(digits: str) -> Any:
    number = float(digits)
    return number if repr(number) == digits else orjson.Fragment(digits)


def _exact_whole(digits: str) -> Any:
    return int(digits) if len(digits) <= _SURE_DIGITS and digits != "-0" else orjson.Fragment(digits)


def _without_halves(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value).items()
        return {_without_halves(name): _without_halves(inner) for name, inner in members}
    if isinstance(value, list):
        return [_without_halves(inner) for inner in cast("list[Any]", value)]
    return _HALF.sub("\ufffd", value) if isinstance(value, str) else value


def line_of(text: str, steps: Sequence[int | str]) -> int:
    """Return the line, counted from 1, on which the JSON *text* has what *steps* lead to: its name, or the value.

    Where they lead nowhere it is the line of the last of them that is there.
    """
    place = blank(text, 0 if text[:1] != "\ufeff" else 1)
    found = place
    try:
        for step in steps:
            entry = next((entry for entry in entries(text, place) if entry[0] == step), None)
            if entry is None:
                break
            _, found, place = entry
    except (ValueError, IndexError, RecursionError):
        pass
    return text.count("\n", 0, found) + 1


def entries(text: str, place: int) -> Iterator[tuple[int | str, int, int]]:
    """Yield each entry of the object or list at *place*: its name or index, where that begins and where its value.

    The text is JSON; whether it is must be known.
    """
    is_object = text[place] == "{"
    if not is_object and text[place] != "[":
        return
    at = blank(text, place + 1)
    index = 0
    while text[at] not in "}]":
        begins, name = at, index
        if is_object:
            name, at = cast("tuple[str, int]", _VALUES.raw_decode(text, at))
            at = blank(text, blank(text, at) + 1)
        yield name, begins, at
        _, at = _VALUES.raw_decode(text, at)
        at = blank(text, at)
        if text[at] == ",":
            at = blank(text, at + 1)
        index += 1


def blank(text: str, at: int) -> int:
    """Return the first place of *text* from *at* on that is no white space."""
    found = _BLANK.match(text, at)
    return found.end() if found else at


def text_of(file: Path) -> str:
    """Return the text of *file*.

    Raises:
        Invalid: it cannot be read, is no text, or is too large.

    """
    try:
        with file.open("rb") as opened:
            found = opened.read(MOST_BYTES + 1)
        if len(found) > MOST_BYTES:
            raise Invalid(f"{file} is larger than {MOST_BYTES // 1_000} kB; shorten it.")
        return found.decode()
    except OSError as error:
        raise Invalid(f"{file} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise Invalid(f"{file} is not text in UTF-8.") from None


class _Names:
    def __init__(self, what: str) -> None:
        self._what = what

    def once(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Return *pairs* as an object. Of two of one name the last would win without a word."""
        found = dict(pairs)
        if len(found) == len(pairs):
            return found
        names = [name for name, _ in pairs]
        twice = next(name for n, name in enumerate(names) if name in names[:n])
        raise Invalid(f"{self._what} says {twice[:_SHOWN]!r} twice in one object; leave one of them out.")

    def refused(self, constant: str) -> NoReturn:
        raise Invalid(f"{self._what} holds {constant}, which JSON does not have; use a number or null.")
