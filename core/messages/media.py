"""Images, documents and sounds that are sent beside text: read far enough to know what they are and what they weigh.

Nothing is decoded: of an image its header is read, of a PDF its pages are counted, of a sound its rate. All within
bounds.
"""

from __future__ import annotations

import binascii
import hashlib
import io
import re
import zlib
from base64 import b64decode
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from core.errors import Invalid
from core.outgoing import is_public_host, read_address

IMAGES = ("image/png", "image/jpeg", "image/webp", "image/gif")
DOCUMENTS = ("application/pdf",)
MOST_MEDIA = 100
"""The most images and documents of one request; what each vendor takes lies below or there."""
MOST_PAGES = 600
"""The most pages of a document that a vendor takes (Anthropic, for a model with a million tokens of context)."""
_MOST_URL = 2048
_MOST_NAME = 200
_MOST_INFLATED = 64_000_000
"""Bytes of a PDF's compressed objects that are looked through for pages."""
_WEB = ("http", "https")
_STORES = ("gs", "s3")
_LEAST_SOUND_BYTES = 750
"""Of a second: 6 kbit, the lowest rate of Opus."""
_PAGE = re.compile(rb"/Type\s*/Page(?![A-Za-z])")
_LONGEST_DICTIONARY = 400
"""Bytes between the name of a PDF's compressed objects and their beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image, a document or a sound: its data, a link that the vendor fetches, or the vendor's own file."""

    kind: str
    """``image``, ``document`` or ``audio``."""
    media_type: str
    """Such as ``image/png``; of a link's image empty, as nobody has looked at it yet."""
    data: str = field(default="", repr=False)
    """Base64, as it goes over the wire; empty where there is a link."""
    url: str = field(default="", repr=False)
    """It may hold a signature: it is kept with the prompt, and for as long; what stays is its host."""
    name: str = field(default="", repr=False)
    """What a document is called."""
    size_bytes: int = 0
    """Of the data, decoded; 0 for a link, and so are the next."""
    sha256: str = ""
    width: int = 0
    """Pixels of an image; 0 where they are not known."""
    height: int = 0
    pages: int = 0
    """Of a document; 0 where they are not known."""
    seconds: int = 0
    """Of a sound; 0 where they are not known."""
    file_id: str = ""
    """What the vendor calls it, where it has it already."""
    detail: str = ""
    """How closely OpenAI is to look at an image, as the caller says it: ``low``, ``high``; empty where he does not."""

    def whole(self) -> dict[str, Any]:
        """Return it as callers write it."""
        told: dict[str, Any] = {"type": self.kind}
        if self.file_id:
            told["file_id"] = self.file_id
        else:
            told |= {"url": self.url} if self.url else {"media_type": self.media_type, "data": self.data}
        return told | ({"name": self.name} if self.name else {})

    def summary(self) -> dict[str, Any]:
        """Return what is kept of it where its content is not: kind, type, size and hash; of a link the host."""
        told: dict[str, Any] = {"type": self.kind}
        if self.file_id:
            return told | {"file_id": self.file_id}
        if self.url:
            return told | {"host": urlsplit(self.url).hostname or ""}
        told |= {"media_type": self.media_type, "size_bytes": self.size_bytes, "sha256": self.sha256}
        if self.width:
            told |= {"width": self.width, "height": self.height}
        return told | ({"pages": self.pages} if self.pages else {})


def media(*, kind: str, media_type: str, data: str, url: str, name: str, where: str) -> Media:
    """Return an image or a document, checked; exactly one of *data* (base64) and *url* is given.

    Raises:
        Invalid: it is not what it says it is, or a link that no vendor should follow; the sentence begins with *where*.

    """
    if len(name) > _MOST_NAME or not name.isprintable():
        raise Invalid(f"{where}.name is a file's name, of at most {_MOST_NAME} printable characters.")
    if bool(data) == bool(url):
        raise Invalid(f"{where} needs either 'data', in base64, or 'url', a link; not both and not neither.")
    if url:
        require_public(url, where)
        return Media(kind=kind, media_type="application/pdf" if kind == "document" else "", url=url, name=name)
    allowed = IMAGES if kind == "image" else DOCUMENTS
    if media_type not in allowed:
        raise Invalid(f"{where}.media_type is one of {', '.join(allowed)}; this is {media_type[:60]!r}.")
    content = _decoded(data, where)
    width = height = pages = 0
    if kind == "image":
        width, height = _pixels(content, media_type, where)
    elif content.startswith(b"%PDF-"):
        pages = pages_in(content)
    else:
        raise Invalid(f"{where} says that it is a PDF, but its data does not begin like one.")
    return Media(
        kind=kind,
        media_type=media_type,
        data=data,
        name=name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        width=width,
        height=height,
        pages=pages,
    )


def media_as_sent(
    kind: str,
    where: str,
    *,
    media_type: str = "",
    data: str = "",
    url: str = "",
    name: str = "",
    file_id: str = "",
    detail: str = "",
) -> Media:
    """Return what a vendor is sent as it is, measured as far as it can be; whether it is sound is the vendor's to say.

    Raises:
        Invalid: a link that no vendor should follow; the sentence begins with *where*.

    """
    if url:
        _require_outward(url, where)
    try:
        content = b64decode(data)
    except (binascii.Error, ValueError):
        content = b""
    width = height = pages = seconds = 0
    if content and kind == "image":
        with suppress(Invalid):
            width, height = _pixels(content, media_type if media_type in IMAGES else "", where)
    elif content.startswith(b"%PDF-"):
        pages = pages_in(content)
    elif content and kind == "audio":
        seconds = _seconds(content)
    return Media(
        kind=kind,
        media_type=media_type,
        data=data,
        url=url,
        name=name,
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest() if content else "",
        width=width,
        height=height,
        pages=pages,
        seconds=seconds,
        file_id=file_id,
        detail=detail,
    )


def _require_outward(url: str, where: str) -> None:
    """Go on only if *url* leads out of our network, or to a store that only the vendor knows."""
    scheme = url.partition(":")[0].lower()
    if scheme in _STORES:
        return
    if scheme not in _WEB:
        raise Invalid(f"{where} is a link that begins with https://, or the data itself.")
    try:
        host = read_address(url).host
    except ValueError:
        raise Invalid(f"{where} is no link that can be read.") from None
    if not is_public_host(host):
        raise Invalid(f"{where} leads to a host that is not public. Send the content itself as data.")


def _seconds(content: bytes) -> int:
    """Return how long a sound may last: told by a WAV's header, else as at the lowest rate that speech is kept at."""
    rate = int.from_bytes(content[28:32], "little") if content.startswith(b"RIFF") and content[8:12] == b"WAVE" else 0
    return -(-len(content) // max(rate, _LEAST_SOUND_BYTES))


def require_public(url: str, where: str) -> None:
    """Go on only if *url* is a public HTTPS link: a vendor, or a server in our own network, is going to fetch it.

    Raises:
        Invalid: it is not; the sentence does not repeat it.

    """
    try:
        link = read_address(url if len(url) <= _MOST_URL else "")
    except ValueError:
        link = None
    if link is None or link.scheme != "https":
        raise Invalid(
            f"{where}.url is a link that begins with https:// and has at most {_MOST_URL} characters, with a host that "
            "is a name or a usual address, and neither a user nor a password."
        )
    if link.port != 443:
        raise Invalid(f"{where}.url names the port {link.port}; only links to the usual port are followed.")
    if not is_public_host(link.host):
        raise Invalid(f"{where}.url leads to a host that is not public. Send the content itself as 'data'.")


def _decoded(data: str, where: str) -> bytes:
    try:
        content = b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise Invalid(f"{where}.data is not base64 (RFC 4648, without line breaks, no 'data:' before it).") from None
    if not content:
        raise Invalid(f"{where}.data is empty.")
    return content


def _pixels(content: bytes, media_type: str, where: str) -> tuple[int, int]:
    from PIL import Image  # noqa: PLC0415 most requests hold no image

    formats = [one.removeprefix("image/").upper() for one in ([media_type] if media_type else IMAGES)]
    try:
        with Image.open(io.BytesIO(content), formats=formats) as image:
            return image.size
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise Invalid(f"{where} has more pixels than any model takes.") from None
    except Exception:  # noqa: BLE001 what a reader of files meets in a broken one is of any kind
        raise Invalid(f"{where} says that it is {media_type}, but its data cannot be read as that.") from None


def pages_in(content: bytes) -> int:
    """Return how many pages a PDF has, as far as that is told in plain sight or in compressed objects; at least 1.

    What is counted are page objects, also such as an edit left behind, so it is no fewer than there are; where none
    can be seen (it is encrypted, or not sound) it is as many as a vendor takes.
    """
    count, left = len(_PAGE.findall(content)), _MOST_INFLATED
    at = content.find(b"/ObjStm")
    while at >= 0:
        begins = content.find(b"stream", at, at + _LONGEST_DICTIONARY)
        ends = content.find(b"endstream", at)
        if 0 <= begins < ends:
            inflated = _inflated(content[begins + len(b"stream") : ends].lstrip(b"\r\n"), left)
            left -= len(inflated)
            count += len(_PAGE.findall(inflated))
        if ends < 0 or left <= 0:
            break
        at = content.find(b"/ObjStm", ends)
    return min(count, MOST_PAGES) if count and left > 0 else MOST_PAGES


def _inflated(compressed: bytes, most: int) -> bytes:
    try:
        return zlib.decompressobj().decompress(compressed, most)
    except zlib.error:  # it is compressed in another way, or encrypted
        return b""
