"""Clients that are made in tests trust whom this machine trusts, as elsewhere; whom that is, is read once.

It is some hundred certificates, which take longer to read than most tests do.
"""

from __future__ import annotations

import ssl
from functools import cache

import httpcore2


def watch() -> None:
    """Let all that is made alike from now on be one and the same."""
    ssl.create_default_context = cache(ssl.create_default_context)
    httpcore2.default_ssl_context = cache(httpcore2.default_ssl_context)
