"""What of a request opens something else, and is kept nowhere: keys for others' servers, and links that are keys."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast
from urllib.parse import urlsplit

MASK = "[...]"
_SECRET = re.compile(
    r"(proxy-)?authorization(_token)?|(set-)?cookie|password|passphrase|(client[-_]?)?secret(_key)?"
    r"|(x-)?api[-_]?key|((access|refresh|id|auth|bearer)[-_])?token",
    re.IGNORECASE,
)
"""Names of members whose texts open something."""
_HEADERS = re.compile(r"(extra_|http_|default_)?headers", re.IGNORECASE)
"""Members of which every text may."""
_SERVERS = ("server_url",)
"""Links of which more than the host may."""
_CONTENT = frozenset({"text", "arguments"})
"""What people and models write, which guardrails look at."""


def masked(value: Any, name: str = "") -> Any:
    """Return *value*, as JSON has it, without what its names say is secret, and links without their queries."""
    if isinstance(value, dict):
        is_secret = _HEADERS.fullmatch(name) is not None
        return {
            one: inner if one in _CONTENT else masked(inner, "secret" if is_secret else one)
            for one, inner in cast("Mapping[str, Any]", value).items()
        }
    if isinstance(value, list):
        return [masked(one, name) for one in cast("list[Any]", value)]
    return masked_text(value, name) if isinstance(value, str) else value


def masked_text(text: str, name: str) -> str:
    """Return the text of the member *name* as it may be kept."""
    if text and _SECRET.fullmatch(name):
        return MASK
    if not text.lower().startswith(("https://", "http://")):
        return text
    if name in _SERVERS:
        return f"{text.partition('://')[0]}://{urlsplit(text).hostname or ''}/{MASK}"
    before, mark, _ = text.partition("?")
    return f"{before}?{MASK}" if mark and name.endswith(("url", "uri")) else text


def secrets_in(value: Any, name: str = "") -> Iterator[str]:
    """Yield every text in *value* that :func:`masked` would not leave as it is: to know it where it is quoted."""
    if isinstance(value, dict):
        is_secret = _HEADERS.fullmatch(name) is not None
        for one, inner in cast("Mapping[str, Any]", value).items():
            if one not in _CONTENT:
                yield from secrets_in(inner, "secret" if is_secret else one)
    elif isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from secrets_in(one, name)
    elif isinstance(value, str) and masked_text(value, name) != value:
        yield value
