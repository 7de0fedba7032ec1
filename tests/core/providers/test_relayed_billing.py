"""What is held for a relayed call: never less than it can cost, and no more than its own body leaves possible."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.attempts import Candidate
from core.attempts._estimates import UNSEEN_TOKENS, AnswerLengths
from core.attempts._expectation import counted_input, expectation
from core.attempts._relays import RelayInquiry, relay_candidates
from core.dialects import DIALECTS, Beside, DialectName
from core.messages import texts_of
from core.messages.likely_tokens import likely_tokens
from core.pricing import PossibleBilling, PriceBook, Usage
from core.providers import Exchange, Provider
from core.providers.anthropic import Anthropic
from core.providers.openai import OpenAI, named
from core.servers import named_servers
from tests.conftest import START

HAIKU, GPT = "claude-haiku-4-5", "gpt-5"
PICTURE = base64.b64encode(b"\x89PNG\r\n\x1a\n" + b"\0" * 30_000).decode()
SEARCH: dict[DialectName, dict[str, Any]] = {
    DialectName.CHAT: {"web_search_options": {}},
    DialectName.RESPONSES: {"tools": [{"type": "web_search"}]},
    DialectName.MESSAGES: {"tools": [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]},
}
OWN_TOOL: dict[DialectName, dict[str, Any]] = {
    DialectName.CHAT: {"tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}]},
    DialectName.RESPONSES: {"tools": [{"type": "function", "name": "f", "parameters": {}}]},
    DialectName.MESSAGES: {"tools": [{"name": "f", "input_schema": {}}, {"type": "bash_20250124", "name": "bash"}]},
}
doors = st.sampled_from(list(DialectName))
texts = st.text(st.sampled_from('ab"\\\n\t\r\x01é😀漢 u'), max_size=200)


def body_of(door: DialectName, *said: str, ascii_only: bool = False, **more: Any) -> bytes:
    """Return the body of a request that says these texts."""
    messages = [{"role": "user", "content": text} for text in (*said, "Go.")]
    name = "input" if door is DialectName.RESPONSES else "messages"
    model = HAIKU if door is DialectName.MESSAGES else GPT
    limit = {"max_tokens": 100} if door is DialectName.MESSAGES else {}
    return json.dumps({"model": model, name: messages, **limit, **more}, ensure_ascii=ascii_only).encode()


def opened(door: DialectName, body: bytes, *, is_own: bool = True) -> tuple[Exchange, Candidate]:
    """Return the exchange that relays *body*, and who is asked."""
    url = None if is_own else "http://localhost:9/v1"
    is_messages = door is DialectName.MESSAGES
    provider: Provider = Anthropic(api_key="k", base_url=url)
    if not is_messages:
        provider = OpenAI(api_key="k", base_url=url, responses=door is DialectName.RESPONSES)
    request = DIALECTS[door].read(body)
    who = ("anthropic", HAIKU) if is_messages else ("openai", GPT)
    [candidate] = relay_candidates([Candidate(provider=who[0], model=who[1], max_tokens=100)], request)
    return RelayInquiry(request, request.messages, Beside(), at=START).open(provider, candidate), candidate


def held(door: DialectName, body: bytes, *, is_own: bool = True) -> int:
    """Return what is held for *body*, in nano-dollars."""
    exchange, candidate = opened(door, body, is_own=is_own)
    found = expectation(
        exchange, candidate, schema="s", prices=PriceBook(), lengths=AnswerLengths(), at=START
    ).worst_nano_usd
    assert found is not None
    return found


@given(door=doors, said=st.lists(texts, max_size=4), ascii_only=st.booleans())
def test_every_byte_of_a_text_may_be_a_token(door: DialectName, said: list[str], *, ascii_only: bool) -> None:
    """However a body writes its texts, input is not taken for less than they have bytes, nor for more than it has."""
    body = body_of(door, *said, ascii_only=ascii_only)
    exchange, candidate = opened(door, body)
    of_texts = sum(len(text.encode()) for text in texts_of(DIALECTS[door].read(body).messages))
    assert of_texts + 30 * len(said) <= exchange.size_bytes <= len(body)
    usage = Usage(input_tokens=of_texts + UNSEEN_TOKENS, output_tokens=100, geo="us")
    cost = PriceBook().cost(candidate.provider, candidate.model, usage, START)
    assert cost is not None
    assert cost.nano_usd <= held(door, body)


@given(door=doors, said=st.lists(st.text(max_size=300), max_size=4))
def test_words_that_are_counted_are_never_more_than_is_held_for_them(door: DialectName, said: list[str]) -> None:
    """Nor fewer than people are told beforehand."""
    exchange, candidate = opened(door, body_of(door, *said))
    assert min(likely_tokens([*said, "Go."]), exchange.size_bytes) <= counted_input(exchange, candidate)
    assert counted_input(exchange, candidate) <= exchange.size_bytes


@pytest.mark.parametrize("door", DialectName)
def test_a_character_counts_the_same_however_it_is_written(door: DialectName) -> None:
    """JSON that escapes what is not ASCII holds no more for it, but for what cannot be told apart in its bytes."""
    text = "漢字と仮名 " * 200
    plain, escaped = (opened(door, body_of(door, text, ascii_only=one))[0].size_bytes for one in (False, True))
    assert plain <= escaped <= plain * 1.5


def test_the_data_of_a_picture_is_no_text() -> None:
    """A picture is held by its pixels."""
    url = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PICTURE}"}}
    body = json.dumps({"model": GPT, "messages": [{"role": "user", "content": [url]}]}).encode()
    exchange, _ = opened(DialectName.CHAT, body)
    assert exchange.size_bytes < 300
    assert exchange.media_tokens.most >= exchange.media_tokens.likely > 0


def test_each_choice_is_held() -> None:
    """Without a limit of the caller's the candidate's holds, for all choices; with one each may be so long."""
    bare = held(DialectName.CHAT, body_of(DialectName.CHAT))
    limited = body_of(DialectName.CHAT, max_completion_tokens=100, n=4)
    assert held(DialectName.CHAT, limited) > bare + 250 * 10_000
    both = body_of(DialectName.CHAT, max_tokens=100, max_completion_tokens=5000)
    assert held(DialectName.CHAT, both) == pytest.approx(
        held(DialectName.CHAT, body_of(DialectName.CHAT, max_tokens=5000)), rel=0.02
    )


@pytest.mark.parametrize("door", DialectName)
def test_what_a_vendor_s_tools_read_is_held(door: DialectName) -> None:
    """A search puts in what nobody has sent; a tool that the caller runs does not."""
    plain, own = held(door, body_of(door)), held(door, body_of(door, **OWN_TOOL[door]))
    assert own < plain * 2
    price = PriceBook().terms(*(("anthropic", HAIKU) if door is DialectName.MESSAGES else ("openai", GPT)), START)
    assert price is not None
    assert held(door, body_of(door, **SEARCH[door])) > plain + 100_000 * 1000


def test_what_is_not_marked_is_not_written_to_the_cache() -> None:
    """At Anthropic's own address a body without a mark is fresh input; marked, all of it may be written."""
    door, text = DialectName.MESSAGES, "A long text. " * 500
    marked: dict[str, Any] = {"system": [{"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral"}}]}
    hour: dict[str, Any] = {
        "system": [{"type": "text", "text": "Be terse.", "cache_control": {"type": "ephemeral", "ttl": "1h"}}]
    }
    plain, minutes, lasting = (held(door, body_of(door, text, **one)) for one in (dict[str, Any](), marked, hour))
    assert plain * 1.15 < minutes < lasting
    assert minutes < plain * 1.3
    hidden = body_of(door, text, **marked).replace(b"cache_control", b"c\\u0061che_control")
    assert held(door, hidden) >= minutes
    possible = opened(door, body_of(door, text), is_own=False)[0].possible_billing
    assert possible == PossibleBilling()


@pytest.mark.parametrize("door", [DialectName.CHAT, DialectName.RESPONSES])
def test_the_tier_that_the_caller_asks_for_is_held(door: DialectName) -> None:
    """OpenAI may serve a project by default in a dearer tier; who names the standard one is held by that."""
    holds = {tier: held(door, body_of(door, service_tier=tier)) for tier in ("default", "priority", "auto", "fast")}
    assert 1.9 < held(door, body_of(door)) / holds["default"] < 2.1
    assert holds["priority"] == holds["auto"] or holds["priority"] > holds["default"] * 1.9
    assert holds["fast"] > holds["default"] * 1.9


def test_a_region_and_a_speed_are_held_as_they_are_asked_for() -> None:
    """A body that names no region may be kept in any, as the workspace says; one that says global is not."""
    door = DialectName.MESSAGES
    everywhere, anywhere = held(door, body_of(door, inference_geo="global")), held(door, body_of(door))
    assert everywhere * 1.05 < anywhere == pytest.approx(held(door, body_of(door, inference_geo="us")), rel=0.03)
    assert held(door, body_of(door, speed="fast")) >= anywhere


def test_a_server_that_takes_no_stream_options_is_sent_none() -> None:
    """Its recipe says so; then nothing is asked for in the caller's name."""
    there = {"MISTRAL_API_KEY": "k", "GROQ_API_KEY": "k"}
    for name, server in named_servers("mistral,groq", there.get).items():
        request = DIALECTS[DialectName.CHAT].read(body_of(DialectName.CHAT, stream=True))
        exchange: Any = named(server).relay(
            request, model="m", max_tokens=5, messages=request.messages, beside=Beside()
        )
        assert (b"stream_options" in exchange._content) is server.recipe.takes_stream_options, name
