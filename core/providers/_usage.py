"""What the vendors tell of a call's usage, brought to one count; and what of it to believe where it does not add up.

Usage is told once or several times, whole or in parts, before or after the answer. Of all that was told the most is
kept, since what a vendor has once counted it bills; what contradicts itself is taken as far as it is certain, and
remarked on, so that a person finds it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from core.pricing import Usage
from core.providers.reading.parts import MOST_TOKENS, count, part

_WORD = re.compile(r"[a-z][a-z0-9_-]{0,29}")
_STANDARD = ("default", "standard", "auto", "")
_NOWHERE = ("global", "not_available", "")
_REGIONAL_HOST = re.compile(r"([a-z]{2})\.api\.openai\.com")

_MORE_REASONING = "More reasoning was told than output: reasoning was counted beside the output."
_MORE_IN_ALL = "More tokens were told in all than input and output: the rest was counted as output."
_LESS_IN_ALL = "Fewer tokens were told in all than input and output; these were believed."
_MORE_CACHED = (
    "More cached tokens were told than input: they were counted beside it, or not at all where the total forbids it."
)
_MORE_WRITTEN = "The cache writes by duration do not add up to those in all; the larger was believed."
_SOUND = "Tokens of sound were told; they have a price of their own and were priced as text."
_COUNTED = re.compile(r"([a-z][a-z0-9_]{0,59})_(?:requests|calls)")
_MOST_TOOLS = 20


def most_told(before: Usage | None, now: Usage | None) -> Usage | None:
    """Return the most of what was told before and what is told now: a later 0 is no count.

    The input and its parts belong together, and so do the output and its part: each are taken from whichever told more
    of it, or else from the later one.
    """
    if before is None or now is None:
        return now or before
    gave = before if before.input_tokens > now.input_tokens else now
    if before.input_tokens == now.input_tokens and now.cached_tokens + now.cache_write_tokens == 0:
        gave = before
    made = before if before.output_tokens > now.output_tokens else now
    remarks = dict.fromkeys(filter(None, (before.remark, now.remark)))
    return Usage(
        input_tokens=gave.input_tokens,
        cached_tokens=gave.cached_tokens,
        cache_write_tokens=gave.cache_write_tokens,
        cache_write_1h_tokens=gave.cache_write_1h_tokens,
        output_tokens=made.output_tokens,
        reasoning_tokens=max(made.reasoning_tokens, min(before.reasoning_tokens, made.output_tokens)),
        tier=now.tier or before.tier,
        geo=now.geo or before.geo,
        remark=" ".join(remarks),
        tool_uses=_most_uses(before.tool_uses, now.tool_uses),
    )


def _most_uses(before: tuple[tuple[str, int], ...], now: tuple[tuple[str, int], ...]) -> tuple[tuple[str, int], ...]:
    """Return the most of each tool's uses."""
    most = dict(before)
    for use, count_now in now:
        most[use] = max(count_now, most.get(use, 0))
    return tuple(sorted(most.items()))


def _tool_uses(usage: Mapping[str, Any]) -> tuple[tuple[str, int], ...]:
    """Return how often which tools ran at the vendor, as Anthropic, OpenRouter and xAI tell it; in order of names."""
    found: dict[str, int] = {}
    for told in (part(usage, "server_tool_use"), part(usage, "server_side_tool_usage_details")):
        for name in told:
            named, number = _COUNTED.fullmatch(name), count(told, name)
            if named and number and len(found) < _MOST_TOOLS:
                found[named[1]] = number
    return tuple(sorted(found.items()))


def chat_usage(usage: Mapping[str, Any], geo: str = "") -> Usage | None:
    """Return the usage of a chat completion, with its ``service_tier`` among it; ``None`` for nothing."""
    return _openai_usage(usage, ("prompt_tokens", "completion_tokens"), geo)


def responses_usage(usage: Mapping[str, Any], geo: str = "") -> Usage | None:
    """Return the usage of a response of the Responses API, with its ``service_tier`` among it; ``None`` for nothing."""
    return _openai_usage(usage, ("input_tokens", "output_tokens"), geo)


def region_of(base_url: str | None) -> str:
    """Return the region that OpenAI keeps calls to *base_url* in, which its answers do not tell; empty for none."""
    found = _REGIONAL_HOST.fullmatch((urlsplit(base_url).hostname or "").lower()) if base_url else None
    return found[1] if found else ""


def _openai_usage(usage: Mapping[str, Any], names: tuple[str, str], geo: str) -> Usage | None:
    """Return usage as OpenAI counts it, or as who speaks its dialect does.

    xAI and Gemini leave reasoning out of the completion, and count it in the total: reasoning is billed as output all
    the same (https://docs.x.ai/docs/key-information/consumption-and-rate-limits). A service tier stands on the answer;
    it is the one that served it, whatever was asked for.
    """
    if not usage:
        return None
    given, made = (part(usage, f"{name}_details") for name in names)
    prompt, completion, total = count(usage, names[0]), count(usage, names[1]), count(usage, "total_tokens")
    cached, written = count(given, "cached_tokens"), count(given, "cache_write_tokens")
    reasoning = count(made, "reasoning_tokens")
    input_tokens, output, remarks = _added_up(prompt, completion, total, inside=cached + written, reasoning=reasoning)
    if cached + written > input_tokens:
        cached = written = 0
    if count(given, "audio_tokens") or count(made, "audio_tokens"):
        remarks.append(_SOUND)
    return _credible(
        Usage(
            input_tokens=input_tokens,
            cached_tokens=cached,
            cache_write_tokens=written,
            output_tokens=output,
            reasoning_tokens=min(reasoning, output),
            tier=_standing(usage, "service_tier", _STANDARD),
            geo=geo,
            tool_uses=_tool_uses(usage),
        ),
        remarks,
    )


def _added_up(prompt: int, completion: int, total: int, *, inside: int, reasoning: int) -> tuple[int, int, list[str]]:
    """Return all input, all output, and what is to be remarked on them.

    What was cached (*inside*) and what was reasoned are parts of input and output, or stand beside them: the total says
    which, and where nothing adds up to it, that a part cannot be more than the whole.
    """
    for beside, more in ((0, 0), (0, reasoning), (inside, 0), (inside, reasoning)):
        adds_up = total == prompt + beside + completion + more
        if adds_up and inside <= prompt + beside and reasoning <= completion + more:
            return prompt + beside, completion + more, []
    remarks: list[str] = []
    output = completion
    if reasoning > completion:
        output += reasoning
        remarks.append(_MORE_REASONING)
    if inside > prompt:
        remarks.append(_MORE_CACHED)
        prompt += 0 if prompt and total == prompt + completion else inside
    if total > prompt + output and prompt:
        output = total - prompt
        remarks.append(_MORE_IN_ALL)
    elif 0 < total < prompt + output and not remarks:
        remarks.append(_LESS_IN_ALL)
    return prompt, output, remarks


def anthropic_usage(usage: Mapping[str, Any]) -> Usage | None:
    """Return usage as OpenAI counts; ``None`` for nothing.

    Anthropic's ``input_tokens`` leave out cache reads and writes. What is written to the
    cache for an hour is told apart (https://platform.claude.com/docs/en/build-with-claude/prompt-caching), and so are
    the region and the speed that were taken.
    """
    if not usage:
        return None
    cached, written = count(usage, "cache_read_input_tokens"), count(usage, "cache_creation_input_tokens")
    lasting = part(usage, "cache_creation")
    hour, minutes = count(lasting, "ephemeral_1h_input_tokens"), count(lasting, "ephemeral_5m_input_tokens")
    output, reasoning = count(usage, "output_tokens"), count(part(usage, "output_tokens_details"), "thinking_tokens")
    remarks: list[str] = []
    if lasting and hour + minutes != written:
        if written and hour + minutes:
            remarks.append(_MORE_WRITTEN)
        written = max(written, hour + minutes)
    if reasoning > output > 0:
        output += reasoning
        remarks.append(_MORE_REASONING)
    return _credible(
        Usage(
            input_tokens=count(usage, "input_tokens") + cached + written,
            cached_tokens=cached,
            cache_write_tokens=written,
            cache_write_1h_tokens=hour,
            output_tokens=output,
            reasoning_tokens=min(reasoning, output),
            tier=_standing(usage, "speed", _STANDARD) or _standing(usage, "service_tier", _STANDARD),
            geo=_standing(usage, "inference_geo", _NOWHERE),
            tool_uses=_tool_uses(usage),
        ),
        remarks,
    )


def _credible(usage: Usage, remarks: list[str]) -> Usage | None:
    """Return *usage* with its remarks, if it tells anything at all that a database holds."""
    if usage.input_tokens > MOST_TOKENS or usage.output_tokens > MOST_TOKENS:
        return None
    if not usage.input_tokens and not usage.output_tokens:
        return None
    return replace(usage, remark=" ".join(remarks)) if remarks else usage


def _standing(of: Mapping[str, Any], name: str, usual: tuple[str, ...]) -> str:
    """Return a short word that a vendor tells, or an empty one where it is the usual."""
    found = of.get(name)
    lowered = found.strip().lower() if isinstance(found, str) else ""
    return "" if lowered in usual or not _WORD.fullmatch(lowered) else lowered
