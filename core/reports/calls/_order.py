"""In what order calls are listed, and where in it a page begins: by keyset, so the last page costs what the first does.

What lacks the value that a list is sorted by comes last, whichever way; calls of one value are in the order of their
ids. That holds of both databases.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import ColumnElement, and_, or_
from sqlmodel import col

from core.clock import from_micros, micros
from core.errors import Invalid
from core.reports.calls._columns import COST, FULL_MODEL, TENANT_NAME, TOKENS, wide
from core.tables import GenerationRow

_BY: Mapping[str, Any] = {
    "started": col(GenerationRow.started_at),
    "outcome": col(GenerationRow.outcome),
    "tenant": TENANT_NAME,
    "schema": col(GenerationRow.schema_name),
    "version": wide(col(GenerationRow.schema_version)),
    "route": col(GenerationRow.route),
    "model": FULL_MODEL,
    "attempts": wide(col(GenerationRow.attempts)),
    "latency": col(GenerationRow.duration_ms),
    "ttft": col(GenerationRow.ttft_ms),
    "tokens": TOKENS,
    "input_tokens": wide(col(GenerationRow.input_tokens)),
    "output_tokens": wide(col(GenerationRow.output_tokens)),
    "cost": COST,
    "wasted": col(GenerationRow.wasted_nano_usd),
    "error": col(GenerationRow.error_code),
    "request": col(GenerationRow.request_id),
}
_TEXTS = frozenset({"outcome", "tenant", "schema", "route", "model", "error", "request"})
SORTS = tuple(_BY)
"""What a list can be sorted by."""
_LONGEST_CURSOR = 2_000


@dataclass(frozen=True, slots=True)
class CallOrder:
    """By what calls are sorted, and whether the most comes first."""

    by: str = "started"
    is_descending: bool = True

    def __str__(self) -> str:
        return f"{'-' if self.is_descending else ''}{self.by}"

    @classmethod
    def of(cls, text: str) -> CallOrder:
        """Return what :meth:`__str__` wrote.

        Raises:
            Invalid: it is none.

        """
        if text.removeprefix("-") not in _BY:
            raise Invalid(f"{text[:40]!r} is nothing to sort by. There are: {', '.join(SORTS)}; '-' goes down.")
        return cls(text.removeprefix("-"), text.startswith("-"))

    @property
    def is_in_time(self) -> bool:
        """Whether an index has this order, so that a page reads what it shows."""
        return self.by == "started"

    @property
    def value(self) -> ColumnElement[Any]:
        """What a call is sorted by."""
        return _BY[self.by]

    def _compared(self, *, is_sqlite: bool) -> ColumnElement[Any]:
        return self.value.collate("C") if self.by in _TEXTS and not is_sqlite else self.value

    def terms(self, *, is_sqlite: bool, is_reversed: bool = False) -> list[ColumnElement[Any]]:
        """Return what a statement is ordered by."""
        value, id_ = self._compared(is_sqlite=is_sqlite), col(GenerationRow.id)
        goes_down = self.is_descending != is_reversed
        both: list[ColumnElement[Any]] = [value.desc(), id_.desc()] if goes_down else [value.asc(), id_.asc()]
        if self.is_in_time:
            return both
        missing = self.value.is_(None)
        return [missing.desc() if is_reversed else missing.asc(), *both]

    def beyond(self, cursor: CallCursor, *, is_sqlite: bool) -> ColumnElement[bool]:
        """Return the condition that a call lies behind the one of *cursor*, or before it."""
        value, id_ = self._compared(is_sqlite=is_sqlite), col(GenerationRow.id)
        is_down = self.is_descending != cursor.is_before
        beyond_id = id_ < cursor.id if is_down else id_ > cursor.id
        if cursor.value is None:
            same = and_(self.value.is_(None), beyond_id)
            return or_(self.value.is_not(None), same) if cursor.is_before else same
        farther = value < cursor.value if is_down else value > cursor.value
        same = and_(value == cursor.value, beyond_id)
        if self.is_in_time:  # the first says it in words of the index
            at = value <= cursor.value if is_down else value >= cursor.value
            return and_(at, or_(farther, same))
        return or_(farther, same) if cursor.is_before else or_(farther, same, self.value.is_(None))


NEWEST = CallOrder()


@dataclass(frozen=True, slots=True)
class CallCursor:
    """The call behind which a page begins or, *is_before*, before which it ends."""

    value: datetime | float | str | None
    id: str
    is_before: bool = False

    def __str__(self) -> str:
        told = micros(self.value) if isinstance(self.value, datetime) else self.value
        return base64.urlsafe_b64encode(orjson.dumps([told, self.id])).decode().rstrip("=")

    @classmethod
    def of(cls, text: str, order: CallOrder, *, is_before: bool = False) -> CallCursor:
        """Return what :meth:`__str__` wrote of a list in this order.

        Raises:
            Invalid: it is none.

        """
        no_cursor = Invalid("This is no place in the list that is asked for. Begin at its first page.")
        try:
            told: Any = orjson.loads(base64.urlsafe_b64decode(text[:_LONGEST_CURSOR] + "=" * (-len(text) % 4)))
            value, call_id = told
        except (ValueError, TypeError, binascii.Error):
            raise no_cursor from None
        is_text, is_number = isinstance(value, str), isinstance(value, int | float) and not isinstance(value, bool)
        is_right = value is None or (is_text if order.by in _TEXTS else is_number)
        if not (is_right and isinstance(call_id, str)) or "\0" in f"{value}{call_id}":
            raise no_cursor
        if order.is_in_time:
            if not isinstance(value, int) or not 0 <= value < 2**53:
                raise no_cursor
            return cls(from_micros(value), call_id, is_before)
        if isinstance(value, int | float) and not -(2**63) < value < 2**63:
            raise no_cursor
        return cls(value, call_id, is_before)
