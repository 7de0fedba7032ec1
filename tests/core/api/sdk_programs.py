"""Programs at the front doors, by the vendors' own SDKs as they come: what they ask, and how they take a refusal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import anthropic
import httpx2
import openai
import pytest

RETRIES = 2
"""Of both SDKs, by themselves."""


@dataclass
class Program:
    """A program that speaks one dialect by its SDK, as it comes; how often it called, and how long it slept."""

    door: str
    url: str
    key: str
    calls: list[httpx2.Response] = field(default_factory=list[httpx2.Response])

    def ask(self, text: str = "Bern. [[ok]]", *, stream: bool = False, **more: Any) -> Any:
        """Ask; raise what the SDK raises."""
        http: Any = httpx2.Client(event_hooks={"response": [self.calls.append]})
        messages = [{"role": "user", "content": text}]
        with http:
            if self.door == "messages":
                messenger: Any = anthropic.Anthropic(api_key=self.key, base_url=self.url, http_client=http)
                asked = {"model": "claude-haiku-4-5", "max_tokens": 100, "messages": messages, **more}
                found = messenger.messages.create(**asked, stream=stream)
            else:
                client: Any = openai.OpenAI(api_key=self.key, base_url=f"{self.url}/v1", http_client=http)
                if self.door == "chat":
                    asked = {"model": "gpt-4o-mini", "messages": messages, **more}
                    found = client.chat.completions.create(**asked, stream=stream)
                else:
                    asked = {"model": "openai-responses/gpt-4o-mini", "input": text, "store": False, **more}
                    found = client.responses.create(**asked, stream=stream)
            return list(found) if stream else found

    def refused(self, text: str = "Bern. [[ok]]", **more: Any) -> Any:
        """Return the error that the SDK raises."""
        with pytest.raises((openai.APIError, anthropic.APIError)) as raised:
            self.ask(text, **more)
        return raised.value

    @property
    def model(self) -> str:
        """Who is asked, as operators name it."""
        vendors = {"messages": "anthropic/claude-haiku-4-5", "responses": "openai-responses/gpt-4o-mini"}
        return vendors.get(self.door, "openai/gpt-4o-mini")
