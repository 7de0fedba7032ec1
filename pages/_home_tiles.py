"""The tiles and tables of Home."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pandas as pd
import streamlit as st

from core.reports import ENOUGH, Overview, Totals
from pages import _formats

FAILING = 0.1
NEAR = 0.8
STATUSES = {"Healthy": "green", "Failing": "red", "Over budget": "red", "Near budget": "orange", "Quiet": "gray"}
ROW = 34
_C = st.column_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """One figure with its trend and its change since the period before."""

    label: str
    value: str
    delta: str | None
    better: Literal["normal", "inverse", "off"]
    """Whether more is better (normal), worse (inverse) or neither (off)."""
    trend: Sequence[float | None]
    help: str
    beside: str | None = None
    """What limits the figure, in two words."""


def tiles(overview: Overview, range_name: str) -> list[Tile]:
    """Return Home's six figures; each says what it is, from how many calls, and what it is compared with."""
    now, before, series = overview.totals, overview.previous, overview.series
    than = f" The change is against the {range_name} before."
    comparable = min(now.valid + now.errors, before.valid + before.errors) >= ENOUGH
    return [
        Tile(
            label="Calls",
            value=_formats.count(now.calls),
            delta=_formats.change(now.calls, before.calls),
            better="off",
            trend=series["calls"].tolist(),
            help=f"Generations that began in this window: {now.valid:,} valid, {now.errors:,} in error, "
            f"{now.blocked:,} blocked by policy, {now.cancelled:,} cancelled by their caller.{than}",
        ),
        _latency(now, before, series, than),
        Tile(
            label="Error rate",
            value=_formats.percent(now.error_rate, 2),
            delta=_formats.points(now.error_rate, before.error_rate) if comparable else None,
            better="inverse",
            trend=_known(series["error_rate"]),
            help="Calls that ended invalid, truncated, refused by the model, content-filtered, in a provider error or "
            f"a timeout, among those that ended by themselves: {now.errors:,} of {now.errors + now.valid:,}. "
            f"Blocked and cancelled calls are in neither.{than}",
        ),
        Tile(
            label="Validity",
            value=_formats.percent(now.validity, 1),
            delta=_formats.points(now.validity, before.validity) if comparable else None,
            better="normal",
            trend=_known(series["validity"]),
            help=f"Valid objects among the {_formats.plural(now.reached, 'call')} that reached a provider. "
            f"{now.first_try:,} were valid at the first try.{than}",
        ),
        _spend(now, before, series, than),
        Tile(
            label="Cost per valid",
            value=_formats.UNKNOWN
            if now.cost_per_valid_nano_usd is None
            else _formats.dollars(now.cost_per_valid_nano_usd),
            delta=_formats.change(now.cost_per_valid_nano_usd, before.cost_per_valid_nano_usd) if comparable else None,
            better="inverse",
            trend=_known(series["cost_per_valid_usd"]),
            help="All spend per valid object, that of failed attempts included; only wholly priced calls count. "
            f"{_wasted(now)}{than}",
        ),
    ]


def _latency(now: Totals, before: Totals, series: pd.DataFrame, than: str) -> Tile:
    enough = now.latency.timed >= ENOUGH
    comparable = enough and before.latency.timed >= ENOUGH
    return Tile(
        label="p95 latency",
        value=_formats.millis(now.latency.p95 if enough else None),
        delta=_formats.change(now.latency.p95, before.latency.p95) if comparable else None,
        beside=None if enough else f"from {ENOUGH} calls on",
        better="inverse",
        trend=_known(series["p95"]),
        help="95 % of the calls that reached a provider took at most this long, from the door to the record, re-asks "
        f"and fallbacks included. Exact, over {_formats.plural(now.latency.timed, 'call')}.{than}",
    )


def _spend(now: Totals, before: Totals, series: pd.DataFrame, than: str) -> Tile:
    tokens = f"Input {_formats.short(now.input_tokens)} tokens ({_formats.short(now.cached_tokens)} of them cached)"
    return Tile(
        label="Spend",
        value=_formats.dollars(now.spend_nano_usd),
        delta=_formats.change(now.spend_nano_usd, before.spend_nano_usd),
        beside=f"{_formats.short(now.unpriced_calls)} unpriced" if now.unpriced_calls else None,
        better="off",
        trend=series["spend_usd"].tolist(),
        help="What the attempts of these calls cost, at the prices frozen on them. Models without a known price are "
        f"left out and counted: {_formats.plural(now.unpriced_calls, 'call')}. "
        f"{tokens}, output {_formats.short(now.output_tokens)}.{than}",
    )


def _wasted(now: Totals) -> str:
    if not now.spend_nano_usd:
        return ""
    share = _formats.percent(now.wasted_nano_usd / now.spend_nano_usd)
    return f"{share} of the spend went to attempts that gave no valid object."


def _known(figures: pd.Series[float]) -> list[float]:
    return figures.dropna().tolist()


def draw_tiles(overview: Overview, range_name: str) -> None:
    """Draw the figures in a row that folds on narrow screens."""
    with st.grid(6, min_column_width=150, gap="small"):
        for tile in tiles(overview, range_name):
            flat = tile.delta is not None and tile.delta.startswith("0")
            st.metric(
                tile.label,
                tile.value,
                0 if flat else tile.delta,
                delta_color=tile.better,
                delta_description=tile.beside,
                help=tile.help,
                border=True,
                height="stretch",
                chart_data=tile.trend if len(tile.trend) > 1 else None,
                chart_type="area",
            )


def status(row: Any) -> list[str]:
    """Return what a tenant's row of the table is to be called, the gravest first."""
    found: list[str] = []
    if row.error_rate >= FAILING and row.calls >= ENOUGH:
        found.append("Failing")
    if row.used >= 1:
        found.append("Over budget")
    elif row.used >= NEAR:
        found.append("Near budget")
    return found or (["Healthy"] if row.calls else ["Quiet"])


def _height(rows: int) -> int:
    """Return the height of a grid that shows *rows* rows, its head and its borders, up to ten."""
    return ROW * (min(rows, 10) + 1) + 2


def draw_tenants(overview: Overview) -> str | None:
    """Draw the table of tenants; return the name of the one that was clicked."""
    frame = overview.tenants.copy()
    frame["status"] = [status(row) for row in frame.itertuples()]
    frame["p95"] = frame["p95"].where(frame["timed"] >= ENOUGH) / 1000
    frame[["error_rate", "validity", "used"]] *= 100
    names = ["tenant", "status", "calls", "trend", "p95", "error_rate", "validity", "spend_usd", "used"]
    event: Any = st.dataframe(
        frame[names],
        hide_index=True,
        height=_height(len(frame)),
        row_height=ROW,
        key="tenants_table",
        on_select="rerun",
        selection_mode="single-cell",
        placeholder="–",  # noqa: RUF001
        alt="Tenants by spend, with calls, latency, error rate, validity and budget",
        column_config={
            "tenant": _C.TextColumn("Tenant", pinned=True, width=150),
            "status": _C.MultiselectColumn("Status", options=list(STATUSES), color=list(STATUSES.values()), width=130),
            "calls": _C.NumberColumn("Calls", format="localized", width=70),
            "p95": _C.NumberColumn("p95", format="%.2f s", width=84, help=f"From {ENOUGH} calls on"),
            "error_rate": _C.NumberColumn("Errors", format="%.1f%%", width=84),
            "validity": _C.NumberColumn("Valid", format="%.1f%%", width=84),
            "spend_usd": _C.NumberColumn(
                "Spend", format="$%,.2f", width=84, help="A dash: no model of theirs is priced"
            ),
            "used": _C.ProgressColumn(
                "Budget used", format="%.0f%%", min_value=0, max_value=100, width=160, help="Of the current period"
            ),
            "trend": _C.AreaChartColumn("Over time", width=130),
        },
    )
    cells = event.selection.cells
    return str(frame["tenant"].iloc[cells[0][0]]) if cells else None


def draw_fields(overview: Overview) -> Any:
    """Draw the fields that fail most; return the row that was clicked, with ``schema`` and ``path``."""
    frame = overview.fields
    shown = pd.DataFrame(
        {
            "schema": [
                name if pd.isna(version) else f"{name} v{version}"
                for name, version in zip(frame["schema"], frame["version"], strict=True)
            ],
            "path": frame["path"],
            "type": frame["type"],
            "errors": frame["errors"],
            "repaired": 100 * frame["repaired"] / frame["errors"],
        }
    )
    event: Any = st.dataframe(
        shown,
        hide_index=True,
        height=_height(len(frame)),
        row_height=ROW,
        key="fields_table",
        on_select="rerun",
        selection_mode="single-cell",
        alt="Fields of schemas by number of validation errors",
        column_config={
            "schema": _C.TextColumn("Schema", width=116),
            "path": _C.TextColumn("Field", width=150),
            "type": _C.TextColumn("Rule it broke", width=176),
            "errors": _C.NumberColumn("Errors", format="localized", width=56),
            "repaired": _C.ProgressColumn(
                "Repaired",
                format="%.0f%%",
                min_value=0,
                max_value=100,
                width=104,
                help="Whose call ended valid after all",
            ),
        },
    )
    cells = event.selection.cells
    return frame.iloc[cells[0][0]] if cells else None
