"""The small local model, served by a child process in OpenAI's dialect. Demo quality, no key needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

import orjson
from pydantic import BaseModel

from core.dialects import Beside, RelayRequest
from core.errors import Unavailable
from core.messages import Message, media_of, plain, text_bytes, texts_of
from core.pricing import PossibleBilling
from core.providers import NO_MEDIA, Answer, Ask, Framed, Relayed, Unreachable, Unreadable
from core.providers._dialect import schema_form
from core.providers.llama import LocalModel
from core.providers.openai import OpenAI
from core.servers import Dialect
from core.validation import Effort

_POLL_SECONDS = 0.1
_PATIENCE_SECONDS = 15.0
"""How long a call waits for a model that is starting. One that is being fetched takes longer, and says so."""
_INSTRUCTION = (
    "Read the user's text and answer with one JSON object that holds what the text says. "
    "Fill every field from the text. Write nothing else."
)
_AGAIN = "That was no valid answer. Answer again with the JSON object, and nothing else."


class NotReady(Unreachable):
    """The model is not there yet, or failed to start: no call went out, and the model's health is not in doubt."""

    try_again = False
    trips_breaker = False
    tells_health = False
    was_sent = False


class Local:
    """The local model. llama.cpp neither forces nor parses tool calls, so it is held to the schema as it decodes."""

    name = "local"
    dialects: tuple[Dialect, ...] = ("chat",)

    def __init__(self, model: LocalModel) -> None:
        self._model = model
        self._wire: tuple[str, OpenAI] | None = None

    def open(self, ask: Ask) -> Framed:
        """Begin a conversation. A model of this size does far better with one example before it."""
        if any(media_of(ask.messages)):
            raise Unreadable("the local model reads text only")
        shown = [Message.of("system", _INSTRUCTION)]
        if ask.example is not None:
            given, made = ask.example
            shown += [Message.of("user", given), Message.of("assistant", orjson.dumps(made).decode())]
        return _LocalConversation(self, replace(ask, mode="json_schema", messages=[*shown, *ask.messages]))

    def relay(
        self,
        request: RelayRequest,  # noqa: ARG002 it takes none
        *,
        model: str,  # noqa: ARG002
        max_tokens: int,  # noqa: ARG002
        messages: Sequence[Message],  # noqa: ARG002
        beside: Beside,  # noqa: ARG002
        may_store: bool = True,  # noqa: ARG002
    ) -> Relayed:
        """Take none: there is nobody to relay to."""
        raise Unreadable("the local model takes no relays")

    async def ready(self) -> OpenAI:
        """Return the server, as soon as it answers.

        Raises:
            NotReady: it does not, and will not soon.

        """
        with suppress(TimeoutError):
            async with asyncio.timeout(_PATIENCE_SECONDS):
                while self._model.status.phase in ("fetching", "starting"):  # noqa: ASYNC110 it lives in another thread
                    await asyncio.sleep(_POLL_SECONDS)
        try:
            url = self._model.base_url
        except Unavailable as error:
            raise NotReady(error.message) from None
        if self._wire is None or self._wire[0] != url:
            await self.close()
            self._wire = (url, OpenAI(name=self.name, api_key=self._model.api_key, base_url=url))
        return self._wire[1]

    async def close(self) -> None:
        """Close its connections."""
        if self._wire is not None:
            await self._wire[1].close()
            self._wire = None


class _LocalConversation:
    """An exchange that begins when the server is there."""

    def __init__(self, provider: Local, ask: Ask) -> None:
        self.form = schema_form(ask.response_model, provider.name, "json_schema")
        self.mode = self.form.mode
        self._provider = provider
        self._ask = ask
        self._inner: Framed | None = None
        self.media_tokens = NO_MEDIA
        self.possible_billing = PossibleBilling()

    @property
    def so_far(self) -> Answer:
        """What the wire told of the call that is out."""
        return self._inner.so_far if self._inner else Answer()

    @property
    def size_bytes(self) -> int:
        """Bytes of the next request, near enough: a local model has no price."""
        return self._inner.size_bytes if self._inner else text_bytes(self._ask.messages)

    @property
    def texts(self) -> Sequence[str]:
        """What is said."""
        return tuple(texts_of(self._ask.messages))

    async def send(self, on_text: Callable[[str], None] | None) -> Answer:
        """Call once; see :class:`core.providers.Framed`."""
        if self._inner is None:
            self._inner = (await self._provider.ready()).open(self._ask)
        return await self._inner.send(on_text)

    def read(self, answer: Answer, effort: Effort | None = None) -> BaseModel:
        """Return the valid object, or raise pydantic's ValidationError."""
        if self._inner is None:  # a fire drill answered in the server's place
            return self._ask.response_model.model_validate_json(answer.text)
        return self._inner.read(answer, effort)

    def ask_again(self, answer: Answer, error: Exception) -> Any:
        """Take the invalid answer and its errors into the exchange."""
        if self._inner is not None:
            return self._inner.ask_again(answer, error)
        added = [Message.of("assistant", answer.text), Message.of("user", _AGAIN)]
        self._ask = replace(self._ask, messages=[*self._ask.messages, *added])
        return [plain(one) for one in added]

    def allow(self, max_tokens: int) -> None:
        """Let the next answer be *max_tokens* long."""
        self._ask = replace(self._ask, max_tokens=max_tokens)
        if self._inner is not None:
            self._inner.allow(max_tokens)
