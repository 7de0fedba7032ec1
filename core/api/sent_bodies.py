"""The body of a request: how long it may be, and how it is read."""

from __future__ import annotations

import zlib

from starlette.requests import Request

from core.errors import BadHeader, Invalid

MOST_BODY_BYTES = 32_000_000
"""The longest, which is what Anthropic takes: most of it is images and documents in base64."""
MOST_UNANNOUNCED_BYTES = 8_000_000
"""The longest of those whose length nobody tells beforehand, as they come in chunks or packed: this is their room."""
MOST_VALUES = 2_000_000
"""Of so many values a body may be made, commas in texts counted alike: each takes some fifty bytes once it is read."""
_AS_IT_IS = ("", "identity")
_GZIP = 31
"""What zlib calls it."""


def announced_bytes(request: Request) -> int:
    """Return how many bytes the body has at most, as its head says; which may be more than are read.

    Raises:
        BadHeader: it is packed in a way that is not known here.

    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and len(announced) < 20 and not _is_packed(request):
        return int(announced)
    return MOST_UNANNOUNCED_BYTES


async def body_of(request: Request, most_bytes: int) -> bytes | None:
    """Return the body, unpacked; ``None`` if it has more than *most_bytes*, without reading the rest of it.

    Raises:
        BadHeader: it is packed in a way that is not known here.
        Invalid: it is not packed as its head says, or made of too many values.

    """
    pieces: list[bytes] = []
    size, unpacking = 0, zlib.decompressobj(_GZIP) if _is_packed(request) else None
    async for piece in request.stream():
        part = piece
        if unpacking is not None:
            try:
                part = unpacking.decompress(piece, most_bytes - size + 1)
            except zlib.error:
                raise _not_packed() from None
        size += len(part)
        if size > most_bytes:
            return None
        pieces.append(part)
    if unpacking is not None and (not unpacking.eof or unpacking.unused_data):
        raise _not_packed()
    body = b"".join(pieces)
    if size > MOST_VALUES and sum(map(body.count, (b",", b"[", b"{"))) > MOST_VALUES:
        raise Invalid(f"The body is made of more than {MOST_VALUES} values. Send fewer, or what is large as a text.")
    return body


def _is_packed(request: Request) -> bool:
    encoding = ", ".join(request.headers.getlist("content-encoding")).strip().lower()
    if encoding not in {*_AS_IT_IS, "gzip", "x-gzip"}:
        raise BadHeader("'Content-Encoding' is gzip, or the body is sent as it is.")
    return encoding not in _AS_IT_IS


def _not_packed() -> Invalid:
    return Invalid("The body is not gzip, as 'Content-Encoding' says of it.")
