"""The text of a key: how it is made, how it is known, and what is kept of it.

It is ``proctor_``, 32 letters and digits of chance, and six that follow from these: underscores alone, so that a double
click takes all of it, and one expression by which scanners find a key that leaked. Its randomness comes from
:mod:`secrets`, not from the clock: the clock's chance can be seeded, a key's never.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
import zlib

from core.errors import Unauthenticated

SECRET_PREFIX = "proctor_"  # noqa: S105 it is no secret: it lets scanners find a key that leaked
_OLD_PREFIX = "prk_"
"""Of the keys of older releases, which are as good."""
_LETTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM, _CHECK = 32, 6
_FORM = re.compile(rf"{SECRET_PREFIX}[0-9A-Za-z]{{{_RANDOM + _CHECK}}}")
_ANYWHERE = re.compile(rf"\b({_FORM.pattern}|{_OLD_PREFIX}[\w-]{{43}})")
"""By which scanners find a key in any text."""
_SHOWN = 6
_LONGEST_OLD = 128


def new_secret() -> str:
    """Return the text of a new key: 190 bits of chance."""
    body = "".join(secrets.choice(_LETTERS) for _ in range(_RANDOM))
    return f"{SECRET_PREFIX}{body}{_check(body)}"


def shown(secret: str) -> str:
    """Return the first characters of a key, by which people tell it apart."""
    return secret[: len(SECRET_PREFIX) + _SHOWN]


def digest(secret: str) -> str | None:
    """Return what is kept of *secret*, its SHA-256; ``None`` if it cannot be a key of ours."""
    if secret.startswith(_OLD_PREFIX):
        return hashed(secret) if len(secret) <= _LONGEST_OLD else None
    if not _FORM.fullmatch(secret) or _check(secret[len(SECRET_PREFIX) : -_CHECK]) != secret[-_CHECK:]:
        return None
    return hashed(secret)


def key_in(text: str) -> str | None:
    """Return the first that may be a key in *text*, such as a line of a log; ``None`` where there is none."""
    found = _ANYWHERE.search(text)
    return found[0] if found else None


def hashed(secret: str) -> str:
    """Return the SHA-256 of *secret*."""
    return hashlib.sha256(secret.encode()).hexdigest()


def unknown_key() -> Unauthenticated:
    """Return what is told whose key opens no door. The sentence is the same for all, so that it tells nothing."""
    return Unauthenticated(
        "The key is not known here, or was revoked. Send a key as 'Authorization: Bearer proctor_…'; "
        "an operator makes one with 'proctor key create TENANT'."
    )


def _check(body: str) -> str:
    number, found = zlib.crc32(body.encode()), ""
    for _ in range(_CHECK):
        number, place = divmod(number, len(_LETTERS))
        found = _LETTERS[place] + found
    return found
