"""A call in the caller's dialect to somebody who speaks the other one, where nothing is lost by it.

What the vendor tells of usage is taken before anything is translated; what the caller gets is checked after it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

import orjson

from core.attempts._renaming import Remarked
from core.dialects import DIALECTS, DialectName, Frame, RelayRequest, VendorResponse
from core.errors import Invalid
from core.json_texts import as_python_reads, exactly, exactly_written
from core.messages import Message
from core.providers import Answer, Broken, Garbled, ProviderError, Unreadable
from core.providers.forwarded import Forwarded
from core.translation import (
    ChatEvents,
    MessagesEvents,
    Untranslatable,
    chat_answer,
    chat_request,
    messages_answer,
    messages_request,
)

LEFT_OUT = "x-proctor-left-out"
"""The header that names what only tunes an answer and was not said in the other dialect."""
_OTHER = {DialectName.CHAT: DialectName.MESSAGES, DialectName.MESSAGES: DialectName.CHAT}
_TITLES = {DialectName.CHAT: "chat completions", DialectName.RESPONSES: "responses", DialectName.MESSAGES: "messages"}
_OF_ANY_NUMBERS = ("messages", "tools", "response_format", "output_config")
"""Members with numbers that the caller means for his tools and schemas."""
_PASSED = ("content-type", "retry-after", "retry-after-ms", "x-should-retry")
"""Headers that mean the same in either dialect; a vendor's own limits do not."""


@dataclass(frozen=True, slots=True)
class TranslatedRequest:
    """A caller's request as the other dialect has it."""

    request: RelayRequest
    notices: tuple[str, ...]
    format_tool: str | None


def translated_request(
    request: RelayRequest, messages: Sequence[Message], spoken: Collection[str], *, max_tokens: int
) -> TranslatedRequest:
    """Return *request*, with *messages* as they were screened, in the other dialect that is among those *spoken*.

    *max_tokens* hold where the caller set no limit.

    Raises:
        Unreadable: there is no such dialect, or something of the request would be lost.

    """
    asked_in = request.dialect.name
    other = _OTHER.get(asked_in)
    if other is None or other.value not in spoken:
        titles = " or ".join(_TITLES[DialectName(one)] for one in spoken)
        raise Unreadable(
            f"it speaks {titles or 'no dialect of these doors'}, and a request for {_TITLES[asked_in]} "
            "is not translated into that"
        )
    is_same = all(new is old for new, old in zip(messages, request.messages, strict=True))
    source = request.source
    if not is_same:
        source = request.dialect.read(request.patched(model=request.model, asks_usage=False, texts=messages)).source
    exact = {name: exactly(source.source(name)) for name in _OF_ANY_NUMBERS if name in source.values}
    values = {**source.values, **exact}
    try:
        made = (
            messages_request(values, max_tokens=max_tokens) if other is DialectName.MESSAGES else chat_request(values)
        )
        if other is DialectName.CHAT:  # how a server names the limit is known to its provider, who sets it
            made.body.pop(DIALECTS[other].limit)
        there = DIALECTS[other].read(exactly_written(made.body))
    except (Untranslatable, Invalid) as why:
        raise Unreadable(f"it would have to be asked for {_TITLES[other]}. {str(why).rstrip('.')}") from why
    return TranslatedRequest(there, made.notices, made.format_tool)


class TranslatedExchange(Forwarded):
    """An exchange whose answers come back in the dialect of the caller."""

    def __init__(self, exchange: Remarked, request: RelayRequest, made: TranslatedRequest, *, at: datetime) -> None:
        """Put *exchange*, which sends *made*, in the place of one that sends *request*, which came *at* that time."""
        super().__init__(exchange)
        self._request = request
        self._made = made
        self._created = int(at.timestamp())
        other = _TITLES[made.request.dialect.name]
        left_out = f" Left out, as it only tunes the answer: {', '.join(made.notices)}." if made.notices else ""
        own = f" {exchange.remark}" if exchange.remark else ""
        self.remark = f"It is asked for {other}, and what it answers is translated back.{left_out}{own}"
        """What the trace is told of it."""

    async def send(self, on_piece: Callable[[Any], Any] | None) -> Answer:
        """Call once; *on_piece* is given the head and the frames in the caller's dialect.

        Raises:
            ProviderError: as the exchange; or the answer cannot be said in the caller's dialect.

        """
        try:
            answer = await self._exchange.send(on_piece and _Outward(self, on_piece).take)
        except ProviderError as error:
            if isinstance(raw := error.answer.raw, VendorResponse):
                error.answer = replace(error.answer, raw=self._error(raw))
            raise
        try:
            return replace(answer, raw=self.whole(cast("VendorResponse", answer.raw)))
        except Untranslatable as why:
            lost = Garbled(f"What was answered cannot be told in the caller's dialect: {why}", answer=answer)
            lost.told_all = True
            raise lost from None

    def whole(self, raw: VendorResponse) -> VendorResponse:
        """Return a vendor's answer in the caller's dialect; raises Untranslatable."""
        value = exactly(raw.body) if raw.body else raw.value or {}
        if self._request.dialect.name is DialectName.CHAT:
            told = chat_answer(value, created=self._created, format_tool=self._made.format_tool)
        else:
            told = messages_answer(value)
        body = exactly_written(told)
        read = as_python_reads(body)
        return VendorResponse(raw.status, self._headers(raw), b"" if raw.frames is not None else body, read, raw.frames)

    def events(self) -> _Events:
        """Return what makes events of the caller's dialect of one stream's events."""
        if self._request.dialect.name is DialectName.CHAT:
            return _ChatStream(self._created, self._request, self._made.format_tool)
        return _MessagesStream()

    def head(self, raw: VendorResponse) -> VendorResponse:
        """Return the head of a stream that has begun."""
        return VendorResponse(raw.status, self._headers(raw), frames=self._request.dialect.frames())

    def broken(self, why: Untranslatable) -> ProviderError:
        """Return that a stream cannot be told on."""
        said = f"What was answered cannot be told in the caller's dialect: {why}"
        return Broken(said, answer=self._exchange.so_far)

    def _error(self, raw: VendorResponse) -> VendorResponse:
        """Return a vendor's error as the caller's dialect has it, in the vendor's words."""
        try:
            told = orjson.loads(raw.body)
        except ValueError:
            told = {}
        error: Any = cast("dict[str, Any]", told).get("error") if isinstance(told, dict) else None
        said = exactly_written(error) if isinstance(error, dict) else raw.body
        return VendorResponse(raw.status, self._headers(raw), self._request.dialect.vendor_error(raw.status, said))

    def _headers(self, raw: VendorResponse) -> dict[str, str]:
        ours, theirs = (one.dialect.request_id_header for one in (self._request, self._made.request))
        headers = {name: value for name, value in raw.headers.items() if name in _PASSED}
        if theirs in raw.headers:
            headers[ours] = raw.headers[theirs]
        if self._made.notices:
            headers[LEFT_OUT] = ", ".join(self._made.notices)
        return headers


class _Outward:
    """Gives on what comes of one stream, in the caller's dialect."""

    def __init__(self, exchange: TranslatedExchange, on_piece: Callable[[Any], Any]) -> None:
        self._exchange = exchange
        self._on_piece = on_piece
        self._events = exchange.events()
        self._head: VendorResponse | None = None

    def take(self, piece: Any) -> Awaitable[Any] | None:
        """Take the head of an answer, or frames; an error among these is told by whoever ends the stream."""
        try:
            if isinstance(piece, VendorResponse):
                self._head = self._exchange.whole(piece) if piece.frames is None else self._exchange.head(piece)
                return self._on_piece(self._head)
            sent = [one for frame in cast("tuple[Frame, ...]", piece) for one in self._events.of(frame)]
        except Untranslatable as why:
            raise self._exchange.broken(why) from None
        assert self._head is not None  # noqa: S101 it comes first
        assert self._head.frames is not None  # noqa: S101 it streams
        frames = self._head.frames.feed(b"".join(sent))
        return self._on_piece(tuple(frames)) if frames else None


class _ChatStream:
    """The events of a message, told as chunks."""

    def __init__(self, created: int, request: RelayRequest, format_tool: str | None) -> None:
        self._events = ChatEvents(created=created, tells_usage=request.wants_usage, format_tool=format_tool)

    def of(self, frame: Frame) -> Iterable[bytes]:
        """Yield what *frame* is."""
        if frame.event is None or frame.kind == "error":
            return
        for chunk in self._events.of(frame.event):
            yield b"data: " + exactly_written(chunk) + b"\n\n"
        if self._events.has_ended:
            yield b"data: [DONE]\n\n"


class _MessagesStream:
    """The chunks of a completion, told as the events of a message."""

    def __init__(self) -> None:
        self._events = MessagesEvents()

    def of(self, frame: Frame) -> Iterable[bytes]:
        """Yield what *frame* is."""
        if frame.kind == "done":
            made = self._events.end()
        elif frame.event is None or frame.kind == "error":
            return
        else:
            made = self._events.of(frame.event)
        for event in made:
            yield b"event: " + event["type"].encode() + b"\ndata: " + exactly_written(event) + b"\n\n"


_Events = _ChatStream | _MessagesStream
