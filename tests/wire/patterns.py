"""One text that a regular expression matches, for schemas with ``pattern``."""

from __future__ import annotations

import itertools
import re
from functools import lru_cache
from re import _constants as opcodes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_LOWER, _UPPER, _DIGITS = "abcdefghijklmnopqrstuvwxyz", "ABCDEFGHIJKLMNOPQRSTUVWXYZ", "0123456789"
_OTHER = "".join(chr(code) for code in range(32, 127) if not chr(code).isalnum())
_ALPHABETS = (
    _LOWER + _DIGITS + _UPPER + _OTHER,
    _DIGITS + _LOWER + _UPPER + _OTHER,
    _UPPER + _LOWER + _DIGITS + _OTHER,
)
"""Orders of preference for a character that a class leaves open."""

_CATEGORY = {
    opcodes.CATEGORY_DIGIT: str.isdigit,
    opcodes.CATEGORY_NOT_DIGIT: lambda char: not char.isdigit(),
    opcodes.CATEGORY_SPACE: str.isspace,
    opcodes.CATEGORY_NOT_SPACE: lambda char: not char.isspace(),
    opcodes.CATEGORY_WORD: lambda char: char.isalnum() or char == "_",
    opcodes.CATEGORY_NOT_WORD: lambda char: not (char.isalnum() or char == "_"),
}


@lru_cache(maxsize=512)
def matching(pattern: str, at_least: int = 0) -> str:
    """Return a text that *pattern* finds, *at_least* so long where its repetitions allow.

    Look-arounds are not planned for: some texts are made and checked against them.

    Raises:
        ValueError: no such text was found.

    """
    try:
        tree = parser.parse(pattern)
    except re.error as error:
        message = f"the pattern {pattern!r} cannot be read: {error}"
        raise ValueError(message) from error
    for alphabet, extra in itertools.product(_ALPHABETS, (0, at_least, 1)):
        text = _Writer(alphabet, extra).sequence(tree)
        if len(text) >= at_least and re.search(pattern, text):
            return text
    message = f"no text was found for the pattern {pattern!r}"
    raise ValueError(message)


class _Writer:
    """Writes what a parsed pattern asks for."""

    def __init__(self, alphabet: str, extra: int) -> None:
        self._alphabet = alphabet
        self._extra = extra
        """By how much a repetition exceeds its least number, where it may."""
        self._groups: dict[int | None, str] = {}

    def sequence(self, tree: Any) -> str:
        """Return a text for *tree*."""
        return "".join(self._node(op, argument) for op, argument in tree)

    def _node(self, op: Any, argument: Any) -> str:
        if op is opcodes.LITERAL:
            return chr(argument)
        if op is opcodes.ANY:
            return self._alphabet[0]
        if op is opcodes.NOT_LITERAL:
            return self._member([(opcodes.NEGATE, None), (opcodes.LITERAL, argument)])
        if op is opcodes.IN:
            return self._member(argument)
        if op in (opcodes.MAX_REPEAT, opcodes.MIN_REPEAT, opcodes.POSSESSIVE_REPEAT):
            least, most, inner = argument
            return self.sequence(inner) * min(most, least + self._extra)
        if op is opcodes.SUBPATTERN:
            self._groups[argument[0]] = text = self.sequence(argument[-1])
            return text
        if op in (opcodes.ATOMIC_GROUP, opcodes.BRANCH):
            return self.sequence(argument if op is opcodes.ATOMIC_GROUP else argument[1][0])
        return self._groups.get(argument, "") if op is opcodes.GROUPREF else ""

    def _member(self, choices: Any) -> str:
        """Return one character of a class; one outside the alphabet if the class begins with it."""
        negated = choices[0][0] is opcodes.NEGATE
        fitting = (char for char in self._alphabet if any(_fits(char, *choice) for choice in choices) is not negated)
        op, argument = choices[0]
        foreign = argument if op is opcodes.LITERAL else argument[0] if op is opcodes.RANGE else None
        return next(fitting, "" if foreign is None else chr(foreign))


def _fits(char: str, op: Any, argument: Any) -> bool:
    if op is opcodes.LITERAL:
        return ord(char) == argument
    if op is opcodes.RANGE:
        return argument[0] <= ord(char) <= argument[1]
    return op is opcodes.CATEGORY and _CATEGORY[argument](char)
