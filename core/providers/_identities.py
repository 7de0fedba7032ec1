"""How a call says who we are: by a key in a header, or by a cloud's token, which its own library gets."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from core.clock import SystemClock
from core.providers import KeyRejected
from core.providers._tokens import KeptToken, no_token
from core.servers import Server

_ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_UNKNOWN_END_SECONDS = 600.0
"""How long a token is used whose library does not say when it ends."""


class Identity(Protocol):
    """What the headers of a call say of who we are."""

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Headers that an SDK sends by itself, and that are left out."""
        ...

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the headers for *key*.

        Raises:
            KeyRejected: there is nobody that this process could be.

        """
        ...

    def turned_away(self) -> bool:
        """Take in that the vendor does not accept them; return whether the same call may go out with others."""
        ...


class KeyHeader:
    """A key, in the header that the vendor reads it from."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.unsaid = tuple({"Authorization", "X-Api-Key"} - {"Authorization" if name == "bearer" else name.title()})

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the header."""
        return {"Authorization": f"Bearer {key}"} if self._name == "bearer" else {self._name: key}

    def turned_away(self) -> bool:
        """Return that a key does not change."""
        return False


class CloudToken:
    """A token of a cloud, for whoever this process runs as; no key is needed."""

    unsaid = ("X-Api-Key",)

    def __init__(self, kept: KeptToken) -> None:
        self._kept = kept

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the header; raises KeyRejected."""
        del key
        return {"Authorization": f"Bearer {await self._kept.text()}"}

    def turned_away(self) -> bool:
        """Return whether a newer token can be had."""
        return self._kept.turned_away()


class _Entra:
    """Microsoft Entra, by ``DefaultAzureCredential``."""

    def __init__(self) -> None:
        self._credential: Any = None

    def __call__(self) -> tuple[str, float]:
        if self._credential is None:
            self._credential = import_module("azure.identity").DefaultAzureCredential()  # an optional dependency
        token = self._credential.get_token(_ENTRA_SCOPE)
        return token.token, token.expires_on - SystemClock().now().timestamp()


class _Google:
    """Google Cloud, by its application default credentials."""

    def __init__(self) -> None:
        self._credentials: Any = None

    def __call__(self) -> tuple[str, float]:
        if self._credentials is None:
            self._credentials, _ = import_module("google.auth").default(scopes=[_GOOGLE_SCOPE])
        self._credentials.refresh(import_module("google.auth.transport.requests").Request())
        ends: Any = self._credentials.expiry  # in UTC, without saying so
        seconds = (ends - SystemClock().now().replace(tzinfo=None)).total_seconds() if ends else _UNKNOWN_END_SECONDS
        return self._credentials.token, seconds


def identity_of(server: Server) -> Identity | None:
    """Return what says who we are at *server*; ``None`` where the SDK's own client signs each call."""
    recipe = server.recipe
    if recipe.authentication == "aws":
        return None
    if recipe.authentication == "google" and not server.keys:
        return CloudToken(KeptToken("Google Cloud", _Google()))
    if recipe.authentication == "api-key" and not server.keys:
        return CloudToken(KeptToken("Microsoft Entra", _Entra()))
    return KeyHeader("bearer" if recipe.authentication == "google" else server.authentication)


def nobody_in(error: BaseException) -> KeyRejected | None:
    """Return that a call could not be signed, where *error* says so; else ``None``."""
    is_of_aws = type(error).__module__ == "botocore.exceptions" or str(error).startswith("Could not resolve AWS")
    return no_token("AWS", error) if is_of_aws else None
