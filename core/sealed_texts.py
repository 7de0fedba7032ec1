"""Prompts and answers as they are kept where the deployment has a key for them: sealed, one place and one tenant each.

AES-256-GCM, by a key that follows from the deployment's and from the tenant; what is sealed is bound to its place, so
it opens nowhere else. Which key did it stands beside it, not in it.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson

from core.own_keys import DeploymentKey, OwnKeys

_VERSION = "1."
_NONCE_BYTES = 12
_MOST_READY = 4096
"""So many keys of tenants are kept ready: to make one takes some microseconds."""


class CannotOpen(Exception):
    """A text stays shut; the message is a sentence for people, and has nothing of it."""


def sealed_text(keys: OwnKeys, tenant_id: str, place: str, text: str) -> str:
    """Return *text* sealed for a *place*, such as table and row, of a tenant; there has to be a key."""
    nonce = os.urandom(_NONCE_BYTES)
    made = _cipher(keys.payload_keys[0], tenant_id).encrypt(
        nonce, text.encode(errors="surrogatepass"), _bound(tenant_id, place)
    )
    return _VERSION + base64.b64encode(nonce + made).decode()


def opened_text(keys: OwnKeys, tenant_id: str, place: str, key_id: str, text: str) -> str:
    """Return what was sealed by the key that has the id *key_id*.

    Raises:
        CannotOpen: this process has no such key, or it is not what was sealed for this place.

    """
    key = next((one for one in keys.payload_keys if one.id == key_id), None)
    if key is None:
        raise CannotOpen(missing(key_id))
    from cryptography.exceptions import InvalidTag  # noqa: PLC0415 who has no key need not load it

    try:
        sealed = base64.b64decode(text.removeprefix(_VERSION), validate=True)
        made = _cipher(key, tenant_id).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], _bound(tenant_id, place))
    except (InvalidTag, ValueError):
        raise CannotOpen("What is kept here is not what was sealed for this place; somebody changed it.") from None
    return made.decode(errors="surrogatepass")


def missing(key_id: str) -> str:
    """Return the sentence of whoever lacks a key."""
    return f"It is sealed by the key {key_id}, which PAYLOAD_KEYS does not have here. Name that key there as well."


def sealed_payload(keys: OwnKeys, tenant_id: str, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a row of payloads as it is stored: sealed, where there is a key."""
    if not keys.payload_keys:
        return row
    place = payload_place(row["generation_id"], row["n"])
    asked, answered = row["asked"], row["answered"]
    return {
        **row,
        "asked": None if asked is None else sealed_text(keys, tenant_id, f"{place} asked", _written(asked)),
        "answered": None if answered is None else sealed_text(keys, tenant_id, f"{place} answered", answered),
        "key_id": keys.payload_keys[0].id,
    }


def opened_payload(keys: OwnKeys, tenant_id: str, row: Any) -> tuple[Any, str | None]:
    """Return what a stored row of payloads was asked and answered: it has the columns of the table.

    Raises:
        CannotOpen: it is sealed, and stays so.

    """
    if row.key_id is None:
        return row.asked, row.answered
    place = payload_place(row.generation_id, row.n)

    def opened(name: str, text: str | None) -> str | None:
        return None if text is None else opened_text(keys, tenant_id, f"{place} {name}", row.key_id, text)

    asked = opened("asked", row.asked)
    return None if asked is None else orjson.loads(asked), opened("answered", row.answered)


def sealed_record(keys: OwnKeys, body: bytes) -> bytes:
    """Return a record, as JSON, as it waits in the backlog: sealed, where there is a key."""
    if not keys.payload_keys:
        return body
    return orjson.dumps({"key_id": keys.payload_keys[0].id, "sealed": sealed_text(keys, "", "backlog", body.decode())})


def opened_record(keys: OwnKeys, body: bytes) -> dict[str, Any]:
    """Return what waited, sealed or not.

    Raises:
        CannotOpen: it is sealed, and stays so.

    """
    kept = orjson.loads(body)
    if "sealed" not in kept:
        return kept
    return orjson.loads(opened_text(keys, "", "backlog", kept["key_id"], kept["sealed"]))


def payload_place(generation_id: str, n: int) -> str:
    """Return what names a row of payloads."""
    return f"payload {generation_id} {n}"


def _written(value: Any) -> str:
    return orjson.dumps(value).decode()


def _bound(tenant_id: str, place: str) -> bytes:
    return f"{_VERSION}\0{tenant_id}\0{place}".encode()


@lru_cache(maxsize=_MOST_READY)
def _cipher(key: DeploymentKey, tenant_id: str) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 as above

    return AESGCM(key.derived(f"payloads of {tenant_id}"))
