"""A tenant's calls, for its own programs: the question as it is checked, the answer as it is documented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from core.api.spend import LONGEST, moment, parameter
from core.errors import Invalid

if TYPE_CHECKING:
    from core.reports import CallFilter, CallPage
    from core.reports.calls import CallCursor, CallOrder

PARAMETERS = ("q", "sort", "after", "before", "limit", "starts_at", "ends_at")
MOST_LISTED = 100
"""Calls of one answer."""
_USUAL_LIMIT = 25
_USUAL_TIME = timedelta(days=1)


class ListedCall(BaseModel):
    """One call of the list; `GET /generations/{id}` has all of it."""

    id: str
    started_at: datetime
    outcome: str
    error_code: str | None
    schema_: str | None = Field(alias="schema")
    schema_version: int | None = Field(description="Null for a schema that came with the request.")
    route: str
    model: str | None = Field(description="`provider/name` of who answered, or was asked last.")
    attempts: int
    duration_ms: float
    ttft_ms: float | None = Field(description="Until the first token; known of streams only.")
    input_tokens: int
    output_tokens: int
    cost_nano_usd: int | None = Field(description="As far as it is known; null where nothing is.")
    unpriced: bool = Field(description="Whether a part of the cost is not known.")
    estimated: bool
    streamed: bool
    request_id: str
    reask_of: str | None = Field(description="The generation that its client asked again for.")
    superseded: bool = Field(description="Whether its client asked again for it.")


class ListedCalls(BaseModel):
    """One page of the calls that pass."""

    calls: list[ListedCall]
    total: int = Field(description="How many pass, counted up to 10,000.")
    total_is_exact: bool = Field(description="Whether there are no more than were counted.")
    next: str | None = Field(description="What `after` takes for the next page; null on the last.")
    previous: str | None = Field(description="What `before` takes for the page before; null on the first.")
    starts_at: datetime = Field(
        description="From when on calls were looked at: later than was asked, where very many had to be sorted."
    )
    ends_at: datetime = Field(description="Up to when; give it back as `ends_at` while you turn the pages.")


@dataclass(frozen=True, slots=True)
class CallQuestion:
    """What a request asks for."""

    wanted: CallFilter
    order: CallOrder
    cursor: CallCursor | None
    size: int


def question(asked: Mapping[str, str], tenant_id: str, now: datetime) -> CallQuestion:
    """Return what a query asks for; without any, the newest calls of the last day.

    Raises:
        Invalid: it cannot be used; the sentence names the parameter.

    """
    from core.reports import CallFilter  # noqa: PLC0415 pandas takes a second to load
    from core.reports.calls import NEWEST, CallCursor, CallOrder  # noqa: PLC0415 as above

    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        raise Invalid(f"'{unknown[0][:40]}' is not a parameter of this request. There are: {', '.join(PARAMETERS)}.")
    ends_at = moment("ends_at", asked["ends_at"]) if "ends_at" in asked else now
    starts_at = moment("starts_at", asked["starts_at"]) if "starts_at" in asked else ends_at - _USUAL_TIME
    if ends_at <= starts_at:
        raise Invalid("The window is empty: 'ends_at' must lie after 'starts_at'.")
    if ends_at - starts_at > LONGEST:
        raise Invalid(f"The window is too long; at most {LONGEST.days} days are answered at once.")
    order = CallOrder.of(asked["sort"]) if "sort" in asked else NEWEST
    if "after" in asked and "before" in asked:
        raise Invalid("Give either 'after' or 'before'.")
    place, is_before = asked.get("after", asked.get("before")), "before" in asked
    return CallQuestion(
        wanted=CallFilter(starts_at=starts_at, ends_at=ends_at, tenant_id=tenant_id, q=asked.get("q", "")),
        order=order,
        cursor=None if place is None else CallCursor.of(place, order, is_before=is_before),
        size=_size(asked.get("limit", str(_USUAL_LIMIT))),
    )


def document(asked: CallQuestion, page: CallPage) -> dict[str, Any]:
    """Return what is answered."""
    from core.reports.calls import MOST_COUNTED_CALLS  # noqa: PLC0415 as above
    from core.reports.frames import records  # noqa: PLC0415

    return {
        "calls": [_line(row) for row in records(page.calls)],
        "total": page.total,
        "total_is_exact": page.total < MOST_COUNTED_CALLS,
        "next": None if page.after is None else str(page.after),
        "previous": None if page.before is None else str(page.before),
        "starts_at": page.since or asked.wanted.starts_at,
        "ends_at": asked.wanted.ends_at,
    }


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    cost = row["cost_usd"]
    own = {
        "schema": row["schema"] or None,
        "schema_version": row["version"],
        "cost_nano_usd": None if cost is None else round(cost * 1_000_000_000),
    }
    return {name: own[name] if name in own else row[name] for name in _NAMES}


_NAMES = tuple(one.alias or name for name, one in ListedCall.model_fields.items())


def _size(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 5 and 0 < int(text) <= MOST_LISTED):
        raise Invalid(f"'limit' is a whole number from 1 to {MOST_LISTED}.")
    return int(text)


def operation(problems: Mapping[int | str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI says; *problems* are the ways of failing."""
    text: dict[str, Any] = {"type": "string"}
    return {
        "operation_id": "calls",
        "summary": "List the tenant's calls",
        "description": (
            "The calls of the key's tenant that pass a search, in any order, a page at a time, as the page *Calls* "
            "of the console has them. Without parameters they are the newest of the last day."
        ),
        "responses": {
            200: {
                "description": "One page of them.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ListedCalls"}}},
            },
            **problems,
        },
        "openapi_extra": {
            "parameters": [
                parameter("q", "A search, such as `outcome:invalid latency:>2s`.", text),
                parameter("sort", "What to sort by, such as `cost`; `-cost` begins with the dearest.", text),
                parameter("after", "The `next` of the page before.", text),
                parameter("before", "The `previous` of the page behind.", text),
                parameter("limit", "Calls of a page.", {"type": "integer", "minimum": 1, "maximum": MOST_LISTED}),
                parameter("starts_at", "The first moment; a day before the end.", text | {"format": "date-time"}),
                parameter("ends_at", "The first moment after the window; now.", text | {"format": "date-time"}),
            ]
        },
    }
