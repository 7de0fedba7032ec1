"""What a tenant spent, for its own programs: the question as it is checked, the answer as it is documented."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

from core.api.bodies import Usage
from core.clock import EPOCH
from core.errors import Invalid

if TYPE_CHECKING:
    from core.reports import Window

LONGEST = timedelta(days=400)
"""The longest window that is answered."""
PARAMETERS = ("month", "starts_at", "ends_at")


class SpendFigures(BaseModel):
    """What some money bought; amounts in nano-dollars, billionths of a dollar."""

    calls: int = Field(description="Generations that began in the window, refused ones included.")
    valid_objects: int = Field(description="Valid objects that callers got, answers from the cache included.")
    attempts: int = Field(description="Provider calls.")
    discarded_attempts: int = Field(description="Provider calls that gave no caller a valid object.")
    spend_usd: float | None = Field(description="`spend_nano_usd` in dollars.")
    spend_nano_usd: int | None = Field(
        description="What all attempts cost, as far as their price is known; null where none of it is."
    )
    useful_nano_usd: int = Field(description="The part of it that bought valid objects.")
    discarded_nano_usd: int = Field(description="The part of it that discarded attempts cost.")
    cost_per_valid_nano_usd: int | None = Field(
        description="All spend per valid object, over what is wholly priced; null without a valid object."
    )
    unpriced_calls: int = Field(description="Calls whose cost is not, or not wholly, in the spend.")
    unpriced_attempts: int = Field(description="Attempts that were answered by a model without a known price.")
    estimated_attempts: int = Field(description="Attempts whose usage the provider never told.")
    estimated_nano_usd: int = Field(description="The part of the spend that is estimated for these.")
    usage: Usage
    cache_saved_nano_usd: int = Field(
        description="What providers' caches took off; below 0 where writing to them cost more than reading saved."
    )
    answers_given_again: int = Field(description="Calls that were answered without a provider.")
    answers_saved_nano_usd: int = Field(description="What those answers would have cost.")


class ModelSpend(SpendFigures):
    """What the money for one model bought. A call that asked two models counts for both."""

    model: str = Field(description="`provider/name` of who was asked.")


class SchemaSpend(SpendFigures):
    """What the money for one schema version bought."""

    schema_: str = Field(alias="schema")
    schema_version: int | None = Field(description="Null for a schema that came with the request.")


class Discarded(BaseModel):
    """Attempts of one model that were thrown away for one reason."""

    reason: str = Field(description="How the attempt ended or, where its answer was valid, how its call did.")
    model: str
    attempts: int
    nano_usd: int
    unpriced_attempts: int


class Spend(SpendFigures):
    """What the key's tenant spent on the calls that began in a window."""

    tenant: str
    timezone: str
    starts_at: datetime
    ends_at: datetime = Field(description="The first moment after the window.")
    as_of: datetime = Field(description="Calls that end later are not in these figures yet.")
    by_model: list[ModelSpend]
    by_schema: list[SchemaSpend]
    discarded_by: list[Discarded]


def window(asked: Mapping[str, str], timezone: str, now: datetime) -> Window:
    """Return the window that a query asks for; without one, the month under way.

    Raises:
        Invalid: it cannot be used; the sentence names the parameter.

    """
    from core.reports import Window, month_around  # noqa: PLC0415 pandas takes a second to load

    unknown = sorted(set(asked) - set(PARAMETERS))
    if unknown:
        raise Invalid(f"'{unknown[0][:40]}' is not a parameter of this request. There are: {', '.join(PARAMETERS)}.")
    if "month" in asked:
        if len(asked) > 1:
            raise Invalid("Give either 'month', or 'starts_at' and 'ends_at'.")
        return Window.of(*month_around(timezone, asked["month"], now), timezone)
    if not asked:
        return Window.of(*month_around(timezone, None, now), timezone)
    if "starts_at" not in asked:
        raise Invalid("'starts_at' is missing.")
    starts_at = moment("starts_at", asked["starts_at"])
    ends_at = moment("ends_at", asked["ends_at"]) if "ends_at" in asked else now
    if ends_at <= starts_at:
        raise Invalid("The window is empty: 'ends_at' must lie after 'starts_at'.")
    if ends_at - starts_at > LONGEST:
        raise Invalid(f"The window is too long; at most {LONGEST.days} days are answered at once.")
    return Window.of(starts_at, ends_at, timezone)


def moment(name: str, text: str) -> datetime:
    """Return the time that a parameter of that name says; raises Invalid."""
    refusal = Invalid(f"'{name}' is no time with a zone; write it like 2026-11-23T00:00:00Z.")
    try:
        at = datetime.fromisoformat(text)
        zoned = at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise refusal from None
    if at.tzinfo is None or zoned < EPOCH:
        raise refusal
    return zoned


def operation(problems: Mapping[int | str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI says; *problems* are the ways of failing."""
    return {
        "operation_id": "spend",
        "summary": "What the tenant spent",
        "description": (
            "The spend of a window is the cost of all attempts of the calls that began in it: the number that the "
            "console shows for the same window. Name a `month` of the tenant's time zone, or `starts_at` and "
            "`ends_at`; without any, it is the month under way."
        ),
        "responses": {
            200: {
                "description": "The spend, and what it bought.",
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Spend"}}},
            },
            **problems,
        },
        "openapi_extra": {
            "parameters": [
                parameter("month", "Such as `2026-11`.", {"type": "string", "pattern": r"^\d{4}-(0[1-9]|1[0-2])$"}),
                parameter("starts_at", "The first moment.", {"type": "string", "format": "date-time"}),
                parameter(
                    "ends_at",
                    f"The first moment after the window; without it, now. At most {LONGEST.days} days later.",
                    {"type": "string", "format": "date-time"},
                ),
            ]
        },
    }


def parameter(name: str, said: str, schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the OpenAPI says of one parameter."""
    return {"name": name, "in": "query", "required": False, "description": said, "schema": schema}
