"""Prices: what models cost, what an operator says they cost, and history re-priced."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from core.cli._command import Output, command, proctor, reasoned, table
from core.cli._figures import usd
from core.cli._operator import OPERATOR
from core.clock import minute
from core.errors import Invalid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.pricing import OverridingPrice, PriceTerms
    from core.repricing import RepricingPreview
    from core.runtime import Runtime
    from core.tables import Repricing

_TIMES = ("%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M:%S")
_IN_USE_DAYS = 30
_EVERYONE = "all tenants"


class _Moment(click.ParamType[datetime]):
    """A time in UTC."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """Read ``2026-12-01`` or ``2026-12-01T18:00``."""
        for form in _TIMES:
            with suppress(ValueError):
                return datetime.strptime(str(value).removesuffix("Z"), form).replace(tzinfo=UTC)
        return self.fail(f"{value!r} is not a time; write it like 2026-12-01 or 2026-12-01T18:00, in UTC.", param, ctx)


@proctor.group("price")
def price_group() -> None:
    """What models cost: the price list, and where an operator knows better, the operator's word."""


@command(price_group, "list")
@click.option("--tenant", help="What they cost this tenant; without it, what they cost all that have no own price.")
def list_prices(runtime: Runtime, tenant: str | None) -> Output:
    """Show what the models in use cost today, and every override."""
    now = runtime.clock.now()
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    book = runtime.prices.book(OPERATOR, owner.id if owner else "")
    models = runtime.prices.in_use(OPERATOR, now - timedelta(days=_IN_USE_DAYS), _routed(runtime))
    found = [(one, book.terms(one.provider, one.model, now)) for one in models]
    rows = [(one.subject, *_rates(terms), f"{one.calls:,}") for one, terms in found]
    heads = ("MODEL", "INPUT", "CACHED", "WRITTEN", "OUTPUT", "SOURCE", "DATE", "CALLS")
    text = [
        f"Dollars per million tokens today, for {owner.name if owner else _EVERYONE}:",
        table(heads, rows) if rows else "No model is in use.",
    ]
    overrides = _overrides(runtime, now)
    if overrides:
        own = [
            (one["id"], one["model"], one["tenant"], one["from_at"][:16].replace("T", " "), one["state"], one["price"])
            for one in overrides
        ]
        text += ["", "Overrides, times in UTC:", table(("ID", "MODEL", "FOR", "FROM", "STATE", "PRICE"), own)]
    document = {
        "tenant": owner.name if owner else None,
        "prices": [
            {
                "model": one.subject,
                "calls": one.calls,
                "price": terms.price.as_dict() if terms else None,
            }
            for one, terms in found
        ],
        "overrides": overrides,
    }
    return Output(document, "\n".join(text))


@command(price_group, "set")
@click.argument("model")
@click.option("--input", "fresh", metavar="USD", help="Dollars per million input tokens.")
@click.option("--output", metavar="USD", help="Dollars per million output tokens.")
@click.option("--cached", metavar="USD", help="Input read from the provider's cache. Without it: as input.")
@click.option("--cache-write", metavar="USD", help="Input written to the provider's cache. Without it: as input.")
@click.option(
    "--tier",
    "tiers",
    multiple=True,
    metavar="TOKENS:IN:OUT",
    help="Rates of calls with more input than that; :CACHED:WRITTEN may follow. Repeat for more tiers.",
)
@click.option("--discount", metavar="PERCENT", help="So much off the price list, instead of rates.")
@click.option("--per-1000-uses", metavar="USD", help="Of provider/tool:NAME, a tool that the provider runs.")
@click.option("--list-price", is_flag=True, help="The price list again, instead of rates.")
@click.option("--tenant", help="For this tenant alone.")
@click.option("--from", "from_at", type=_Moment(), help="When it begins, in UTC. Without it: now.")
@click.option("--reason", default="", help="Why, such as the contract.")
def set_price(  # noqa: PLR0917 one for each option
    runtime: Runtime,
    model: str,
    fresh: str | None,
    output: str | None,
    cached: str | None,
    cache_write: str | None,
    tiers: Sequence[str],
    discount: str | None,
    per_1000_uses: str | None,
    list_price: bool,  # noqa: FBT001 a switch
    tenant: str | None,
    from_at: datetime | None,
    reason: str,
) -> Output:
    """Say what a model costs from a time on; MODEL is provider/name, provider/* or provider/tool:NAME."""
    provider, name = _model(model)
    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    rates = _given(fresh, output, cached, cache_write)
    made = runtime.prices.set(
        OPERATOR,
        provider,
        name,
        tenant=owner,
        from_at=from_at,
        rates=rates if rates or tiers else None,
        tiers=[_tier(one) for one in tiers],
        discount_percent=discount,
        back_to_list=list_price,
        usd_per_1000_uses=per_1000_uses,
        reason=reason,
    )
    now = runtime.clock.now()
    document = next(one for one in _overrides(runtime, now) if one["id"] == made.id)
    text = (
        f"{made.subject} costs {made.sentence} from {minute(made.from_at)} on, for {document['tenant']}. "
        f"Its id is {made.id}."
    )
    aside = ""
    if from_at is not None and from_at < now:
        aside = "Calls that were recorded keep their price. To re-price them: proctor price reprice"
    return Output(document, text, aside)


@command(price_group, "withdraw")
@click.argument("override")
@reasoned
def withdraw_price(runtime: Runtime, override: str, reason: str) -> Output:
    """Take an override back, as if it had never been set; what was recorded keeps its price."""
    gone = runtime.prices.withdraw(OPERATOR, override, reason=reason)
    document = next(one for one in _overrides(runtime, runtime.clock.now()) if one["id"] == gone.id)
    text = f"The price of {gone.subject} ({gone.sentence}) for {document['tenant']} is withdrawn."
    return Output(document, f"{text} Calls that were recorded keep it.")


@command(price_group, "unpriced")
def list_unpriced(runtime: Runtime) -> Output:
    """Show the models that were called in the last 92 days and have no price: work to do."""
    found = runtime.prices.unpriced(OPERATOR, _routed(runtime))
    rows = [
        (
            one.subject,
            f"{one.calls:,}",
            f"{one.input_tokens:,}",
            f"{one.output_tokens:,}",
            f"{one.first_at:%Y-%m-%d}",
            f"{one.last_at:%Y-%m-%d}",
            ", ".join(one.tenants),
        )
        for one in found
    ]
    heads = ("MODEL", "ATTEMPTS", "TOKENS IN", "TOKENS OUT", "FIRST", "LAST", "TENANTS")
    return Output(
        {"unpriced": found},
        table(heads, rows) if rows else "Every call of the last 92 days that was paid for has a price.",
        "Next: proctor price set MODEL --input … --output … --from …, then proctor price reprice" if rows else "",
    )


@command(price_group, "reprice")
@click.option("--provider", required=True, help="Whose calls.")
@click.option("--model", required=True, help="Which model's calls, or * for every model of the provider.")
@click.option("--from", "starts_at", required=True, type=_Moment(), help="Calls that began from here on, in UTC.")
@click.option("--to", "ends_at", required=True, type=_Moment(), help="Calls that began before, in UTC.")
@click.option("--tenant", help="Only this tenant's calls.")
@click.option("--reason", default="", help="Why; needed unless nothing is changed, and kept for ever.")
@click.option("--dry-run", is_flag=True, help="Only show what would change.")
def reprice(  # noqa: PLR0917 one for each option
    runtime: Runtime,
    provider: str,
    model: str,
    starts_at: datetime,
    ends_at: datetime,
    tenant: str | None,
    reason: str,
    dry_run: bool,  # noqa: FBT001 a switch
) -> Output:
    """Put the present prices of that time in the place of those that were recorded; the old figures are kept."""
    from core.repricing import RepricingScope  # noqa: PLC0415

    owner = runtime.tenants.find(OPERATOR, tenant) if tenant else None
    scope = RepricingScope(
        provider=provider,
        model=model,
        starts_at=starts_at,
        ends_at=ends_at,
        tenant_id=owner.id if owner else "",
    )
    preview = runtime.repricings.preview(OPERATOR, scope)
    if dry_run:
        return Output(_previewed(preview) | {"repricing_id": None}, _told(preview, "would be"), "Nothing was changed.")
    done = runtime.repricings.reprice(OPERATOR, scope, reason, expected=preview)
    text = f"{_told(preview, 'were')}\nThe old figures are kept: proctor price repricings {done.id}"
    return Output(_previewed(preview) | {"repricing_id": done.id}, text)


@command(price_group, "repricings")
@click.argument("repricing", required=False, metavar="[REPRICING]")
def list_repricings(runtime: Runtime, repricing: str | None) -> Output:
    """Show every re-pricing of history, or with its id one of them with the old figures of each attempt."""
    if repricing is None:
        found = runtime.repricings.list(OPERATOR)
        rows = [_row(one) for one in found]
        heads = ("ID", "AT", "BY", "MODEL", "ATTEMPTS", "BEFORE", "AFTER", "REASON")
        text = table(heads, rows) if rows else "History was never re-priced."
        return Output({"repricings": [one.model_dump() for one in found]}, text)
    one = runtime.repricings.find(OPERATOR, repricing)
    old = list(runtime.repricings.old_figures(OPERATOR, repricing))
    rows = [
        (
            f"{past.started_at:%Y-%m-%d %H:%M:%S}",
            past.generation_id,
            usd(past.before_nano_usd),
            usd(past.after_nano_usd),
        )
        for past in old
    ]
    text = f"{one.reason}\n{table(('BEGAN', 'GENERATION', 'BEFORE', 'AFTER'), rows)}"
    return Output(one.model_dump() | {"old_figures": old}, text)


def _model(model: str) -> tuple[str, str]:
    from core.servers import provider_of  # noqa: PLC0415

    try:
        return provider_of(model)
    except ValueError as error:
        raise Invalid(f"The model {error}.") from None


def _given(fresh: str | None, output: str | None, cached: str | None, written: str | None) -> dict[str, str]:
    names = ("input_usd_per_mtok", "output_usd_per_mtok", "cached_usd_per_mtok", "cache_write_usd_per_mtok")
    values = (fresh, output, cached, written)
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


def _tier(written: str) -> dict[str, Any]:
    parts = written.split(":")
    if len(parts) not in (3, 4, 5) or not parts[0].replace("_", "").isdecimal():
        raise Invalid(f"{written!r} is not a tier; write it like 200000:6:22.5, which is TOKENS:IN:OUT.")
    rates = [part or None for part in (*parts[1:], "", "")][:4]
    return {"from_input_tokens": int(parts[0]), **_given(*rates)}


def _routed(runtime: Runtime) -> list[tuple[str, str]]:
    routes = runtime.routes.list(OPERATOR)
    return [(one.provider, one.model) for route in routes for one in route.terms.candidates]


def _rates(terms: PriceTerms | None) -> tuple[str, ...]:
    if terms is None:
        return ("unpriced", "", "", "", "", "")
    price = terms.price
    return (
        price.input_usd_per_mtok,
        price.cached_usd_per_mtok,
        price.cache_write_usd_per_mtok,
        price.output_usd_per_mtok,
        price.source,
        price.date[:10],
    )


def _overrides(runtime: Runtime, now: datetime) -> list[dict[str, Any]]:
    from core.pricing import states  # noqa: PLC0415

    found = runtime.prices.overrides(OPERATOR)
    stand = states(found, now)
    names = {tenant.id: tenant.name for tenant in runtime.tenants.list(OPERATOR)}

    def document(one: OverridingPrice) -> dict[str, Any]:
        return {
            "id": one.id,
            "model": one.subject,
            "tenant": names.get(one.tenant_id, "a tenant that is gone") if one.tenant_id else _EVERYONE,
            "from_at": one.from_at.isoformat(),
            "kind": one.kind.value,
            "price": one.sentence,
            "state": stand[one.id],
            "reason": one.reason,
            "actor": one.actor,
            "created_at": one.created_at.isoformat(),
            "withdrawn_at": one.withdrawn_at.isoformat() if one.withdrawn_at else None,
        }

    return [document(one) for one in found]


def _previewed(preview: RepricingPreview) -> dict[str, Any]:
    return {
        "model": preview.scope.subject,
        "starts_at": preview.scope.starts_at,
        "ends_at": preview.scope.ends_at,
        "attempts": preview.attempts,
        "unpriced_before": preview.unpriced,
        "before_nano_usd": preview.before_nano_usd,
        "after_nano_usd": preview.after_nano_usd,
        "unchanged": preview.unchanged,
        "still_unpriced": preview.still_unpriced,
        "gone": preview.gone,
        "tenants": preview.tenants,
    }


def _told(preview: RepricingPreview, were: str) -> str:
    said = (
        f"{preview.attempts:,} attempts {were} re-priced ({preview.unpriced:,} of them had no price): "
        f"{usd(preview.before_nano_usd)} before, {usd(preview.after_nano_usd)} after. "
        f"{preview.unchanged:,} cost the same, {preview.still_unpriced:,} have no price even now."
    )
    if preview.gone:
        said += f" {preview.gone:,} more are not kept any more, and stay as they were."
    if preview.tenants:
        rows = [
            (one.tenant, f"{one.attempts:,}", usd(one.before_nano_usd), usd(one.after_nano_usd))
            for one in preview.tenants
        ]
        said = f"{said}\n{table(('TENANT', 'ATTEMPTS', 'BEFORE', 'AFTER'), rows)}"
    return said


def _row(one: Repricing) -> tuple[str, ...]:
    return (
        one.id,
        f"{one.at:%Y-%m-%d %H:%M}",
        one.actor,
        f"{one.provider}/{one.model}",
        f"{one.attempts:,}",
        usd(one.before_nano_usd),
        usd(one.after_nano_usd),
        one.reason,
    )
