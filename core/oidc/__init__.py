"""OpenID Connect, for identity alone: who somebody is to a provider, by its own signed word, and nothing kept of it.

The requests are authlib's, the signature is joserfc's; which words of a token have to be what stands here. Everything
asks over the network, so nobody calls it on an event loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar, cast

import httpx2

from core.clock import Clock
from core.errors import Unauthenticated, Unavailable
from core.identities import VouchedIdentity
from core.identity_providers import IdentityProvider
from core.oidc._claims import identity_of
from core.oidc._fetching import TIMEOUT_SECONDS, fetch, json_object, trust
from core.oidc._looks import looked_at
from core.oidc._metadata import Metadata, NotAProvider, read_metadata
from core.oidc._tokens import UntrueToken, claims_of
from core.telemetry import log

__all__ = ["Bindings", "OidcClient", "looked_at"]

KNOWN_SECONDS = 3600.0
"""How old what a provider says of itself may be, its keys included."""
LEAST_SECONDS = 10.0
"""So long at least its keys are not asked for again, whatever tokens name."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bindings:
    """What binds a sign-in to the browser that began it: nobody else knows them, and each proves another step."""

    state: str
    """Comes back in the address."""
    nonce: str
    """Comes back in the signed token."""
    verifier: str
    """Of which the provider gets the hash first (PKCE), and the whole with the code."""


class OidcClient:
    """One provider, as we ask it."""

    def __init__(self, provider: IdentityProvider, clock: Clock) -> None:
        self.provider = provider
        self._clock = clock
        self._lock = threading.Lock()
        self._known: tuple[float, Metadata] | None = None
        self._keys: tuple[float, Mapping[str, Any]] | None = None

    def address(self, redirect_uri: str, bindings: Bindings) -> str:
        """Return where a browser goes to sign in.

        Raises:
            Unavailable: the provider does not answer, or not as one.

        """
        metadata = self._asked(self._metadata)
        with self._client(metadata, redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata.authorization_endpoint,
                state=bindings.state,
                nonce=bindings.nonce,
                code_verifier=bindings.verifier,
                **({"prompt": self.provider.prompt} if self.provider.prompt else {}),
            )
        return str(address)

    def vouched(self, redirect_uri: str, bindings: Bindings, code: str, issuer: str | None) -> VouchedIdentity:
        """Return for whom the *code* of a callback is; *issuer* is who it says that it is from.

        Raises:
            Unauthenticated: the code is not taken, or what the provider says is not its word about this sign-in.
            Forbidden: it says nothing of his groups, on which his role depends.
            Unavailable: it does not answer, or not as a provider.

        """
        metadata = self._asked(self._metadata)
        if issuer != self.provider.issuer and (issuer is not None or metadata.tells_issuer):
            raise self._refused("another_issuer")
        token = self._asked(self._token, metadata, redirect_uri, bindings, code)
        try:
            claims = self._claims(metadata, token, bindings.nonce)
        except UntrueToken as untrue:
            raise self._refused(f"id_token_{untrue.what}") from None
        told = self._asked(self._told, metadata, token)
        if told and told.get("sub") != claims["sub"]:  # another person's token, put in the place of his
            raise self._refused("userinfo_sub")
        return identity_of(self.provider, {**told, **claims})

    # ── Steps ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _asked(self, ask: Callable[..., T], *given: object) -> T:
        """Ask the provider.

        Raises:
            Unavailable: it does not answer, or not as a provider.

        """
        try:
            return ask(*given)
        except (httpx2.HTTPError, httpx2.InvalidURL, NotAProvider) as error:
            log().warning("oidc_failed", provider=self.provider.name, error=type(error).__name__)
            raise Unavailable(
                f"{self.provider.title} does not answer as it should, so nobody can sign in by it now. "
                "Try again in a moment; who has a password here can sign in with that."
            ) from None

    def _metadata(self) -> Metadata:
        with self._lock:
            now = self._clock.monotonic()
            if self._known is None or now - self._known[0] >= KNOWN_SECONDS:
                said = json_object(fetch(self.provider.metadata_address))
                self._known = now, read_metadata(said, self.provider.issuer)
            return self._known[1]

    def _key_set(self, metadata: Metadata, *, anew: bool = False) -> Mapping[str, Any]:
        with self._lock:
            now = self._clock.monotonic()
            oldest = LEAST_SECONDS if anew else KNOWN_SECONDS
            if self._keys is None or now - self._keys[0] >= oldest:
                self._keys = now, json_object(fetch(metadata.jwks_uri))
            return self._keys[1]

    def _token(self, metadata: Metadata, redirect_uri: str, bindings: Bindings, code: str) -> Mapping[str, Any]:
        from authlib.integrations.base_client import OAuthError  # noqa: PLC0415 pyright: ignore[reportMissingTypeStubs]

        try:
            with self._client(metadata, redirect_uri) as client:
                token: Any = client.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=bindings.verifier,
                )
        except OAuthError as error:
            raise self._refused(f"code_{error.error}"[:60]) from None
        except ValueError:
            raise NotAProvider from None
        if not isinstance(token, dict) or not isinstance(cast("dict[str, Any]", token).get("id_token"), str):
            raise NotAProvider
        return cast("dict[str, Any]", token)

    def _claims(self, metadata: Metadata, token: Mapping[str, Any], nonce: str) -> dict[str, Any]:
        """Return what the token says, once it is the provider's; it may have another key since we asked for those."""
        now = int(self._clock.now().timestamp())

        def read(*, anew: bool) -> dict[str, Any]:
            keys = self._asked(lambda: self._key_set(metadata, anew=anew))
            return claims_of(token, keys, self.provider, algorithms=metadata.algorithms, nonce=nonce, now=now)

        try:
            return read(anew=False)
        except UntrueToken as untrue:
            if not untrue.may_be_newer_key:
                raise
            return read(anew=True)

    def _told(self, metadata: Metadata, token: Mapping[str, Any]) -> Mapping[str, Any]:
        if metadata.userinfo_endpoint is None:
            return {}
        return json_object(fetch(metadata.userinfo_endpoint, str(token.get("access_token", ""))))

    def _client(self, metadata: Metadata, redirect_uri: str) -> Any:
        from authlib.integrations.httpx_client import (  # noqa: PLC0415 only who signs in so needs it
            OAuth2Client,  # pyright: ignore[reportUnknownVariableType]
        )

        secret = self.provider.client_secret
        client: Any = OAuth2Client
        return client(
            client_id=self.provider.client_id,
            client_secret=secret.get_secret_value() if secret else None,
            token_endpoint_auth_method=metadata.authentication if secret else "none",
            scope=self.provider.scopes,
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_SECONDS,
            verify=trust(),
        )

    def _refused(self, reason: str) -> Unauthenticated:
        log().warning("oidc_refused", provider=self.provider.name, reason=reason)
        return Unauthenticated(f"What came back from {self.provider.title} proves nobody's identity. Sign in again.")
