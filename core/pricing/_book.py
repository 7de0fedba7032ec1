"""What every model costs one tenant: the price list, and where an operator knows better, the operator's word."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any

from core.pricing._families import canonical_name, family_name
from core.pricing._fees import EVERY_CALL, OF_A_TOOL, Fee, is_tool, listed_fee
from core.pricing._listed import listed
from core.pricing._money import Cost, PossibleBilling, Usage, as_dollars
from core.pricing._names import bare_name, fine_tuned_from
from core.pricing._terms import IN_ANY_WAY, PriceTerms, Rates, made

ANY_MODEL = "*"
_MOST_KEPT = 4096
_BEGINNING = datetime.min.replace(tzinfo=UTC)


class OverrideKind(StrEnum):
    """In which way an override says what a model costs."""

    RATES = "rates"
    """So much per token."""
    DISCOUNT = "discount"
    """So much off the list price."""
    LIST = "list"
    """The list price again."""
    FEE = "fee"
    """So much per use of a tool that the vendor runs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OverridingPrice:
    """What a model costs from a time on, as an operator decided."""

    id: str
    tenant_id: str
    """Empty for all tenants."""
    provider: str
    model: str
    """``*`` for every model of the provider that has no override of its own, ``tool:NAME`` for a tool that it runs."""
    from_at: datetime
    kind: OverrideKind
    base: Rates | None = None
    """For ``rates``; so is the next."""
    tiers: tuple[tuple[int, Rates], ...] = ()
    discount_percent: Decimal | None = None
    per_1000_uses: int | None = None
    """For ``fee``: nano-dollars."""
    reason: str = ""
    actor: str = ""
    created_at: datetime
    withdrawn_at: datetime | None = None

    @property
    def subject(self) -> str:
        """``provider/model``."""
        return f"{self.provider}/{self.model}"

    @property
    def sentence(self) -> str:
        """What it says, as in "it costs …": ``$2 in and $8 out per million tokens``."""
        if self.per_1000_uses is not None:
            return f"${as_dollars(self.per_1000_uses)} per 1,000 uses"
        if self.base is None:
            percent = self.discount_percent
            return "the list price" if percent is None else f"{percent.normalize():f} % less than the list price"
        base, cache = self.base, ""
        if base.cached != base.fresh:
            cache += f", ${as_dollars(base.cached)} cached"
        if base.written != base.fresh:
            cache += f", ${as_dollars(base.written)} written to the cache"
        said = f"${as_dollars(base.fresh)} in{cache} and ${as_dollars(base.output)} out per million tokens"
        steps = [f"${as_dollars(r.fresh)} and ${as_dollars(r.output)} above {above:,}" for above, r in self.tiers]
        return f"{said} ({'; '.join(steps)})" if steps else said

    def terms(self, model: str, day: date) -> PriceTerms | None:
        """Return what *model* costs under it on *day*; ``None`` if the list, which it refers to, does not know it."""
        own: dict[str, Any] = {"date": self.from_at.isoformat().replace("+00:00", "Z"), "override_id": self.id}
        if self.base is not None:
            rates = "override: own rates"
            return made(self.provider, model, self.base, self.tiers, source=rates, is_flat=True, **own)
        found = listed(self.provider, model, day)
        if found is None or self.discount_percent is None:
            return found
        return _less(found, self.discount_percent, **own)


def _less(found: PriceTerms, percent: Decimal, **own: Any) -> PriceTerms:
    """Return a price with *percent* off, in every tier and region."""
    return made(
        found.price.provider,
        found.price.model,
        found.base.less(percent),
        [(above, rates.less(percent)) for above, rates in found.tiers],
        source=f"override: {percent.normalize():f} % off {found.price.source}",
        tier=found.price.tier,
        geo=found.price.geo,
        variants={how: _less(variant, percent, **own) for how, variant in found.variants.items()},
        **own,
    )


class PriceBook:
    """What every model costs one tenant, at any time. Frozen: a further decision makes a new book.

    Of the overrides that have begun, one for the tenant goes before one for all, one for the model before one for every
    model of its provider, and of several for the same the one that began last. An override of a model holds for all of
    its names (``core/pricing/_families.py``).
    """

    def __init__(self, overrides: Sequence[OverridingPrice] = ()) -> None:
        self._lines: dict[tuple[str, str, str], list[OverridingPrice]] = defaultdict(list)
        for one in sorted(overrides, key=lambda one: (one.from_at, one.created_at, one.id)):
            if one.withdrawn_at is None:
                name = line_of(one.provider, one.model)
                self._lines["" if not one.tenant_id else "own", one.provider, name].append(one)
        self._kept: dict[tuple[str, str, date], tuple[tuple[datetime, PriceTerms | None], ...]] = {}

    def cost(
        self, provider: str, model: str, usage: Usage, at: datetime, *, answered: str | None = None
    ) -> Cost | None:
        """Return what *usage* costs on *model* in a call that began at *at*; ``None`` if unpriced.

        One attempt at a time, so that a sum over re-asks never climbs into a long-context tier that no single call
        reached. Where *answered*, the model that the vendor says has answered, is another one and has a price, that is
        the price: a router's name and an alias are billed as what stood behind them. An operator's own rates for the
        name that was asked go before that.
        """
        found = self._of_tokens(provider, model, usage, at, answered)
        uses = self._uses(provider, model, usage.tool_uses)
        return found if found is None or not uses else self._with_fees(found, provider, model, uses, at)

    def _of_tokens(self, provider: str, model: str, usage: Usage, at: datetime, answered: str | None) -> Cost | None:
        terms = self.terms(provider, model, at)
        if answered and answered != model and _is_another(provider, model, answered):
            override = self.override(provider, model, at)
            is_ours = override is not None and override.base is not None and override.model != ANY_MODEL
            own = None if is_ours else self._billed(provider, answered, at, override)
            if own is not None:
                cost = own.cost(usage)
                said = f"Billed as {own.price.model}, which answered."
                return replace(cost, remark=f"{cost.remark} {said}".strip())
        return None if terms is None else terms.cost(usage)

    def fee(self, provider: str, model: str, use: str, at: datetime) -> Fee | None:
        """Return what one *use* of a tool by *model* costs at *at*; ``None`` if nobody tells.

        An operator's word about the tool goes before the published fee, whatever discount its model has.
        """
        override = self.override(provider, f"{OF_A_TOOL}{use}", at)
        if override is None or override.per_1000_uses is None:
            return listed_fee(provider, model, use)
        return Fee(nano_usd=-(-override.per_1000_uses // 1000), source=f"override {override.id}")

    def _uses(self, provider: str, model: str, told: Sequence[tuple[str, int]]) -> Sequence[tuple[str, int]]:
        """Return the uses that a call is billed for: those *told*, and the one of a model that searches by itself."""
        return (*told, (EVERY_CALL, 1)) if listed_fee(provider, model, EVERY_CALL) else told

    def _with_fees(self, cost: Cost, provider: str, model: str, uses: Sequence[tuple[str, int]], at: datetime) -> Cost:
        fees = [(use, count, self.fee(provider, model, use, at)) for use, count in uses]
        paid = sum(count * fee.nano_usd for _, count, fee in fees if fee)
        price = replace(
            cost.price,
            fees="; ".join(f"{use} {fee.sentence} ({fee.source})" for use, _, fee in fees if fee),
            unpriced_uses=", ".join(use for use, _, fee in fees if fee is None),
        )
        return replace(cost, nano_usd=cost.nano_usd + paid, price=price, fees_nano_usd=paid)

    def _billed(self, provider: str, answered: str, at: datetime, asked: OverridingPrice | None) -> PriceTerms | None:
        """Return the price of who answered, with the discount that *asked*, the override of who was asked, gives."""
        if asked is not None and asked.kind is OverrideKind.DISCOUNT and self.override(provider, answered, at) is None:
            return asked.terms(answered, at.date())
        return self.terms(provider, answered, at)

    def worst_nano_usd(
        self,
        provider: str,
        model: str,
        input_tokens: int,
        output_tokens: int,
        at: datetime,
        *,
        possible: PossibleBilling = IN_ANY_WAY,
    ) -> int | None:
        """Return the most that a call with at most so many tokens can cost, billed in any way that is *possible*.

        It bounds every mix of fresh, cached and written input, in every tier that the input may reach. ``None`` if
        unpriced.
        """
        terms = self.terms(provider, model, at)
        if terms is None:
            return None
        fees = (
            (count, self.fee(provider, model, use, at))
            for use, count in self._uses(provider, model, possible.tool_uses)
        )
        of_tools = sum(count * fee.nano_usd for count, fee in fees if fee)
        return terms.worst_nano_usd(input_tokens, output_tokens, possible) + of_tools

    def terms(self, provider: str, model: str, at: datetime) -> PriceTerms | None:
        """Return the price of *model* for calls that begin at *at*; ``None`` if unpriced."""
        spans = self._kept.get((provider, model, at.date()))
        if spans is None:
            spans = self._read(provider, model, at.date())
        if len(spans) == 1:
            return spans[0][1]
        return next(terms for starts_at, terms in reversed(spans) if starts_at <= at)

    def override(self, provider: str, model: str, at: datetime) -> OverridingPrice | None:
        """Return the override that decides what *model* costs at *at*; ``None`` where the price list does."""
        for line in self._lines_of(provider, model):
            begun = [one for one in line if one.from_at <= at]
            if begun:
                return begun[-1]
        return None

    def _read(self, provider: str, model: str, day: date) -> tuple[tuple[datetime, PriceTerms | None], ...]:
        """Return the prices of one day, each with its beginning; overrides begin at any time of day."""
        midnight = datetime.combine(day, time(), UTC)
        changes = {one.from_at for line in self._lines_of(provider, model) for one in line}
        within = sorted(at for at in changes if midnight < at < midnight + timedelta(days=1))
        spans = tuple(
            (starts_at, self._at(provider, model, max(starts_at, midnight))) for starts_at in (_BEGINNING, *within)
        )
        if len(self._kept) >= _MOST_KEPT:
            self._kept.clear()
        self._kept[provider, model, day] = spans
        return spans

    def _at(self, provider: str, model: str, at: datetime) -> PriceTerms | None:
        override = self.override(provider, model, at)
        return listed(provider, model, at.date()) if override is None else override.terms(model, at.date())

    def _lines_of(self, provider: str, model: str) -> list[list[OverridingPrice]]:
        """Return the overrides that could speak for a model, those that go first first, each line ascending."""
        if is_tool(model):
            return [self._lines[key] for whose in ("own", "") if (key := (whose, provider, model)) in self._lines]
        names = dict.fromkeys((*_names(provider, model), ANY_MODEL))
        keys = [(whose, provider, name) for whose in ("own", "") for name in names]
        return [self._lines[key] for key in keys if key in self._lines]


def line_of(provider: str, model: str) -> str:
    """Return the name under which overrides of *model* follow one another."""
    return model if model == ANY_MODEL or is_tool(model) else canonical_name(provider, model)


def _names(provider: str, model: str) -> tuple[str, ...]:
    """Return the names by which an override may speak for a model, the most exact first."""
    family = family_name(provider, model)
    made_of = fine_tuned_from(bare_name(provider, model))
    tuned = (f"ft:{family_name(provider, made_of)}",) if made_of else ()
    return (canonical_name(provider, model), family, *tuned)


def _is_another(provider: str, model: str, answered: str) -> bool:
    """Whether the one who answered is not who was asked, by any name; a fine-tuned one is not told from its base."""
    if fine_tuned_from(bare_name(provider, model)):
        return False
    return canonical_name(provider, answered) != canonical_name(provider, model)
