"""How a call says who we are: by a key in a header, or by a cloud's token, which its own library gets and renews."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol

from core.providers import KeyRejected
from core.servers import Server

_ENTRA_SCOPE = "https://cognitiveservices.azure.com/.default"
_GOOGLE_SCOPE = "https://www.googleapis.com/auth/cloud-platform"


class Identity(Protocol):
    """What the headers of a call say of who we are."""

    @property
    def unsaid(self) -> tuple[str, ...]:
        """Headers that an SDK sends by itself, and that are left out."""
        ...

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the headers for *key*."""
        ...


class KeyHeader:
    """A key, in the header that the vendor reads it from."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.unsaid = tuple({"Authorization", "X-Api-Key"} - {"Authorization" if name == "bearer" else name.title()})

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the header."""
        return {"Authorization": f"Bearer {key}"} if self._name == "bearer" else {self._name: key}


class EntraToken:
    """A token of Microsoft Entra, for whoever this process runs as (``DefaultAzureCredential``)."""

    unsaid = ("X-Api-Key",)

    def __init__(self, credential: Any = None) -> None:
        self._credential = credential

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the header; the library keeps the token, and gets a new one before it ends.

        Raises:
            KeyRejected: there is nobody that this process could be.

        """
        del key
        if self._credential is None:
            self._credential = _entra()
        try:
            token = await asyncio.to_thread(self._credential.get_token, _ENTRA_SCOPE)
        except Exception as error:  # noqa: BLE001 it tried a dozen ways, and its text names accounts
            raise _nobody("Microsoft Entra", error) from None
        return {"Authorization": f"Bearer {token.token}"}


class GoogleToken:
    """A token of Google Cloud, for whoever this process runs as (application default credentials)."""

    unsaid = ("X-Api-Key",)

    def __init__(self, credentials: Any = None) -> None:
        self._credentials = credentials
        self._lock = asyncio.Lock()

    async def headers(self, key: str) -> Mapping[str, str]:
        """Return the header, with a new token where the last one has ended.

        Raises:
            KeyRejected: there is nobody that this process could be.

        """
        del key
        async with self._lock:
            try:
                if self._credentials is None:
                    self._credentials = await asyncio.to_thread(_google)
                if not self._credentials.valid:
                    await asyncio.to_thread(_refresh, self._credentials)
            except Exception as error:  # noqa: BLE001 as above
                raise _nobody("Google Cloud", error) from None
        return {"Authorization": f"Bearer {self._credentials.token}"}


def _entra() -> Any:
    return import_module("azure.identity").DefaultAzureCredential()  # an optional dependency, so is what follows


def _google() -> Any:
    credentials, _ = import_module("google.auth").default(scopes=[_GOOGLE_SCOPE])
    return credentials


def _refresh(credentials: Any) -> None:
    credentials.refresh(import_module("google.auth.transport.requests").Request())


def _nobody(cloud: str, error: Exception) -> KeyRejected:
    return KeyRejected(
        f"{cloud} gave no token to this process ({type(error).__name__}). Sign it in, as {cloud} describes."
    )


def identity_of(server: Server) -> Identity | None:
    """Return what says who we are at *server*; ``None`` where the SDK's own client does it."""
    recipe = server.recipe
    if recipe.authentication == "aws" or (recipe.authentication == "google" and recipe.dialect == "messages"):
        return None
    if recipe.authentication == "google" and not server.keys:
        return GoogleToken()
    if recipe.authentication == "api-key" and not server.keys:
        return EntraToken()
    return KeyHeader("bearer" if recipe.authentication == "google" else server.authentication)
