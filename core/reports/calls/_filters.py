"""Which calls somebody asks for: a stretch of time, a tenant, and a search."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from decimal import Decimal

from core.call_search import WORDS, FieldMatch, FieldRange, Limit, Pattern, Term, every, exactly, read_search


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls: all conditions must hold, and ``None`` is none.

    What other parts of Proctor ask by a single thing, and old links, has a name of its own; each of these is one more
    term of the search, and nothing else.
    """

    starts_at: datetime
    """Calls that began at this time or later …"""
    ends_at: datetime
    """… and before this one."""
    tenant_id: str | None = None
    q: str = ""
    """A search: see :mod:`core.call_search`."""
    outcome: str | None = None
    """An outcome, a name in ``OUTCOME_GROUPS``, or ``SUPERSEDED_CALLS``."""
    model: str | None = None
    """``provider/name`` of who answered or was asked last."""
    provider: str | None = None
    """Who was asked, in any attempt."""
    key_id: str | None = None
    """With which key of the tenant; through all its rotations it is one."""
    schema: str | None = None
    version: int | None = None
    """The version of the schema."""
    route: str | None = None
    error_code: str | None = None
    field: str | None = None
    """A path with an error in any attempt; ``[*]`` stands for any position in a list."""
    guardrail: str | None = None
    """Calls in which this one found something."""
    found: str | None = None
    """Calls in which something of this kind was found."""
    text: str | None = None
    """How the call's id or its request id begins, or what its error says. A whole id is found outside the time, too."""

    @property
    def term(self) -> Term | None:
        """All that it asks for beside time and tenant; ``None`` where that is nothing.

        Raises:
            Invalid: its search cannot be read.

        """
        return every(read_search(self.q).term, *(term_of(one.name, getattr(self, one.name)) for one in fields(self)))


_NAMES = {
    "outcome": "outcome", "model": "model", "provider": "provider", "key_id": "key", "schema": "schema",
    "route": "route", "error_code": "error", "guardrail": "guardrail", "found": "found", "text": WORDS,
}  # fmt: skip


def term_of(name: str, value: str | int | datetime | None) -> Term | None:
    """Return what a filter of one thing says as a term of a search; ``None`` where it says nothing."""
    if isinstance(value, int) and name == "version":
        return FieldRange("version", Limit(Decimal(value)), Limit(Decimal(value)))
    if not isinstance(value, str) or not (told := value.strip()):
        return None
    if name == "field":
        return FieldMatch("field", path_pattern(told))
    return FieldMatch(_NAMES[name], exactly(told)) if name in _NAMES else None


def path_pattern(path: str) -> Pattern:
    """Return a path of a field as a pattern, in which ``[*]`` stands for any position of a list."""
    parts: list[str | None] = []
    for piece in path.split("[*]"):
        parts += [piece] if not parts else [None, piece]
    return _joined(parts)


def _joined(parts: list[str | None]) -> Pattern:
    """Return the pieces with the brackets that stood around each star."""
    last = len(parts) - 1
    return tuple(
        part if part is None else f"{']' if place else ''}{part}{'[' if place < last else ''}"
        for place, part in enumerate(parts)
    )
