"""Passwords: what one may be, how one is kept, and that looking at one costs the same whoever it is for."""

from __future__ import annotations

import threading
import unicodedata
from functools import cached_property
from typing import TYPE_CHECKING

from core.errors import Invalid

if TYPE_CHECKING:
    from pwdlib import PasswordHash

AT_ONCE = 2
"""How many hashes a process makes at a time: each takes 64 MiB and a core for a fifth of a second."""
SHORTEST, MOST_BYTES = 12, 4096


class Passwords:
    """Makes and checks hashes (Argon2id, by pwdlib)."""

    def __init__(self, hash_with: PasswordHash | None = None) -> None:
        """Without *hash_with* it is what pwdlib recommends."""
        self._given = hash_with
        self._turns = threading.BoundedSemaphore(AT_ONCE)

    def hashed(self, password: str) -> str:
        """Return what is kept of a *password* that was :func:`normal` and :func:`chosen`."""
        with self._turns:
            return self._hash.hash(password)

    def verified(self, password: str, kept: str | None) -> tuple[bool, str | None]:
        """Return whether *password* is the one that *kept* is of, and a newer hash where the kept one is weak by now.

        Without one it takes as long, so that nobody learns from the time who has a password.
        """
        dummy = self._dummy
        with self._turns:
            is_right, newer = self._hash.verify_and_update(password, kept or dummy)
        return (is_right, newer) if kept else (False, None)

    @cached_property
    def _hash(self) -> PasswordHash:
        from pwdlib import PasswordHash  # noqa: PLC0415 only who signs in needs it

        return self._given or PasswordHash.recommended()

    @cached_property
    def _dummy(self) -> str:
        return self.hashed("nobody's password")


def normal(password: str) -> str:
    """Return a password as it is compared: however a keyboard composes a letter, it is that letter (NFKC).

    Raises:
        Invalid: it is empty, too long, or holds a NUL, which some programs take for the end.

    """
    found = unicodedata.normalize("NFKC", password[: MOST_BYTES + 1])
    if not found:
        raise Invalid("The password is empty.")
    if len(found.encode("utf-8", "replace")) > MOST_BYTES or len(password) > MOST_BYTES:
        raise Invalid(f"A password has at most {MOST_BYTES:,} bytes.")
    if "\0" in found:
        raise Invalid("A password holds no NUL character.")
    return found


def chosen(password: str, name: str) -> str:
    """Return a new password of *name* as it is compared.

    Raises:
        Invalid: it is one that nobody should choose.

    """
    found = normal(password)
    if len(found) < SHORTEST:
        raise Invalid(f"A password has at least {SHORTEST} characters; a few words will do.")
    if found.casefold().strip() == name.casefold() or len(set(found)) < 4:
        raise Invalid("This password is too easy to guess; a few words will do.")
    return found
