"""Reading JSON whose shape its sender only promises.

What a server sends need not have the shape that its vendor documents. These read a member of a JSON object if it is
what it should be, and see nothing where it is not; so nothing odd reaches the record or a database.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

import orjson

from core.json_texts import as_python_reads
from core.providers.reading.reasons import LIKE_A_KEY

LONGEST_WORD = 200
MOST_TOKENS = 2**31 - 1
"""What a column of either database holds."""
NOTHING: Mapping[str, Any] = MappingProxyType({})
_DICT: Any = dict
_LIST: Any = list
_OBJECT: Any = (dict, MappingProxyType)
"""Kinds that are looked for in every event of a stream: an abstract class takes ten times as long to ask."""


def parsed(content: bytes) -> Any:
    """Return a body as JSON, also one with figures that only Python's reader takes, as the SDKs do; else ``None``."""
    try:
        return orjson.loads(content)
    except ValueError:
        pass
    try:
        value = as_python_reads(content)
        json.dumps(value, ensure_ascii=False).encode()  # halves of pairs are nothing that can be kept
    except (ValueError, RecursionError):
        return None
    return value


def part(of: Any, name: str) -> Mapping[str, Any]:
    """Return the object *name* of a JSON object, or an empty one."""
    found: Any = of.get(name) if isinstance(of, _OBJECT) else None
    return found if isinstance(found, _DICT) else NOTHING


def parts(of: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list *name* of a JSON object."""
    found: Any = of.get(name) if isinstance(of, _OBJECT) else None
    return [one for one in found if isinstance(one, dict)] if isinstance(found, _LIST) and found else []


def text(of: Mapping[str, Any], name: str) -> str:
    """Return the text *name* of a JSON object, or an empty one."""
    found = of.get(name)
    return found if isinstance(found, str) else ""


def word(of: Mapping[str, Any], name: str) -> str | None:
    """Return the text *name* if it is short and plain, as a model's name or a reason to stop are."""
    found = of.get(name)
    if not isinstance(found, str):
        return None
    is_plain = 0 < len(found) <= LONGEST_WORD and found.isprintable() and not LIKE_A_KEY.search(found)
    return found if is_plain else None


def count(of: Mapping[str, Any], name: str) -> int:
    """Return the number of tokens *name* of a usage, or 0; some servers write a whole number as a fraction."""
    found = of.get(name)
    if isinstance(found, float) and found.is_integer():
        found = int(found)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= MOST_TOKENS else 0


def merge(into: dict[str, Any], told: Mapping[str, Any]) -> None:
    """Take what *told* says of a usage into what was told before: the last word holds, but 0 and null are no word."""
    for name, value in told.items():
        before = into.get(name)
        if isinstance(value, dict):
            inner = dict(cast("dict[str, Any]", before)) if isinstance(before, dict) else {}
            merge(inner, cast("dict[str, Any]", value))
            into[name] = inner
        elif value or before is None:
            into[name] = value
