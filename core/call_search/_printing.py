"""A search as a text that is read back as the same."""

from __future__ import annotations

import re

from core.call_search._fields import FIELDS, METADATA, WORDS
from core.call_search._numbers import written
from core.call_search._terms import Either, Every, FieldMatch, FieldRange, Negation, Pattern, Term

_PLAIN = re.compile(r"[^\s()\"*\x00-\x1f]+")
_KEYWORDS = {"AND", "OR", "NOT"}


def printed(term: Term | None) -> str:
    """Return the text of a search."""
    return "" if term is None else " ".join(map(_inner, term.of)) if isinstance(term, Every) else _told(term)


def value_text(text: str) -> str:
    """Return a value as it is written so that it stands for itself: in quotes, where it needs some."""
    return text if _PLAIN.fullmatch(text) else _quoted(text)


def _told(term: Term) -> str:
    match term:
        case FieldMatch():
            return _match(term)
        case FieldRange():
            return f"{term.field}:{written(FIELDS[term.field], term)}"
        case Negation():
            return f"-{_inner(term.of)}"
        case Every():
            return " ".join(map(_inner, term.of))
        case Either():
            return " OR ".join(map(_inner, term.of))


def _inner(term: Term) -> str:
    """Return a term as it stands inside of another one."""
    return f"({_told(term)})" if isinstance(term, Every | Either) else _told(term)


def _match(term: FieldMatch) -> str:
    if term.field == WORDS:
        return _words(term.pattern)
    name = f"{METADATA}.{term.key}" if term.field == METADATA else term.field
    return f"{name}:{_pattern(term.pattern)}"


def _words(pattern: Pattern) -> str:
    told = _pattern(pattern)
    needs_quotes = told in _KEYWORDS or told.startswith("-") or ":" in told
    if needs_quotes and not told.startswith('"'):
        told = "".join("*" if part is None else _quoted(part) for part in pattern)
    return told


def _pattern(pattern: Pattern) -> str:
    if not pattern:
        return '""'
    return "".join("*" if part is None else value_text(part) for part in pattern)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
