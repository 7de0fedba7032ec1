"""The tables of Spend: what the money bought, the caches, the forecasts. Each has its CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from core.reports import Forecast, Spend
from pages.kit import formats, links
from pages.kit.frames import Frame, grid, pd
from pages.kit.links import Destination

KINDS = {"By tenant": "tenants", "By model": "models", "By schema": "schemas"}
"""What the table of the money can be cut by."""
_HEADS = {"tenants": "Tenant", "models": "Model", "schemas": "Schema"}
_LEADS = {"tenants": links.of_tenant, "models": links.of_model, "schemas": links.of_schema}
_C = st.column_config
_FORECAST = ("tenant", "spent", "expected", "interval", "budget", "used_up", "days")


def draw_breakdown(found: Spend, kind: str, opens: Callable[[str], Destination]) -> None:
    """Draw what the money bought, by *kind*, and where a row leads."""
    frame: Frame = found.frame(kind)
    shown = pd.DataFrame(
        {
            "name": [line.key if kind == "schemas" else line.names[0] for line in getattr(found, kind)],
            "calls": frame["calls"],
            "valid": frame["valid"],
            "attempts": frame["attempts"],
            "spend": frame["spend_usd"],
            "each": frame["cost_per_valid_usd"],
            "discarded": frame["discarded_usd"],
            "share": 100 * frame["discarded_share"],
            "unpriced": frame["unpriced_calls"],
            "estimated": frame["estimated_usd"],
        }
    )
    grid(
        shown,
        opens=lambda row: opens(str(getattr(found, kind)[row].names[0])),
        key=f"breakdown_{kind}",
        leads={"name": _LEADS[kind]},
        alt=f"What was spent {kind.rstrip('s')} by {kind.rstrip('s')}, what it bought and what was thrown away",
        columns={
            "name": _C.TextColumn(_HEADS[kind], pinned=True, width=190),
            "calls": _C.NumberColumn("Calls", format="localized", width=64),
            "valid": _C.NumberColumn("Valid", format="localized", width=64, help="Objects that callers got"),
            "attempts": _C.NumberColumn("Attempts", format="localized", width=72),
            "spend": _C.NumberColumn("Spend", format="$%,.4f", width=92, help="A dash: nothing of it has a price"),
            "each": _C.NumberColumn("Per valid", format="$%.5f", width=84, help="Over what is wholly priced"),
            "discarded": _C.NumberColumn("Thrown away", format="$%,.4f", width=96),
            "share": _C.ProgressColumn("Of its spend", format="%.1f%%", min_value=0, max_value=100, width=120),
            "unpriced": _C.NumberColumn("Unpriced", format="localized", width=74, help="Calls; not in the spend"),
            "estimated": _C.NumberColumn("Estimated", format="$%,.4f", width=84, help="In the spend"),
        },
    )


def draw_caches(found: Spend) -> None:
    """Draw what caches held and saved, by tenant."""
    frame: Frame = found.frame("tenants")
    shown = pd.DataFrame(
        {
            "tenant": frame["tenant"],
            "cached": frame["cached_tokens"],
            "rate": 100 * frame["hit_rate"],
            "saved": frame["cache_saved_usd"],
            "answers": frame["answers"],
            "again": 100 * frame["answer_rate"],
            "spared": frame["answers_saved_usd"],
        }
    )
    grid(
        shown,
        key="caches_table",
        leads={"tenant": links.of_tenant},
        alt="What prompt caching and our own cache saved, by tenant",
        columns={
            "tenant": _C.TextColumn("Tenant", pinned=True, width=140),
            "cached": _C.NumberColumn("Cached tokens", format="localized", width=96),
            "rate": _C.ProgressColumn("Of input", format="%.1f%%", min_value=0, max_value=100, width=96),
            "saved": _C.NumberColumn("Saved", format="$%,.4f", width=76),
            "answers": _C.NumberColumn("Cache hits", format="localized", width=80, help="By our own cache"),
            "again": _C.ProgressColumn("Of objects", format="%.1f%%", min_value=0, max_value=100, width=96),
            "spared": _C.NumberColumn("Saved by hits", format="$%,.4f", width=80),
        },
    )


def forecasts_frame(forecasts: Sequence[Forecast]) -> Frame:
    """Return forecasts as a table for an export; money in dollars and, exact, in nano-dollars."""
    rows = [
        {
            "tenant": one.tenant,
            "month": one.month,
            "timezone": one.timezone,
            "days": one.days,
            "spent_nano_usd": one.spent,
            "expected_nano_usd": one.expected,
            "low_nano_usd": one.low,
            "high_nano_usd": one.high,
            "limit_nano_usd": one.budget.limit_nano_usd if one.budget else None,
            "exhausts_chance": one.exhausts_chance,
            "exhausts_on": one.exhausts_on,
            "exhausts_from": one.exhausts_from,
            "exhausts_until": one.exhausts_until,
        }
        for one in forecasts
    ]
    frame = pd.DataFrame(rows)
    return frame.astype({name: "Int64" for name in frame.columns if name.endswith("_nano_usd")})


def used_up(coming: Forecast) -> str:
    """Return when a budget is used up, in a few words."""
    if coming.budget is None:
        return "no budget"
    if coming.is_exhausted:
        return "used up"
    if coming.exhausts_chance is None:
        return formats.UNKNOWN
    if coming.exhausts_on is not None:
        return f"{coming.exhausts_on:%b %d}"
    return "lasts" if not coming.exhausts_chance else f"perhaps ({formats.percent(coming.exhausts_chance, 0)})"


def draw_forecasts(forecasts: Sequence[Forecast]) -> None:
    """Draw how each tenant's month will probably end."""
    shown = pd.DataFrame(
        [
            (
                one.tenant,
                one.spent / 1e9,
                None if one.expected is None else one.expected / 1e9,
                f"{formats.dollars(one.low)} to {formats.dollars(one.high)}" if one.is_known else "too few days",
                one.budget.limit_nano_usd / 1e9 if one.budget else None,
                used_up(one),
                one.days,
            )
            for one in forecasts
        ],
        columns=list(_FORECAST),
    ).astype({"expected": float, "budget": float})
    grid(
        shown,
        key="forecast_table",
        leads={"tenant": links.of_tenant},
        alt="How each tenant's month will probably end, and when its budget is used up",
        columns={
            "tenant": _C.TextColumn("Tenant", pinned=True, width=140),
            "spent": _C.NumberColumn("So far", format="$%,.2f", width=70),
            "expected": _C.NumberColumn("Month-end", format="$%,.2f", width=80),
            "interval": _C.TextColumn("Probably between", width=130),
            "budget": _C.NumberColumn("Budget", format="$%,.2f", width=74),
            "used_up": _C.TextColumn("Used up", width=92, help="The day in the middle of all futures that were drawn"),
            "days": _C.NumberColumn("Days", width=50, help="Whole past days that it rests on"),
        },
    )
