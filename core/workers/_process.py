"""A worker: it reads answers, one after the other, for the process that started it; or it finds names of persons.

Its orders come on standard input, its replies go to standard output. It knows no key, no database and no socket, takes
no more memory than it is allowed, and ends when its input does: a parent that dies, in any way, leaves none behind.
"""

from __future__ import annotations

import json
import os
import resource
import select
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from time import thread_time
from typing import Any

from pydantic import ValidationError

from core.errors import Invalid
from core.field_problems import field_places
from core.json_texts import json_in
from core.response_models import ResponseModel, response_model
from core.schema_forms import SchemaForm, form_for
from core.validation import Effort
from core.workers._documents import UnreadDocument, document_texts
from core.workers._first_valid import Unjudged, found_here
from core.workers._names import Finder, finder, names_in
from core.workers._order import HEAD_BYTES, Written, lengths, packed, unpacked

MOST_MEGABYTES = 1_000
"""What it may take beside a pipeline. An answer takes a fifth of that; one that takes more ends it."""
NICER = 5
"""By how much it gives way to who waits for an ordinary answer."""
MOST_SCHEMAS = 64

_Known = dict[tuple[str, str], type[ResponseModel]]


def main(pipeline: str = "") -> None:
    """Take orders until there is nobody to give them, those about names with a *pipeline* of spaCy's."""
    replies = os.dup(1)
    os.dup2(2, 1)  # whatever else writes to standard output does not write into a reply
    os.nice(NICER)
    find = finder(pipeline) if pipeline else None
    with suppress(OSError, ValueError):  # not every system lets it
        most = MOST_MEGABYTES * 1_000_000 + (_taken() if pipeline else 0)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
    known: _Known = {}
    forms: dict[tuple[str, str, str], SchemaForm] = {}
    try:
        _send(replies, packed({"ready": True}))
        while (frame := _received(0)) is not None:
            if len(frame) > HEAD_BYTES:
                _send(replies, _named(frame, find) if find else answered(frame, known, forms))
    except BrokenPipeError:
        return


def answered(frame: bytes, known: _Known, forms: dict[tuple[str, str, str], SchemaForm]) -> bytes:
    """Return the frame of what is found in the order of *frame*."""
    asked, body = unpacked(frame)
    if "given" in asked:
        return _given(body.decode("utf-8", "surrogatepass"), asked["given"])
    if "document" in asked:
        return _document(body, asked["document"])
    model = _model(asked, known)
    if model is None:
        return packed({"found": "unknown"})
    form = _form(model, asked["form"], forms)
    began = thread_time()
    effort = Effort(asked["seconds"], is_late=_is_late())
    told: dict[str, Any]
    value = b""
    try:
        texts = _texts(body, asked["lengths"])
        if asked["is_bare"]:
            found = model.model_validate_json(texts[0], context=effort)
        else:
            found = found_here(model, _written(texts, asked["blocks"], is_cut=asked["is_cut"]), effort, form)
    except ValidationError as error:
        told = {"found": "invalid", "problems": field_places(error)}
    except Unjudged:
        told = {"found": "unjudged"}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 a fault of ours: it is met again, and written down, where the answer came
        told = {"found": "failed"}
    else:
        told, value = {"found": "valid"}, found.text
    return packed({**told, "seconds": thread_time() - began}, value)


def _given(text: str, what: str) -> bytes:
    """Return the frame of what the JSON *text* says that a person gave, or of why it is none."""
    began = thread_time()
    told: dict[str, Any] = {"found": "valid"}
    value = b""
    try:
        value = json.dumps(json_in(text, what), separators=(",", ":")).encode()
    except Invalid as error:
        told = {"found": "invalid", "problems": [error.message]}
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 as of an answer
        told = {"found": "failed"}
    return packed({**told, "seconds": thread_time() - began}, value)


def _document(content: bytes, pages: int) -> bytes:
    """Return the frame of the texts that stand in a PDF, or of why that was not found out."""
    began = thread_time()
    told: dict[str, Any] = {"found": "valid"}
    value = b""
    try:
        value = json.dumps(document_texts(content, pages, _is_late())).encode()
    except UnreadDocument as error:
        told = {"found": "invalid", "problems": [error.reason]}
    return packed({**told, "seconds": thread_time() - began}, value)


def _named(frame: bytes, find: Finder) -> bytes:
    """Return the frame of where names stand in the texts of *frame*, or of that there was no time to find it out."""
    asked, body = unpacked(frame)
    began = thread_time()
    try:
        found = names_in(_texts(body, asked["names"]), find, _is_late())
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001 whatever a pipeline does: nobody knows what it would have found
        return packed({"found": "lost"})
    told = {"found": "unjudged" if found is None else "valid", "seconds": thread_time() - began}
    return packed(told, json.dumps(found or []).encode())


def _taken() -> int:
    """Return how many bytes of data this process has now, as far as the system tells it."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * resource.getpagesize()


def _is_late() -> Callable[[], bool]:
    """Return what says whether no one waits any more: it is told so, or its parent is gone."""
    waits = select.poll()
    waits.register(0, select.POLLIN | select.POLLHUP)
    return lambda: bool(waits.poll(0))


def _model(asked: dict[str, Any], known: _Known) -> type[ResponseModel] | None:
    key = asked["schema"], asked["name"]
    if "source" in asked:
        if len(known) >= MOST_SCHEMAS:
            known.clear()
        known[key] = response_model(json.loads(asked["source"]), asked["name"])
    return known.get(key)


def _form(
    model: type[ResponseModel], asked: tuple[str, str] | None, forms: dict[tuple[str, str, str], SchemaForm]
) -> SchemaForm | None:
    if asked is None:
        return None
    key = model.schema_hash, asked[0], asked[1]
    if key not in forms:
        if len(forms) >= MOST_SCHEMAS:
            forms.clear()
        forms[key] = form_for(model.model_json_schema(), *asked)
    return forms[key]


def _texts(body: bytes, sizes: list[int]) -> list[str]:
    texts: list[str] = []
    at = 0
    for size in sizes:
        texts.append(body[at : at + size].decode("utf-8", "surrogatepass"))
        at += size
    return texts


def _written(texts: list[str], count: int, *, is_cut: bool) -> Written:
    """Return *texts*, of which the last *count* are blocks, as what was written."""
    places, blocks = texts[: len(texts) - count], tuple(texts[len(texts) - count :])
    return Written((*places, "".join(blocks)) if blocks else tuple(places), blocks, is_cut=is_cut)


def _received(descriptor: int) -> bytes | None:
    """Return the next frame; ``None`` where nobody sends any more."""
    head = _read(descriptor, HEAD_BYTES)
    if head is None:
        return None
    rest = _read(descriptor, sum(lengths(head)))
    return None if rest is None else head + rest


def _read(descriptor: int, size: int) -> bytes | None:
    pieces: list[bytes] = []
    while size:
        piece = os.read(descriptor, min(size, 1_000_000))
        if not piece:
            return None
        pieces.append(piece)
        size -= len(piece)
    return b"".join(pieces)


def _send(descriptor: int, frame: bytes) -> None:
    left = memoryview(frame)
    while left:
        left = left[os.write(descriptor, left) :]


if __name__ == "__main__":
    main(*sys.argv[1:])
    sys.exit(0)
