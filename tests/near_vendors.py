"""Vendors in this process: real providers, dialects and walks, whose wire ends in bytes that a test cut.

No socket, no database: so a stream can be cut at every byte, and each time all be compared that comes of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import anthropic
import httpx2
import openai
import orjson

from core.attempts import (
    AnswerLengths,
    Attempt,
    Candidate,
    FramedInquiry,
    Inquiry,
    RelayInquiry,
    RouteTerms,
    Walk,
    relay_candidates,
)
from core.breakers import Breakers
from core.dialects import DIALECTS, Beside, DialectName, Frame, RelayRequest, VendorResponse
from core.errors import ProctorError
from core.pricing import PriceBook
from core.providers import Ask
from core.providers._wire import Wire
from core.providers.anthropic import Anthropic
from core.providers.loop import Cancellation, Loop
from core.providers.openai import OpenAI
from core.providers.reading.events import EndOfStream, Events
from core.response_models import response_model
from core.tables import Outcome
from tests.conftest import START
from tests.corridor import PERSON
from tests.messages import as_messages
from tests.walks import Noted, Waiting

MODEL = response_model(PERSON, "person")
PATHS = ("chat", "responses", "messages")
WHO = {"chat": "openai/gpt-4o-mini", "responses": "openai/gpt-4o-mini", "messages": "anthropic/claude-haiku-4-5"}
_HELLO = [{"role": "user", "content": "Make a person."}]
_TOOL: dict[str, Any] = {"name": "person", "parameters": PERSON}
_FORMAT: dict[str, Any] = {"name": "person", "schema": PERSON}
ASKED: dict[tuple[str, bool], dict[str, Any]] = {
    # what a program sends at each door, with a format, or with a tool:
    ("chat", False): {"response_format": {"type": "json_schema", "json_schema": _FORMAT}},
    ("chat", True): {
        "tools": [{"type": "function", "function": _TOOL}],
        "tool_choice": {"type": "function", "function": {"name": "person"}},
    },
    ("responses", False): {"text": {"format": {"type": "json_schema", **_FORMAT}}},
    ("responses", True): {
        "tools": [{"type": "function", **_TOOL}],
        "tool_choice": {"type": "function", "name": "person"},
    },
    ("messages", False): {"output_config": {"format": {"type": "json_schema", "schema": PERSON}}},
    ("messages", True): {
        "tools": [{"name": "person", "input_schema": PERSON}],
        "tool_choice": {"type": "tool", "name": "person"},
    },
}


class _Pieces(httpx2.AsyncByteStream):
    """A body that comes in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = pieces

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece


@dataclass(frozen=True, slots=True)
class Came:
    """What a walk came to, and what was passed on of it."""

    summed_up: dict[str, Any]
    passed_on: bytes


class NearVendors:
    """OpenAI on both of its paths and Anthropic; each call is answered alike, in the pieces given."""

    def __init__(self) -> None:
        self.loop = Loop()
        self._clock = Waiting()
        self._breakers = Breakers(self._clock)
        self._media, self._answer = "", tuple[bytes, ...]()
        chat, responses, messages = (
            OpenAI(api_key="k", base_url="http://near/v1"),
            OpenAI(api_key="k", base_url="http://near/v1", responses=True),
            Anthropic(api_key="k", base_url="http://near"),
        )
        for provider in (chat, responses):
            provider._wire = Wire("openai", openai, self._sdk, "x-request-id", self._http)
        messages._wire = Wire("anthropic", anthropic, self._sdk, "request-id", self._http)
        self._providers = {"chat": chat, "responses": responses, "messages": messages}

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=httpx2.MockTransport(self._answered))

    def _sdk(self, http: httpx2.AsyncClient) -> Any:
        """Return what stands for an SDK's client: to word each stream's request anew is most of what it takes."""

        async def post(path: str, **asked: Any) -> Any:
            response = self._answered(httpx2.Request("POST", f"http://near{path}", content=asked["content"]))
            if asked.get("stream"):
                return SimpleNamespace(response=response, close=response.aclose)
            await response.aread()
            return response

        return SimpleNamespace(post=post)

    def _answered(self, request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(
            200, headers={"content-type": self._media}, stream=_Pieces(self._answer), request=request
        )

    def framed(self, path: str, mode: str, body: Any) -> Came:
        """Ask for a person in *mode*; be answered with *body*, a JSON value, or a stream as its pieces."""
        stream = self._plays(body)
        ask = Ask(model="", response_model=MODEL, messages=as_messages(*_HELLO), stream=stream)
        return self._walked(path, FramedInquiry(ask), [_candidate(path, mode=mode)])

    def relayed(self, path: str, mode: str, body: Any) -> Came:
        """Send a program's own request on, with a tool or a format; be answered with *body*."""
        request = request_of(path, mode, stream=self._plays(body))
        inquiry = RelayInquiry(request, request.messages, Beside(), at=START)
        return self._walked(path, inquiry, relay_candidates([_candidate(path)], request))

    def _plays(self, body: Any) -> bool:
        stream = isinstance(body, tuple)
        self._media = "text/event-stream" if stream else "application/json"
        self._answer = body if stream else (orjson.dumps(body),)
        return stream

    def _walked(self, path: str, inquiry: Inquiry, candidates: Sequence[Candidate]) -> Came:
        record = Noted()
        route = RouteTerms(name="r", candidates=tuple(candidates), max_reasks=1, max_retries=0, deadline_seconds=60.0)
        walk = Walk(
            route,
            inquiry,
            clock=self._clock,
            providers={candidates[0].provider: self._providers[path]},
            breakers=self._breakers,
            loop=self.loop,
            prices=PriceBook(),
            lengths=AnswerLengths(),
            bookkeeper=record,
            cancellation=Cancellation(),
            ends=self._clock.monotonic() + route.deadline_seconds,
        )
        value, outcome, error, raw = None, None, None, b""
        coming = walk.reply()
        try:
            while True:
                raw += _passed_on(next(coming))
        except StopIteration as end:
            value, outcome = end.value.value, end.value.outcome
        except ProctorError as why:
            error = why.message
        if outcome is not Outcome.VALID_FIRST_TRY:  # the walks after it are to be let in
            self._breakers = Breakers(self._clock)
        return Came(_summed_up(value, outcome, error, record), raw)

    def close(self) -> None:
        """Stop the loop."""
        self.loop.close()


def _candidate(path: str, **more: Any) -> Candidate:
    provider, _, model = WHO[path].partition("/")
    return Candidate(provider=provider, model=model, **more)


def _passed_on(news: Any) -> bytes:
    if not isinstance(news, tuple | list):
        return b""
    return b"".join(frame.outward for frame in _frames(news))


def _frames(news: Any) -> Iterator[Frame]:
    for one in news:
        if isinstance(one, Frame):
            yield one
        elif not isinstance(one, VendorResponse):
            yield from _frames(one)


def told_of(attempts: Iterable[Attempt]) -> list[dict[str, Any]]:
    """Return all of each attempt that must be alike, however its answer came."""
    return [
        {
            "kind": one.kind,
            "outcome": one.outcome,
            "code": one.error_code,
            "detail": one.error_detail,
            "usage": one.usage,
            "cost": one.cost,
            "text": one.answer.text,
            "model": one.answer.model,
            "finish_reason": one.answer.finish_reason,
            "field_errors": one.field_errors,
            "asked": one.asked,
        }
        for one in attempts
    ]


def _summed_up(value: Any, outcome: Any, error: str | None, record: Noted) -> dict[str, Any]:
    return {
        "value": getattr(value, "value", value),
        "outcome": outcome,
        "error": error,
        "attempts": told_of(record.attempts),
    }


def request_of(path: str, mode: str, *, stream: bool) -> RelayRequest:
    """Return what a program sends that asks for a person, with a tool or a format."""
    messages = {"input" if path == "responses" else "messages": _HELLO}
    limit = {"max_tokens": 1024} if path == "messages" else {}
    body = {"model": WHO[path], "stream": stream, **messages, **limit, **ASKED[path, mode == "tools"]}
    return DIALECTS[DialectName(path)].read(orjson.dumps(body))


def in_two(stream: bytes) -> Iterator[tuple[bytes, ...]]:
    """Yield *stream* cut in two at every byte, and last in single bytes."""
    for place in range(1, len(stream)):
        yield stream[:place], stream[place:]
    yield tuple(stream[place : place + 1] for place in range(len(stream)))


def told_apart(path: str, stream: bytes, *, framed: bool) -> Sequence[tuple[bytes, ...]]:
    """Return one of the ways to cut *stream* for each that its reader can tell from the others, of all at every byte.

    That is by which events come together: what reads events for us, or *frames* for a relay, gives no more of a piece.

    Raises:
        AssertionError: a cut changes the events themselves.

    """
    at_once, found = _events(path, (stream,), framed=framed)[0], dict[Any, tuple[bytes, ...]]()
    for pieces in in_two(stream):
        events, together = _events(path, pieces, framed=framed)
        assert events == at_once
        found.setdefault(together, pieces)
    return [(stream,), *found.values()]


def _events(path: str, pieces: Iterable[bytes], *, framed: bool) -> tuple[list[Any], tuple[int, ...]]:
    """Return what is read of *pieces*, and how much of it comes with each that completes anything."""
    reading = Events() if framed else DIALECTS[DialectName(path)].frames()
    told = [*(list(reading.feed(piece)) for piece in pieces), list(reading.end())]
    events = ["end" if isinstance(one, EndOfStream) else one for part in told for one in part]
    return events, tuple(len(part) for part in told if part)
