"""A key that stands in an address, where servers, proxies and browsers write it down: nobody takes it from there."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl

from core.tenants import key_in

SAID = (
    "A key stands in the address, where servers and proxies write it down. "
    "Send it as 'Authorization: Bearer proctor_…', and rotate it: others may have read it."
)
_NAMES = frozenset({"api_key", "apikey", "access_token", "x_api_key"})
"""What other APIs call a key in an address."""


def names_key(parameters: Iterable[tuple[str, str]]) -> bool:
    """Whether one of *parameters* is called as a key is, or holds one."""
    return any(name.lower().replace("-", "_") in _NAMES or key_in(value) is not None for name, value in parameters)


def holds_key(query: bytes) -> bool:
    """Whether the *query* of an address names a key."""
    return bool(query) and names_key(parse_qsl(query.decode("latin-1"), keep_blank_values=True))
