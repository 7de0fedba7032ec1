"""The vendors' own SDKs before a server that says what a test gives it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anthropic
import httpx2
import openai

from core.dialects import DialectName, ErrorResponse


class Served:
    """A transport that answers every request alike and counts them."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        self.calls: list[httpx2.Request] = []
        self._answer: Callable[[], httpx2.Response] = lambda: httpx2.Response(status, headers=headers, content=body)

    @classmethod
    def refusing(cls, refusal: ErrorResponse) -> Served:
        """Answer with a refusal."""
        return cls(refusal.status, refusal.headers, refusal.body)

    @classmethod
    def streaming(cls, pieces: Sequence[bytes]) -> Served:
        """Answer with a stream."""
        return cls(200, {"content-type": "text/event-stream"}, b"".join(pieces))

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.calls.append(request)
        return self._answer()

    def openai(self, **settings: Any) -> openai.OpenAI:
        """Return OpenAI's client before it."""
        http = httpx2.Client(transport=httpx2.MockTransport(self))
        return openai.OpenAI(api_key="prk_test", base_url="https://proctor.test/v1", http_client=http, **settings)

    def anthropic(self, **settings: Any) -> anthropic.Anthropic:
        """Return Anthropic's client before it."""
        http = httpx2.Client(transport=httpx2.MockTransport(self))
        return anthropic.Anthropic(api_key="prk_test", base_url="https://proctor.test", http_client=http, **settings)

    def ask(self, dialect: DialectName, *, stream: bool = False, **settings: Any) -> Any:
        """Ask for an answer in *dialect*, through its SDK."""
        said: Any = [{"role": "user", "content": "Ann is 7"}]
        match dialect:
            case DialectName.CHAT:
                return self.openai(**settings).chat.completions.create(model="m", messages=said, stream=stream)
            case DialectName.RESPONSES:
                return self.openai(**settings).responses.create(model="m", input=said, stream=stream)
            case DialectName.MESSAGES:
                client = self.anthropic(**settings)
                return client.messages.create(model="m", messages=said, max_tokens=9, stream=stream)
