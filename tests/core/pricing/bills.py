"""Bills: what vendors told of calls, and what they bill for it, worked out by hand from their published prices.

Each row is: what was called; what it told; the arithmetic, tokens x dollars per million tokens; and its result in
nano-dollars (a token at a dollar per million tokens is a thousand of them). Prices as of 2026-11-28, from

- OpenAI: https://developers.openai.com/api/docs/pricing (standard, flex, priority, batch, fine-tuning) and
  https://developers.openai.com/api/docs/guides/data-residency (a tenth more in a region, from GPT-5.4 on);
- Anthropic: https://platform.claude.com/docs/en/about-claude/pricing (cache writes for five minutes x 1.25 and for an
  hour x 2, data residency x 1.1, fast mode, batch).

Batch is priced where a vendor tells of it, though nothing of ours is sent as one. Not priced, and marked: sound, which
has rates of its own; searches on the web, which cost by their number; tiers that are paid for in advance (``scale``,
Anthropic's ``priority``), of which the standard price is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Told = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """One call, what it told, and what it costs."""

    what: str
    model: str
    """``provider/name``."""
    told: Told | list[Told]
    """A chat completion's or a message's usage as it stood in the answer; several where a stream told several times."""
    sum: str
    """``tokens x rate + tokens x rate``, rates in dollars per million tokens."""
    nano_usd: int
    tier: str = ""
    """OpenAI's ``service_tier``, which stands beside the usage."""
    answered: str | None = None
    """Who the answer says has answered, where that is not who was asked."""
    responses: bool = False
    """Whether the Responses API told it."""
    base_url: str | None = None
    is_marked: bool = False
    """Whether a person is to look at it."""


def chat(
    prompt: int, completion: int, *, cached: int = 0, written: int = 0, reasoning: int = 0, total: int = 0
) -> Told:
    """Return usage as chat completions tell it; the total is the sum unless it is given."""
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": total or prompt + completion,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": reasoning, "audio_tokens": 0},
    }


def claude(fresh: int, output: int, *, read: int = 0, minutes: int = 0, hour: int = 0, **more: Any) -> Told:
    """Return usage as Anthropic tells it."""
    return {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": minutes + hour,
        "cache_creation": {"ephemeral_5m_input_tokens": minutes, "ephemeral_1h_input_tokens": hour},
        "service_tier": "standard",
    } | more


FT_MINI = "openai/ft:gpt-4o-mini-2024-07-18:acme::abc"
FT_41 = "openai/ft:gpt-4.1-2025-04-14:acme::abc"

OPENAI = [
    Bill(what="plain", model="openai/gpt-4o-mini", told=chat(1000, 100), sum="1000 x 0.15 + 100 x 0.60",
         nano_usd=210_000),
    Bill(what="plain, dear", model="openai/gpt-4o", told=chat(1000, 100), sum="1000 x 2.50 + 100 x 10",
         nano_usd=3_500_000),
    Bill(what="half of it cached", model="openai/gpt-4o", told=chat(2000, 100, cached=1024),
         sum="976 x 2.50 + 1024 x 1.25 + 100 x 10", nano_usd=4_720_000),
    Bill(what="cached at a tenth", model="openai/gpt-5", told=chat(2000, 100, cached=1920),
         sum="80 x 1.25 + 1920 x 0.125 + 100 x 10", nano_usd=1_340_000),
    Bill(what="all cached but one", model="openai/gpt-4.1", told=chat(1025, 1, cached=1024),
         sum="1 x 2 + 1024 x 0.50 + 1 x 8", nano_usd=522_000),
    Bill(what="reasoning within the completion", model="openai/gpt-5-mini", told=chat(50, 900, reasoning=832),
         sum="50 x 0.25 + 900 x 2", nano_usd=1_812_500),
    Bill(what="priority", model="openai/gpt-5", told=chat(1000, 100), tier="priority",
         sum="1000 x 2.50 + 100 x 20", nano_usd=4_500_000),
    Bill(what="priority, part of it cached", model="openai/gpt-4.1", told=chat(2000, 100, cached=1000), tier="priority",
         sum="1000 x 3.50 + 1000 x 0.875 + 100 x 14", nano_usd=5_775_000),
    Bill(what="priority, 4o", model="openai/gpt-4o", told=chat(1000, 100), tier="priority",
         sum="1000 x 4.25 + 100 x 17", nano_usd=5_950_000),
    Bill(what="priority, 4o mini", model="openai/gpt-4o-mini", told=chat(1000, 100), tier="priority",
         sum="1000 x 0.25 + 100 x 1", nano_usd=350_000),
    Bill(what="asked for priority, served as default", model="openai/gpt-5", told=chat(1000, 100), tier="default",
         sum="1000 x 1.25 + 100 x 10", nano_usd=2_250_000),
    Bill(what="flex", model="openai/gpt-5", told=chat(1000, 100), tier="flex",
         sum="1000 x 0.625 + 100 x 5", nano_usd=1_125_000),
    Bill(what="flex, part of it cached", model="openai/o3", told=chat(1000, 100, cached=512), tier="flex",
         sum="488 x 1 + 512 x 0.25 + 100 x 4", nano_usd=1_016_000),
    Bill(what="batch, told as a tier", model="openai/gpt-4.1", told=chat(1000, 100), tier="batch",
         sum="1000 x 1 + 100 x 4", nano_usd=1_400_000),
    Bill(what="scale, paid in advance: no price per token, the standard one is shown", model="openai/gpt-4o",
         told=chat(1000, 100), tier="scale", sum="1000 x 2.50 + 100 x 10", nano_usd=3_500_000, is_marked=True),
    Bill(what="long context just not reached", model="openai/gpt-5.4", told=chat(272_000, 10),
         sum="272000 x 2.50 + 10 x 15", nano_usd=680_150_000),
    Bill(what="long context: all of it", model="openai/gpt-5.4", told=chat(272_001, 10),
         sum="272001 x 5 + 10 x 22.50", nano_usd=1_360_230_000),
    Bill(what="long context, flex, part of it cached", model="openai/gpt-5.5", told=chat(300_000, 100, cached=200_000),
         tier="flex", sum="100000 x 5 + 200000 x 0.50 + 100 x 22.50", nano_usd=602_250_000),
    Bill(what="written to the cache", model="openai/gpt-6-sol", told=chat(3000, 100, cached=1000, written=1500),
         sum="500 x 2 + 1000 x 0.20 + 1500 x 2.50 + 100 x 10", nano_usd=5_950_000),
    Bill(what="fast mode, written to the cache", model="openai/gpt-6-sol",
         told=chat(2000, 100, written=1500), tier="fast",
         sum="500 x 4 + 1500 x 5 + 100 x 20", nano_usd=11_500_000),
    Bill(what="kept in the EU", model="openai/gpt-5.4", told=chat(1000, 100), base_url="https://eu.api.openai.com/v1",
         sum="1000 x 2.75 + 100 x 16.50", nano_usd=4_400_000),
    Bill(what="kept in the EU, priority", model="openai/gpt-5.4", told=chat(1000, 100), tier="priority",
         base_url="https://eu.api.openai.com/v1", sum="1000 x 5.50 + 100 x 33", nano_usd=8_800_000),
    Bill(what="kept in the EU, a model from before the surcharge", model="openai/gpt-4o", told=chat(1000, 100),
         base_url="https://eu.api.openai.com/v1", sum="1000 x 2.50 + 100 x 10", nano_usd=3_500_000),
    Bill(what="fine-tuned, half of it cached", model=FT_MINI, told=chat(1000, 100, cached=512),
         sum="488 x 0.30 + 512 x 0.15 + 100 x 1.20", nano_usd=343_200),
    Bill(what="fine-tuned", model=FT_41, told=chat(1000, 100), sum="1000 x 3 + 100 x 12", nano_usd=4_200_000),
    Bill(what="fine-tuned, cached", model="openai/ft:gpt-4.1-mini-2025-04-14:acme:tickets:x1",
         told=chat(2048, 10, cached=1024),
         sum="1024 x 0.80 + 1024 x 0.20 + 10 x 3.20", nano_usd=1_056_000),
    Bill(what="fine-tuned, reasoning", model="openai/ft:o4-mini-2025-04-16:acme::r1",
         told=chat(100, 400, reasoning=300),
         sum="100 x 4 + 400 x 16", nano_usd=6_800_000),
    Bill(what="an older snapshot answers for the alias", model="openai/gpt-4o", told=chat(1000, 100),
         answered="gpt-4o-2024-05-13", sum="1000 x 5 + 100 x 15", nano_usd=6_500_000, is_marked=True),
    Bill(what="the dated name of who was asked answers", model="openai/gpt-4o", told=chat(1000, 100),
         answered="gpt-4o-2024-08-06", sum="1000 x 2.50 + 100 x 10", nano_usd=3_500_000),
    Bill(what="a router answers by who stood behind it", model="openai/router", told=chat(1000, 100),
         answered="gpt-4o-mini-2024-07-18", sum="1000 x 0.15 + 100 x 0.60", nano_usd=210_000, is_marked=True),
    Bill(what="in capitals", model="openai/GPT-4o-Mini", told=chat(1000, 100), sum="1000 x 0.15 + 100 x 0.60",
         nano_usd=210_000),
    Bill(what="behind a path", model="openai/openai/gpt-4o-2024-08-06", told=chat(1000, 100),
         sum="1000 x 2.50 + 100 x 10", nano_usd=3_500_000),
    Bill(what="Responses, part of it cached", model="openai/gpt-5.1", responses=True,
         told={"input_tokens": 1500, "input_tokens_details": {"cached_tokens": 1024}, "output_tokens": 200,
               "output_tokens_details": {"reasoning_tokens": 128}, "total_tokens": 1700},
         sum="476 x 1.25 + 1024 x 0.125 + 200 x 10", nano_usd=2_723_000),
    Bill(what="Responses, flex", model="openai/o4-mini", responses=True, tier="flex",
         told={"input_tokens": 1000, "output_tokens": 200, "total_tokens": 1200},
         sum="1000 x 0.55 + 200 x 2.20", nano_usd=990_000),
    Bill(what="a stream that tells its usage twice", model="openai/gpt-4o-mini", told=[chat(1000, 60), chat(1000, 100)],
         sum="1000 x 0.15 + 100 x 0.60", nano_usd=210_000),
    Bill(what="a stream whose last word is 0", model="openai/gpt-4o-mini", told=[chat(1000, 100), chat(0, 0)],
         sum="1000 x 0.15 + 100 x 0.60", nano_usd=210_000),
]  # fmt: skip

BESIDE = [
    Bill(what="xAI's way: reasoning beside the completion, and in the total", model="openai/gpt-4o",
         told=chat(100, 20, reasoning=500, total=620), sum="100 x 2.50 + 520 x 10", nano_usd=5_450_000),
    Bill(what="the same, with less reasoning than completion", model="openai/gpt-4o",
         told=chat(100, 50, reasoning=30, total=180), sum="100 x 2.50 + 80 x 10", nano_usd=1_050_000),
    Bill(what="Gemini's way: the total alone tells of reasoning", model="openai/gpt-4o",
         told={"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 620},
         sum="100 x 2.50 + 520 x 10", nano_usd=5_450_000, is_marked=True),
    Bill(what="more reasoning than output, and no total", model="openai/gpt-4o",
         told={"prompt_tokens": 100, "completion_tokens": 20, "completion_tokens_details": {"reasoning_tokens": 500}},
         sum="100 x 2.50 + 520 x 10", nano_usd=5_450_000, is_marked=True),
    Bill(what="a proxy's way: what was cached beside the prompt", model="openai/gpt-4o",
         told=chat(10, 20, cached=1000, total=1030), sum="10 x 2.50 + 1000 x 1.25 + 20 x 10", nano_usd=1_475_000),
    Bill(what="more cached than there was: the total forbids it, so nothing counts as cached", model="openai/gpt-4o",
         told=chat(100, 20, cached=150), sum="100 x 2.50 + 20 x 10", nano_usd=450_000, is_marked=True),
    Bill(what="a total that is too small", model="openai/gpt-4o", told=chat(100, 20, total=90),
         sum="100 x 2.50 + 20 x 10", nano_usd=450_000, is_marked=True),
    Bill(what="counts as fractions that are whole", model="openai/gpt-4o",
         told={"prompt_tokens": 100.0, "completion_tokens": 20.0, "total_tokens": 120.0},
         sum="100 x 2.50 + 20 x 10", nano_usd=450_000),
    Bill(what="more output than the total holds, with reasoning inside: the parts are believed", model="openai/gpt-5",
         told=chat(1000, 500, reasoning=400, total=1100), sum="1000 x 1.25 + 500 x 10", nano_usd=6_250_000,
         is_marked=True),
    Bill(what="predictions that were not taken are output all the same", model="openai/gpt-4o",
         told={"prompt_tokens": 100, "completion_tokens": 60, "total_tokens": 160, "completion_tokens_details":
               {"accepted_prediction_tokens": 10, "rejected_prediction_tokens": 30}},
         sum="100 x 2.50 + 60 x 10", nano_usd=850_000),
    Bill(what="sound: not priced apart", model="openai/gpt-4o",
         told={"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120,
               "prompt_tokens_details": {"audio_tokens": 40}}, sum="100 x 2.50 + 20 x 10", nano_usd=450_000,
         is_marked=True),
    Bill(what="details that are null", model="openai/gpt-4o",
         told={"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120, "prompt_tokens_details": None,
               "completion_tokens_details": None},
         sum="100 x 2.50 + 20 x 10", nano_usd=450_000),
]  # fmt: skip

ANTHROPIC = [
    Bill(what="plain", model="anthropic/claude-haiku-4-5", told=claude(1000, 100), sum="1000 x 1 + 100 x 5",
         nano_usd=1_500_000),
    Bill(what="read from the cache", model="anthropic/claude-haiku-4-5", told=claude(100, 50, read=2000),
         sum="100 x 1 + 2000 x 0.10 + 50 x 5", nano_usd=550_000),
    Bill(what="written for five minutes", model="anthropic/claude-sonnet-4-5", told=claude(3, 550, minutes=12_304),
         sum="3 x 3 + 12304 x 3.75 + 550 x 15", nano_usd=54_399_000),
    Bill(what="written for an hour", model="anthropic/claude-sonnet-4-5", told=claude(3, 550, hour=12_304),
         sum="3 x 3 + 12304 x 6 + 550 x 15", nano_usd=82_083_000),
    Bill(what="read, and written both ways", model="anthropic/claude-opus-4-8",
         told=claude(10, 100, read=5000, minutes=200, hour=300),
         sum="10 x 5 + 5000 x 0.50 + 200 x 6.25 + 300 x 10 + 100 x 25", nano_usd=9_300_000),
    Bill(what="written, and not told for how long", model="anthropic/claude-haiku-4-5",
         told={"input_tokens": 10, "output_tokens": 10, "cache_creation_input_tokens": 1000},
         sum="10 x 1 + 1000 x 1.25 + 10 x 5", nano_usd=1_310_000),
    Bill(what="kept in the US", model="anthropic/claude-opus-4-6", told=claude(1000, 100, inference_geo="us"),
         sum="1000 x 5.50 + 100 x 27.50", nano_usd=8_250_000),
    Bill(what="kept in the US, written for an hour", model="anthropic/claude-sonnet-5-5",
         told=claude(100, 100, hour=1000, inference_geo="us"), sum="100 x 2.20 + 1000 x 4.40 + 100 x 11",
         nano_usd=5_720_000),
    Bill(what="kept nowhere in particular", model="anthropic/claude-opus-4-6",
         told=claude(1000, 100, inference_geo="global"),
         sum="1000 x 5 + 100 x 25", nano_usd=7_500_000),
    Bill(what="fast mode", model="anthropic/claude-opus-4-8", told=claude(1000, 100, speed="fast"),
         sum="1000 x 10 + 100 x 50", nano_usd=15_000_000),
    Bill(what="fast mode, kept in the US, read", model="anthropic/claude-opus-4-8",
         told=claude(1000, 100, read=1000, speed="fast", inference_geo="us"),
         sum="1000 x 11 + 1000 x 1.10 + 100 x 55", nano_usd=17_600_000),
    Bill(what="batch", model="anthropic/claude-haiku-4-5", told=claude(1000, 100, service_tier="batch"),
         sum="1000 x 0.50 + 100 x 2.50", nano_usd=750_000),
    Bill(what="priority, by commitment: the standard price is shown", model="anthropic/claude-sonnet-4-5",
         told=claude(1000, 100, service_tier="priority"), sum="1000 x 3 + 100 x 15", nano_usd=4_500_000,
         is_marked=True),
    Bill(what="long context: reads and writes count for it", model="anthropic/claude-haiku-5-5",
         told=claude(1000, 100, read=100_000),
         sum="1000 x 0.50 + 100000 x 0.05 + 100 x 2.50", nano_usd=5_750_000),
    Bill(what="a long context that costs no more", model="anthropic/claude-opus-4-6", told=claude(250_000, 100),
         sum="250000 x 5 + 100 x 25", nano_usd=1_252_500_000),
    Bill(what="thinking is within the output", model="anthropic/claude-sonnet-5",
         told=claude(100, 1000, output_tokens_details={"thinking_tokens": 900}), sum="100 x 2 + 1000 x 10",
         nano_usd=10_200_000),
    Bill(what="a stream that ends with 0 for what it began with", model="anthropic/claude-haiku-4-5",
         told=[claude(5000, 1, read=2000), {"input_tokens": 0, "cache_read_input_tokens": 0, "output_tokens": 50}],
         sum="5000 x 1 + 2000 x 0.10 + 50 x 5", nano_usd=5_450_000),
    Bill(what="a stream that tells its input again, larger", model="anthropic/claude-haiku-4-5",
         told=[claude(5000, 1), {"input_tokens": 5600, "output_tokens": 50}], sum="5600 x 1 + 50 x 5",
         nano_usd=5_850_000),
    Bill(what="a stream that tells of the cache in its end", model="anthropic/claude-haiku-4-5",
         told=[claude(5000, 1), claude(3000, 50, read=2000)], sum="3000 x 1 + 2000 x 0.10 + 50 x 5",
         nano_usd=3_450_000),
    Bill(what="hours and minutes that are more than the sum", model="anthropic/claude-sonnet-4-5",
         told=claude(3, 10, hour=1000, cache_creation_input_tokens=400), sum="3 x 3 + 1000 x 6 + 10 x 15",
         nano_usd=6_159_000,
         is_marked=True),
    Bill(what="searches", model="anthropic/claude-haiku-4-5",
         told=claude(1000, 100, server_tool_use={"web_search_requests": 2}),
         sum="1000 x 1 + 100 x 5 + 2 x 10000", nano_usd=1_500_000 + 20_000_000),
    Bill(what="searches that a stream tells at its end", model="anthropic/claude-haiku-4-5",
         told=[claude(1000, 1), {"output_tokens": 100, "server_tool_use": {"web_search_requests": 3}}],
         sum="1000 x 1 + 100 x 5 + 3 x 10000", nano_usd=1_500_000 + 30_000_000),
    Bill(what="fetches cost nothing beside their tokens", model="anthropic/claude-haiku-4-5",
         told=claude(1000, 100, server_tool_use={"web_search_requests": 0, "web_fetch_requests": 3}),
         sum="1000 x 1 + 100 x 5", nano_usd=1_500_000),
    Bill(what="dated", model="anthropic/claude-haiku-4-5-20251001", told=claude(1000, 100),
         sum="1000 x 1 + 100 x 5", nano_usd=1_500_000),
    Bill(what="by the other order of its name", model="anthropic/claude-4-opus-20250514", told=claude(1000, 100),
         sum="1000 x 15 + 100 x 75", nano_usd=22_500_000),
]  # fmt: skip

BILLS = [*OPENAI, *BESIDE, *ANTHROPIC]
