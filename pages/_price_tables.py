"""The tables of the page Prices. Knows no Streamlit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import pandas as pd

from core.pricing import Override, PriceBook, PricedModel, usd
from core.repricing import OldFigure, RepricingPreview
from pages import _formats

EVERYONE = "all tenants"
GONE = "a tenant that is gone"
STATES = {
    "active": ":green-badge[:material/check: Active]",
    "future": ":blue-badge[:material/schedule: Begins later]",
    "past": ":gray-badge[:material/history: Past]",
    "withdrawn": ":gray-badge[:material/undo: Withdrawn]",
}
"""How each state of an override is shown."""


def listed(models: Sequence[PricedModel], book: PriceBook, now: datetime) -> pd.DataFrame:
    """Return what each model costs today: rates as text, as they are frozen on attempts; unpriced ones without any."""
    rows: list[dict[str, Any]] = []
    for one in models:
        terms = book.terms(one.provider, one.model, now)
        price = terms.price if terms else None
        rows.append(
            {
                "model": f"{one.provider}/{one.model}",
                "input": price.input_usd_per_mtok if price else None,
                "cached": price.cached_usd_per_mtok if price else None,
                "written": price.cache_write_usd_per_mtok if price else None,
                "output": price.output_usd_per_mtok if price else None,
                "source": price.source if price else "unpriced",
                "date": price.date[:10] if price else None,
                "calls": one.calls,
            }
        )
    return pd.DataFrame(rows, columns=["model", "input", "cached", "written", "output", "source", "date", "calls"])


def whom(override: Override, names: Mapping[str, str]) -> str:
    """Return for whom an override is."""
    return names.get(override.tenant_id, GONE) if override.tenant_id else EVERYONE


def over(overrides: Sequence[Override], states: Mapping[str, str], names: Mapping[str, str]) -> pd.DataFrame:
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


def differences(preview: RepricingPreview) -> pd.DataFrame:
    """Return what a re-pricing does to each tenant."""
    return pd.DataFrame(
        [
            {
                "Attempts": f"{one.attempts:,}",
                "Unpriced before": f"{one.unpriced:,}",
                "Recorded": _formats.dollars(one.before_nano_usd).replace("$", "\\$"),
                "Anew": _formats.dollars(one.after_nano_usd).replace("$", "\\$"),
            }
            for one in preview.tenants
        ],
        index=[one.tenant for one in preview.tenants],
    )


def old(figures: Sequence[OldFigure]) -> pd.DataFrame:
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
