"""What who runs the deployment sets: the proxy, and what we tell a host by which it knows us, bound to that host.

Whoever may enter an address cannot name a secret, so none goes to a host that it was not set for.
"""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import SecretStr

HostSecrets = Mapping[str, SecretStr]
"""By host, with its port where that is not the usual one."""


def read_proxy(text: str) -> str | None:
    """Return the address of a proxy; ``None`` for an empty one.

    Raises:
        ValueError: it is none.

    """
    if text and not text.lower().startswith(("http://", "https://")):
        raise ValueError("it must start with http:// or https://")
    return text or None


def read_secrets(text: str) -> HostSecrets:
    """Return the secrets of a list with commas, such as ``guard.example=abc,other.example:8443=def``.

    Raises:
        ValueError: it cannot be read; the sentence holds nothing of it.

    """
    found: dict[str, SecretStr] = {}
    for number, part in enumerate((part.strip() for part in text.split(",") if part.strip()), 1):
        host, equals, secret = part.partition("=")
        if not host or not equals or not secret or not secret.isascii() or not secret.isprintable() or " " in secret:
            raise ValueError(f"entry {number} is not host=secret, such as guard.example=abc")
        found[host.strip().lower()] = SecretStr(secret)
    return found
