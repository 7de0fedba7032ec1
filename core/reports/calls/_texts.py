"""Conditions about texts of a call: by which it is called, what went wrong, what was noted, asked and answered.

Ids are found by their index, whenever the calls were. What has none is looked for among the newest calls of the time
only, and so many of them: nobody waits for ten million texts.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast

import orjson
from sqlalchemy import ColumnElement, Select, Text, and_, case, func, or_, select, text, type_coerce, union_all
from sqlalchemy import cast as as_type
from sqlalchemy.dialects.postgresql import JSON
from sqlmodel import col

from core.call_search import Pattern
from core.reports.calls._patterns import PatternSql
from core.reports.reading import Reading
from core.tables import HAS_FAILED, GenerationRow, Payload
from core.visibility import visible

MOST_TEXTS = 100_000
"""Calls whose error sentence, or whose note, is looked at."""
MOST_KEPT = 2_000
"""Calls whose prompt or answer is looked at."""
IS_FAILED = cast("ColumnElement[bool]", text(f"generation.{HAS_FAILED}"))
"""What has an error sentence: such calls have an index of their own, which is found by these very words."""


class CallTexts:
    """Makes such conditions for one look at the calls of a stretch of time."""

    def __init__(self, reading: Reading, starts_at: datetime, ends_at: datetime, now: datetime) -> None:
        self._reading, self._now = reading, now
        self._like = PatternSql(is_sqlite=reading.is_sqlite)
        at: Any = col(GenerationRow.started_at)
        self._within = and_(at >= starts_at, at < ends_at, visible(reading.scope, GenerationRow.tenant_id))

    def id_like(self, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that a call's id is so."""
        return self._named(col(GenerationRow.id), pattern)

    def request_like(self, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that its request id is so."""
        return self._named(col(GenerationRow.request_id), pattern)

    def in_detail(self, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that what went wrong is told so."""
        if not pattern:
            return self._like.text(col(GenerationRow.error_detail), pattern)
        return col(GenerationRow.id).in_(self._details(pattern))

    def words(self, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that a call is named so, or that what went wrong is told so."""
        found = [self._details(pattern)]
        if (first := pattern[0]) is not None:  # by its index: who begins with a star names nobody
            for column in (col(GenerationRow.id), col(GenerationRow.request_id)):
                begins = self._begins(column, first)
                is_so = begins if len(pattern) == 1 else and_(begins, self._like.name(column, (*pattern, None)))
                found.append(select(col(GenerationRow.id)).where(is_so, self._within))
        return col(GenerationRow.id).in_(union_all(*found) if len(found) > 1 else found[0])

    def noted(self, key: str, pattern: Pattern) -> ColumnElement[bool]:
        """Return the condition that the caller noted *key* so."""
        newest = self._newest((GenerationRow.caller_metadata,), MOST_TEXTS)
        stored = newest.c.caller_metadata
        note = type_coerce(stored, Text)
        has_nul = (func.instr if self._reading.is_sqlite else func.strpos)(note, "\\u0000") > 0
        if self._reading.is_sqlite:
            said: Any = note.op("->")(f"$.{_as_json(key)}")
        else:  # which reads no JSON with a NUL in it: so neither database does
            said = case((~has_nul, as_type(as_type(note, JSON).op("->")(key), Text)))
        is_so = said.is_not(None)
        if pattern not in ((), (None,)):  # what is said is JSON still: a text in quotes, or another value
            inner = tuple(part and _as_json(part)[1:-1] for part in pattern)
            is_so = or_(self._like.name(said, ('"', *inner, '"')), self._like.name(said, pattern))
        some = select(newest.c.id).where(stored.is_not(None), ~has_nul, is_so)
        found = col(GenerationRow.id).in_(some)
        return found if pattern else ~found

    def kept(self, place: str, pattern: Pattern, beside: ColumnElement[bool] | None) -> ColumnElement[bool]:
        """Return the condition that it stands in what is kept of messages or answer, unsealed.

        It is looked for in the newest calls of which *beside* holds.
        """
        newest = self._newest((), MOST_KEPT, beside)
        wanted = pattern
        if place == "prompt":  # kept as JSON
            wanted = tuple(part and _as_json(part)[1:-1] for part in pattern)
        column: Any = type_coerce(col(Payload.asked), Text) if place == "prompt" else col(Payload.answered)
        some = (
            select(newest.c.id)
            .join(Payload, and_(col(Payload.generation_id) == newest.c.id, col(Payload.n) == 0))
            .where(
                col(Payload.key_id).is_(None),
                col(Payload.expires_at) > self._now,
                self._like.text(column, wanted or (None,)),
            )
        )
        found = col(GenerationRow.id).in_(some)
        return found if pattern else ~found

    def _named(self, column: Any, pattern: Pattern) -> ColumnElement[bool]:
        if len(pattern) > 1 and (first := pattern[0]) is not None:
            return and_(self._begins(column, first), self._like.name(column, pattern))
        return self._like.name(column, pattern)

    def _begins(self, column: Any, first: str) -> ColumnElement[bool]:
        return or_(column == first, self._like.begins(column, first))

    def _details(self, pattern: Pattern) -> Select[Any]:
        newest = self._newest((GenerationRow.error_detail,), MOST_TEXTS, IS_FAILED)
        return select(newest.c.id).where(self._like.text(newest.c.error_detail, pattern))

    def _newest(self, columns: tuple[Any, ...], most: int, beside: ColumnElement[bool] | None = None) -> Any:
        newest = select(col(GenerationRow.id), *map(col, columns)).where(self._within)
        if beside is not None:
            newest = newest.where(beside)
        return newest.order_by(col(GenerationRow.started_at).desc()).limit(most).subquery()


def _as_json(said: str) -> str:
    return orjson.dumps(said).decode()
