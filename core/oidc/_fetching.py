"""What a provider answers, asked over the network."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from ssl import SSLContext
from typing import Any, cast

import httpx2

from core.oidc._metadata import NotAProvider

TIMEOUT_SECONDS = 10.0
"""How long a provider may keep quiet."""


@cache
def trust() -> SSLContext:
    """Return whose certificates are believed; it takes long to read them."""
    return httpx2.create_ssl_context()


def fetch(address: str, bearer: str = "") -> httpx2.Response:
    """Return what an address answers.

    Raises:
        HTTPError: it does not, or with a status that is none of success.

    """
    headers = {"Accept": "application/json"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
    answer = httpx2.get(address, headers=headers, timeout=TIMEOUT_SECONDS, verify=trust())
    answer.raise_for_status()
    return answer


def json_object(answer: httpx2.Response) -> Mapping[str, Any]:
    """Return the object in an answer.

    Raises:
        NotAProvider: there is none.

    """
    try:
        found = answer.json()
    except ValueError:
        raise NotAProvider from None
    if not isinstance(found, dict):
        raise NotAProvider
    return cast("dict[str, Any]", found)
