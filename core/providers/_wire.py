"""The way to one vendor and back: its SDK's client on the provider loop, bytes out and bytes in, errors in our words.

The body goes out as bytes, with the SDK's own headers and over its own client: the SDK keeps authentication,
connections, streams and errors, and the typed models that it would build from both bodies, only to be taken apart
again, are never built.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial
from typing import Any, cast

import aiohttp
import httpx2
import orjson

from core.own_limits import lack_in
from core.providers import Garbled, NotSent, ProviderError, TurnedAway, Unreachable, misread
from core.providers._clouds import as_server_sent, is_of_amazon
from core.providers._connections import why_broken
from core.providers._failures import broken_off, error_in_answer, status_error
from core.providers._identities import Identity, KeyHeader, nobody_in
from core.providers._keys import Keyring, ProviderKey
from core.providers._lines import GoesOverTheLoop, Lines, under_way
from core.providers._told import Told
from core.providers._worded import CONNECT_SECONDS, WireResponse, WordedRequest, place_of
from core.providers.reading.events import EndOfStream, Events, NoEvent
from core.providers.reading.long_bodies import read_apart
from core.providers.reading.parts import word
from core.providers.reading.reasons import body_of

LIMITS = httpx2.Limits(max_connections=10_000, max_keepalive_connections=None, keepalive_expiry=120)
"""Idle connections live two minutes; the SDKs' five seconds would cost a handshake after every pause. How many calls
are out is decided elsewhere, hence a number that is never reached: ``None`` would be aiohttp's own hundred."""
NO_TIMEOUT = httpx2.Timeout(None, connect=CONNECT_SECONDS)
"""The attempt's deadline is the loop's (core/providers/loop.py)."""
_MOST_WORDED = 256
_LONGEST_WORDED = 1_000
_ODD_SHAPES = ValueError | LookupError | TypeError | AttributeError
"""What reading raises where JSON is not of the shape that a vendor documents."""


class Wire:
    """One SDK client, made by the first call, on the loop that it will live on."""

    def __init__(
        self,
        name: str,
        sdk: Any,
        make: Callable[[httpx2.AsyncClient], Any],
        request_id: str,
        connect: Callable[[], httpx2.AsyncClient] | None = None,
        *,
        keys: Keyring | None = None,
        identity: Identity | None = None,
        sends_objects: bool = False,
        signs: bool = False,
    ) -> None:
        self.name = name
        self.keys = keys or Keyring(name, ("",))
        self._identity = identity
        """What says who we are, in each call anew; ``None``: the SDK, by itself."""
        self._sends_objects = sends_objects
        """Whether the SDK looks into each body of ours, to make of it what a cloud wants, and words each request."""
        self._signs = signs
        """Whether the SDK signs each request, so that none is like another."""
        self._sdk = sdk
        self._make = make
        self._request_id = request_id
        self._connect = connect or (lambda: sdk.DefaultAioHttpClient(limits=LIMITS, timeout=NO_TIMEOUT))
        self._client: Any = None
        self._without_options: set[str] = set()
        self._worded: dict[str, WordedRequest] = {}
        """By path, and the headers that are not ours."""
        self._lines: dict[str, Lines] = {}

    def takes_stream_options(self, model: str) -> bool:
        """Whether *model*'s server may be asked for a stream's usage, as far as it has not turned that away."""
        return model not in self._without_options

    def turned_away_options(self, model: str) -> str:
        """Remember that *model*'s server takes no ``stream_options``; return it as a sentence."""
        if len(self._without_options) >= _MOST_WORDED:  # callers choose the models
            self._without_options.clear()
        self._without_options.add(model)
        return f"{self.name} takes no stream_options for this model: it is asked without, and tells its usage or not."

    @property
    def client(self) -> Any:
        """The SDK's asynchronous client."""
        if self._client is None:
            self._http = self._connect()
            self._client = self._make(self._http)
        return self._client

    async def post(
        self, path: str, content: bytes, told: Told, take: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any] | None:
        """Send *content*, return the body of the answer; ``None`` if it is a stream all the same, given to *take*.

        Raises:
            ProviderError: there is no body to read.

        """
        return await self.with_keys(partial(self._post, path, content, told, take), told)

    async def with_keys(self, call: Callable[[ProviderKey], Awaitable[Any]], told: Told, *, held_by: str = "") -> Any:
        """Call with the key whose turn it is; with another one where it is turned away before an answer began.

        *held_by* names the one key that has what is asked for: then it is that one or none.
        """
        key, passed_over = self.keys.holding(held_by) if held_by else self.keys.take(), list[str]()
        while True:
            told.remark = " ".join((*passed_over, *((f"{self.name} is asked with {key.label}.",) if key.label else ())))
            try:
                body = await call(key)
            except ProviderError as error:
                if told.http_status == 401 and not passed_over and self._identity and self._identity.turned_away():
                    passed_over.append(f"{self.name} did not accept the token, so it is asked with a new one.")
                    continue
                if told.pieces or (following := self.keys.after(key, error)) is None or held_by:
                    raise
                passed_over.append(f"{self.name} turned {key.label} away ({error.code}), which rests.")
                key = following
            else:
                self.keys.worked(key)
                return body

    async def _post(
        self, path: str, content: bytes, told: Told, take: Callable[[dict[str, Any]], None], key: ProviderKey
    ) -> dict[str, Any] | None:
        try:
            response = await self._response(path, content, key)
        except Exception as error:  # noqa: BLE001 whatever the SDK raises becomes a word of ours
            known = self.in_our_words(error, told)
            raise known from known.__cause__
        self.note(response, told)
        if not response.is_success:
            body = body_of(response.content)
            raise status_error(self.name, response, body, told.answer(), hidden=told.hidden)
        if is_stream(response):
            events = Events()
            for event in (*events.feed(response.content), *events.end()):
                self._give(event, told, take)
            return None
        return await self._read(response.content, told)

    async def _response(self, path: str, content: bytes, key: ProviderKey) -> WireResponse:
        """Return what *content* is answered with, whatever its status.

        The SDK words the first request to *path*: its address, its headers, and with them who we are. None of that
        depends on the body, and our keys do not change while a process lives; so those after it are sent the same, over
        the same connections, without what the SDK does anew for each.
        """
        if (worded := self._worded.get(path)) is not None:
            return await worded.send(content, await self._said_anew(key), stream=False)
        response: httpx2.Response = await self.client.post(
            path, cast_to=httpx2.Response, **self._given(content), options={"headers": await self._headers(key)}
        )
        if self._sends_objects or self._signs:
            return response
        self._keep_wording(path, response)
        return response

    async def opened(
        self, path: str, content: bytes, extra: Mapping[str, str], key: ProviderKey, *, stream: bool
    ) -> WireResponse:
        """Return what *content* is answered with, whatever its status; with *stream* its head, to be read and closed.

        *extra* are headers beside ours. As with :meth:`post`, the SDK words the first request with the same ones.
        """
        place = place_of(path, extra)
        if (worded := self._worded.get(place)) is not None:
            return await worded.send(content, await self._said_anew(key), stream=stream)
        if under_way.get() is not None:
            raise GoesOverTheLoop
        options = {"headers": {**await self._headers(key), **extra}}
        more: dict[str, Any] = {"cast_to": httpx2.Response}
        if stream:
            more = {"cast_to": object, "stream": True, "stream_cls": self._sdk.AsyncStream[object]}
        try:
            came = await self.client.post(path, content=content, options=options, **more)
            response: httpx2.Response = came.response if stream else came
        except self._sdk.APIStatusError as error:
            response = error.response
        if not self._signs:
            self._keep_wording(place, response)
        return response

    def lines_to(self, path: str, extra: Mapping[str, str]) -> Lines | None:
        """Return those over which what was worded goes out without the loop; a token may have to be waited for."""
        worded = self._worded.get(place_of(path, extra))
        is_at_hand = self._identity is None or isinstance(self._identity, KeyHeader)
        return worded.lines if worded is not None and is_at_hand else None

    def _keep_wording(self, place: str, response: httpx2.Response) -> None:
        first = response.history[0].request if response.history else response.request
        if len(self._worded) >= _MOST_WORDED:  # callers choose some of the headers, and the query
            self._worded.clear()
        if len(place) <= _LONGEST_WORDED:
            self._worded[place] = WordedRequest(self._http, first, self._lines)

    async def _said_anew(self, key: ProviderKey) -> Mapping[str, str]:
        """Return the headers that are another in each request."""
        return {} if self._identity is None else await self._identity.headers(key.text)

    def pieces(self, response: WireResponse) -> AsyncIterator[bytes]:
        """Return the bytes of a stream of server-sent events, as they come; of Amazon's frames they are made."""
        if is_of_amazon(response):
            return as_server_sent(self.client, self.name, response)
        return response.aiter_bytes()

    async def asked(
        self, verb: str, path: str, query: Mapping[str, Any], told: Told, key: ProviderKey
    ) -> httpx2.Response:
        """Return what a request without a body of ours is answered with, whatever its status; raises ProviderError."""
        options = {"headers": await self._headers(key), "params": query}
        try:
            response: httpx2.Response = await getattr(self.client, verb)(path, cast_to=httpx2.Response, options=options)
        except self._sdk.APIStatusError as error:
            response = error.response
        except Exception as error:  # noqa: BLE001 as above
            known = self.in_our_words(error, told)
            raise known from known.__cause__
        self.note(response, told)
        return response

    async def stream(
        self, path: str, content: bytes, told: Told, take: Callable[[dict[str, Any]], None]
    ) -> dict[str, Any] | None:
        """Send *content*, give every event of the answer to *take*; or return its body, if it came in one piece.

        Raises:
            ProviderError: the stream could not be opened, or broke, or *take* raised it.

        """
        return await self.with_keys(partial(self._stream, path, content, told, take), told)

    def _given(self, content: bytes) -> dict[str, Any]:
        return {"body": orjson.loads(content)} if self._sends_objects else {"content": content}

    async def _headers(self, key: ProviderKey) -> dict[str, Any]:
        """Return the headers of a request beside the SDK's own."""
        if self._identity is None:
            return _JSON
        unsaid = dict.fromkeys(self._identity.unsaid, self._sdk.omit)
        return {**_JSON, **unsaid, **await self._identity.headers(key.text)}

    async def _stream(
        self, path: str, content: bytes, told: Told, take: Callable[[dict[str, Any]], None], key: ProviderKey
    ) -> dict[str, Any] | None:
        stream = None
        try:
            stream = await self.client.post(
                path,
                cast_to=object,
                **self._given(content),
                options={"headers": await self._headers(key)},
                stream=True,
                stream_cls=self._sdk.AsyncStream[object],
            )
            response: httpx2.Response = stream.response
            self.note(response, told)
            if not is_stream(response, was_asked_for=True):
                return await self._read(await response.aread(), told, "something that is no stream")
            events = Events()
            async for piece in self.pieces(response):
                for event in events.feed(piece):
                    self._give(event, told, take)
                if told.is_done:
                    return None
            for event in events.end():
                self._give(event, told, take)
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 as above
            known = self.in_our_words(error, told)
            raise known from known.__cause__
        finally:
            if stream is not None:
                await stream.close()
        return None

    def _give(self, event: Any, told: Told, take: Callable[[dict[str, Any]], None]) -> None:
        """Give *event* to *take*, unless it tells the end, or an error, or nothing."""
        match event:
            case EndOfStream():
                told.is_done = True
            case NoEvent(is_last=True):
                pass  # the stream was cut within it
            case {"error": error} if error:
                _taken(take, cast("dict[str, Any]", event), told)  # it may tell what the call cost
                raise self.failed(cast("dict[str, Any]", event), told)
            case dict():
                _taken(take, cast("dict[str, Any]", event), told)
            case _:
                raise Garbled(f"{self.name} sent an event that is no object.", answer=told.answer())

    def failed(self, body: Mapping[str, Any], told: Told) -> ProviderError:
        """Return what an error means that came in an answer: in the place of one, or in its middle."""
        means = broken_off if told.pieces else error_in_answer
        return means(self.name, body, told.answer(), hidden=told.hidden)

    async def _read(self, content: bytes, told: Told, *otherwise: str) -> dict[str, Any]:
        return await read_apart(len(content), partial(self._body, content, told, *otherwise))

    def _body(self, content: bytes, told: Told, otherwise: str = "a body that is no JSON object") -> dict[str, Any]:
        try:
            value = orjson.loads(content)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            what = otherwise if content.strip() else "an empty body"
            raise Garbled(f"{self.name} answered with {what}.", answer=told.answer(texts=("",)))
        return cast("dict[str, Any]", value)

    async def close(self) -> None:
        """Close all connections."""
        for lines in self._lines.values():
            lines.close()
        if self._client is not None:
            await self._client.close()

    def note(self, response: WireResponse, told: Told) -> None:
        """Take in what the head of an answer tells."""
        told.http_status = response.status_code
        told.provider_request_id = word(response.headers, self._request_id)

    def in_our_words(self, error: Exception, told: Told) -> ProviderError:
        """Return what an SDK's exception means to us. Its own text is not shown: it may quote the key."""
        sdk = self._sdk
        if isinstance(error, sdk.APIStatusError):
            told_status: Any = error
            self.note(told_status.response, told)
            body = body_of(told_status.response.content)
            return status_error(self.name, told_status.response, body, told.answer(), hidden=told.hidden)
        if self._signs and (nobody := nobody_in(error)) is not None:
            return nobody
        root = _causes(error)[-1]
        if (lack := lack_in(root)) is not None and not told.http_status:
            not_sent = NotSent(lack, answer=told.answer())
            not_sent.was_sent = isinstance(root, MemoryError)  # it may have failed for what came back
            return not_sent
        if isinstance(error, sdk.APIConnectionError | httpx2.TransportError | aiohttp.ClientError | OSError):
            said = f"The connection to {self.name} {why_broken(_causes(error))}."
            broken = Unreachable(said, answer=told.answer())
            broken.was_sent = not any(isinstance(one, _NEVER_CONNECTED) for one in _causes(error))
            return broken
        if isinstance(error, _ODD_SHAPES | sdk.APIResponseValidationError):
            return Garbled(f"{self.name} sent what cannot be read as an answer.", answer=told.answer())
        if isinstance(error, sdk.APIError):
            api_error: Any = error
            return broken_off(self.name, api_error.body, told.answer(), hidden=told.hidden)
        if isinstance(error, httpx2.HTTPError):
            return Unreachable(f"The call to {self.name} came to nothing on its way.", answer=told.answer())
        ours = misread(error, told.answer())
        ours.__cause__ = error
        return ours


def _taken(take: Callable[[dict[str, Any]], None], event: dict[str, Any], told: Told) -> None:
    """Give *event* to *take*. What breaks there is ours: the parts of an event are read whatever their shape."""
    try:
        take(event)
    except ProviderError:
        raise
    except Exception as error:
        raise misread(error, told.answer()) from error


_NEVER_CONNECTED = aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError


def _causes(error: BaseException) -> list[BaseException]:
    """Return *error* and what caused it, the first cause last.

    The aiohttp transport calls a connection that broke, or was refused, a connect timeout; its causes are true.
    """
    causes = [error]
    while (cause := causes[-1].__cause__) is not None:
        causes.append(cause)
    return causes


_JSON = {"Content-Type": "application/json"}


def is_stream(response: WireResponse, *, was_asked_for: bool = False) -> bool:
    """Whether events are coming, and no whole answer: by its type, or, where it has none, as it *was asked for*."""
    media = response.headers.get("content-type", "")
    return "event-stream" in media or is_of_amazon(response) or (was_asked_for and not media)


def turns_away_options(error: TurnedAway) -> bool:
    """Whether a request was turned away for its ``stream_options``, which this server does not know."""
    return error.answer.http_status in (400, 422) and "stream_options" in error.message
