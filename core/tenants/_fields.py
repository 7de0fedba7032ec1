"""What the fields of a tenant may hold, and the limits of a key."""

from __future__ import annotations

import unicodedata
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from core.clock import timezones
from core.errors import Invalid
from core.payload_terms import call_days, payload_days, payload_percent

LONGEST_NAME = 64
LIMITS = {
    "rate_limit_per_min": "generations per minute",
    "tokens_per_min": "tokens per minute",
    "concurrent_limit": "generations in flight at once",
}
"""Of a tenant and of each of its keys."""
RULES = {
    "without_budget": ("calls that no budget covers", ("allow", "refuse")),
    "without_price": ("models that have no price", ("allow", "refuse")),
    "vendor_storage": ("answers that a vendor would store", ("caller", "off", "refused")),
}
"""What a tenant has a rule for, and the words for it; without one the deployment's holds."""
EDITABLE = ("name", "timezone", *LIMITS, *RULES, "route", "payload_retention_days", "payload_percent", "call_days")
_HIGHEST_LIMIT = 2**31 - 1


def checked(field: str, value: Any) -> Any:
    """Return *value* as a tenant keeps it in *field*.

    Raises:
        Invalid: the field cannot be changed, or cannot have that value.

    """
    match field:
        case "name":
            return _tenant_name(value)
        case "timezone":
            return _timezone(value)
        case _ if field in LIMITS:
            return _limit(field, value)
        case _ if field in RULES:
            return _rule(field, value)
        case "route":
            return _route(value)
        case "payload_retention_days":
            return payload_days(value)
        case "payload_percent":
            return payload_percent(value)
        case "call_days":
            return call_days(value)
        case _:
            raise Invalid(f"A tenant has no field {field!r} that can be changed; it has {', '.join(EDITABLE)}.")


def _tenant_name(value: object) -> str:
    name = unicodedata.normalize("NFC", value).strip() if isinstance(value, str) else ""
    allowed = all(letter.isalnum() or letter in " -_." for letter in name)
    if not (name and len(name) <= LONGEST_NAME and allowed and name[0].isalnum()):
        raise Invalid(
            f"A tenant's name has 1 to {LONGEST_NAME} letters, digits, spaces, '-', '_' or '.', "
            "and begins with a letter or digit."
        )
    return name


@lru_cache(maxsize=1)
def _zones() -> dict[str, str]:
    return {zone.lower(): zone for zone in timezones()}


def _timezone(value: object) -> str:
    if isinstance(value, str) and (zone := _zones().get(value.strip().lower())):
        return zone
    wanted = str(value).strip().lower().replace(" ", "_")
    near = [zone for lower, zone in sorted(_zones().items()) if wanted and lower.rpartition("/")[2] == wanted]
    near = near or [_zones()[match] for match in get_close_matches(wanted, _zones(), n=1)]
    raise Invalid(f"{value!r} is not a time zone we know. Write it like {near[0] if near else 'Europe/Berlin'}.")


def _limit(field: str, value: object) -> int | None:
    if value is None:
        return None
    if isinstance(value, int) and not isinstance(value, bool) and 0 < value <= _HIGHEST_LIMIT:
        return value
    raise Invalid(
        f"A limit is a whole number of {LIMITS[field]}, from 1 to {_HIGHEST_LIMIT:,}; without one the default holds. "
        "To stop a tenant, switch generation off for it."
    )


def _rule(field: str, value: object) -> str | None:
    what, words = RULES[field]
    if value is None or value in words:
        return value  # pyright: ignore[reportReturnType] it is None or one of the words
    raise Invalid(f"What holds for {what} is one of {' or '.join(words)}; this is {value!r}.")


def _route(value: object) -> str | None:
    """Return the name of a route; whether it is there is asked where it is set."""
    if value is None or value == "default":
        return None
    if isinstance(value, str) and value.strip():
        return value.strip()
    raise Invalid("A tenant's own route is the name of one; without it the default route holds.")
