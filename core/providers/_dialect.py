"""What the vendors' dialects share: the SDK client on the provider loop, Instructor's frames, errors in our words.

Instructor prepares requests and words re-asks; its control loop is not used (docs/architecture.md says why). The frame
of a request, which is all of it but the messages, depends on schema and mode only, so it is made once. The body goes
out as bytes, with the SDK's own headers and over its own client: the SDK keeps authentication, connections, streams and
errors, and the typed models that it would build from both bodies, only to be taken apart again, are never built.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache
from types import MappingProxyType
from typing import Any, cast

import aiohttp
import httpx2
import instructor
import orjson
from instructor.v2 import mode_registry
from instructor.v2.core.json import extract_json_from_codeblock
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from pydantic import BaseModel, ValidationError

from core.own_limits import lack_in
from core.pricing import Usage
from core.providers import (
    Answer,
    Ask,
    Garbled,
    NotSent,
    ProviderError,
    Unreachable,
    misread,
)
from core.providers._failures import LIKE_A_KEY, broken_off, status_error
from core.schema_forms import SchemaForm, form_for

logging.getLogger("instructor").setLevel(logging.CRITICAL)  # it logs values of invalid fields at ERROR

MODES: Mapping[str, Mode] = {
    "tools": Mode.TOOLS,
    "json_schema": Mode.JSON_SCHEMA,
    "json": Mode.JSON,
    "md_json": Mode.MD_JSON,
}
LIMITS = httpx2.Limits(max_connections=10_000, max_keepalive_connections=None, keepalive_expiry=120)
"""Idle connections live two minutes; the SDKs' five seconds would cost a handshake after every pause. How many calls
are out is decided elsewhere, hence a number that is never reached: ``None`` would be aiohttp's own hundred."""
NO_TIMEOUT = httpx2.Timeout(None, connect=10)
"""The attempt's deadline is the loop's (core/providers/loop.py)."""
_LONGEST_WORD = 200
_MOST_TOKENS = 2**31 - 1
"""What a column of either database holds."""
_ODD_SHAPES = ValueError | LookupError | TypeError | AttributeError
"""What reading raises where JSON is not of the shape that a vendor documents."""


@lru_cache(maxsize=1024)
def in_instructor(response_model: type[BaseModel]) -> type[BaseModel]:
    """Return *response_model* as Instructor wants it, wrapped once: it would build a class per call otherwise."""
    if issubclass(response_model, instructor.ResponseSchema):
        return response_model
    bases: tuple[type, ...] = (response_model, instructor.ResponseSchema)
    return type(response_model.__name__, bases, {"__doc__": response_model.__doc__})  # pyright: ignore[reportGeneralTypeIssues] it sees one base of two


@lru_cache(maxsize=1024)
def frame(vendor: Vendor, mode: Mode, response_model: type[BaseModel]) -> Mapping[str, Any]:
    """Return the part of a request that does not depend on its messages, prepared by Instructor. Do not change it."""
    _, prepared = mode_registry.get_handlers(vendor, mode).request_handler(
        response_model=in_instructor(response_model), kwargs={"messages": []}
    )
    return {name: value for name, value in prepared.items() if name not in ("messages", "system")}


@lru_cache(maxsize=1024)
def schema_form(response_model: type[BaseModel], vendor: str, mode: str) -> SchemaForm:
    """Return what *vendor* is sent of the schema in *mode*, worked out once."""
    return form_for(response_model.model_json_schema(), vendor, mode)


def read_as(form: SchemaForm, response_model: type[BaseModel], text: str) -> BaseModel:
    """Return the valid object in the *text* of an answer to *form*.

    Raises:
        ValidationError: there is none, neither as the form leads back to the author's schema nor as it was written.

    """
    restored = form.restored(text)
    try:
        return response_model.model_validate_json(restored)
    except ValidationError:
        if restored is not text:
            with suppress(ValidationError):
                return response_model.model_validate_json(text)
        raise


def in_messages(
    vendor: Vendor, mode: Mode, response_model: type[BaseModel], messages: list[dict[str, Any]]
) -> dict[str, Any]:
    """Return a request prepared by Instructor for a mode that writes the schema into the messages."""
    _, prepared = mode_registry.get_handlers(vendor, mode).request_handler(
        response_model=in_instructor(response_model), kwargs={"messages": messages}
    )
    return dict(prepared)


def ask_again(vendor: Vendor, mode: Mode, messages: list[dict[str, Any]], response: Any, error: Exception) -> list[Any]:
    """Return the messages that Instructor adds for an invalid answer."""
    known = len(messages)
    kwargs = mode_registry.get_handlers(vendor, mode).reask_handler(
        kwargs={"messages": list(messages)}, response=response, exception=error
    )
    return kwargs["messages"][known:]


def json_in(text: str) -> str:
    """Return the JSON in a model's prose, or the prose itself where there is none."""
    if text.lstrip().startswith(("{", "[")):
        return text
    try:
        return extract_json_from_codeblock(text)
    except ValueError:
        return text


@dataclass(slots=True)
class Told:
    """What the wire has told of the call that is out."""

    http_status: int | None = None
    provider_request_id: str | None = None
    model: str | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    ttft_seconds: float | None = None
    pieces: list[str] = field(default_factory=list[str])

    def answer(self, raw: Any = None, text: str | None = None) -> Answer:
        """Return it as an answer."""
        return Answer(
            text=_encodable("".join(self.pieces) if text is None else text),
            http_status=self.http_status,
            provider_request_id=self.provider_request_id,
            model=self.model,
            finish_reason=self.finish_reason,
            usage=self.usage,
            ttft_seconds=self.ttft_seconds,
            raw=raw,
        )


class Wire:
    """One SDK client, made by the first call, on the loop that it will live on."""

    def __init__(
        self,
        name: str,
        sdk: Any,
        make: Callable[[httpx2.AsyncClient], Any],
        request_id: str,
        connect: Callable[[], httpx2.AsyncClient] | None = None,
    ) -> None:
        self.name = name
        self._sdk = sdk
        self._make = make
        self._request_id = request_id
        self._connect = connect or (lambda: sdk.DefaultAioHttpClient(limits=LIMITS, timeout=NO_TIMEOUT))
        self._client: Any = None
        self._worded: dict[str, tuple[httpx2.URL, httpx2.Headers]] = {}
        """Address and headers of a request, by path, as the SDK made them for the first one."""

    @property
    def client(self) -> Any:
        """The SDK's asynchronous client."""
        if self._client is None:
            self._http = self._connect()
            self._client = self._make(self._http)
        return self._client

    async def post(self, path: str, content: bytes, told: Told) -> dict[str, Any]:
        """Send *content*, return the body of the answer.

        Raises:
            ProviderError: there is no body to read.

        """
        try:
            response = await self._response(path, content)
        except Exception as error:  # noqa: BLE001 whatever the SDK raises becomes a word of ours
            known = self.in_our_words(error, told)
            raise known from known.__cause__
        self._note(response, told)
        if not response.is_success:
            raise status_error(self.name, response, _error_body(response), told.answer())
        return _object(self.name, response.content, told)

    async def _response(self, path: str, content: bytes) -> httpx2.Response:
        """Return what *content* is answered with, whatever its status.

        The SDK words the first request to *path*: its address, its headers, and with them who we are. None of that
        depends on the body, and our keys do not change while a process lives; so those after it are sent the same, over
        the same client, without what the SDK does anew for each (half of what a call costs, as ``make bench`` prints).
        """
        if path in self._worded:
            url, headers = self._worded[path]
            # Given as a stream, so that the headers are taken as they are, and not looked through five times.
            request = httpx2.Request("POST", url, headers=headers, stream=httpx2.ByteStream(content))
            request.headers["content-length"] = str(len(content))
            request.read()
            return await self._http.send(request)
        response: httpx2.Response = await self.client.post(
            path, cast_to=httpx2.Response, content=content, options={"headers": _JSON}
        )
        first = response.history[0].request if response.history else response.request
        self._worded[path] = (first.url, first.headers)
        return response

    async def stream(self, path: str, content: bytes, told: Told, take: Callable[[dict[str, Any]], None]) -> None:
        """Send *content*, give every event of the answer to *take*.

        Raises:
            ProviderError: the stream could not be opened, or broke, or *take* raised it.

        """
        stream = None
        try:
            stream = await self.client.post(
                path,
                cast_to=object,
                content=content,
                options={"headers": _JSON},
                stream=True,
                stream_cls=self._sdk.AsyncStream[object],
            )
            self._note(stream.response, told)
            if "event-stream" not in stream.response.headers.get("content-type", ""):
                raise Garbled(f"{self.name} answered with something that is no stream.", answer=told.answer())  # noqa: TRY301
            async for event in stream:
                if not isinstance(event, dict):
                    raise Garbled(f"{self.name} sent an event that is no object.", answer=told.answer())  # noqa: TRY301
                _taken(take, cast("dict[str, Any]", event), told)
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 as above
            known = self.in_our_words(error, told)
            raise known from known.__cause__
        finally:
            if stream is not None:
                await stream.close()

    async def close(self) -> None:
        """Close the client's connections."""
        if self._client is not None:
            await self._client.close()

    def _note(self, response: httpx2.Response, told: Told) -> None:
        told.http_status = response.status_code
        told.provider_request_id = word(response.headers, self._request_id)

    def in_our_words(self, error: Exception, told: Told) -> ProviderError:
        """Return what an SDK's exception means to us. Its text and its body are not shown: they may quote the key."""
        sdk = self._sdk
        if isinstance(error, sdk.APIStatusError):
            told_status: Any = error
            self._note(told_status.response, told)
            return status_error(self.name, told_status.response, told_status.body, told.answer())
        root = _causes(error)[-1]
        if (lack := lack_in(root)) is not None and not told.http_status:
            not_sent = NotSent(lack, answer=told.answer())
            not_sent.was_sent = isinstance(root, MemoryError)  # it may have failed for what came back
            return not_sent
        if isinstance(error, sdk.APIConnectionError | httpx2.TransportError | aiohttp.ClientError | OSError):
            broken = Unreachable(f"The connection to {self.name} failed ({type(root).__name__}).", answer=told.answer())
            broken.was_sent = not any(isinstance(one, _NEVER_CONNECTED) for one in _causes(error))
            return broken
        if isinstance(error, _ODD_SHAPES | sdk.APIResponseValidationError):
            return Garbled(f"{self.name} sent what is no answer ({type(error).__name__}).", answer=told.answer())
        if isinstance(error, sdk.APIError):
            api_error: Any = error
            return broken_off(self.name, api_error.body, told.answer())
        if isinstance(error, httpx2.HTTPError):
            return Unreachable(f"The call to {self.name} failed ({type(error).__name__}).", answer=told.answer())
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


def _error_body(response: httpx2.Response) -> Any:
    """Return the body of an answer with an error's status: an object, or nothing that says why."""
    try:
        return orjson.loads(response.content)
    except ValueError:
        return None


def _object(name: str, body: bytes, told: Told) -> dict[str, Any]:
    try:
        value = orjson.loads(body)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        what = "an empty body" if not body.strip() else "a body that is no JSON object"
        raise Garbled(f"{name} answered with {what}.", answer=told.answer(text=""))
    return cast("dict[str, Any]", value)


_NOTHING: Mapping[str, Any] = MappingProxyType({})


# What a server sends need not have the shape that its vendor documents. These read a member of a JSON object if it is
# what it should be, and see nothing where it is not; so nothing odd reaches the record or a database.


def part(of: Any, name: str) -> Mapping[str, Any]:
    """Return the object *name* of a JSON object, or an empty one."""
    found = cast("Mapping[str, Any]", of).get(name) if isinstance(of, Mapping) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else _NOTHING


def parts(of: Any, name: str) -> list[Mapping[str, Any]]:
    """Return the objects in the list *name* of a JSON object."""
    found = cast("Mapping[str, Any]", of).get(name) if isinstance(of, Mapping) else None
    listed = cast("list[Any]", found) if isinstance(found, list) else []
    return [one for one in listed if isinstance(one, dict)]


def text(of: Mapping[str, Any], name: str) -> str:
    """Return the text *name* of a JSON object, or an empty one."""
    found = of.get(name)
    return found if isinstance(found, str) else ""


def word(of: Mapping[str, Any], name: str) -> str | None:
    """Return the text *name* if it is short and plain, as a model's name or a reason to stop are."""
    found = text(of, name)
    is_plain = 0 < len(found) <= _LONGEST_WORD and found.isprintable() and not LIKE_A_KEY.search(found)
    return found if is_plain else None


def count(of: Mapping[str, Any], name: str) -> int:
    """Return the number of tokens *name* of a usage, or 0."""
    found = of.get(name)
    return found if isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _MOST_TOKENS else 0


def credible(usage: Usage) -> Usage | None:
    """Return *usage* if it can be one: every call has input, and what was cached is part of it."""
    if not 0 < usage.input_tokens <= _MOST_TOKENS:
        return None
    if usage.cached_tokens + usage.cache_write_tokens > usage.input_tokens:
        return None
    return usage


def _encodable(text: str) -> str:
    """Return *text* without halves of surrogate pairs, which no database and no wire takes."""
    if text.isascii():
        return text
    return text.encode(errors="replace").decode()


def messages_of(ask: Ask) -> list[dict[str, Any]]:
    """Return the messages of *ask* as plain dictionaries that a conversation may extend, what is stable first.

    A vendor's cache knows a prompt by its beginning. Stable is what is marked so, and the system messages that the
    messages begin with; among themselves both halves keep their order.
    """
    return [*(_plain(one) for one in stable_of(ask)), *(_plain(one) for one in varying_of(ask))]


def stable_of(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the messages that other calls begin with as well."""
    return [one for one, is_stable in _told_apart(ask.messages) if is_stable]


def varying_of(ask: Ask) -> list[Mapping[str, Any]]:
    """Return the messages that are this call's own."""
    return [one for one, is_stable in _told_apart(ask.messages) if not is_stable]


def _told_apart(messages: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Mapping[str, Any], bool]]:
    leads = True
    for message in messages:
        leads = leads and message["role"] == "system"
        yield message, bool(message.get("stable", leads))


def _plain(message: Mapping[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": message["content"]}
