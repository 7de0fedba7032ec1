"""A search as it is typed, read by hand: where it cannot be, it is said what is wrong, where, and what to do."""

from __future__ import annotations

import re
from difflib import get_close_matches

from core.call_search._fields import FIELDS, METADATA, NAMES, WORDS, SearchField
from core.call_search._numbers import NoNumber, range_of
from core.call_search._terms import (
    ANYTHING,
    CallSearch,
    FieldMatch,
    Negation,
    PlacedTerm,
    Term,
    either,
    every,
    exactly,
)
from core.errors import Invalid

MOST_CHARACTERS = 2_000
_MOST_TERMS = 60
_DEEPEST = 12
_BLANK = re.compile(r"\s*")
_NAME = re.compile(r"([A-Za-z_]+)(?:\.([^\s()\"*:]+))?:")
_RAW = re.compile(r"[^\s()\"*]+")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPED = re.compile(r'\\(["\\])')
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]")
_LATER = "Put it in quotes, if it is a text to look for"


def read_search(text: str) -> CallSearch:
    """Return what *text* asks for.

    Raises:
        Invalid: it cannot be read. ``at`` tells where: the number of characters before that place.

    """
    reader = _Reader(text)
    term = reader.whole()
    return CallSearch(text, term, tuple(reader.placed))


class _Reader:
    """Where in a text somebody is who reads it."""

    def __init__(self, text: str) -> None:
        self._text, self._at, self._terms = text, 0, 0
        self.placed: list[PlacedTerm] = []

    def whole(self) -> Term | None:
        """Return all of it."""
        if len(self._text) > MOST_CHARACTERS:
            raise self._error(f"A search has at most {MOST_CHARACTERS:,} characters", MOST_CHARACTERS)
        if strange := _CONTROL.search(self._text):
            raise self._error("This character stands in no text", strange.start())
        self._skip()
        if self._is_over():
            return None
        found = self._either(1)
        if not self._is_over():  # nothing but this ends a term at the outside
            raise self._error("This bracket closes none. Take it out, or put the text in quotes")
        return found

    def _either(self, depth: int) -> Term:
        begins = self._at
        some = [self._every(depth)]
        while self._keyword("OR"):
            some.append(self._every(depth))
        found = either(*some)
        if depth == 1 and len(some) > 1:
            self.placed = [PlacedTerm(found, begins, len(self._text[: self._at].rstrip()))]
        return found

    def _every(self, depth: int) -> Term:
        some: list[Term] = []
        while True:
            begins = self._at
            some.append(self._one(depth))
            if depth == 1:
                self.placed.append(PlacedTerm(some[-1], begins, self._at))
            self._skip()
            joins = self._keyword("AND")
            if not joins and (self._is_over() or self._peek() == ")" or self._is_next("OR")):
                break
        found = every(*some)
        assert found is not None  # noqa: S101 there is one
        return found

    def _one(self, depth: int) -> Term:
        if depth > _DEEPEST:
            raise self._error("This is nested too deeply. Ask in fewer steps")
        begins = self._at
        if self._is_over():
            raise self._error("Something is missing here: a search does not end so")
        if self._peek() == "-" or self._is_next("NOT"):
            self._at += 1 if self._peek() == "-" else 3
            if self._is_over() or (self._text[begins] == "-" and self._peek().isspace()):
                raise self._error("Nothing follows this minus. Write it without a blank, like -route:default", begins)
            self._skip()
            return Negation(self._one(depth + 1))
        if self._peek() == "(":
            self._at += 1
            self._skip()
            found = self._either(depth + 1)
            self._close(begins)
            return found
        if any(self._is_next(word) for word in ("AND", "OR")) or self._peek() == ")":
            raise self._error("Something is missing before this. Put it in quotes, if it is a text to look for")
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise self._error(f"A search has at most {_MOST_TERMS} terms")
        return self._named() or self._match(FIELDS[WORDS], "", begins)

    def _named(self) -> Term | None:
        """Return a term that names a field; ``None`` where there is a text instead."""
        begins, found = self._at, _NAME.match(self._text, self._at)
        if not found:
            return None
        name, key = found[1].lower(), found[2] or ""
        after = self._text[found.end() : found.end() + 1]
        if name not in NAMES or bool(key) != (name == METADATA):
            near = get_close_matches(name, NAMES, n=1, cutoff=0.7)
            if not near and (after == "/" or after.isdigit()):
                return None  # an address, or a host with its port
            if name == METADATA:
                raise self._error("Of 'metadata' say which member, like metadata.team:core", begins)
            whole = found[0][:-1]
            hint = f" Did you mean {near[0]!r}?" if near and not key else ""
            raise self._error(f"There is no field {whole[:40]!r}.{hint} {_LATER}", begins)
        self._at = found.end()
        field = FIELDS[NAMES[name]]
        if self._peek() != "(":
            return self._value(field, key, begins)
        opened = self._at
        self._at += 1
        some = [self._in_list(field, key, begins)]
        while self._keyword("OR"):
            some.append(self._in_list(field, key, begins))
        if self._peek() not in (")", ""):
            raise self._error("Between the values of one field stands OR, like outcome:(invalid OR timeout)")
        self._close(opened)
        return either(*some)

    def _in_list(self, field: SearchField, key: str, begins: int) -> Term:
        self._skip()
        self._terms += 1
        if self._is_next("OR") or self._terms > _MOST_TERMS:
            raise self._error("A value is missing here" if self._is_next("OR") else "These are too many values")
        found = self._value(field, key, begins)
        self._skip()
        return found

    def _value(self, field: SearchField, key: str, begins: int) -> Term:
        """Return what a value says of a field."""
        placed, is_quoted = self._at, self._peek() == '"'
        found = self._match(field, key, begins)
        [said] = found.pattern if len(found.pattern) == 1 else (None,)
        if found.pattern in ((), ANYTHING):
            return found
        if field.kind.is_number:
            if said is None or is_quoted:
                what = self._text[placed : self._at]
                raise self._error(f"{what!r} is no number. Write it without quotes and stars", placed)
            try:
                return range_of(field, said)
            except NoNumber as error:
                raise self._error(str(error).removesuffix("."), placed) from None
        if field.values and said is not None:
            if said.lower() not in field.values:
                raise self._unknown(field, said, placed)
            return FieldMatch(field.name, exactly(field.values[said.lower()]))
        return found

    def _unknown(self, field: SearchField, said: str, at: int) -> Invalid:
        near = get_close_matches(said.lower(), field.values, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else f" There are: {', '.join(sorted(field.values))}."
        return self._error(f"{said[:40]!r} is none of what {field.name!r} can be.{hint}".removesuffix("."), at)

    def _match(self, field: SearchField, key: str, begins: int) -> FieldMatch:
        """Read one value: pieces that touch, in quotes or without, and stars between them."""
        parts: list[str | None] = []
        is_empty = self._at
        while not self._is_over():
            if self._peek() == '"':
                text = self._quoted()
            elif self._peek() == "*":
                self._at += 1
                text = None
            elif raw := _RAW.match(self._text, self._at):
                self._at, text = raw.end(), raw[0]
            elif self._peek() == "(":
                raise self._error("A bracket inside of a text. Put it in quotes")
            else:
                break
            if text is None:
                parts += [] if parts[-1:] == [None] else [None]
            elif text and parts and parts[-1] is not None:
                parts[-1] += text
            elif text:
                parts.append(text)
        if is_empty == self._at:
            what = self._text[begins : self._at]
            raise self._error(f'Nothing follows {what!r}. Write {what}"" for what is empty, or {what}* for anything')
        if field.name == WORDS and not any(parts):
            raise self._error("These words are empty. Write what to look for", is_empty)
        return FieldMatch(field.name, tuple(parts), key)

    def _quoted(self) -> str:
        found = _QUOTED.match(self._text, self._at)
        if not found:
            raise self._error("This quote is not closed. Write another one behind the text")
        self._at = found.end()
        return _ESCAPED.sub(r"\1", found[1])

    def _close(self, opened: int) -> None:
        if self._peek() != ")":
            raise self._error("This bracket is not closed", opened)
        self._at += 1

    def _keyword(self, word: str) -> bool:
        if not self._is_next(word):
            return False
        self._at += len(word)
        self._skip()
        return True

    def _is_next(self, word: str) -> bool:
        behind = self._text[self._at + len(word) : self._at + len(word) + 1]
        return self._text.startswith(word, self._at) and (not behind or behind in "()" or behind.isspace())

    def _skip(self) -> None:
        blank = _BLANK.match(self._text, self._at)
        self._at = blank.end() if blank else self._at

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _is_over(self) -> bool:
        return self._at >= len(self._text)

    def _error(self, sentence: str, at: int | None = None) -> Invalid:
        place = self._at if at is None else at
        end = "" if sentence.endswith("?") else "."
        return Invalid(f"{sentence}{end} (At character {place + 1} of the search.)", at=place)
