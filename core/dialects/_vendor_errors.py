"""Errors of vendors that are not in the shape of the dialect they are told in: what they say, to be told in it."""

from __future__ import annotations

from typing import Any, cast

import orjson

from core.dialects._values import dicts, mapping, word


def parsed(body: bytes) -> Any:
    """Return a body as JSON; ``None`` where it is none, as a page of a proxy between."""
    try:
        return orjson.loads(body)
    except ValueError:
        return None


def said_in(status: int, body: Any) -> tuple[str, str | None]:
    """Return the sentence of an error, and its code as a word, wherever its server tells them."""
    first = cast("list[Any]", body)[0] if isinstance(body, list) and body else cast("Any", body)
    whole = mapping(first)
    inner = mapping(whole.get("error")) or whole
    sentence = word(inner, "message") or word(inner, "detail") or word(whole, "error") or _problems(whole.get("detail"))
    code = next((found for name in ("status", "code", "type") if (found := word(inner, name))), None)
    return sentence or f"The provider answered with status {status}, and with no error that can be read.", code


def _problems(listed: Any) -> str:
    """Return what is wrong as FastAPI words it: a list, each with its place."""
    found = [(cast("list[Any]", one.get("loc") or []), word(one, "msg")) for one in dicts(listed)[:3]]
    return "; ".join(f"{'.'.join(map(str, place))}: {sentence}" for place, sentence in found)
