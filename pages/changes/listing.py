"""The list of changes: its filters, all of them in the address, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from core.clock import EPOCH
from core.reports import MOST_COUNTED, MOST_EXPORTED, ChangeCursor, ChangeFilter, ChangePage
from core.tenants import Tenant
from pages.changes import files, words
from pages.kit import address, formats, layout, links, ranges, zones
from pages.kit.choices import tenant_choice
from pages.kit.exports import export
from pages.kit.frames import grid, pd, picked
from pages.kit.page import Visit

COLUMNS = st.column_config
LEADS = {"tenant": links.of_tenant, "who": links.of_actor}
ANYTHING = {"kind": "Any kind", "actor": "Anybody", "door": "From anywhere"}
TAKES = {
    "change": address.ANY,
    "tenant": address.TENANT,
    **ranges.TAKES,
    "ever": address.SWITCH,
    "text": address.ANY,
    "kind": address.ANY,
    "actor": address.ANY,
    "door": address.ANY,
    "behind": address.ANY,
}
"""What may stand in the address; what is any text narrows the list down, to nothing where it does not occur."""


def newest() -> None:
    """Go back to the newest changes, as the list is another one now."""
    st.query_params.pop("behind", None)


def clear() -> None:
    """Take every filter back but time and tenant."""
    newest()
    for key, everything in (*ANYTHING.items(), ("text", "")):
        if key in st.session_state:
            st.session_state[key] = everything


def _choice(key: str, offered: Sequence[str], width: int) -> str | None:
    everything = ANYTHING[key]
    named = st.session_state.get(key) or st.query_params.get(key)
    options = [everything, *offered]
    if named and named not in options:
        options.append(named)
    chosen = st.selectbox(
        key, options, key=key, bind="query-params", label_visibility="collapsed", width=width, on_change=newest
    )
    return None if chosen == everything else chosen


def _filters(visit: Visit) -> tuple[ChangeFilter, Tenant | None, bool]:
    """Draw the filters; return them, the tenant, and whether any but time and tenant is set."""
    with visit.controls:
        tenant = tenant_choice(visit, on_change=newest)
        zone = zones.shown(tenant.timezone if tenant else "UTC")
        chosen = ranges.choice(visit, zone, newest)
        is_ever = st.toggle("All time", key="ever", bind="query-params", on_change=newest)
    window = chosen.window(visit.now, zone)
    is_up_to_now = is_ever or chosen.ends_now
    starts_at = EPOCH if is_ever else window.starts_at
    ends_at = visit.now + timedelta(seconds=1) if is_up_to_now else window.ends_at
    tenant_id = tenant.id if tenant else None
    offered = visit.runtime.reports.change_choices(visit.principal, starts_at, ends_at, tenant_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters"):
        text = st.text_input(
            "Search",
            key="text",
            type="search",
            bind="query-params",
            placeholder="Name, sentence or reason",
            label_visibility="collapsed",
            width=220,
            on_change=newest,
        )
        kind = _choice("kind", offered.kinds, 130)
        actor = _choice("actor", offered.actors, 170)
        door = _choice("door", offered.doors, 190)
        narrowed = any((text, kind, actor, door))
        if narrowed:
            st.button("Clear", icon=":material/filter_alt_off:", type="tertiary", key="clear", on_click=clear)
    wanted = ChangeFilter(
        starts_at=starts_at,
        ends_at=ends_at,
        tenant_id=tenant_id,
        kind=kind,
        actor=actor,
        door=door,
        text=text or None,
    )
    return wanted, tenant, narrowed


def _opened() -> None:
    """Open the change whose row was clicked."""
    ids: list[str] = st.session_state["changes_on_page"]
    row = picked("changes_table", LEADS)
    if row is not None and row < len(ids):
        address.enter("change", ids[row])


def _table(page: ChangePage, zone: str, *, one_tenant: bool) -> None:
    changes, here = page.changes, st.query_params.to_dict()
    st.session_state["changes_on_page"] = [one.id for one in changes]
    shown = pd.DataFrame(
        {
            "at": [one.at for one in changes],
            "kind": [[one.kind] if one.kind else [] for one in changes],
            "what": [words.told(one, zone) for one in changes],
            "tenant": [words.whose(one) for one in changes],
            "became": [words.became(one, zone) or None for one in changes],
            "who": [words.who(one) for one in changes],
            "why": [one.reason or None for one in changes],
            "door": [(one.door if one.is_decided else "") or None for one in changes],
        }
    )
    if one_tenant:
        shown = shown.drop(columns="tenant")
    grid(
        shown,
        most_rows=len(changes),
        key="changes_table",
        on_pick=_opened,
        opens=lambda row: links.Destination("changes", {**here, "change": changes[row].id}),
        leads={name: lead for name, lead in LEADS.items() if name in shown},
        alt="Changes, the newest first",
        columns={
            "at": COLUMNS.DatetimeColumn("When", format="MMM D, HH:mm:ss", timezone=zone, width=112, pinned=True),
            "kind": COLUMNS.MultiselectColumn("Kind", width=72),
            "what": COLUMNS.TextColumn("What", width=250),
            "tenant": COLUMNS.TextColumn("Of whom", width=100),
            "became": COLUMNS.TextColumn("Before → after", width=170),
            "who": COLUMNS.TextColumn("Who", width=90),
            "why": COLUMNS.TextColumn("Why", width=100),
            "door": COLUMNS.TextColumn("From where", width=90),
        },
    )


def draw(visit: Visit) -> None:
    """Draw the filtered list."""
    wanted, tenant, narrowed = _filters(visit)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    behind = ChangeCursor.of(st.query_params.get("behind", ""))
    page = visit.runtime.reports.changes(visit.principal, wanted, behind)
    if not page.changes:
        _nothing(narrowed=narrowed or behind is not None)
        return
    _table(page, zone, one_tenant=wanted.tenant_id is not None)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        many = (
            f"More than {formats.count(MOST_COUNTED)} changes"
            if page.counted == MOST_COUNTED
            else formats.plural(page.counted, "change")
        )
        st.caption(
            f"{many} · times in {zones.name(zone)} · as of {formats.moment(visit.now, zone, seconds=True)} · "
            "click a row to see all of it, a name to open its page",
            width="content",
        )
        with st.container(horizontal=True, gap="small", width="content"):
            if behind is not None:
                st.button("Newest", icon=":material/first_page:", key="newest", on_click=newest)
            export(
                "Export CSV",
                files.LIST,
                wanted,
                name=f"changes-{visit.now:%Y%m%d-%H%M}.csv",
                help=f"All that passes the filters, each by itself, times in UTC; at most {MOST_EXPORTED:,} rows. The "
                "audit trail, which can be verified, is written by 'proctor audit export'.",
            )
            if page.older is not None:
                st.button("Older", icon=":material/chevron_right:", key="older", on_click=_older, args=(page.older,))


def _older(behind: ChangeCursor) -> None:
    st.query_params["behind"] = str(behind)


def _nothing(*, narrowed: bool) -> None:
    sentence = "No change passes these filters." if narrowed else "Nothing was changed in this time."
    with layout.empty("No changes", sentence, icon=":material/history:"):
        if narrowed:
            st.button("Clear the filters", key="clear_all", on_click=clear)
