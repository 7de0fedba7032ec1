"""What a call may use, and what one used whose usage the wire never told."""

from __future__ import annotations

from core.pricing import Usage
from core.providers import Answer

BYTES_PER_TOKEN = 3
"""For estimates: English prose has about four, JSON and code about three."""
UNSEEN_TOKENS = 600
"""For bounds: what a vendor may add to what we send, such as its own words about tools. Anthropic adds up to 530."""


def estimate(answer: Answer, at_most: Usage) -> Usage:
    """Return what a call used whose usage the wire never told: all input, and the output seen, or all if none was."""
    told = answer.usage
    seen = -(-len(answer.text.encode()) // BYTES_PER_TOKEN)
    return Usage(
        input_tokens=told.input_tokens if told else at_most.input_tokens,
        cached_tokens=told.cached_tokens if told else 0,
        cache_write_tokens=told.cache_write_tokens if told else 0,
        output_tokens=max(seen, told.output_tokens if told else 0) if seen else at_most.output_tokens,
        reasoning_tokens=told.reasoning_tokens if told else 0,
        estimated=True,
    )
