"""The list of providers: how each stands and how its calls of a day went. A row opens it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import streamlit as st

from core.reports import ENOUGH, ProviderDay, ProviderFigures, Rejection
from core.tenants import Permission
from pages.kit import formats, layout, zones
from pages.kit.frames import Frame, grid, pd
from pages.kit.page import View, Visit
from pages.providers.lines import STATES, ProviderLine

COLUMNS = st.column_config
MOST_NAMED = 3
"""Routes of one provider that are named; more are counted."""


def day_of(visit: Visit) -> tuple[ProviderDay, Sequence[Rejection]]:
    """Return how each provider fared within a day, and who turns us away; nothing to who may not read it.

    It is read once in a minute for all who may see the same, as it is a day of calls.
    """
    if not visit.may(Permission.GENERATIONS_READ):
        return ProviderDay(), ()
    return _day_of(visit, visit.view)


@st.cache_data(ttl="60s", max_entries=16, show_spinner="Counting the calls of a day …")
def _day_of(_visit: Visit, view: View) -> tuple[ProviderDay, Sequence[Rejection]]:  # noqa: ARG001 as on Home
    reports = _visit.runtime.reports
    return reports.providers(_visit.principal), reports.rejections(_visit.principal)


def frame(lines: Sequence[ProviderLine], visit: Visit) -> Frame:
    """Return the providers as a table."""
    return pd.DataFrame(
        [
            {
                "provider": line.name,
                "state": line.states,
                "calls": line.figures.calls if line.figures else 0,
                "failed": line.figures.failing * 100 if line.figures else None,
                "p50": line.figures.p50_ms if line.figures else None,
                "p95": p95(line.figures),
                "checked": formats.ago(line.check.at, visit.now) if line.check else None,
                "routes": routes(line),
            }
            for line in lines
        ]
    )


def p95(figures: ProviderFigures | None) -> float | None:
    """Return the time that 95 % of the answers took at most, in milliseconds; ``None`` where they are too few."""
    return figures.p95_ms if figures and figures.timed >= ENOUGH else None


def routes(line: ProviderLine) -> str | None:
    """Return the first of its routes, and how many more there are."""
    named = [use.route for use in line.uses]
    more = len(named) - MOST_NAMED
    return (", ".join(named[:MOST_NAMED]) + (f" and {more:,} more" if more > 0 else "")) or None


def _picked() -> None:
    names: list[str] = st.session_state["providers_listed"]
    cells: Any = st.session_state["providers_table"].selection.cells
    if cells and cells[0][0] < len(names):
        st.session_state["provider"] = names[cells[0][0]]


def draw(visit: Visit, lines: Sequence[ProviderLine], day: ProviderDay) -> None:
    """Draw the list."""
    since = f"the newest, since {zones.told(day.since)}" if day.since else "of the last 24 hours"
    with layout.card(
        "Providers",
        key="providers",
        stretch=False,
        help=f"Calls {since}, as of a minute ago at most. Failed: an error of the provider, or a call that ran out of "
        "time. p50 and p95 are of the others, from sending to the end. A check is looked at for nothing, and is this "
        "process's own.",
    ):
        st.session_state["providers_listed"] = [line.name for line in lines]
        grid(
            frame(lines, visit),
            key="providers_table",
            on_pick=_picked,
            placeholder=formats.UNKNOWN,
            most_rows=12,
            alt="Providers, their state and their figures",
            columns={
                "provider": COLUMNS.TextColumn("Provider", pinned=True, width=118),
                "state": COLUMNS.MultiselectColumn(
                    "State", options=list(STATES), color=list(STATES.values()), width=136
                ),
                "calls": COLUMNS.NumberColumn("Calls", format="localized", width=70),
                "failed": COLUMNS.NumberColumn("Failed", format="%.1f%%", width=70),
                "p50": COLUMNS.NumberColumn("p50", format="%,.0f ms", width=80),
                "p95": COLUMNS.NumberColumn("p95", format="%,.0f ms", width=80, help=f"From {ENOUGH} answers on"),
                "checked": COLUMNS.TextColumn("Checked", width=96, help="Look below what was found, and check anew"),
                "routes": COLUMNS.TextColumn("Routes", width=250),
            },
        )
        st.caption(
            f"{formats.plural(len(lines), 'provider')} · calls {since} · click a row to see why it is asked or not"
        )
