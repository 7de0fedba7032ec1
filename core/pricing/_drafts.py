"""An override on its way into the table and out of it: what it may say, and how it reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from core.amounts import written_number
from core.errors import Invalid
from core.lines import one_line
from core.pricing._book import ANY_MODEL, OverrideKind, OverridingPrice
from core.pricing._families import has_list
from core.pricing._fees import OF_A_TOOL, is_tool, listed_fee
from core.pricing._listed import listed
from core.pricing._money import as_dollars, nano_usd
from core.pricing._names import maker_of
from core.pricing._terms import Rates
from core.servers import RECIPES, is_provider
from core.tables import PriceOverride

MOST_USD_PER_MTOK = 100_000
MOST_TIERS = 5
MOST_TOKENS = 100_000_000
RATES: Mapping[str, str] = {
    "input_usd_per_mtok": "input",
    "cached_usd_per_mtok": "cached input",
    "cache_write_usd_per_mtok": "cache write",
    "output_usd_per_mtok": "output",
}
"""The names of the four rates, and what people call them."""
_LONGEST_NAME = 200
_USE = re.compile(r"[a-z][a-z0-9_]{0,59}")
_EARLIEST = datetime(2020, 1, 1, tzinfo=UTC)
_LATEST = datetime(2100, 1, 1, tzinfo=UTC)


def checked(
    provider: str,
    model: str,
    *,
    from_at: datetime,
    rates: Mapping[str, Any] | None,
    tiers: Sequence[Mapping[str, Any]],
    discount_percent: str | None,
    back_to_list: bool,
    usd_per_1000_uses: str | None,
    reason: str,
) -> dict[str, Any]:
    """Return the columns of an override that can be.

    Raises:
        Invalid: it cannot; the message says what to write instead.

    """
    provider, model = provider.strip(), model.strip()
    if not is_provider(provider):
        raise Invalid(f"The provider is one of {', '.join(RECIPES)}; this is {provider!r}.")
    if not model or len(model) > _LONGEST_NAME or not model.isprintable() or any(map(str.isspace, model)):
        raise Invalid("The model is the name that its provider has for it, or * for every model of the provider.")
    if from_at.tzinfo is None or not _EARLIEST <= from_at < _LATEST:
        raise Invalid("A price begins at a time with its zone, from the year 2020 to the year 2099.")
    if is_tool(model):
        fee = _fee(provider, model, usd_per_1000_uses, back_to_list=back_to_list)
        if rates is not None or tiers or discount_percent is not None:
            raise Invalid("What a tool costs is an amount per 1,000 uses; rates and discounts are of models.")
        own = {"provider": provider, "model": model, "from_at": from_at.astimezone(UTC), "reason": one_line(reason)}
        return own | {"kind": (OverrideKind.FEE if fee else OverrideKind.LIST).value, "usd_per_1000_uses": fee}
    if usd_per_1000_uses is not None:
        raise Invalid(f"An amount per use belongs to a tool, such as {OF_A_TOOL}web_search; {model} is a model.")
    if (rates is not None) + (discount_percent is not None) + back_to_list != 1:
        raise Invalid("Give either rates, or a discount, or the list price again; exactly one of the three.")
    kind = OverrideKind.LIST if back_to_list else OverrideKind.DISCOUNT if rates is None else OverrideKind.RATES
    if tiers and rates is None:
        raise Invalid("Tiers belong to rates. A discount takes its part off the tiers of the price list by itself.")
    if kind is not OverrideKind.RATES:
        _require_listed(provider, model, from_at)
    return {
        "provider": provider,
        "model": model,
        "from_at": from_at.astimezone(UTC),
        "kind": kind.value,
        **({} if rates is None else _rates(rates, "")),
        "tiers": _tiers(tiers) or None,
        "discount_percent": None if discount_percent is None else _percent(discount_percent),
        "reason": one_line(reason),
    }


def read(row: PriceOverride) -> OverridingPrice:
    """Return a row as the rest of the house knows it."""
    kind = OverrideKind(row.kind)
    return OverridingPrice(
        id=row.id,
        tenant_id=row.tenant_id,
        provider=row.provider,
        model=row.model,
        from_at=row.from_at,
        kind=kind,
        base=_numbers({name: getattr(row, name) for name in RATES}, row.provider)
        if kind is OverrideKind.RATES
        else None,
        tiers=tuple((tier["from_input_tokens"], _numbers(tier, row.provider)) for tier in row.tiers or ()),
        discount_percent=None if row.discount_percent is None else Decimal(row.discount_percent),
        per_1000_uses=None if row.usd_per_1000_uses is None else nano_usd(row.usd_per_1000_uses),
        reason=row.reason,
        actor=row.actor,
        created_at=row.created_at,
        withdrawn_at=row.withdrawn_at,
    )


def described(override: OverridingPrice) -> dict[str, Any]:
    """Return an override as an audit entry keeps it."""
    return {"id": override.id, "from_at": override.from_at.isoformat(), "price": override.sentence} | (
        {"reason": override.reason} if override.reason else {}
    )


def _fee(provider: str, model: str, given: str | None, *, back_to_list: bool) -> str | None:
    """Return what 1,000 uses of a tool cost as canonical decimal text; ``None`` for what its vendor publishes."""
    use = model.removeprefix(OF_A_TOOL)
    if not _USE.fullmatch(use):
        raise Invalid(f"A tool is named {OF_A_TOOL}web_search or the like: small letters, digits and underscores.")
    if back_to_list == (given is not None):
        raise Invalid("Give either what 1,000 uses of the tool cost, or the list price again; one of the two.")
    if given is not None:
        return _amount(given, "What 1,000 uses cost", "per 1,000 uses", finest=6)
    if listed_fee(provider, "", use) is None:
        raise Invalid(f"No published price of {provider}'s {use} is known, so there is nothing to go back to.")
    return None


def _require_listed(provider: str, model: str, at: datetime) -> None:
    known = has_list(provider) if model == ANY_MODEL else listed(provider, model, at.date()) is not None
    if not known:
        raise Invalid(
            f"The price list knows no price of {provider}/{model} on {at:%Y-%m-%d}, so there is nothing to go back to "
            "or to take a discount off. Set rates instead."
        )


def _tiers(tiers: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if len(tiers) > MOST_TIERS:
        raise Invalid(f"A price has at most {MOST_TIERS} tiers; this has {len(tiers)}.")
    checked: list[dict[str, Any]] = []
    for tier in tiers:
        start = tier.get("from_input_tokens")
        least = checked[-1]["from_input_tokens"] + 1 if checked else 1
        if not isinstance(start, int) or isinstance(start, bool) or not least <= start <= MOST_TOKENS:
            raise Invalid(f"A tier begins above a whole number of input tokens, at least {least:,}; this is {start!r}.")
        checked.append({"from_input_tokens": start, **_rates(tier, f" above {start:,} tokens")})
    return checked


def _rates(given: Mapping[str, Any], where: str) -> dict[str, str]:
    """Return rates as canonical decimal text; cache rates that are not given are left out."""
    unknown = set(given) - set(RATES) - {"from_input_tokens"}
    if unknown:
        raise Invalid(f"A price has no {', '.join(sorted(unknown))}; it has {', '.join(RATES)}.")
    return {
        name: _rate(given.get(name), f"The {word} rate{where}")
        for name, word in RATES.items()
        if given.get(name) not in (None, "") or name in ("input_usd_per_mtok", "output_usd_per_mtok")
    }


def _rate(given: Any, what: str) -> str:
    return _amount(given, what, "per million tokens", finest=9)


def _amount(given: Any, what: str, per: str, *, finest: int) -> str:
    """Return dollars as canonical decimal text, with at most *finest* decimals."""
    amount = written_number(given)
    if amount is None or amount > MOST_USD_PER_MTOK:
        raise Invalid(f"{what} is an amount of dollars {per}, from 0 to {MOST_USD_PER_MTOK:,}, such as 0.15.")
    exact = amount.scaleb(finest)
    if exact != exact.to_integral_value():
        raise Invalid(f"{what} has at most {finest} decimals; this is {given}.")
    return as_dollars(nano_usd(amount))


def _percent(given: str) -> str:
    percent = written_number(str(given).removesuffix("%"))
    if percent is None or not 0 < percent <= 100 or percent.scaleb(4) != percent.scaleb(4).to_integral_value():
        raise Invalid("A discount is a percentage above 0, at most 100, with at most 4 decimals, such as 12.5.")
    return f"{percent.normalize():f}"


def _numbers(row: Mapping[str, Any], provider: str) -> Rates:
    """Return the rates of a row or a tier; a cache rate that is missing is the input's.

    Anthropic's writing for an hour costs twice the input where that for five minutes costs 1.25 times as much: an
    operator gives the latter, and the former keeps its distance.
    """
    fresh = nano_usd(row["input_usd_per_mtok"])
    cached, written = row.get("cached_usd_per_mtok"), row.get("cache_write_usd_per_mtok")
    short = fresh if written is None else nano_usd(written)
    return Rates(
        fresh=fresh,
        cached=fresh if cached is None else nano_usd(cached),
        written=short,
        output=nano_usd(row["output_usd_per_mtok"]),
        written_1h=-(-short * 8 // 5) if maker_of(provider) == "anthropic" and written is not None else None,
    )
