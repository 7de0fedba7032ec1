"""JSON pointers in a schema, as ``$ref`` writes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast
from urllib.parse import quote, unquote


def resolve(root: Mapping[str, Any], reference: str) -> Any:
    """Return what the local *reference* (``#/$defs/line``) points to in *root*; ``None`` where it points to nothing."""
    found: Any = root
    for name in steps_of(reference):
        if isinstance(found, dict):
            found = cast("dict[str, Any]", found).get(name)
        elif isinstance(found, list):
            parts = cast("list[Any]", found)
            found = parts[int(name)] if name.isdecimal() and int(name) < len(parts) else None
        else:
            return None
    return found


def steps_of(reference: str) -> list[str]:
    """Return the names and indexes that *reference* leads through."""
    return [unquote(step).replace("~1", "/").replace("~0", "~") for step in reference.split("/")[1:]]


def below(pointer: str, *steps: int | str) -> str:
    """Return the pointer of what lies behind *steps* in the schema at *pointer*."""
    return pointer + "".join(f"/{quote(str(each).replace('~', '~0').replace('/', '~1'), safe='')}" for each in steps)
