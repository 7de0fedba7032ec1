"""What a search says, as a tree: the one form behind the text, the page's chips and the address."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

Pattern: TypeAlias = tuple[str | None, ...]
"""What a value is like: texts as they stand, and ``None`` for any text. Nothing at all is what is empty or missing."""
ANYTHING: Pattern = (None,)
"""Whatever it is, but not missing."""


@dataclass(frozen=True, slots=True)
class FieldMatch:
    """A field that is like a pattern."""

    field: str
    pattern: Pattern
    key: str = ""
    """Which member of it: of ``metadata`` alone."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One end of a range."""

    value: Decimal
    """In the field's own unit: milliseconds, nano-dollars, or a count."""
    is_within: bool = True


@dataclass(frozen=True, slots=True)
class FieldRange:
    """A number between two ends, of which one may be missing. What is not known lies in no range."""

    field: str
    low: Limit | None = None
    high: Limit | None = None


@dataclass(frozen=True, slots=True)
class Negation:
    """All that something does not hold of: what is missing as well."""

    of: Term


@dataclass(frozen=True, slots=True)
class Every:
    """Two terms or more that must hold together."""

    of: tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Either:
    """Two terms or more of which one must hold."""

    of: tuple[Term, ...]


Term: TypeAlias = FieldMatch | FieldRange | Negation | Every | Either


@dataclass(frozen=True, slots=True)
class PlacedTerm:
    """A term where it stands in a text."""

    term: Term
    begins: int
    ends: int


@dataclass(frozen=True, slots=True)
class CallSearch:
    """A search as it was read."""

    text: str
    """As it was typed."""
    term: Term | None
    """``None`` where it asks for nothing, and every call passes."""
    placed: tuple[PlacedTerm, ...]
    """The terms that must hold together, each where it stands."""


def every(*terms: Term | None) -> Term | None:
    """Return what holds where all of them do."""
    some: list[Term] = []
    for term in terms:
        some += term.of if isinstance(term, Every) else [] if term is None else [term]
    return Every(tuple(some)) if len(some) > 1 else some[0] if some else None


def either(*terms: Term) -> Term:
    """Return what holds where one of them does."""
    some: list[Term] = []
    for term in terms:
        some += term.of if isinstance(term, Either) else [term]
    return Either(tuple(some)) if len(some) > 1 else some[0]


def parts(term: Term | None) -> tuple[Term, ...]:
    """Return the terms that must hold together."""
    return term.of if isinstance(term, Every) else () if term is None else (term,)


def fields_of(term: Term) -> frozenset[str]:
    """Return the names of all fields that a term is about."""
    match term:
        case FieldMatch() | FieldRange():
            return frozenset({term.field})
        case Negation():
            return fields_of(term.of)
        case Every() | Either():
            return frozenset(name for one in term.of for name in fields_of(one))


def exactly(text: str) -> Pattern:
    """Return the pattern of a text as it stands."""
    return (text,) if text else ()
