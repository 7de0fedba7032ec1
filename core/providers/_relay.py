"""One call of a caller's own: its body goes out patched, and what comes back is passed on byte for byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import replace
from functools import partial
from typing import Any, cast

import aiohttp
import httpx2

from core.clock import SystemClock
from core.dialects import Beside, DialectName, Frame, Frames, Path, RelayRequest, VendorResponse, passes_back
from core.json_texts import exactly, exactly_written
from core.messages import Message, texts_of
from core.pricing import PossibleBilling, Usage
from core.providers import Answer, Broken, Garbled, ProviderError, TurnedAway
from core.providers._clouds import UNTAKEN, CloudWording
from core.providers._failures import status_error, status_meant
from core.providers._keys import ProviderKey
from core.providers._lines import Lines
from core.providers._media import media_tokens
from core.providers._told import Told
from core.providers._usage import anthropic_usage, chat_usage, most_told, responses_usage
from core.providers._wire import Wire, is_stream, turns_away_options
from core.providers._worded import WireResponse
from core.providers.reading.chat_message import ChatMessage, choice_of, usage_in
from core.providers.reading.growth import Growth
from core.providers.reading.long_bodies import LONG, read_apart
from core.providers.reading.message_blocks import MessageBlocks, with_inputs
from core.providers.reading.parts import parsed, part, parts, text, word
from core.providers.reading.reasons import body_of
from core.providers.reading.response_output import ResponseOutput, finish_reason_in, usage_told
from core.providers.reading.told_errors import error_in, error_of_all, told_exactly
from core.providers.reading.tool_uses import ToolUses
from core.providers.reading.waits import wait_in

_LONGEST_WAIT_SECONDS = 60
_ERROR_KINDS = ("error", "response.failed")
_MASK = b"[...]"
_Sent = tuple[str, bytes, Mapping[str, str]]
"""Path, body, and headers beside ours."""


def masked(content: bytes, secrets: Sequence[str]) -> bytes:
    """Return a body without our keys, which some servers quote."""
    for secret in secrets:
        content = content.replace(secret.encode(), _MASK)
    return content


def passed_headers(response: WireResponse, request_id: str | None, request_id_header: str) -> dict[str, str]:
    """Return those of a vendor's headers that a caller gets, with its name of the request."""
    passed = {name: value for name, value in response.headers.items() if passes_back(name)}
    if not response.is_success and (wait_in(response.headers, SystemClock().now()) or 0) > _LONGEST_WAIT_SECONDS:
        passed["x-should-retry"] = "false"
    if request_id:
        passed[request_id_header] = request_id
    return passed


class Relay:
    """An exchange in the caller's own words."""

    mode = "relay"

    def __init__(
        self,
        wire: Wire,
        request: RelayRequest,
        *,
        path: str,
        model: str,
        max_tokens: int,
        messages: Sequence[Message],
        limit: str = "",
        vendor: str,
        geo: str = "",
        billing: PossibleBilling,
        takes_stream_options: bool = True,
        beside: Beside,
        cloud: CloudWording | None = None,
        changes: Sequence[tuple[Path, str]] = (),
    ) -> None:
        """Make ready to send *request* to *path*, or where *cloud* says."""
        self._wire = wire
        self._path = f"{path}?{beside.query}" if beside.query else path
        self._cloud = cloud
        self._model = model
        self._held_by = ""
        self._key_digest = ""
        self._request = request
        self._messages = messages
        self._headers = beside.headers
        self._geo = geo
        self._told = Told()
        self._usage_before: dict[str, Any] = {}
        """What of the usage was told last, in the vendor's names."""
        is_same = all(new is old for new, old in zip(messages, request.messages, strict=True))
        self._patched = partial(
            request.patched,
            model=model,
            max_tokens=max_tokens,
            limit=limit,
            texts=None if is_same else messages,
            changes=changes,
        )
        takes = takes_stream_options and wire.takes_stream_options(model)
        self._adds_options = takes and request.streams and bool(request.dialect.asking_usage(request))
        self._content = b"" if cloud else self._patched(asks_usage=takes)
        untaken = [name for name in UNTAKEN if name in request.source.values] if cloud else []
        self._untaken = frozenset(untaken)
        left_out = f"{wire.name} does not take {', '.join(untaken)} at the top; it is left out." if untaken else ""
        self.remark = " ".join(filter(None, (left_out, request.uses_remark)))
        """What the trace is told of how it is sent."""
        self._asked_uses = request.uses_asked_for
        self._uses = ToolUses(self._asked_uses)
        self.size_bytes = request.weight_bytes
        self.media_tokens = media_tokens(request.messages, vendor, model)
        adds, uses = request.adds_tokens, request.possible_uses
        self.possible_billing = replace(billing, adds_tokens=adds, tool_uses=uses) if adds or uses else billing

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._told.answer()

    @property
    def lines(self) -> Lines | None:
        """Those over which it can go out without the loop: what is short, and asks no cloud for anything."""
        is_short = len(self._content) <= LONG
        return self._wire.lines_to(self._path, self._headers) if is_short and self._cloud is None else None

    @property
    def texts(self) -> Sequence[str]:
        """What was said, and what stands beside it and is paid as text."""
        asked = self._request
        return *texts_of(self._messages), *map(asked.source.source, asked.dialect.weighed)

    def allow(self, max_tokens: int) -> None:
        """Change nothing: how long an answer may be is the caller's."""

    def bind(self, key_digest: str, tokens: int | None) -> None:
        """Ask with the key of this digest only, which has what the request names; *tokens* of it are billed again."""
        self._held_by = key_digest
        if tokens is not None:
            added = tokens + self._request.added_by_tools
            self.possible_billing = replace(self.possible_billing, adds_tokens=added)

    async def send(self, on_piece: Callable[[Any], Any] | None) -> Answer:
        """Call once; of a stream *on_piece* is given the head, then the frames, as tuples."""
        hidden = (*self._wire.keys.secrets, *self._request.secrets, *texts_of(self._messages))
        try:
            return await self._sent_with_keys(on_piece, hidden)
        except TurnedAway as error:
            if not self._adds_options or not turns_away_options(error):
                raise
        self._adds_options, self._content = False, self._patched(asks_usage=False)
        answer = await self._sent_with_keys(on_piece, hidden)
        return replace(answer, remark=f"{answer.remark} {self._wire.turned_away_options(self._model)}".strip())

    async def _sent_with_keys(self, on_piece: Callable[[Any], Any] | None, hidden: tuple[str, ...]) -> Answer:
        told, self._uses = Told(hidden=hidden), ToolUses(self._asked_uses)
        self._told, self._usage_before = told, dict[str, Any]()
        return await self._wire.with_keys(partial(self._sent, on_piece, told), told, held_by=self._held_by)

    async def _sent(self, on_piece: Callable[[Any], Any] | None, told: Told, key: ProviderKey) -> Answer:
        response: WireResponse | None = None
        self._key_digest = key.digest
        try:
            path, content, headers = await self._in_cloud(self._cloud) if self._cloud else self._as_it_is
            response = await self._wire.opened(path, content, headers, key, stream=on_piece is not None)
            self._wire.note(response, told)
            if not response.is_success:
                raise self._turned_away(response, await response.aread(), told)  # noqa: TRY301 as what the SDK raises
            if on_piece is not None and is_stream(response, was_asked_for=True):
                return await self._streamed(response, on_piece, told)
            content = await response.aread()
            answer = await read_apart(len(content), partial(self._whole, response, content, told))
            if on_piece is not None:
                on_piece(answer.raw)
        except ProviderError:
            raise
        except Exception as error:  # noqa: BLE001 whatever the SDK raises becomes a word of ours
            known = self._wire.in_our_words(error, told)
            raise known from known.__cause__
        else:
            return answer
        finally:
            if response is not None:
                await response.aclose()

    @property
    def _as_it_is(self) -> _Sent:
        return self._path, self._content, self._headers

    async def _in_cloud(self, cloud: CloudWording) -> _Sent:
        """Return the request as the cloud takes it, every other byte as it came."""
        headers = {name: value for name, value in self._headers.items() if name != "anthropic-version"}
        streams, betas = self._request.streams, headers.get("anthropic-beta", "")
        call = await cloud.of(self._wire.client, self._model, streams=streams, betas=betas)
        return call.path, self._patched(added=call.added, dropped=call.dropped | self._untaken), headers

    def _masked(self, content: bytes) -> bytes:
        return masked(content, self._wire.keys.secrets)

    def _passed(self, response: WireResponse) -> dict[str, str]:
        return passed_headers(response, self._told.provider_request_id, self._request.dialect.request_id_header)

    def _turned_away(self, response: WireResponse, content: bytes, told: Told) -> ProviderError:
        raw = self._error(response.status_code, self._passed(response), content)
        body = body_of(content)
        return status_error(self._wire.name, response, body, told.answer(raw), hidden=told.hidden)

    def _error(self, status: int, headers: Mapping[str, str], content: bytes) -> VendorResponse:
        """Return a vendor's error as the caller gets it: as it came, unless his SDK would find nothing in it."""
        body = self._request.dialect.vendor_error(status, content)
        headers = headers if body is content else {**headers, "content-type": "application/json"}
        return VendorResponse(status, headers, self._masked(body))

    def _failed(self, error: Any, whole: bytes, headers: Mapping[str, str], told: Told) -> ProviderError:
        """Return what an *error* in the place of an answer means; who gets no other has it with the status it means."""
        failed = self._wire.failed({"error": error}, told)
        status = status_meant(failed, {"error": error})
        raw = self._error(status, {**headers, "content-type": "application/json"}, whole)
        failed.answer = replace(failed.answer, raw=raw)
        return failed

    def _whole(self, response: WireResponse, content: bytes, told: Told) -> Answer:
        value = parsed(content)
        if not isinstance(value, dict):
            what = "a body that is no JSON object" if content.strip() else "an empty body"
            raise Garbled(f"{self._wire.name} answered with {what}.", answer=told.answer(texts=("",)))
        body = cast("dict[str, Any]", value)
        told.model = word(body, "model")
        self._uses.take_whole(body)
        told.usage = self._with_uses(self._usage(self._usage_in(body)))
        told.finish_reason = self._finish_reason(body)
        if body.get("error") and not any(body.get(name) for name in ("choices", "output", "content")):
            raise self._failed(body["error"], content, self._passed(response), told)
        if self._request.dialect.name is DialectName.CHAT and (error := error_of_all(body)) is not None:
            whole = exactly_written({"error": error_of_all(exactly(content))})
            raise self._failed(error, whole, self._passed(response), told)
        raw = self._head(response, self._masked(content), body)
        return self._read(body, told, raw)

    def _head(
        self, response: WireResponse, body: bytes = b"", value: Any = None, frames: Frames | None = None
    ) -> VendorResponse:
        passed, who = self._passed(response), (self._wire.name, self._model, self._key_digest)
        return VendorResponse(response.status_code, passed, body, value, frames, *who)

    def _read(self, body: Mapping[str, Any], told: Told, raw: VendorResponse) -> Answer:
        said = "\n".join(one.text for one in self._request.dialect.answer_objects(body))
        return told.answer(raw, (said or _declined(body),))

    async def _streamed(self, response: WireResponse, on_piece: Callable[[Any], Any], told: Told) -> Answer:
        frames, growth = self._request.dialect.frames(), self._growth()
        head = self._head(response, frames=frames)
        clock, has_begun, is_over = SystemClock(), False, False
        began = clock.monotonic()
        waiting: list[Frame] = []
        try:
            async for piece in self._wire.pieces(response):
                waiting += frames.feed(piece)
                if not waiting:
                    continue
                if told.ttft_seconds is None:
                    told.ttft_seconds = clock.monotonic() - began
                has_begun = await self._pass_on(waiting, head, on_piece, told, growth, has_begun=has_begun)
                is_over = any(frame.kind == "done" or frame.kind in frames.ends for frame in waiting)
                if has_begun:
                    waiting = []
                if is_over:
                    break
            waiting += frames.end()
        except (httpx2.HTTPError, aiohttp.ClientError):
            if not frames.has_ended:
                raise
        has_begun = await self._pass_on(waiting, head, on_piece, told, growth, has_begun=has_begun)
        told.is_usage_final = growth.is_usage_final or not growth.usage
        if not frames.has_ended or not has_begun:
            raise Broken(f"{self._wire.name} ended its stream in the middle.", answer=told.answer())
        if closing := frames.closing():
            on_piece((Frame(closing, None, "done"),))
        return await read_apart(sum(map(len, told.pieces)), partial(self._grown, growth, told, head))

    def _grown(self, growth: Growth, told: Told, head: VendorResponse) -> Answer:
        """Return the answer that a stream has grown into."""
        body = growth.body()
        if self._request.dialect.name is DialectName.MESSAGES:
            body = with_inputs(body)
        return self._read(body, told, replace(head, value=body))

    async def _pass_on(
        self,
        came: list[Frame],
        head: VendorResponse,
        on_piece: Callable[[Any], Any],
        told: Told,
        growth: Growth,
        *,
        has_begun: bool,
    ) -> bool:
        """Take in what came and give it to *on_piece*; return whether the caller has been sent anything.

        An error in the place of an answer is none that has begun: another candidate can be asked.
        """
        failed: ProviderError | None = None
        for place, frame in enumerate(came):
            if frame.kind == "garbled":  # every SDK would fail at it, in words of its parser's
                del came[place:]
                no_json = Broken(f"{self._wire.name} sent an event that is no JSON.", answer=told.answer())
                failed = no_json if frame.is_closed else None
                break
            if frame.event is None:
                continue
            self._take(growth, frame.event, told)
            if frame.kind in _ERROR_KINDS:
                error = error_in(frame.event)
                whole = told_exactly(frame)
                failed = self._wire.failed({"error": error}, told) if has_begun else None
                failed = failed or self._failed(error, whole, head.headers, told)
                break
        if failed is not None and not has_begun:
            raise failed
        if not has_begun:
            if all(frame.event is None for frame in came):
                return False
            on_piece(head)
        if came:
            wait = on_piece(tuple(came))
            if wait is not None:
                await wait
        if failed is not None:
            raise failed
        return True

    def _take(self, growth: Growth, event: Mapping[str, Any], told: Told) -> None:
        grown = growth.take(event)
        told.model = growth.model or told.model
        told.finish_reason = growth.finish_reason or told.finish_reason
        if growth.usage != self._usage_before:
            self._usage_before = deepcopy(growth.usage)
            told.usage = most_told(told.usage, self._usage(growth.usage))
        if self._uses.take(event):
            told.usage = self._with_uses(told.usage)
        if grown.written:
            told.pieces.append(grown.written)

    def _with_uses(self, usage: Usage | None) -> Usage | None:
        """Return *usage* with the uses of tools that the answer has shown."""
        shown = self._uses.told()
        return most_told(Usage(tool_uses=shown), usage) if shown else usage

    def _growth(self) -> Growth:
        match self._request.dialect.name:
            case DialectName.CHAT:
                return ChatMessage(in_calls=False)
            case DialectName.RESPONSES:
                return ResponseOutput(in_calls=False)
            case DialectName.MESSAGES:
                return MessageBlocks(in_calls=False)

    def _usage(self, usage: Mapping[str, Any]) -> Usage | None:
        match self._request.dialect.name:
            case DialectName.CHAT:
                return chat_usage(usage, self._geo)
            case DialectName.RESPONSES:
                return responses_usage(usage, self._geo)
            case DialectName.MESSAGES:
                return anthropic_usage(usage)

    def _usage_in(self, body: dict[str, Any]) -> Mapping[str, Any]:
        match self._request.dialect.name:
            case DialectName.CHAT:
                return usage_in(body)
            case DialectName.RESPONSES:
                return usage_told(body)
            case DialectName.MESSAGES:
                return part(body, "usage")

    def _finish_reason(self, body: dict[str, Any]) -> str | None:
        match self._request.dialect.name:
            case DialectName.CHAT:
                return word(choice_of(body), "finish_reason")
            case DialectName.RESPONSES:
                return finish_reason_in(body)
            case DialectName.MESSAGES:
                return word(body, "stop_reason")


def _declined(body: Mapping[str, Any]) -> str:
    """Return the words of an answer that holds no object, such as those in which a model declined; of any dialect."""
    said = [text(part(choice, "message"), "refusal") for choice in parts(body, "choices")]
    for message in (body, *parts(body, "output")):
        said += [text(one, "refusal") or text(one, "text") for one in parts(message, "content")]
    return "".join(said)
