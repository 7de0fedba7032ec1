"""The deployment's own keys: what is hashed by them, and what is no key."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Misconfigured
from core.own_keys import DeploymentKey, OwnKeys, new_key, read_keys
from core.settings import load

OLD, NEW = (DeploymentKey.of(hashlib.sha256(word).digest()) for word in (b"old", b"new"))
KEYLESS, RING, TURNED = OwnKeys(), OwnKeys(hash_keys=[OLD]), OwnKeys(hash_keys=[NEW, OLD])
NAMES = st.text(max_size=300) | st.just("half a surrogate \ud800")


@pytest.mark.parametrize("ring", [KEYLESS, RING, TURNED], ids=["keyless", "one key", "two keys"])
@given(tenant=st.text("0123456789abcdef", min_size=1, max_size=80), user=NAMES)
def test_a_user_is_a_hash(ring: OwnKeys, tenant: str, user: str) -> None:
    """The same user of the same tenant is always the same 128 bits, and is among all that he may be stored as."""
    hashed = ring.user_hash(tenant, user)

    assert hashed == ring.user_hash(tenant, user)
    assert re.fullmatch(r"[0-9a-f]{32}", hashed)
    assert hashed in ring.user_hashes(tenant, user)


@pytest.mark.parametrize("ring", [KEYLESS, RING, TURNED], ids=["keyless", "one key", "two keys"])
def test_users_who_are_not_the_same_are_told_apart(ring: OwnKeys) -> None:
    """Equality alone counts: no capitals, no blanks, no beginning, and the same name at two tenants is two users."""
    names = ["ann", "Ann", "anna", "ann ", "ann@x", "an%", "a_n", "ann/../bob"]
    hashes = {ring.user_hash(tenant, name) for tenant in ("one", "two") for name in names}

    assert len(hashes) == 2 * len(names)


def test_what_was_stored_before_a_key_is_still_found() -> None:
    """With a further key, all that earlier ones have made of a user is known, and so is what was made without any."""
    stored = {ring.user_hash("t", "ann") for ring in (KEYLESS, RING, TURNED)}

    assert len(stored) == 3
    assert stored == set(TURNED.user_hashes("t", "ann"))


def test_without_the_key_a_hash_cannot_be_tried() -> None:
    """A digest of what a caller chose is another one by each key, and the plain digest only where there is no key."""
    assert KEYLESS.digest(b"order 7") == hashlib.sha256(b"order 7").hexdigest()
    assert len({ring.digest(b"order 7") for ring in (KEYLESS, RING, TURNED)}) == 3


def test_a_key_is_not_shown() -> None:
    """What is printed of a key is its id, which is made from it and tells nothing of it."""
    assert OLD.id in repr(OLD)
    assert OLD.secret.hex() not in repr(OLD)
    assert repr(OLD.secret)[2:-1] not in repr(OLD)
    assert not OLD.secret.hex().startswith(OLD.id)


@pytest.mark.parametrize(
    "text",
    [
        "correct horse battery staple",
        "x" * 32,
        "A" * 43 + "=",
        base64.b64encode(b"\x01\x02" * 16).decode(),
        base64.b64encode(bytes(range(31))).decode(),
        base64.b64encode(bytes(range(33))).decode(),
        bytes(range(32)).hex(),
        "ключ",
    ],
)
def test_what_is_no_key_is_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A passphrase, or what was not drawn, stops the start with a sentence that says what to do and nothing of it."""
    monkeypatch.setenv("HASH_KEYS", f"{new_key()},{text}")
    with pytest.raises(
        Misconfigured, match=r"^HASH_KEYS is not usable: its key no\. 2 is not 32 random bytes"
    ) as refused:
        load(None)
    assert "proctor payload key" in refused.value.message
    assert text not in refused.value.message


def test_one_key_twice_is_refused() -> None:
    """A list that names a key twice was not meant so."""
    key = new_key()
    with pytest.raises(ValueError, match="twice"):
        read_keys(f"{key} {key}")


def test_keys_are_read_from_a_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One per line, in order; the newline at the end is none of it, and either alphabet of base64 is read."""
    keys = [base64.b64encode(hashlib.sha256(word).digest()).decode() for word in (b"a", b"old")]
    path = tmp_path / "keys"
    path.write_text("\n".join([keys[0].replace("+", "-").replace("/", "_"), keys[1]]) + "\n")
    monkeypatch.setenv("HASH_KEYS_FILE", str(path))

    assert load(None).own_keys.hash_keys == (DeploymentKey.of(hashlib.sha256(b"a").digest()), OLD)
