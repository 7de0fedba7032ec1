"""What the store takes, in one sentence first, then by what it holds."""

from __future__ import annotations

import streamlit as st

from core.clock import EPOCH
from core.reports import Window
from core.reports.store_size import DECISIONS, MOST_UNFOLDED, StoreSize
from pages.kit import formats, layout, zones
from pages.kit.exports import export
from pages.kit.frames import grid, pd
from pages.kit.markup import plain
from pages.kit.page import Visit
from pages.kit.shared import shared
from pages.store import files

_HOLDS = {
    "calls": "Calls, their attempts, wrong fields and findings",
    "prompts and answers": "Prompts and answers, until their days are over",
    "ledger": "What was charged, and its proofs",
    "sums": "Sums of calls, which pages and reports read",
    DECISIONS: "All that is set, and who set it",
}
_FIGURES = ("Room", "Share", "Rows", "A day more")
_YEAR = 365
COLUMNS = st.column_config


def draw(visit: Visit) -> None:
    """Draw the card; it is measured once for all who look."""
    reports = visit.runtime.reports
    with layout.card("Room", key="store_room", stretch=False, help="Measured once for all who look."):
        found = shared(
            visit,
            "store_size",
            Window.last(visit.now - EPOCH, visit.now),
            "all",
            lambda: reports.store_size(visit.principal),
        )
        st.markdown(said(found))
        if found.families:
            grid(
                pd.DataFrame([_line(found, place) for place in range(len(found.families))]),
                key="store_families",
                alt="What takes how much room, and how much more each day",
                columns={name: COLUMNS.TextColumn(name, alignment="right") for name in _FIGURES},
            )
            rows = "Rows are the database's own estimates. " if found.is_estimate else ""
            st.caption(
                f"{rows}Growth is that of the last seven days: {formats.short(found.rows_a_day)} calls and attempts a "
                f"day, each as large as those that are kept. As of {zones.told(found.as_of)}."
            )
            export("CSV", files.SIZES, "all", name="store.csv")
        else:
            st.caption("An SQLite of more than a gigabyte is not measured table by table: that would read all of it.")
        st.caption(_sums(found))
        if visit.runtime.analytics.is_set:
            st.caption(plain(zones.retold(visit.runtime.analytics.progress().told(visit.now))))
    _kept(visit)


def _kept(visit: Visit) -> None:
    """Say for how long calls are kept, of those tenants that do not keep them for ever."""
    runtime, ever = visit.runtime, Window.last(visit.now - EPOCH, visit.now)
    days = tuple((one.id, one.call_days) for one in runtime.tenants.list(visit.principal))  # seen as soon as it is set
    found = shared(visit, "calls_kept", ever, days, lambda: runtime.reports.keeping(visit.principal))
    if not found.tenants:
        st.caption("Calls are kept for ever: no tenant says for how many days.")
        return
    with layout.card("How long calls are kept", key="store_kept", stretch=False):
        rows = [
            {
                "Tenant": one.tenant,
                "Days": "for ever" if one.days is None else formats.count(one.days),
                "Kept from": "" if one.raw_from is None else zones.told(one.raw_from),
                "To go": formats.count(one.due),
                "Calls and attempts": formats.count(one.rows),
            }
            for one in found.tenants
        ]
        grid(pd.DataFrame(rows), key="store_calls_kept", alt="For how long each tenant's calls are kept")
        if found.waits:
            st.warning(plain(found.waits), icon=":material/pause_circle:")
        st.caption("Calls that are older go, the oldest first; their figures stay. All others are kept for ever.")


def said(found: StoreSize) -> str:
    """Return how large it is and how long it lasts, as one sentence."""
    takes = f"The database takes **{formats.size(found.used)}**"
    grows = f" and grows by about {formats.size(found.growth)} a day" if found.growth else ""
    if found.free is None:
        return f"{takes}{grows}; how much its disk has left is not known here."
    free = f"{formats.size(found.free)} are free on its disk"
    if found.lasts_days is None:
        return f"{takes}{grows}; {free}."
    return f"{takes}{grows}: {free}, which lasts {_long(found.lasts_days)}."


def _long(days: float) -> str:
    if days > 10 * _YEAR:
        return "more than ten years"
    if days > 2 * _YEAR:
        return f"about {days / _YEAR:.0f} years"
    return f"about {formats.plural(max(1, round(days)), 'day')}"


def _sums(found: StoreSize) -> str:
    if found.built_from != EPOCH:
        built = f"Sums reach back to {zones.told(found.built_from)}; those of older calls are being made."
    else:
        built = "Sums hold every call."
    if not found.unfolded:
        return f"{built} All that was recorded is added to them."
    most = "More than " if found.unfolded >= MOST_UNFOLDED else ""
    return f"{built} {most}{formats.plural(found.unfolded, 'row')} of what was recorded last wait to be added."


def _line(found: StoreSize, place: int) -> dict[str, object]:
    one = found.families[place]
    return {
        "What": _HOLDS.get(one.name, one.name),
        "Room": formats.size(one.byte_count),
        "Share": formats.percent(one.byte_count / found.used) if found.used else formats.UNKNOWN,
        "Rows": formats.count(one.rows),
        "A day more": formats.UNKNOWN if one.growth is None else formats.size(one.growth),
    }
