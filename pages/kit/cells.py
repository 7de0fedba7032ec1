"""What a cell of a table says as text, as the table itself would draw it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, SupportsFloat, TypeAlias, cast

import pandas as untyped  # noqa: ICN001 ships no types, as in frames  # pyright: ignore[reportMissingTypeStubs]

from pages.kit import formats

Looks: TypeAlias = Mapping[str, Any]
"""How a column is drawn, as the framework has it."""
_pd: Any = untyped
_PICTURES = {"area_chart", "bar_chart", "line_chart", "image"}
_PRINTED = re.compile(r"%(?P<comma>,?)(?:\.(?P<digits>\d+))?(?P<kind>[df])")


def is_picture(looks: Looks) -> bool:
    """Return whether the cells of a column that looks so are drawn and not read."""
    return _kind(looks).get("type") in _PICTURES


def told(value: Any, looks: Looks) -> str:
    """Return what *value* says in a column that looks so; a dash where there is nothing."""
    if isinstance(value, (list, tuple)):
        several = cast("Iterable[Any]", value)
        return ", ".join(map(str, several)) or formats.UNKNOWN
    if value is None or value == "" or _pd.isna(value):
        return formats.UNKNOWN
    if isinstance(value, datetime):
        kind = _kind(looks)
        return formats.moment(_aware(value), kind.get("timezone") or "UTC", seconds="ss" in (kind.get("format") or ""))
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, SupportsFloat):
        return _number(float(value), _kind(looks).get("format"))
    return str(value)


def _kind(looks: Looks) -> Looks:
    kind: Looks | None = looks.get("type_config")
    return kind or {}


def _number(value: float, form: str | None) -> str:
    if form == "compact":
        return formats.short(value)
    if not form or form == "localized":
        return f"{value:,.0f}" if value.is_integer() else f"{value:,.3f}".rstrip("0")

    def printed(found: re.Match[str]) -> str:
        digits = int(found["digits"] or 0) if found["kind"] == "f" else 0
        return format(value, f"{found['comma']}.{digits}f")

    return _PRINTED.sub(printed, form).replace("%%", "%")


def _aware(value: Any) -> datetime:
    at = _pd.Timestamp(value)
    return (at.tz_localize("UTC") if at.tzinfo is None else at).to_pydatetime()
