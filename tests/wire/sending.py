"""How an answer goes out: bytes in steps, and what becomes of the connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum, auto

import orjson

from tests.wire.exchange import Body, Dialect, Event, Failure, Said
from tests.wire.ledger import Call, Tokens, token_count
from tests.wire.scenarios import Content, Reply, Wire

_REASONS = {
    200: "OK",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    429: "Too Many Requests",
    500: "Internal Server Error",
    503: "Service Unavailable",
    529: "Overloaded",
}
_HTML = b"<!doctype html><title>Sign in</title><p>Please sign in to this network."
_CHUNKED = "transfer-encoding: chunked"
_LAST_CHUNK = b"0\r\n\r\n"


class Ending(Enum):
    """What becomes of the connection after the last step."""

    KEEP = auto()
    CLOSE = auto()
    RESET = auto()
    HANG = auto()


@dataclass(frozen=True, slots=True)
class Step:
    """Some bytes, and what is true of the call once they are out."""

    data: bytes
    wait_seconds: float = 0.0
    """Before them; infinite until the server's ``release()``."""
    billed: Tokens | None = None
    """What is billed by then, where the step changes it."""
    tells: bool = False
    """Whether the whole usage is out with them."""


@dataclass(frozen=True, slots=True)
class Sending:
    """One answer on its way."""

    steps: Iterator[Step]
    ending: Ending = Ending.KEEP
    call: Call | None = None
    """``None`` for what is not a call to a model."""
    status: int | None = 200


def document(
    body: bytes, *headers: str, status: int = 200, media: str = "application/json", wait_seconds: float = 0.0
) -> Sending:
    """Return a whole answer that tells no usage."""
    head = _head(status, media, *headers, f"content-length: {len(body)}")
    return Sending(iter((Step(head + body, wait_seconds),)), status=status)


def failure(dialect: Dialect, what: Failure, call: Call, reply: Reply) -> Sending:
    """Return an error."""
    headers = [f"{dialect.REQUEST_ID_HEADER}: {call.request_id}"]
    if reply.retry_after_seconds is not None:
        headers.append(f"retry-after: {reply.retry_after_seconds:g}")
    body = orjson.dumps(dialect.error(what, call.request_id))
    return replace(document(body, *headers, status=what.status, wait_seconds=reply.delay_seconds), call=call)


def answer(dialect: Dialect, said: Said, call: Call, reply: Reply) -> Sending:
    """Return what *said* becomes under *reply*, on the wire of *dialect*."""
    named = f"{dialect.REQUEST_ID_HEADER}: {call.request_id}"
    wire = reply.wire
    if wire in (Wire.HANG, Wire.RESET):
        ending = Ending.HANG if wire is Wire.HANG else Ending.RESET
        return Sending(iter(()), ending, call, None)
    if wire in (Wire.HTML, Wire.EMPTY):
        body = _HTML if wire is Wire.HTML else b""
        media = "text/html" if wire is Wire.HTML else "application/json"
        return replace(document(body, named, media=media, wait_seconds=reply.delay_seconds), call=call)
    is_filtered = reply.content is Content.FILTERED and dialect.FILTERED is not None
    trouble = dialect.FILTERED if is_filtered else dialect.FAILURES[500] if wire is Wire.ERROR_EVENT else None
    if not said.asked.stream:
        if trouble is not None:
            return failure(dialect, trouble, call, reply)
        return _document_steps(dialect.answer(said), named, said, call, reply)
    return _stream_steps(dialect, trouble, said, call, reply)


def _document_steps(body: Body, named: str, said: Said, call: Call, reply: Reply) -> Sending:
    text = orjson.dumps(body)
    # The usage stands last in every dialect; half an answer must never hold it.
    half = text[: min(len(text) // 2, text.rindex(b'"usage"'))]
    sent, ending = {
        Wire.BROKEN_BODY: (half, Ending.KEEP),
        Wire.SHORT: (half, Ending.KEEP),
        Wire.CUT: (half, Ending.CLOSE),
        Wire.STALL: (half, Ending.HANG),
    }.get(reply.wire, (text, Ending.KEEP))
    length = len(text) if ending is not Ending.KEEP else len(sent)
    head = _head(200, "application/json", named, f"content-length: {length}")
    if reply.wire is Wire.DRIP:
        return Sending(_dripped(head, (bytes([byte]) for byte in sent), said, reply), ending, call)
    step = Step(head + sent, reply.delay_seconds, said.tokens, tells=sent is text)
    return Sending(iter((step,)), ending, call)


def _stream_steps(dialect: Dialect, trouble: Failure | None, said: Said, call: Call, reply: Reply) -> Sending:
    head = _head(200, "text/event-stream; charset=utf-8", f"{dialect.REQUEST_ID_HEADER}: {call.request_id}", _CHUNKED)
    events = list(dialect.events(said))
    ending, last = Ending.KEEP, _LAST_CHUNK
    if trouble is not None or reply.wire in (Wire.CUT, Wire.STALL, Wire.SHORT, Wire.BROKEN_BODY):
        middle = _middle(events, said)
        rest, events = events[middle], events[:middle]
        if trouble is not None:
            last = _chunk(dialect.error_event(trouble, call.request_id)) + _LAST_CHUNK
        elif reply.wire is Wire.BROKEN_BODY:
            last = _chunk(rest.data[: len(rest.data) // 2] + b"\n\n") + _LAST_CHUNK
        elif reply.wire is not Wire.SHORT:
            last = b""
            ending = Ending.CLOSE if reply.wire is Wire.CUT else Ending.HANG
    if reply.wire is Wire.DRIP:
        body = b"".join(event.data for event in events)
        chunks = (*(_chunk(bytes([byte])) for byte in body), _LAST_CHUNK)
        return Sending(_dripped(head, chunks, said, reply), ending, call)
    if not reply.pace_seconds:
        data = b"".join((head, *(_chunk(event.data) for event in events), last))
        tells = any(event.tells for event in events)
        step = Step(data, reply.delay_seconds, _billed(said, events[-1].shown), tells)
        return Sending(iter((step,)), ending, call)
    return Sending(_paced(head, events, last, said, reply), ending, call)


def _middle(events: list[Event], said: Said) -> int:
    """Return after how many events half of the text is out and the end is not told."""
    half = len(said.text) / 2
    return next(
        (place for place, event in enumerate(events, 1) if event.shown and event.shown >= half and not event.tells), 1
    )


def _paced(head: bytes, events: list[Event], last: bytes, said: Said, reply: Reply) -> Iterator[Step]:
    yield Step(head, reply.delay_seconds, _billed(said, 0))
    for event in events:
        yield Step(_chunk(event.data), reply.pace_seconds, _billed(said, event.shown), event.tells)
    yield Step(last)


def _dripped(head: bytes, parts: Iterable[bytes], said: Said, reply: Reply) -> Iterator[Step]:
    """Yield the head, then the parts far apart. The model has long answered: all of it is billed."""
    yield Step(head, reply.delay_seconds, said.tokens)
    ready = b""
    for number, part in enumerate(parts):
        if number:
            yield Step(ready, reply.pace_seconds)
        ready = part
    yield Step(ready, reply.pace_seconds, tells=said.asked.tells_usage)


def _billed(said: Said, shown: int) -> Tokens:
    """Return what is billed when *shown* characters of the text are out: generation stops with the stream."""
    if shown >= len(said.text):
        return said.tokens
    visible = token_count(len(said.text[:shown].encode())) if shown else 0
    return replace(said.tokens, output_tokens=said.tokens.reasoning_tokens + visible)


def _head(status: int, media: str, *headers: str) -> bytes:
    lines = (f"HTTP/1.1 {status} {_REASONS[status]}", f"content-type: {media}", *headers)
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def _chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)
