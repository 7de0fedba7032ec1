"""Patterns of a search as conditions of SQL that hold of the same texts in both databases."""

from __future__ import annotations

import re
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_

from core.call_search import Pattern
from core.small_letters import CAPITALS, SMALLS, SQLITE_NAME, small

_SPECIAL = re.compile(r"([!%_])")
_SPECIAL_OF_GLOB = re.compile(r"([*?\[])")


class PatternSql:
    """How one database is asked."""

    def __init__(self, *, is_sqlite: bool) -> None:
        self._is_sqlite = is_sqlite

    def name(self, column: Any, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that a name is like *pattern*, capital letters and all."""
        if not pattern:
            return or_(column.is_(None), column == "")
        if pattern == (None,):
            return and_(column.is_not(None), column != "")
        if None not in pattern:
            return column == "".join(part or "" for part in pattern)
        if self._is_sqlite:  # whose LIKE makes no difference between letters
            parts = ("*" if part is None else _SPECIAL_OF_GLOB.sub(r"[\1]", part) for part in pattern)
            return column.op("GLOB", is_comparison=True)("".join(parts))
        return column.like(_like(pattern), escape="!")

    def text(self, column: Any, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that *pattern* stands somewhere in a text, whatever its letters."""
        if not pattern:
            return or_(column.is_(None), column == "")
        if pattern == (None,):
            return and_(column.is_not(None), column != "")
        wanted = tuple(part and small(part) for part in pattern)
        is_ascii = all(part is None or part.isascii() for part in wanted)
        return self._small(column, is_ascii=is_ascii).like(_like((None, *wanted, None)), escape="!")

    def begins(self, column: Any, text: str) -> ColumnElement[bool]:
        """Return the condition that a name begins with *text*, in words by which an index finds it."""
        behind = _behind(text)
        if self._is_sqlite:
            return and_(column >= text, column < behind)
        return and_(column.op("~>=~", is_comparison=True)(text), column.op("~<~", is_comparison=True)(behind))

    def _small(self, column: Any, *, is_ascii: bool) -> Any:
        """Return a column in small letters; for what *is_ascii* the others may stay as they are."""
        if self._is_sqlite:
            return func.lower(column) if is_ascii else getattr(func, SQLITE_NAME)(column)
        lowered = func.lower(column.collate("C"))
        if is_ascii:
            return lowered
        has_ascii_alone = func.octet_length(column) == func.char_length(column)
        return case((has_ascii_alone, lowered), else_=func.translate(lowered, CAPITALS, SMALLS))


def _like(pattern: Pattern) -> str:
    return "".join("%" if part is None else _SPECIAL.sub(r"!\1", part) for part in pattern)


def _behind(text: str) -> str:
    """Return the first text that sorts behind all that begin with *text*, by code points."""
    last = ord(text[-1])
    if last == 0x10FFFF:
        return text + text[-1]
    return text[:-1] + chr(0xE000 if last == 0xD7FF else last + 1)
