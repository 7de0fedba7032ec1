"""What stands in a PDF, seen or not. Whoever wrote one may mean harm by it, so a worker reads it, within bounds."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, cast

MOST_DOCUMENT_BYTES = 50_000_000
MOST_CHARACTERS = 1_000_000
"""As many as the longest text may have that anybody sends."""
_UNREADABLE = {"/EF": "holds_files", "/XFA": "holds_another_form"}
"""Members of objects behind which something stands that is not read."""
_DATE = re.compile(r"D:\d{4,14}[-+Z0-9']*")


class UnreadDocument(Exception):
    """Nobody knows all that stands in a document. The reason is a word of ours."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def document_texts(content: bytes, pages: int, is_late: Callable[[], bool]) -> list[str]:
    """Return every text of a PDF of at most so many *pages*: what is drawn, in notes, fields, names, and of itself.

    Raises:
        UnreadDocument: not all of it can be read, or not before it *is_late*.

    """
    try:
        return list(_bounded(_texts(content, pages), is_late))
    except (UnreadDocument, MemoryError):
        raise
    except Exception:  # noqa: BLE001 whatever is wrong with it: it was not read
        raise UnreadDocument("broken") from None


def _bounded(texts: Iterable[str], is_late: Callable[[], bool]) -> Iterator[str]:
    left = MOST_CHARACTERS
    for text in texts:
        left -= len(text)
        if left < 0:
            raise UnreadDocument("too_long")
        if is_late():
            raise UnreadDocument("timeout")
        if text.strip():
            yield text


def _texts(content: bytes, most_pages: int) -> Iterator[str]:
    from pypdf import PdfReader  # noqa: PLC0415 most calls have no document

    reader: Any = PdfReader(io.BytesIO(content))
    if reader.is_encrypted and not reader.decrypt(""):
        raise UnreadDocument("encrypted")
    pages = reader.pages
    if not len(pages):
        raise UnreadDocument("broken")
    if len(pages) > most_pages:
        raise UnreadDocument("too_many_pages")
    for page in pages:
        yield from _drawn(page)
    for one in _objects(reader):
        yield from _strings(one)
        if hasattr(one, "get_data"):
            yield from _of_stream(one, pages[0])


def _drawn(page: Any) -> Iterator[str]:
    """Yield what is drawn on a page as letters, and what stands for it."""
    meant: list[str] = []

    def note(_operator: Any, given: Sequence[Any], *_: Any) -> None:
        meant.extend(_beside(given))

    text: str = page.extract_text(visitor_operand_before=note)
    if not text.strip() and _may_show(page):
        raise UnreadDocument("a_picture")  # or text that is drawn as one
    yield text
    yield from meant


def _may_show(page: Any) -> bool:
    """Whether a page on which no letters were found may show something."""
    resources = page.get("/Resources")
    members = resources.get_object() if resources is not None else None
    return "/XObject" in members if members else page.get_contents() is not None


def _objects(reader: Any) -> Iterator[Any]:
    """Yield every object of a document, whether anything leads to it or not."""
    from pypdf.generic import IndirectObject  # noqa: PLC0415 as above

    known = {(number, generation) for generation, found in reader.xref.items() for number in found}
    known |= {(number, 0) for number in reader.xref_objStm}
    for number, generation in sorted(known):
        yield reader.get_object(IndirectObject(number, generation, reader))


def _of_stream(stream: Any, page: Any) -> Iterator[str]:
    """Yield the texts of what may be drawn from elsewhere than a page, as notes are, and of what it says of itself."""
    from pypdf.generic import NameObject  # noqa: PLC0415 as above

    if stream.get("/Subtype") == "/Form":
        if not stream.get("/Resources") and page.get("/Resources"):  # then it is drawn with those of its page
            stream.update({NameObject("/Resources"): page["/Resources"]})
        yield page.extract_xform_text(stream)
    elif stream.get("/Type") == "/Metadata":
        yield stream.get_data().decode(errors="replace")


def _beside(given: Sequence[Any]) -> Iterator[str]:
    """Yield the texts that stand beside what is drawn, such as what it is read out as; what is drawn are glyphs."""
    for one in given:
        if isinstance(one, dict):
            yield from _strings(one)


def _strings(value: Any) -> Iterator[str]:
    """Yield the texts in an object, but for words of the format's own; what it leads to is another object."""
    from pypdf.generic import NameObject, create_string_object  # noqa: PLC0415 as above

    if isinstance(value, bytes):
        value = create_string_object(value)
    if isinstance(value, str):
        if not isinstance(value, NameObject) and not _DATE.fullmatch(value):
            yield str(value)
    elif isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        for name, why in _UNREADABLE.items():
            if name in members:
                raise UnreadDocument(why)
        for inner in members.values():
            yield from _strings(inner)
    elif isinstance(value, list):
        for inner in cast("list[Any]", value):
            yield from _strings(inner)
