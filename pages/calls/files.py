"""What the page of calls gives away: the list without prompts and answers, and documents that a call was asked with."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any

from core.api.exports import Export
from core.errors import NotFound
from core.principals import Principal
from core.reports import CallFilter, csv_pieces
from core.runtime import Runtime
from pages.kit.json_values import is_list, is_object

_PIECE = 262_144  # characters of base64, four for three bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A document among the messages of a call."""

    call_id: str
    digest: str
    """The hash of its data as they stand there."""


def digest(data: str) -> str:
    """Return by what a document is found again."""
    return hashlib.sha256(data.encode()).hexdigest()


def _listed(runtime: Runtime, who: Principal, wanted: CallFilter) -> Iterator[bytes]:
    return csv_pieces(runtime.reports.calls_frames(who, wanted))


def _document(runtime: Runtime, who: Principal, wanted: Document) -> Iterator[bytes]:
    call = runtime.reports.call(who, wanted.call_id)
    for asked in (call.asked, *(one.asked for one in call.attempts)):
        for data in _documents(asked):
            if digest(data) == wanted.digest:
                return (b64decode(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))
    raise NotFound("This document is not kept any more.")


def _documents(asked: Any) -> Generator[str]:
    """Yield the data of each document in messages."""
    if is_list(asked):
        for one in asked:
            yield from _documents(one)
    elif is_object(asked):
        if asked.get("type") == "document" and isinstance(data := asked.get("data"), str):
            yield data
        else:
            yield from _documents(asked.get("content"))


LIST = Export("calls/list", CallFilter, _listed)
DOCUMENT = Export("calls/document", Document, _document, media_type="application/pdf")
FILES = (LIST, DOCUMENT)
