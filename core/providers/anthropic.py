"""Anthropic: the messages API."""

from __future__ import annotations

import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from importlib import import_module
from typing import Any

import anthropic
import orjson
from anthropic.types import Message as AnthropicMessage
from instructor.v2.core.mode import Mode
from instructor.v2.core.providers import Provider as Vendor
from pydantic import BaseModel

from core.capabilities import Cards
from core.dialects import Beside, DialectName, RelayRequest, VendorResponse
from core.messages import Message, media_of
from core.pricing import PossibleBilling
from core.providers import Answer, Ask, ContextOverflow, Framed, Refused, Relayed, Truncated, Unreadable
from core.providers._calling import body_told, in_spite_of
from core.providers._clouds import CloudWording
from core.providers._dialect import MODES, ask_again, frame, in_messages, schema_form
from core.providers._identities import Identity, KeyHeader, identity_of
from core.providers._keys import Keyring, RestingKey
from core.providers._media import media_tokens
from core.providers._messages import (
    framed,
    in_blocks,
    messages_of,
    require_readable,
    sent_by,
    stable_of,
    unpaid_bytes,
    varying_of,
)
from core.providers._relay import Relay
from core.providers._stored_call import stored_call
from core.providers._told import Told, without_answer
from core.providers._usage import anthropic_usage, most_told
from core.providers._wire import NO_TIMEOUT, Wire
from core.providers.reading.growth import Contents
from core.providers.reading.message_blocks import MessageBlocks, read_message
from core.providers.reading.parts import part, word
from core.providers.reading.verdict import read_as
from core.schema_forms import SchemaForm
from core.servers import RECIPES, Dialect, Recipe, Server
from core.settings import Settings
from core.validation import Effort

_PATH = "/v1/messages"
_MARK: Mapping[str, Any] = {"cache_control": {"type": "ephemeral"}}
"""For five minutes, again from each time that it is read. Too short a beginning is not kept, mark or no mark."""


class Anthropic:
    """Anthropic, or a server that speaks its dialect."""

    dialects: tuple[Dialect, ...] = ("messages",)

    def __init__(
        self,
        *,
        name: str = "anthropic",
        api_key: str,
        base_url: str | None = None,
        keys: Sequence[str] = (),
        headers: Mapping[str, str] | None = None,
        identity: Identity | None = None,
        cloud: Callable[..., Any] | None = None,
        recipe: Recipe = RECIPES["anthropic"],
    ) -> None:
        self.name = name
        self.cards: Cards | None = None
        """What its models can."""
        self._is_anthropic = base_url is None
        """Only of Anthropic itself is it known that nothing is changed on the way, such as what is cached."""
        self._recipe = recipe
        self._cloud = CloudWording(name) if cloud is not None else None
        more: Mapping[str, Any] = {"default_headers": headers, "max_retries": 0, "timeout": NO_TIMEOUT}
        self._wire = Wire(
            name,
            anthropic,
            lambda http: (
                cloud(base_url=base_url, http_client=http, **more)
                if cloud is not None
                else anthropic.AsyncAnthropic(api_key=api_key, base_url=base_url, http_client=http, **more)
            ),
            "x-amzn-requestid" if recipe.authentication == "aws" else "request-id",
            keys=Keyring(name, keys or (api_key,)),
            identity=identity or (KeyHeader("bearer") if len(keys) > 1 else None),
            sends_objects=cloud is not None,
            signs=recipe.authentication == "aws",
        )

    @property
    def resting_keys(self) -> Sequence[RestingKey]:
        """Those of its keys that it turned away, and that rest."""
        return self._wire.keys.resting

    def open(self, ask: Ask) -> Framed:
        """Begin a conversation."""
        require_readable(ask, self.name, self.cards)
        # How others than Anthropic read a schema in this dialect they do not write; that they know tools they do.
        usual = self._recipe.modes[0] if self._recipe.dialect == "messages" else "tools"
        form = schema_form(ask.response_model, self._recipe.rules, ask.mode or usual)
        return _Conversation(self._wire, ask, form, is_anthropic=self._is_anthropic)

    def relay(
        self,
        request: RelayRequest,
        *,
        model: str,
        max_tokens: int,
        messages: Sequence[Message],
        beside: Beside,
        may_store: bool = True,  # noqa: ARG002 threads aside it stores nothing, and those are refused before
    ) -> Relayed:
        """Begin a relay."""
        if request.dialect.name is not DialectName.MESSAGES:
            raise Unreadable(f"{self.name} does not speak this door's dialect")
        return Relay(
            self._wire,
            request,
            path=_PATH,
            model=model,
            max_tokens=max_tokens,
            messages=messages,
            vendor="anthropic",
            billing=_relayed_billing(request) if self._is_anthropic else PossibleBilling(),
            beside=beside,
            cloud=self._cloud,
        )

    def models(self, seconds: float) -> Coroutine[Any, Any, VendorResponse]:
        """Ask which models it has; see :class:`core.providers.Listing`."""
        return stored_call(self._wire, "get", "/v1/models", (("limit", "1000"),), key_digest="", seconds=seconds)

    async def close(self) -> None:
        """Close its connections."""
        await self._wire.close()


_MARKED = re.compile(rb"cache_control|\\u00[2-7]")
"""What a body holds that marks something for the cache; or that may, with letters written as numbers."""


def _relayed_billing(request: RelayRequest) -> PossibleBilling:
    """Return how Anthropic may bill a caller's own *request*: what nothing marks is not written to the cache."""
    values = request.source.values
    speed, region, is_marked = values.get("speed"), values.get("inference_geo"), _MARKED.search(request.body)
    return PossibleBilling(
        tiers=frozenset() if speed in (None, "standard") else None,
        regions=frozenset(() if region == "global" else (region,)) if isinstance(region, str) else None,
        most_written=None if is_marked else 0,
        for_an_hour=bool(is_marked) and b"1h" in request.body,
    )


def provider(settings: Settings) -> Anthropic:
    """Return Anthropic as *settings* describe it."""
    keys = settings.keys("anthropic")
    return Anthropic(api_key=keys[0], keys=keys, base_url=settings.anthropic_base_url)


def named(server: Server) -> Anthropic:
    """Return a server that speaks Anthropic's dialect, as the settings name it; a cloud's by the SDK's own client."""
    keys = [key.get_secret_value() for key in server.keys]
    return Anthropic(
        name=server.name,
        api_key=keys[0] if keys else "unused",
        keys=keys,
        base_url=None if server.recipe is RECIPES["anthropic"] and not server.base_url else server.address or None,
        headers={name: text.get_secret_value() for name, text in server.headers.items()},
        identity=identity_of(server) if server.recipe is not RECIPES["anthropic"] else None,
        cloud=_cloud(server, keys[0] if keys else None),
        recipe=server.recipe,
    )


def _cloud(server: Server, key: str | None) -> Callable[..., Any] | None:
    """Return the SDK's own client of the cloud that *server* is in, to be called with the rest; ``None`` for none."""
    match server.recipe.authentication:
        case "aws":
            bedrock = import_module("anthropic.lib.bedrock").AsyncAnthropicBedrock
            return partial(bedrock, aws_region=server.region, api_key=key)
        case "google":
            vertex = import_module("anthropic.lib.vertex").AsyncAnthropicVertex
            return partial(vertex, region=server.region, project_id=server.project, access_token="ours")  # noqa: S106 the identity says it
        case _:
            return None


def _output_format(form: SchemaForm) -> dict[str, Any]:
    """Return what makes Anthropic decode to the schema.

    Instructor 1.17 looks for a parameter that anthropic 2 no longer has and falls back to a prompt; so this is ours.
    """
    return {"format": {"type": "json_schema", "schema": form.body}}


@lru_cache(maxsize=1024)
def _tool(response_model: type[BaseModel], form: SchemaForm) -> Mapping[str, Any]:
    """Return the frame of a call of a tool, whose input is that of *form*."""
    framed = frame(Vendor.ANTHROPIC, Mode.TOOLS, response_model)
    return {**framed, "tools": [{**framed["tools"][0], "input_schema": form.body}]}


@lru_cache(maxsize=1024)
def _schema_text(response_model: type[BaseModel]) -> str:
    """Return what Instructor tells the model about the schema, in modes without a place for it."""
    [block] = in_messages(Vendor.ANTHROPIC, Mode.JSON, response_model, [{"role": "user", "content": "."}])["system"]
    return block["text"]


def _blocks(messages: Iterable[Message]) -> list[dict[str, Any]]:
    return [in_blocks(framed(part)) for message in messages for part in message.parts]


def _parameters(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters as Anthropic names them. It knows no seed and no verbosity."""
    body = {name: given[name] for name in ("temperature", "top_p", "top_k") if name in given}
    match given.get("reasoning_effort"):
        case None:
            pass
        case "none":
            body["thinking"] = {"type": "disabled"}
        case effort:
            body["output_config"] = {"effort": "low" if effort == "minimal" else effort}
    return body


class _Conversation:
    """An exchange over ``/v1/messages``."""

    def __init__(self, wire: Wire, ask: Ask, form: SchemaForm, *, is_anthropic: bool) -> None:
        self.form = form
        self.mode = form.mode
        self._wire = wire
        self._ask = ask
        self._instructor_mode = (
            Mode.JSON if form.mode == "md_json" else MODES[form.mode]
        )  # Instructor has no MD_JSON here
        self._told = Told()
        self._quoted = sent_by(ask)
        self._body: dict[str, Any] = {"model": ask.model, "max_tokens": ask.max_tokens} | _parameters(ask.parameters)
        self._messages = [message for message in messages_of(ask, in_blocks) if message["role"] != "system"]
        if self._instructor_mode is Mode.JSON_SCHEMA:
            self._body.setdefault("output_config", {}).update(_output_format(form))
        elif self._instructor_mode is Mode.TOOLS:
            self._body |= _tool(ask.response_model, form)
        self._is_anthropic = is_anthropic
        self._marked_bytes: int | None = 0
        self._place_stable(ask)
        if ask.stream:
            self._body["stream"] = True
        self._content = self._encode()
        self._unpaid = (len(b'"stream":true,') if ask.stream else 0) + unpaid_bytes(ask)
        self.media_tokens = media_tokens(ask.messages, "anthropic", ask.model)

    def _place_stable(self, ask: Ask) -> None:
        """Put the system texts in place, and mark where what is stable ends.

        Anthropic reads tools, then system, then messages, and keeps what stands before a mark. One mark stands after
        the last stable system text (or the tool, where there is none), so that other documents still find it; one
        after the last stable message, if nothing that varies stands before it.
        """
        stable = _blocks(one for one in stable_of(ask) if one.role == "system")
        varying = _blocks(one for one in varying_of(ask) if one.role == "system")
        if self._instructor_mode is Mode.JSON:
            stable.append({"type": "text", "text": _schema_text(ask.response_model)})
        if ask.marks_cache:
            if stable:
                stable[-1].update(_MARK)
            elif "tools" in self._body:
                self._body["tools"] = [*self._body["tools"][:-1], {**self._body["tools"][-1], **_MARK}]
            before_mark = [self._body.get("tools"), self._body.get("output_config"), stable]
            shown = [one for one in stable_of(ask) if one.role != "system"]
            if shown and not varying:
                *before, last = _blocks(shown[-1:])
                marked = {"role": shown[-1].role, "content": [*before, {**last, **_MARK}]}
                self._messages[len(shown) - 1] = marked
                before_mark.append(self._messages[: len(shown)])
            self._marked_bytes = None if any(media_of(shown)) else len(orjson.dumps(before_mark))
        if stable or varying:
            self._body["system"] = [*stable, *varying]

    @property
    def possible_billing(self) -> PossibleBilling:
        """What stands before our last mark may be written, for some minutes; and nothing asks for the fast mode.

        A workspace can have a region by default.
        """
        if not self._is_anthropic:
            return PossibleBilling()
        return PossibleBilling(tiers=frozenset(), most_written=self._marked_bytes, for_an_hour=False)

    def _encode(self) -> bytes:
        return orjson.dumps({**self._body, "messages": self._messages})

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._told.answer()

    @property
    def size_bytes(self) -> int:
        """Bytes of the next request's body, but for media and for those that only say that it is to be streamed."""
        return len(self._content) - self._unpaid

    @property
    def texts(self) -> Sequence[str]:
        """What was said, and the schema."""
        return *self._quoted, orjson.dumps(self.form.body).decode()

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        """Call once; see :class:`core.providers.Framed`."""
        told = self._told = Told(hidden=(*self._wire.keys.secrets, *self._quoted))
        raw = await body_told(
            self._wire,
            _PATH,
            self._content,
            told,
            growth=MessageBlocks(in_calls=self._instructor_mode is Mode.TOOLS),
            reader=self._reading,
            usage_of=anthropic_usage,
            on_text=on_text,
        )
        return self._answer(raw, told)

    def _reading(self, raw: dict[str, Any]) -> Contents | None:
        return read_message(raw, self._ask.response_model.__name__)

    def _answer(self, raw: dict[str, Any], told: Told) -> Answer:
        told.model = word(raw, "model") or told.model
        told.usage = most_told(told.usage, anthropic_usage(part(raw, "usage")))
        reading = self._reading(raw)
        if raw.get("error") and (reading is None or not reading.is_whole):
            raise in_spite_of(self._wire.failed(raw, told), reading, told)
        if reading is None:
            raise without_answer(f"{self._wire.name} answered without content.", told)
        told.finish_reason = reading.finish_reason
        answer = told.read(reading)
        if reading.is_refused:
            raise Refused("The model declined to answer.", answer=answer)
        # The input of a tool is an object even where it was cut: Anthropic leaves out what it could not read.
        is_as_written = not any(block["type"] == "tool_use" for block in reading.said)
        if told.finish_reason == "model_context_window_exceeded":
            full = ContextOverflow("The answer ran into the end of the model's context.", answer=answer)
            full.was_sent, full.may_be_whole = True, is_as_written
            raise full
        if told.finish_reason == "max_tokens":
            cut = Truncated(f"The answer ran into the limit of {self._ask.max_tokens} tokens.", answer=answer)
            cut.may_be_whole = is_as_written
            raise cut
        return answer

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        return read_as(self.form, self._ask.response_model, answer, effort)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        said = [{"type": "text", "text": answer.text}] if answer.raw is None else answer.raw  # no wire told it
        view = AnthropicMessage.construct(role="assistant", content=said)
        mode = Mode.TOOLS if self._instructor_mode is Mode.TOOLS else Mode.JSON
        if mode is Mode.TOOLS and not said:
            view = None  # a turn without content would be turned away: only the correction is added
        added = ask_again(Vendor.ANTHROPIC, mode, self._messages, view, error)
        self._messages = [*self._messages, *added]
        self._quoted = (*self._quoted, answer.text)
        self._content = self._encode()
        return added

    def allow(self, max_tokens: int) -> None:
        """Let the next answer be *max_tokens* long."""
        self._ask = replace(self._ask, max_tokens=max_tokens)
        self._body["max_tokens"] = max_tokens
        self._content = self._encode()
