"""Any figures of a tenant, for its own programs: the question as it is checked, the answer as it is documented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from core.api.spend import moment, parameter
from core.clock import timezones
from core.errors import Invalid

if TYPE_CHECKING:
    from core.reports import Query, QueryAnswer, Window
    from core.reports.query import Group

PARAMETERS = ("measures", "by", "q", "range", "starts_at", "ends_at", "zone", "step", "limit")
_USUAL_RANGE = "24h"
_MINUTE = timedelta(minutes=1)
_MOST_STEP = 366 * 24 * 60


class MeasureTold(BaseModel):
    """What one of the figures is."""

    name: str
    label: str
    unit: str = Field(description="`calls`, `attempts`, `tokens`, `nano_usd`, `share` (from 0 to 1) or `ms`.")
    sentence: str


class FiguresGroup(BaseModel):
    """Calls that are alike in what was asked for, and their figures."""

    values: dict[str, str | None] = Field(description="By dimension; null where a call has none.")
    names: dict[str, str] = Field(description="What people call them.")
    figures: dict[str, float | None] = Field(description="By measure; null where it would be one of nothing.")
    over_time: list[dict[str, float | None]] | None = Field(
        description="The same for each of `times`; null without `time`."
    )


class QueriedFigures(BaseModel):
    """What was asked for."""

    measures: list[MeasureTold]
    starts_at: datetime
    ends_at: datetime = Field(description="The first moment after the window.")
    as_of: datetime = Field(description="Calls that end later are not in these figures yet.")
    times: list[datetime] | None = Field(description="When each step begins; null without `time` in `by`.")
    filling_from: datetime | None = Field(description="When the step begins that is not over yet, if one is not.")
    total: FiguresGroup
    groups: list[FiguresGroup] = Field(description="Those that matter most to the first measure, in that order.")
    others: FiguresGroup | None = Field(description="All others together; null if there are none.")
    others_count: int
    of_attempts: bool = Field(description="Whether a call counts for each model that it asked.")


def question(asked: Mapping[str, str], zone: str, now: datetime) -> Query:
    """Return what a query asks for; without any, how many calls there were within a day.

    Raises:
        Invalid: it cannot be used; the sentence names the parameter.

    """
    from core.reports import Query  # noqa: PLC0415 pandas takes a second to load

    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        raise Invalid(f"'{unknown[0][:40]}' is not a parameter of this request. There are: {', '.join(PARAMETERS)}.")
    return Query(
        window=_window(asked, zone, now),
        measures=_listed(asked.get("measures", "calls")),
        by=_listed(asked.get("by", "")),
        q=asked.get("q", ""),
        limit=_number("limit", asked.get("limit", "20"), 1_000),
        step=_number("step", asked["step"], _MOST_STEP) * _MINUTE if "step" in asked else None,
    )


def _window(asked: Mapping[str, str], zone: str, now: datetime) -> Window:
    from core.reports.ranges import HOURS, NAMED, Range  # noqa: PLC0415 as above

    zone = asked.get("zone", zone)
    if zone not in timezones():
        raise Invalid(f"'zone' is no time zone that we know: '{zone[:40]}'. Write it like Europe/Berlin.")
    if "range" in asked and {"starts_at", "ends_at"} & asked.keys():
        raise Invalid("Give either 'range', or 'starts_at' and 'ends_at'.")
    if "starts_at" not in asked:
        if "ends_at" in asked:
            raise Invalid("'starts_at' is missing.")
        name = asked.get("range", _USUAL_RANGE)
        found = Range(name) if name in HOURS or name in NAMED else None
        if found is None:
            raise Invalid(f"'range' is none. There are: {', '.join([*HOURS, *NAMED])}.")
        return found.window(now, zone)
    starts_at = moment("starts_at", asked["starts_at"])
    ends_at = moment("ends_at", asked["ends_at"]) if "ends_at" in asked else now
    between = Range.between(starts_at, ends_at)
    if between is None:
        raise Invalid("A window is a minute long at least and 366 days at most, and 'ends_at' lies after 'starts_at'.")
    return between.window(now, zone)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",")] if text.strip() else []


def _number(name: str, text: str, most: int) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(most)) and 0 < int(text) <= most):
        raise Invalid(f"'{name}' is a whole number from 1 to {most:,}.")
    return int(text)


def document(answer: QueryAnswer) -> dict[str, Any]:
    """Return what is answered."""
    query = answer.query
    return {
        "measures": [
            {"name": one.name, "label": one.label, "unit": one.unit, "sentence": one.sentence} for one in query.asked
        ],
        "starts_at": query.window.starts_at,
        "ends_at": query.window.ends_at,
        "as_of": answer.as_of,
        "times": answer.times or None,
        "filling_from": answer.filling_from,
        "total": _group(answer, answer.total, named=False),
        "groups": [_group(answer, one) for one in answer.groups],
        "others": None if answer.others is None else _group(answer, answer.others),
        "others_count": answer.others_count,
        "of_attempts": answer.of_attempts,
    }


def _group(answer: QueryAnswer, group: Group, *, named: bool = True) -> dict[str, Any]:
    dimensions, asked = answer.query.dimensions if named else (), answer.query.asked
    return {
        "values": dict(zip(dimensions, group.values, strict=True)),
        "names": dict(zip(dimensions, group.names, strict=True)),
        "figures": {one.name: group.whole.value(one) for one in asked},
        "over_time": [{one.name: cell.value(one) for one in asked} for cell in group.cells] if answer.times else None,
    }


def operation(problems: Mapping[int | str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI says; *problems* are the ways of failing."""
    text: dict[str, Any] = {"type": "string"}
    time = text | {"format": "date-time"}
    return {
        "operation_id": "query",
        "summary": "Ask for figures",
        "description": (
            "Any measures of the calls of the key's tenant over any time, by what they are told apart by, as the page "
            "*Traffic* of the console has them. Money is in nano-dollars, durations are in milliseconds."
        ),
        "responses": {
            200: {
                "description": "The figures.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/QueriedFigures"}}},
            },
            **problems,
        },
        "openapi_extra": {
            "parameters": [
                parameter("measures", "Names with commas between, such as `calls,error_rate,p95`; `calls`.", text),
                parameter("by", "What to tell apart by, such as `time,model`; nothing.", text),
                parameter("q", "A search by what figures are kept by, such as `route:default -outcome:blocked`.", text),
                parameter("range", "Such as `7d`, `today` or `last-month`; `24h`.", text),
                parameter("starts_at", "The first moment, instead of a range.", time),
                parameter("ends_at", "The first moment after the window; now.", time),
                parameter("zone", "Whose midnights are cuts, such as `Europe/Berlin`; the tenant's.", text),
                parameter(
                    "step", "Minutes of a step of time; as the console cuts it.", {"type": "integer", "minimum": 1}
                ),
                parameter("limit", "Groups to tell apart.", {"type": "integer", "minimum": 1, "maximum": 100}),
            ]
        },
    }
