"""What goes on beside a body, both ways: headers that are named after a vendor, and what the address asks for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_plus

from core.dialects._request import STEERING

_VENDORS = ("anthropic-", "openai-")
"""What begins so is a vendor's own word, whatever it says. Other headers are the program's, or a proxy's on the way."""
_AS_WHOM = frozenset(
    (
        "account",
        "dangerous",
        "key",
        "organization",
        "profile",
        "project",
        "token",
        "worker",
        "workspace",
    )
)
"""Words in the names of what says as whom is asked, or from what sort of program: that is our account's."""
_WHERE = STEERING | {"location", "region"}
_TOLD = ("content-type", "deprecation", "retry-after", "retry-after-ms", "sunset", "warning", "x-should-retry")
_LIMITS = ("x-ratelimit-",)
_OF_A_QUERY = "!$&'()*+,;=:@/?%-._~"
"""What stands in a query as it is, beside letters and digits."""


@dataclass(frozen=True, slots=True)
class Beside:
    """What of a caller's request goes to the vendor beside its body."""

    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    query: str = ""
    """As it stands in an address behind its question mark."""


def beside(headers: Iterable[tuple[str, str]], query: bytes) -> Beside:
    """Return what goes on of a caller's *headers*, their names in small letters, and of his *query*, as he wrote it."""
    said: dict[str, str] = {}
    for name, value in headers:
        if _is_vendors(name):
            said[name] = f"{said[name]}, {value}" if name in said else value
    parts = (
        part
        for part in query.split(b"&")
        if part and not _steers(unquote_plus(part.partition(b"=")[0].decode("latin-1")))
    )
    return Beside(said, "&".join(quote(part, safe=_OF_A_QUERY) for part in parts))


def passed_query(query: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Return what goes on of a *query*: all but what says where to ask, or as whom."""
    return [(name, value) for name, value in query if not _steers(name)]


def passes_back(name: str) -> bool:
    """Whether a vendor's header of this name is the caller's: none sets a cookie, or names the vendor's account."""
    return name in _TOLD or name.startswith(_LIMITS) or _is_vendors(name)


def _is_vendors(name: str) -> bool:
    return name.startswith(_VENDORS) and _AS_WHOM.isdisjoint(name.split("-"))


def _steers(name: str) -> bool:
    plain = name.lower().replace("-", "_")
    return plain in _WHERE or not _AS_WHOM.isdisjoint(plain.split("_"))
