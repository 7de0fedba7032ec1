"""What the page of calls gives away: the list without prompts and answers, and documents that a call was asked with."""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, cast

from core.api.exports import Export
from core.errors import NotFound
from core.principals import Principal
from core.reports import CallFilter, Frame, csv_pieces
from core.reports.calls import CallOrder
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


@dataclass(frozen=True, slots=True)
class CallList:
    """A list of calls, as it is shown."""

    wanted: CallFilter
    order: str = "-started"
    columns: tuple[str, ...] = ()
    """Those of the list; empty for all that is known of a call."""


_CELLS = {
    "started_at": ("id", "started_at"), "outcome": ("outcome", "superseded"), "tenant": ("tenant",),
    "schema": ("schema", "version"), "model": ("model",), "attempts": ("attempts",), "seconds": ("duration_ms",),
    "tokens": ("input_tokens", "output_tokens"), "cost": ("cost_usd", "cost_nano_usd", "unpriced"),
    "error": ("error_code",), "request": ("request_id",), "route": ("route",), "ttft": ("ttft_ms",),
    "input": ("input_tokens",), "output": ("output_tokens",), "wasted": ("wasted_usd",),
}  # fmt: skip
"""What a file has for each column of the list."""


def _listed(runtime: Runtime, who: Principal, asked: CallList) -> Iterator[bytes]:
    names = dict.fromkeys(cell for name in asked.columns for cell in _CELLS.get(name, ()))
    frames = runtime.reports.calls_frames(who, asked.wanted, order=CallOrder.of(asked.order))
    if not names:
        return csv_pieces(frames)
    return csv_pieces(cast("Frame", one[list(names)]) for one in frames)


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


LIST = Export("calls/list", CallList, _listed)
DOCUMENT = Export("calls/document", Document, _document, media_type="application/pdf")
FILES = (LIST, DOCUMENT)
