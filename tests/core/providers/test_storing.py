"""What each vendor is told to store, where nothing of an answer may be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.attempts import Candidate
from core.attempts._relays import RelayInquiry
from core.dialects import DIALECTS, Beside, DialectName
from core.messages import Message
from core.providers import Ask, Provider
from core.providers.openai import OpenAI, named
from core.response_models import response_model
from core.servers import named_servers
from tests.conftest import START

NOTHING = "nothing is said"
OPENAI = OpenAI(api_key="k")


def server(name: str) -> OpenAI:
    """Return the server of a kind, at its usual address."""
    variables = {f"{name.upper()}_API_KEY": "k", f"{name.upper()}_BASE_URL": "http://localhost:9/v1"}
    found = named(named_servers(name, variables.get)[name])
    assert isinstance(found, OpenAI)
    return found


def sent(door: str, provider: Provider, *, may_be_stored: bool, **more: Any) -> Any:
    """Return what goes out as ``store`` of a request that says no more than *more*."""
    said = [{"role": "user", "content": "Go."}]
    body = {"model": "m", "max_tokens": 9, "messages": said} if door == "messages" else {"model": "m", "messages": said}
    if door == "responses":
        body = {"model": "m", "input": said}
    request = DIALECTS[DialectName(door)].read(json.dumps(body | more).encode())
    inquiry: Any = RelayInquiry(request, request.messages, Beside(), at=START, may_be_stored=may_be_stored)
    exchange: Any = inquiry.open(provider, Candidate(provider=provider.name, model="m", max_tokens=9))
    relay = getattr(exchange, "_exchange", exchange)  # a translated one stands before it
    return json.loads(relay._content).get("store", NOTHING)


@pytest.mark.parametrize(
    ("door", "provider", "unsaid"),
    [
        ("responses", OPENAI, False),
        ("chat", OPENAI, False),
        ("messages", OPENAI, False),  # translated
        ("responses", server("azure"), False),
        ("chat", server("azure"), NOTHING),
        ("responses", server("xai"), False),
        ("chat", server("xai"), NOTHING),
        ("chat", server("mistral"), NOTHING),  # turns away what it does not know
        ("chat", OpenAI(name="compatible", api_key="k", base_url="http://localhost:9/v1"), NOTHING),
    ],
)
def test_the_vendor_is_told(door: str, provider: OpenAI, unsaid: Any) -> None:
    """Where it stores without a word it is told not to; where the caller asks for it, anywhere; else it is unsaid."""
    assert sent(door, provider, may_be_stored=False) == unsaid
    assert sent(door, provider, may_be_stored=True) == NOTHING
    if door == "messages":
        return
    assert sent(door, provider, may_be_stored=False, store=True) is False
    assert sent(door, provider, may_be_stored=False, store=False) is False
    assert sent(door, provider, may_be_stored=True, store=True) is True


@pytest.mark.parametrize(
    ("provider", "expected"),
    [(OPENAI, False), (OpenAI(api_key="k", responses=True), False), (server("mistral"), NOTHING)],
)
def test_our_own_questions_are_not_stored(provider: OpenAI, expected: Any) -> None:
    """Whoever stores without a word is told not to, whatever the tenant's rule."""
    model = response_model({"type": "object", "properties": {"a": {"type": "string"}}}, "s")
    asked: Any = provider.open(Ask(model="m", response_model=model, messages=[Message.of("user", "Go.")]))
    assert json.loads(asked._content).get("store", NOTHING) == expected
