"""The list of providers: how each stands and how its calls of a day went. A row opens it."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from core.reports import ENOUGH, ProviderDay, ProviderFigures, Rejection
from core.tenants import Permission
from pages.kit import formats, layout, links, zones
from pages.kit.frames import Frame, grid, pd, picked
from pages.kit.page import View, Visit
from pages.providers.lines import STATES, ProviderLine

COLUMNS = st.column_config
LEADS = {"route": links.of_route}


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
                "route": line.uses[0].route if line.uses else None,
                "others": len(line.uses) - 1 if len(line.uses) > 1 else None,
            }
            for line in lines
        ]
    )


def p95(figures: ProviderFigures | None) -> float | None:
    """Return the time that 95 % of the answers took at most, in milliseconds; ``None`` where they are too few."""
    return figures.p95_ms if figures and figures.timed >= ENOUGH else None


def _picked() -> None:
    names: list[str] = st.session_state["providers_listed"]
    row = picked("providers_table", LEADS)
    if row is not None and row < len(names):
        st.session_state["provider"] = names[row]


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
            opens=lambda row: links.of_provider(lines[row].name),
            leads=LEADS,
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
                "route": COLUMNS.TextColumn("Route", width=170, help="The first that names it"),
                "others": COLUMNS.NumberColumn(
                    "Others", width=70, help="More routes that name it; a click on the row lists all"
                ),
            },
        )
        st.caption(
            f"{formats.plural(len(lines), 'provider')} · calls {since} · click a row to see why it is "
            "asked or not, a route to open it"
        )
