"""Usage, price, cost: tokens by kind, dollars per token from a date on, and their product in nano-dollars."""

from __future__ import annotations

from decimal import ROUND_CEILING, Decimal
from typing import Any

from core.unchanging import unchanging

NANO = 1_000_000_000
"""Nano-dollars in a dollar. A cached token can cost 75 of them; nothing smaller is sold."""


@unchanging(kw_only=True)
class Usage:
    """Tokens of one provider call."""

    input_tokens: int = 0
    """All input, cached reads and cache writes included, as OpenAI counts."""
    cached_tokens: int = 0
    """The part of the input that was read from the provider's cache."""
    cache_write_tokens: int = 0
    """The part of the input that was written to the provider's cache, for however long."""
    cache_write_1h_tokens: int = 0
    """The part of what was written that is kept for an hour."""
    output_tokens: int = 0
    """All output, reasoning included."""
    reasoning_tokens: int = 0
    """The part of the output that was thought and not shown."""
    estimated: bool = False
    """Whether the wire never told, so that we did."""
    tier: str = ""
    """The service tier that answered, such as ``priority`` or ``flex``; empty for the standard one, and in a sum."""
    geo: str = ""
    """The region that the call was kept in, such as ``us``; empty where it was in none, and in a sum."""
    remark: str = ""
    """Where what the wire told contradicts itself: how it was taken. Empty in a sum."""
    tool_uses: tuple[tuple[str, int], ...] = ()
    """How often which tools ran at the vendor, in the order of their names. Empty in a sum."""

    @property
    def is_told(self) -> bool:
        """Whether it is a whole usage: every call has input."""
        return self.input_tokens > 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            cache_write_1h_tokens=self.cache_write_1h_tokens + other.cache_write_1h_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            estimated=self.estimated or other.estimated,
        )


@unchanging(kw_only=True)
class PossibleBilling:
    """How a vendor may bill a call, as far as the request decides it; without a word, in any way."""

    tiers: frozenset[str] | None = None
    """The service tiers that may serve it beside the standard one; ``None`` for any."""
    regions: frozenset[str] | None = None
    """The regions that it may be kept in, at a surcharge; ``None`` for any."""
    most_written: int | None = None
    """How many tokens of its input may be written to the provider's cache; ``None`` for all."""
    for_an_hour: bool = True
    """Whether they may be written for an hour."""
    adds_tokens: int = 0
    """How many tokens of input the vendor may add to what was sent, beside its own words; more than the model's context
    takes are none."""
    tool_uses: tuple[tuple[str, int], ...] = ()
    """How often which tools may run at the vendor, at most."""


@unchanging(kw_only=True)
class Price:
    """What one model costs, in dollars per million tokens, as one source gave it for one date.

    A rate that rises with a long context reads ``3; 6 above 200000 tokens``.
    """

    provider: str
    model: str
    input_usd_per_mtok: str
    cached_usd_per_mtok: str
    cache_write_usd_per_mtok: str
    output_usd_per_mtok: str
    source: str
    """The price list and its version, or the kind of override."""
    date: str
    """The day for which the list gave it, or the time from which the override holds."""
    override_id: str | None = None
    """The override it comes from."""
    tier: str = ""
    """The service tier whose price it is; empty for the standard one."""
    geo: str = ""
    """The region whose surcharge is in it; empty for none."""
    fees: str = ""
    """What each tool costs that ran at the vendor, and who says so; empty where none ran."""
    unpriced_uses: str = ""
    """The tools that ran and have no known price, so that they are not in the cost."""

    def as_dict(self) -> dict[str, str]:
        """Return what is frozen on the attempt."""
        frozen = {
            "provider": self.provider,
            "model": self.model,
            "input_usd_per_mtok": self.input_usd_per_mtok,
            "cached_usd_per_mtok": self.cached_usd_per_mtok,
            "cache_write_usd_per_mtok": self.cache_write_usd_per_mtok,
            "output_usd_per_mtok": self.output_usd_per_mtok,
            "source": self.source,
            "date": self.date,
        }
        more = {"override_id": self.override_id or "", "tier": self.tier, "geo": self.geo}
        more |= {"fees": self.fees, "unpriced_uses": self.unpriced_uses}
        return frozen | {name: value for name, value in more.items() if value}


@unchanging
class Cost:
    """What one call cost and at which price."""

    nano_usd: int
    """Rounded up."""
    price: Price
    cache_saved_nano_usd: int = 0
    """What the provider's cache took off, rounded down; below 0 where writing cost more than reading saved."""
    remark: str = ""
    """What a person should know of it: that no price was found for how the call was served, or whose price it is."""
    fees_nano_usd: int = 0
    """The part of it that is for tools and not for tokens."""


def billing(usage: Usage | None, cost: Cost | None) -> dict[str, Any] | None:
    """Return what is kept of how a call was billed, beside its tokens and its price; ``None`` where it is the usual.

    ``tier``, ``geo``, ``cache_write_1h_tokens`` and ``tool_uses`` as on the usage, and ``remark``, a sentence for
    people: where what the vendor told contradicts itself, where no price was found for how it was served, or who was
    billed in another's stead.
    """
    if usage is None:
        return None
    remarks = dict.fromkeys(filter(None, (usage.remark, cost.remark if cost else "")))
    kept = {
        "tier": usage.tier,
        "geo": usage.geo,
        "cache_write_1h_tokens": usage.cache_write_1h_tokens,
        "tool_uses": dict(usage.tool_uses),
        "remark": " ".join(remarks),
    }
    return {name: value for name, value in kept.items() if value} or None


def usd(nano: int | None) -> float | None:
    """Return nano-dollars as dollars, for showing; ``None`` stays unknown."""
    return None if nano is None else nano / NANO


def nano_usd(dollars: Decimal | str | int) -> int:
    """Return dollars as nano-dollars, exactly or rounded up."""
    return int((Decimal(dollars) * NANO).to_integral_value(ROUND_CEILING))


def as_dollars(nano: int) -> str:
    """Return nano-dollars as exact decimal text, without idle zeros: ``0.15``."""
    text = f"{Decimal(nano) / NANO:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
