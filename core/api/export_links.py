"""The address of a file: what is to be made, as data, under the seal of the session in which it was offered.

Nothing of an offer is kept, so any process answers for any other. The seal is made with the session's own token, which
its browser alone brings: in nobody else's hands does a link open anything, and none can be made up or changed.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

GOOD_SECONDS = 12 * 3600
"""So long at least a link is good, and twice as long at most: drawn again meanwhile it stays the same."""
_PURPOSE = b"proctor: the address of a file"


@dataclass(frozen=True, slots=True)
class ExportLink:
    """What a link asks for."""

    kind: str
    """Of the file, as whoever makes it is found."""
    asked: Any
    """Of which things: plain JSON."""
    name: str
    """What the file is called."""


def sealed(link: ExportLink, token: str, now: datetime) -> str:
    """Return *link* as a part of an address, good for whoever brings the session's *token*."""
    until = (int(now.timestamp()) // GOOD_SECONDS + 2) * GOOD_SECONDS
    said = orjson.dumps([link.kind, link.asked, link.name, until])
    return f"{_text(said)}.{_text(_seal(said, token))}"


def opened(text: str, token: str, now: datetime) -> ExportLink | None:
    """Return what a link asks for; ``None`` where it is another session's, too old, or nobody's."""
    try:
        said, seal = (urlsafe_b64decode(part.encode() + b"==") for part in text.split("."))
    except ValueError:
        return None
    if not hmac.compare_digest(seal, _seal(said, token)):
        return None
    kind, asked, name, until = orjson.loads(said)
    return ExportLink(kind, asked, name) if now.timestamp() < until else None


def _seal(said: bytes, token: str) -> bytes:
    return hmac.digest(hashlib.sha256(_PURPOSE + token.encode()).digest(), said, "sha256")


def _text(given: bytes) -> str:
    return urlsafe_b64encode(given).rstrip(b"=").decode()
