"""The tables of Home. Each takes where what was clicked leads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import streamlit as st

from core.reports import ENOUGH, Overview
from core.schemas import version_name
from pages.kit import links
from pages.kit.frames import Frame, grid, pd
from pages.kit.links import Destination

FAILING = 0.1
NEAR = 0.8
STATUSES = {
    "Healthy": "green",
    "Blocking": "red",
    "Failing": "red",
    "Errors": "orange",
    "Few calls": "gray",
    "Over budget": "red",
    "Near budget": "orange",
    "Quiet": "gray",
}
_C = st.column_config


class Field(NamedTuple):
    """A field of a schema."""

    schema: str
    path: str


def status(row: Any) -> list[str]:
    """Return what a tenant's row of the table is to be called, the gravest first."""
    found: list[str] = []
    if row.blocked and row.blocked >= FAILING * row.calls:
        found.append("Blocking")
    if row.error_rate >= FAILING:  # too few to call it failing, and no reason to call it healthy
        found += ["Failing"] if row.calls >= ENOUGH else ["Errors", "Few calls"]
    if row.used >= 1:
        found.append("Over budget")
    elif row.used >= NEAR:
        found.append("Near budget")
    return found or (["Healthy"] if row.calls else ["Quiet"])


def tenants(overview: Overview) -> Frame:
    """Return the table of tenants."""
    frame: Frame = overview.tenants.copy()
    frame["status"] = [status(row) for row in frame.itertuples()]
    frame["p95"] = frame["p95"].where(frame["timed"] >= ENOUGH) / 1000
    frame[["got_object", "error_rate"]] *= 100
    frame["used"] = (frame["used"] * 100) // 1  # what is not all is never 100 %
    shown = ["tenant", "status", "calls", "trend", "got_object", "blocked", "error_rate", "p95", "spend_usd", "used"]
    return frame[shown]


def draw_tenants(frame: Frame, opens: Callable[[str], Destination]) -> None:
    """Draw the table of tenants."""
    grid(
        frame,
        opens=lambda row: opens(str(frame["tenant"].iloc[row])),
        key="tenants_table",
        leads={"tenant": links.of_tenant},
        alt="Tenants by spend, with calls, the share that got an object, blocked calls, errors, latency and budget",
        columns={
            "tenant": _C.TextColumn("Tenant", pinned=True, width=150),
            "status": _C.MultiselectColumn("Status", options=list(STATUSES), color=list(STATUSES.values()), width=130),
            "calls": _C.NumberColumn("Calls", format="localized", width=70),
            "p95": _C.NumberColumn("p95", format="%.2f s", width=84, help=f"From {ENOUGH} calls on"),
            "error_rate": _C.NumberColumn("Errors", format="%.1f%%", width=84),
            "got_object": _C.NumberColumn("Got an object", format="%.1f%%", width=104),
            "blocked": _C.NumberColumn("Blocked", format="localized", width=76, help="Calls that policy refused"),
            "spend_usd": _C.NumberColumn(
                "Spend", format="$%,.2f", width=84, help="A dash: no model of theirs is priced"
            ),
            "used": _C.ProgressColumn(
                "Budget used", format="%.0f%%", min_value=0, max_value=100, width=120, help="Of the current period"
            ),
            "trend": _C.AreaChartColumn("Over time", width=130),
        },
    )


def models(overview: Overview) -> Frame:
    """Return the table of models."""
    frame: Frame = overview.models.copy()
    frame["p95"] = frame["p95"].where(frame["timed"] >= ENOUGH) / 1000
    frame["errors"] *= 100
    return frame[["model", "attempts", "errors", "p95", "fallbacks", "spend_usd"]]


def draw_models(frame: Frame, opens: Callable[[str], Destination]) -> None:
    """Draw the table of models."""
    grid(
        frame,
        opens=lambda row: opens(str(frame["model"].iloc[row])),
        key="models_table",
        leads={"model": links.of_model},
        alt="Models by attempts, with errors, latency, fallbacks and spend",
        columns={
            "model": _C.TextColumn("Model", pinned=True, width=170),
            "attempts": _C.NumberColumn("Attempts", format="localized", width=66),
            "errors": _C.NumberColumn("Errors", format="%.1f%%", width=60, help="Of its attempts"),
            "p95": _C.NumberColumn("p95", format="%.2f s", width=62, help=f"Of its attempts, from {ENOUGH} on"),
            "fallbacks": _C.NumberColumn("Stood in", format="localized", width=62, help="Asked as another had failed"),
            "spend_usd": _C.NumberColumn("Spend", format="$%,.2f", width=66),
        },
    )


def schemas(overview: Overview) -> Frame:
    """Return the table of schema versions."""
    frame: Frame = overview.schemas.copy()
    frame["got_object"] *= 100
    frame["name"] = [
        version_name(name or "inline", None if pd.isna(version) else int(version))
        for name, version in zip(frame["schema"], frame["version"], strict=True)
    ]
    return frame[["name", "calls", "got_object", "errors", "cost_per_valid_usd"]]


def draw_schemas(frame: Frame, opens: Callable[[str], Destination]) -> None:
    """Draw the table of schemas."""
    grid(
        frame,
        opens=lambda row: opens(str(frame["name"].iloc[row])),
        key="schemas_table",
        leads={"name": links.of_schema},
        alt="Schema versions by calls, with the share that got an object, errors and cost",
        columns={
            "name": _C.TextColumn("Schema", pinned=True, width=160),
            "calls": _C.NumberColumn("Calls", format="localized", width=60),
            "got_object": _C.NumberColumn("Got an object", format="%.1f%%", width=96),
            "errors": _C.NumberColumn("Errors", format="localized", width=56),
            "cost_per_valid_usd": _C.NumberColumn("Per valid", format="$%,.5f", width=84),
        },
    )


def fields(overview: Overview) -> Frame:
    """Return the fields that fail most."""
    frame: Frame = overview.fields
    return pd.DataFrame(
        {
            "schema": [
                version_name(name, None if pd.isna(version) else int(version))
                for name, version in zip(frame["schema"], frame["version"], strict=True)
            ],
            "path": frame["path"],
            "type": frame["type"],
            "errors": frame["errors"],
            "repaired": 100 * frame["repaired"] / frame["errors"],
        }
    )


def draw_fields(overview: Overview, shown: Frame, opens: Callable[[Field], Destination]) -> None:
    """Draw the fields that fail most."""
    frame: Frame = overview.fields
    grid(
        shown,
        opens=lambda row: opens(Field(str(frame["schema"].iloc[row]), str(frame["path"].iloc[row]))),
        key="fields_table",
        leads={"schema": links.of_schema},
        alt="Fields of schemas by number of validation errors",
        columns={
            "schema": _C.TextColumn("Schema", width=126),
            "path": _C.TextColumn("Field", width=150),
            "type": _C.TextColumn("Rule it broke", width=166),
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
