"""The deployment's own keys: users, and what else names somebody, are hashed by them, and payloads are sealed.

Each key is 32 random bytes, and what it is used for is derived from it by name (HKDF), so one key in two places is two.
The first of a list makes what is new; the others still tell what was made with them, until nothing of it is left.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

KEY_BYTES = 32
_LEAST_DIFFERENT = 16
"""So many different bytes has any key that was drawn; one that was typed has fewer, or is no base64."""
_SEPARATORS = re.compile(r"[\s,]+")
_MAKE = "'proctor payload key' makes one"


@dataclass(frozen=True, slots=True)
class DeploymentKey:
    """One of the deployment's keys."""

    id: str
    """Twelve hexadecimal digits that follow from it, by which what it sealed is known; they tell nothing of it."""
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> DeploymentKey:
        """Return the key of these bytes."""
        return cls(_derived(secret, "id")[:6].hex(), secret)

    def derived(self, use: str) -> bytes:
        """Return the key for one *use* that follows from it."""
        return _derived(self.secret, use)


class OwnKeys:
    """The keys for hashes and those for payloads, either of which may be missing."""

    def __init__(self, *, hash_keys: Sequence[DeploymentKey] = (), payload_keys: Sequence[DeploymentKey] = ()) -> None:
        self.hash_keys = tuple(hash_keys)
        self.payload_keys = tuple(payload_keys)

    # ── Hashes ────────────────────────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _hashing(self) -> tuple[bytes, ...]:
        return tuple(_derived(one.secret, "hashes") for one in self.hash_keys)

    def user_hash(self, tenant_id: str, user: str) -> str:
        """Return *user* as 128 bits: the same user of a tenant stays countable, and is named nowhere.

        Without a key it is keyed by the tenant's id alone, so whoever knows that can try names.
        """
        return _user_hash(self._hashing[0], tenant_id, user) if self._hashing else _keyless(tenant_id, user)

    def user_hashes(self, tenant_id: str, user: str) -> Sequence[str]:
        """Return all that *user* may have been stored as: by each key, and as before there was one."""
        return [*(_user_hash(key, tenant_id, user) for key in self._hashing), _keyless(tenant_id, user)]

    def digest(self, said: bytes) -> str:
        """Return 256 bits that stand for what a caller chose, such as a key of his; without a key they can be tried."""
        if not self._hashing:
            return hashlib.sha256(said).hexdigest()
        return hmac.digest(self._hashing[0], b"said\0" + said, "sha256").hex()

    def placeholder_key(self, tenant_id: str) -> bytes:
        """Return the key by which data of a tenant have their placeholders: the same in every process.

        Without a key of the deployment's it follows from the tenant's id alone, which no provider is told.
        """
        key = self._hashing[0] if self._hashing else b"placeholders"
        return hmac.digest(key, f"placeholders\0{tenant_id}".encode(), "sha256")


def _user_hash(key: bytes, tenant_id: str, user: str) -> str:
    said = f"user\0{tenant_id}\0{user}".encode(errors="surrogatepass")
    return hmac.digest(key, said, "sha256")[:16].hex()


def _keyless(tenant_id: str, user: str) -> str:
    return hashlib.blake2b(user.encode(errors="replace"), key=tenant_id.encode()[:64], digest_size=16).hexdigest()


def _derived(secret: bytes, use: str) -> bytes:
    """Return the key for one *use* that follows from *secret*."""
    from cryptography.hazmat.primitives.hashes import SHA256  # noqa: PLC0415 who has no key need not load it
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF  # noqa: PLC0415

    return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=f"proctor {use}".encode()).derive(secret)


def new_key() -> str:
    """Return a new key, as the settings take it."""
    return base64.b64encode(os.urandom(KEY_BYTES)).decode()


def read_keys(text: str) -> tuple[DeploymentKey, ...]:
    """Return the keys in *text*: 32 random bytes each, as base64, with commas, blanks or lines between them.

    Raises:
        ValueError: one is something else, such as a passphrase, or stands there twice.

    """
    found = [_read(one, place) for place, one in enumerate(filter(None, _SEPARATORS.split(text)), 1)]
    if len({one.id for one in found}) < len(found):
        raise ValueError("one key stands in it twice")
    return tuple(found)


def _read(text: str, place: int) -> DeploymentKey:
    try:
        secret = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except ValueError:
        secret = b""
    if len(secret) != KEY_BYTES or len(set(secret)) < _LEAST_DIFFERENT:
        raise ValueError(f"its key no. {place} is not {KEY_BYTES} random bytes as base64; {_MAKE}")
    return DeploymentKey.of(secret)
