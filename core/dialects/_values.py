"""Members of JSON objects that others wrote: taken where they are of the kind that is looked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from core.errors import Invalid


def flag(values: Mapping[str, Any], name: str) -> bool:
    """Return a member that is true or false; false where it is not there.

    Raises:
        Invalid: it is something else.

    """
    value = values.get(name)
    if value is not None and not isinstance(value, bool):
        raise Invalid(f"'{name}' is true or false.", param=name)
    return value or False


def number(values: Mapping[str, Any], name: str) -> int | None:
    """Return a member that is a whole number of at least 1; ``None`` where it is not there.

    Raises:
        Invalid: it is something else.

    """
    value = values.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value < 1 << 31:
        raise Invalid(f"'{name}' is a whole number of at least 1.", param=name)
    return value


def objects(values: Mapping[str, Any], name: str, where: str = "") -> list[dict[str, Any]]:
    """Return a member that is a list of objects; an empty one where it is not there.

    Raises:
        Invalid: it is something else.

    """
    value = values.get(name)
    if value is None:
        return []
    listed = dicts(value)
    if not isinstance(value, list) or len(listed) != len(cast("list[Any]", value)):
        raise Invalid(f"'{where}{name}' is a list of objects.", param=f"{where}{name}")
    return listed


def dicts(value: Any) -> list[dict[str, Any]]:
    """Return the objects of a list; none where it is no list."""
    return [one for one in cast("list[Any]", value) if isinstance(one, dict)] if isinstance(value, list) else []


def mapping(value: Any) -> dict[str, Any]:
    """Return *value* if it is an object, else an empty one."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def word(value: Mapping[str, Any], name: str) -> str:
    """Return a member that is a text, else an empty one."""
    found = value.get(name)
    return found if isinstance(found, str) else ""
