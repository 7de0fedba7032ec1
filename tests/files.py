"""Images and documents, made for tests."""

from __future__ import annotations

import io
import zlib
from base64 import b64encode
from typing import Any

from PIL import Image


def image(kind: str = "png", width: int = 64, height: int = 48) -> bytes:
    """Return an image of one colour."""
    written = io.BytesIO()
    Image.new("RGB", (width, height), "teal").save(written, format=kind.upper())
    return written.getvalue()


def pdf(pages: int = 1, *, compressed: bool = False) -> bytes:
    """Return what is enough of a PDF to be counted; *compressed*: its pages stand in an object stream."""
    objects = b"<< /Type /Pages /Count %d >>\n" % pages + b"<< /Type /Page /Parent 1 0 R >>\n" * pages
    if compressed:
        packed = zlib.compress(objects)
        head = b"<< /Type /ObjStm /N %d /First 9 /Length %d /Filter /FlateDecode >>" % (pages, len(packed))
        objects = b"1 0 obj\n" + head + b"\nstream\r\n" + packed + b"\nendstream\nendobj\n"
    return b"%PDF-1.7\n" + objects + b"%%EOF\n"


def part(content: bytes, media_type: str, **more: Any) -> dict[str, Any]:
    """Return the part of a message that holds *content*, as callers write it."""
    kind = "document" if media_type == "application/pdf" else "image"
    return {"type": kind, "media_type": media_type, "data": b64encode(content).decode(), **more}
