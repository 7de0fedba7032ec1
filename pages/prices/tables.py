"""The tables of the page Prices. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from core.pricing import SOURCE, OverridingPrice, PriceBook, PricedModel, PriceTerms, as_dollars, usd
from core.repricing import OldFigure, RepricingPreview
from pages.kit import formats
from pages.kit.frames import Frame, pd

EVERYONE = "all tenants"
GONE = "a tenant that is gone"
STATES = {
    "active": ":green-badge[:material/check: Active]",
    "future": ":blue-badge[:material/schedule: Begins later]",
    "past": ":gray-badge[:material/history: Past]",
    "withdrawn": ":gray-badge[:material/undo: Withdrawn]",
}
"""How each state of an override is shown."""


def listed(models: Sequence[PricedModel], book: PriceBook, now: datetime) -> Frame:
    """Return what each model costs today, in dollars per million tokens; unpriced ones have no rates."""
    rows: list[dict[str, Any]] = []
    for one in models:
        terms = book.terms(one.provider, one.model, now)
        base = terms.base if terms else None
        rows.append(
            {
                "model": one.subject,
                "input": as_dollars(base.fresh) if base else None,
                "cached": as_dollars(base.cached) if base else None,
                "written": as_dollars(base.written) if base else None,
                "output": as_dollars(base.output) if base else None,
                "long": _tiers(terms) if terms else None,
                "source": _source(one, terms),
                "date": terms.price.date[:10] if terms else None,
                "calls": one.calls,
            }
        )
    columns = ["model", "input", "cached", "written", "output", "long", "source", "date", "calls"]
    return pd.DataFrame(rows, columns=columns)


def exact(models: Sequence[PricedModel], book: PriceBook, now: datetime) -> Frame:
    """Return the same for a download, each price as it is frozen on attempts."""
    rows: list[dict[str, Any]] = []
    for one in models:
        terms = book.terms(one.provider, one.model, now)
        frozen = terms.price.as_dict() if terms else {"source": _source(one, terms)}
        rows.append({"asked_for": one.subject, **frozen, "calls_in_30_days": one.calls})
    return pd.DataFrame(rows)


def _source(one: PricedModel, terms: PriceTerms | None) -> str:
    if not one.provider:
        return "names that no route has"
    return terms.price.source.replace(f" off {SOURCE}", " off the list") if terms else "unpriced"


def _tiers(terms: PriceTerms) -> str | None:
    steps = [f"above {above:,}: {as_dollars(r.fresh)} / {as_dollars(r.output)}" for above, r in terms.tiers]
    return "; ".join(steps) or None


def whom(override: OverridingPrice, names: Mapping[str, str]) -> str:
    """Return for whom an override is."""
    return names.get(override.tenant_id, GONE) if override.tenant_id else EVERYONE


def over(overrides: Sequence[OverridingPrice], states: Mapping[str, str], names: Mapping[str, str]) -> Frame:
    """Return overrides for a download, times in UTC."""
    return pd.DataFrame(
        [
            {
                "id": one.id,
                "model": one.subject,
                "for": whom(one, names),
                "from_at": one.from_at,
                "price": one.sentence,
                "state": states[one.id],
                "reason": one.reason,
                "set_by": one.actor,
                "set_at": one.created_at,
                "withdrawn_at": one.withdrawn_at,
            }
            for one in overrides
        ]
    )


def differences(preview: RepricingPreview) -> Frame:
    """Return what a re-pricing does to each tenant."""
    return pd.DataFrame(
        [
            {
                "Attempts": f"{one.attempts:,}",
                "Unpriced before": f"{one.unpriced:,}",
                "Recorded": formats.dollars(one.before_nano_usd).replace("$", "\\$"),
                "Repriced": formats.dollars(one.after_nano_usd).replace("$", "\\$"),
            }
            for one in preview.tenants
        ],
        index=[one.tenant for one in preview.tenants],
    )


def old(figures: Sequence[OldFigure]) -> Frame:
    """Return the old figures of a re-pricing for a download."""
    return pd.DataFrame(
        [
            {
                "call": one.generation_id,
                "attempt": one.attempt_id,
                "began_at": one.started_at,
                "before_nano_usd": one.before_nano_usd,
                "after_nano_usd": one.after_nano_usd,
                "before_usd": usd(one.before_nano_usd),
                "after_usd": usd(one.after_nano_usd),
                "source_before": (one.price_before or {}).get("source"),
            }
            for one in figures
        ]
    )
