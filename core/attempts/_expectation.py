"""What a call may use and cost, before it goes out: the money that is held for it, and what a person is told of it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from core.attempts._causes import context_window
from core.attempts._estimates import BYTES_PER_TOKEN, UNSEEN_TOKENS, AnswerLengths
from core.attempts._terms import Candidate
from core.messages.likely_tokens import likely_tokens
from core.pricing import Cost, PriceBook, Usage
from core.providers import Ask, Exchange
from core.unchanging import unchanging


@unchanging(kw_only=True)
class Expectation:
    """What one call is likely to use and cost, and the most that it can cost."""

    candidate: Candidate
    mode: str
    """The one that is taken."""
    usage: Usage
    """In tokens; an estimate."""
    cost: Cost | None
    """``None`` where the model has no price; so for the next."""
    worst_nano_usd: int | None
    """The upper bound, which is held."""


def expectation(
    exchange: Exchange,
    candidate: Candidate,
    *,
    schema: str,
    prices: PriceBook,
    lengths: AnswerLengths,
    at: datetime,
    is_counted: bool = False,
) -> Expectation:
    """Return what *candidate*'s next call in *exchange* may use; its bytes hold every message so far.

    *schema* is what the lengths of answers are known under. What is likely follows from the number of bytes; for who
    is to read it, it *is counted* in the texts that are sent, which takes longer.
    """
    who, size = (candidate.provider, candidate.model), exchange.size_bytes
    shown, seen = _media_tokens(exchange, candidate)
    likely = lengths.likely(schema, *who, seen=0, most=candidate.max_tokens)
    said = likely_tokens(exchange.texts) if is_counted else -(-size // BYTES_PER_TOKEN)
    usage = Usage(input_tokens=said + shown, output_tokens=likely, estimated=True)
    possible = exchange.possible_billing
    added = min(possible.adds_tokens, context_window(*who) or possible.adds_tokens)
    if possible.most_written:  # what a vendor adds may stand before the mark
        possible = replace(possible, most_written=possible.most_written + UNSEEN_TOKENS)
    return Expectation(
        candidate=candidate,
        mode=exchange.mode,
        usage=usage,
        cost=prices.cost(*who, usage, at),
        worst_nano_usd=prices.worst_nano_usd(
            *who, size + seen + added + UNSEEN_TOKENS, candidate.max_tokens, at, possible=possible
        ),
    )


def counted_input(exchange: Exchange, candidate: Candidate) -> int:
    """Return how many tokens *candidate*'s call in *exchange* is likely to take in, its texts counted.

    Never more than is held for them: a byte is at most one token.
    """
    return min(likely_tokens(exchange.texts), exchange.size_bytes) + _media_tokens(exchange, candidate)[0]


def _media_tokens(exchange: Exchange, candidate: Candidate) -> tuple[int, int]:
    """Return how many tokens images and documents are likely to take, and at most."""
    shown, seen = exchange.media_tokens
    if seen:  # what does not fit into the context is turned away, and costs nothing
        seen = min(seen, context_window(candidate.provider, candidate.model) or seen)
    return min(shown, seen), seen


def asked_of(ask: Ask, candidate: Candidate) -> Ask:
    """Return what *candidate* is asked: what all are, in its own way."""
    return replace(
        ask,
        model=candidate.model,
        mode=candidate.mode,
        max_tokens=candidate.max_tokens,
        parameters=candidate.parameters,
    )
