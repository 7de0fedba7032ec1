"""Clients that are made in tests trust whom this machine trusts, as elsewhere; whom that is, is read once.

It is some hundred certificates, which take longer to read than most tests do.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable
from typing import Any

import httpcore2

_NAMED_BY = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Variables that say where they are read from."""


def watch() -> None:
    """Let all that is made alike from now on be one and the same."""
    ssl.create_default_context = _once(ssl.create_default_context)
    httpcore2.default_ssl_context = _once(httpcore2.default_ssl_context)


def _once(make: Callable[..., ssl.SSLContext]) -> Callable[..., ssl.SSLContext]:
    made: dict[Any, ssl.SSLContext] = {}

    def known(*given: Any, **named: Any) -> ssl.SSLContext:
        key = (given, tuple(named.items()), *map(os.environ.get, _NAMED_BY))
        if key not in made:
            made[key] = make(*given, **named)
        return made[key]

    return known
