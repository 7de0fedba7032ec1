"""What is held for a call: no more than its vendor may bill for it, and never less."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from core.attempts import Candidate
from core.attempts._estimates import UNSEEN_TOKENS, AnswerLengths
from core.attempts._expectation import asked_of, expectation
from core.messages import Message, texts_of
from core.pricing import PossibleBilling, PriceBook, Usage
from core.providers import Ask, Framed
from core.providers.anthropic import Anthropic
from core.providers.openai import OpenAI
from tests.conftest import START
from tests.examples import many

HAIKU, GPT = "claude-haiku-4-5", "gpt-5"
PER_BYTE = {"written for minutes": 1375, "fresh": 1100, "out": 5500}
"""Of Claude Haiku 4.5, in nano-dollars for a token, in the dearest region."""


class Person(BaseModel):
    """Somebody."""

    name: str


def opened(vendor: str, messages: Sequence[Message], *, is_own: bool = True, **more: Any) -> Framed:
    """Begin a conversation with a vendor, at its own address or behind another."""
    url = None if is_own else "http://localhost:9/v1"
    asked = Ask(model=HAIKU if vendor == "anthropic" else GPT, response_model=Person, messages=messages, **more)
    if vendor == "anthropic":
        return Anthropic(api_key="k", base_url=url).open(asked)
    return OpenAI(api_key="k", base_url=url, responses=vendor == "responses").open(asked)


def held(conversation: Framed, vendor: str, max_tokens: int = 100) -> int:
    """Return what is held for its next call, in nano-dollars."""
    provider, model = ("anthropic", HAIKU) if vendor == "anthropic" else ("openai", GPT)
    candidate = Candidate(provider=provider, model=model, max_tokens=max_tokens)
    found = expectation(
        conversation, candidate, schema="person", prices=PriceBook(), lengths=AnswerLengths(), at=START
    ).worst_nano_usd
    assert found is not None
    return found


USER = Message.of("user", "Make a person of this. " * 50)
RULES = Message.of("system", "Be terse. " * 500)


def test_anthropic_writes_what_stands_before_our_mark() -> None:
    """Without a mark nothing is written; with one what stands before it, for minutes; the rest is fresh input."""
    plain = opened("anthropic", [RULES, USER], marks_cache=False)
    size = plain.size_bytes + UNSEEN_TOKENS
    assert plain.possible_billing == PossibleBilling(tiers=frozenset(), most_written=0, for_an_hour=False)
    assert held(plain, "anthropic") == size * PER_BYTE["fresh"] + 100 * PER_BYTE["out"]

    marked = opened("anthropic", [RULES, USER])
    before = marked.possible_billing.most_written
    assert before is not None
    assert 5000 < before < marked.size_bytes - 1000
    extra = (before + UNSEEN_TOKENS) * (PER_BYTE["written for minutes"] - PER_BYTE["fresh"])
    size = marked.size_bytes + UNSEEN_TOKENS
    assert held(marked, "anthropic") == size * PER_BYTE["fresh"] + extra + 100 * PER_BYTE["out"]

    in_messages = opened("anthropic", [Message.of("user", "A long text. " * 500, stable=True), USER])
    assert (in_messages.possible_billing.most_written or 0) > 6000


@pytest.mark.parametrize("vendor", ["anthropic", "chat", "responses"])
def test_behind_another_address_anything_may_be(vendor: str) -> None:
    """A gateway may mark, or ask for another tier, on its own: the dearest that the list knows is held."""
    conversation = opened(vendor, [USER], is_own=False, parameters={"service_tier": "default"})
    possible = conversation.possible_billing
    assert (possible.tiers, possible.most_written, possible.for_an_hour) == (None, None, True)
    assert held(conversation, vendor) > held(opened(vendor, [USER], parameters={"service_tier": "default"}), vendor)


@pytest.mark.parametrize("vendor", ["chat", "responses"])
def test_a_tier_that_is_asked_for_is_what_is_held(vendor: str) -> None:
    """OpenAI may serve a project by default in a dearer tier: a request that names its tier is held by that."""
    holds = {
        tier: held(opened(vendor, [USER], parameters={"service_tier": tier} if tier else {}), vendor)
        for tier in ("", "default", "flex", "priority")
    }
    assert holds["default"] == pytest.approx(holds["flex"], rel=0.01), "there the standard rate bounds both"
    assert holds["priority"] == pytest.approx(holds[""], rel=0.01)
    assert 1.9 < holds[""] / holds["default"] < 2.1


texts = st.text(st.sampled_from('ab"\\\n\t\r\x01é😀 '), max_size=200)


@settings(max_examples=many(200), deadline=None)
@given(
    vendor=st.sampled_from(["anthropic", "chat", "responses"]),
    mode=st.sampled_from(["tools", "json_schema", "json", "md_json"]),
    said=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts, st.booleans()), max_size=4),
    stream=st.booleans(),
)
def test_every_byte_of_a_text_may_be_a_token(
    vendor: str, mode: str, said: list[tuple[str, str, bool]], *, stream: bool
) -> None:
    """Input is never taken for less than the texts have bytes, with the frame beside them: none has more tokens."""
    messages = [Message.of(role, text, stable=stable) for role, text, stable in (*said, ("user", "Go.", False))]
    conversation = opened(vendor, messages, mode=mode, stream=stream)
    bare = opened(vendor, [Message.of("user", "Go.")], mode=mode, stream=stream)
    bytes_of_texts = sum(len(text.encode()) for text in texts_of(messages))
    assert conversation.size_bytes >= bytes_of_texts + 50
    assert conversation.size_bytes >= bare.size_bytes + bytes_of_texts - len("Go.")
    provider, model = ("anthropic", HAIKU) if vendor == "anthropic" else ("openai", GPT)
    possible = conversation.possible_billing
    most = conversation.size_bytes + UNSEEN_TOKENS
    written = most if possible.most_written is None else min(most, possible.most_written)
    for usage in (
        Usage(input_tokens=most, cache_write_tokens=written, output_tokens=100),
        Usage(input_tokens=most, output_tokens=100, geo="us" if vendor == "anthropic" else ""),
    ):
        cost = PriceBook().cost(provider, model, usage, START)
        assert cost is not None
        assert cost.nano_usd <= held(conversation, vendor)


def test_a_candidate_s_tier_reaches_the_wire() -> None:
    """What a route sets for its candidate is what is asked, and held by."""
    tiered = Candidate(provider="openai", model=GPT, parameters={"service_tier": "default"})
    asked = asked_of(Ask(model=GPT, response_model=Person, messages=[USER]), tiered)
    assert OpenAI(api_key="k").open(asked).possible_billing.tiers == frozenset()
