"""What a provider says of itself, as far as it is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast
from urllib.parse import urlsplit

from core.addresses import is_loopback

_SIGNED = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
"""Signatures that take a key which only the provider has: never none, never a secret that we know as well."""
_METHODS = ("client_secret_basic", "client_secret_post")


class NotAProvider(Exception):
    """What answered does not answer as a provider does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Metadata:
    """A provider's own words."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str | None
    algorithms: tuple[str, ...]
    authentication: str
    """How we say at the token endpoint who we are."""
    tells_issuer: bool
    """Whether it says in each callback that it is from it (RFC 9207)."""


def read_metadata(said: Mapping[str, Any], issuer: str) -> Metadata:
    """Return what *said* says, if it is the word of *issuer*.

    Raises:
        NotAProvider: it is another's, or something of it cannot be.

    """
    if said.get("issuer") != issuer:
        raise NotAProvider

    def address(name: str) -> str:
        found = said.get(name)
        parts = urlsplit(found if isinstance(found, str) else "")
        if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
            raise NotAProvider
        return str(found)

    algorithms = tuple(one for one in _texts(said, "id_token_signing_alg_values_supported") if one in _SIGNED)
    methods = _texts(said, "token_endpoint_auth_methods_supported") or ("client_secret_basic",)
    return Metadata(
        authorization_endpoint=address("authorization_endpoint"),
        token_endpoint=address("token_endpoint"),
        jwks_uri=address("jwks_uri"),
        userinfo_endpoint=address("userinfo_endpoint") if said.get("userinfo_endpoint") else None,
        algorithms=algorithms or ("RS256",),
        authentication=next((one for one in _METHODS if one in methods), _METHODS[0]),
        tells_issuer=said.get("authorization_response_iss_parameter_supported") is True,
    )


def _texts(said: Mapping[str, Any], name: str) -> tuple[str, ...]:
    found = said.get(name)
    return tuple(one for one in cast("list[Any]", found) if isinstance(one, str)) if isinstance(found, list) else ()
