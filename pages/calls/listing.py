"""The list of calls: its filters, all of them in the URL, and its table."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from core.errors import ProctorError
from core.reports import MOST_EXPORTED, PAGE_SIZE, SUPERSEDED_CALLS, CallFilter, CallPage, CallSums, Window
from core.schemas import version_name
from pages.calls import files
from pages.kit import address, figures, formats, layout, links, outcomes, zones
from pages.kit.choices import range_choice, tenant_choice
from pages.kit.exports import export
from pages.kit.frames import Frame, grid, pd, picked
from pages.kit.markup import code, plain
from pages.kit.page import Visit

GROUPS = {"Any valid": "any_valid", "Any error": "any_error", "Any blocked": "any_blocked"}
_REASK = outcomes.KINDS["re-ask"]
_UNTOLD = set(outcomes.OUTCOMES) - {"valid_after_reask"}
"""Outcomes that do not say it themselves."""
OUTCOMES = (
    GROUPS
    | {badge.word: outcome for outcome, badge in outcomes.OUTCOMES.items()}
    | {outcomes.ASKED_AGAIN.word: SUPERSEDED_CALLS}
)
COLUMNS = st.column_config
LEADS = {"tenant": links.of_tenant, "schema": links.of_schema, "model": links.of_model}
TAKES = {
    "call": address.ANY,
    "tenant": address.TENANT,
    "range": address.RANGE,
    "text": address.ANY,
    "outcome": address.one_of(OUTCOMES, "an outcome, such as `Valid`, or `Any error`"),
    "model": address.ANY,
    "provider": address.ANY,
    "key": address.ANY,
    "schema": address.ANY,
    "version": address.NUMBER,
    "route": address.ANY,
    "error": address.ANY,
    "field": address.ANY,
    "guardrail": address.ANY,
    "found": address.ANY,
    "between": address.STRETCH,
    "page": address.NUMBER,
}
"""What may stand in the address; what is any text narrows the list down, to nothing where it does not occur."""


def choice(key: str, offered: Sequence[str], width: int = 136) -> str | None:
    """Draw a filter bound to the URL; return what was chosen, or ``None`` for everything.

    What the URL names is offered even where it does not occur: a link must not lose its filter without a word.
    """
    everything = figures.CALL_FILTERS[key]
    named = st.session_state.get(key) or st.query_params.get(key)
    options = [everything, *offered]
    if named and named not in options:
        options.append(named)
    chosen = st.selectbox(
        key, options, key=key, bind="query-params", label_visibility="collapsed", width=width, on_change=first_page
    )
    return None if chosen == everything else chosen


def version_in_url() -> int | None:
    """Return the version of the schema that a link asks for (``?version=3``)."""
    named = st.query_params.get("version", "")
    return int(named) if named.isdecimal() and len(named) < 10 else None


def first_page() -> None:
    """Go back to the first page, as the list is another one now."""
    st.session_state["page"] = 1


def clear() -> None:
    """Take every filter back."""
    first_page()
    for key, everything in figures.CALL_FILTERS.items():
        if key in st.session_state:
            st.session_state[key] = everything
    for key in ("between", "field", "version", "provider", "key", "guardrail", "found"):
        st.query_params.pop(key, None)


def filters(visit: Visit) -> tuple[CallFilter, str, bool]:
    """Draw the filters; return them, the zone times are shown in, and whether any but time and tenant is set."""
    with visit.controls:
        tenant = tenant_choice(visit, on_change=first_page)
        hours = range_choice(visit, on_change=first_page)
    zone = zones.shown(tenant.timezone if tenant else "UTC")
    tenant_id = tenant.id if tenant else None
    now = visit.now
    offered = figures.choices(visit, now, hours, tenant_id)
    with st.container(horizontal=True, vertical_alignment="center", gap="small", key="filters"):
        text = st.text_input(
            "Call or request id",
            key="text",
            type="search",
            bind="query-params",
            placeholder="Call or request id",
            label_visibility="collapsed",
            width=160,
            on_change=first_page,
        )
        outcome = choice("outcome", list(OUTCOMES), 164)
        model = choice("model", offered.models)
        schema = choice("schema", offered.schemas)
        route = choice("route", offered.routes, 120)
        error = choice("error", offered.error_codes, 144)
        field, stretch, version = st.query_params.get("field"), address.between(), version_in_url()
        provider, key = st.query_params.get("provider"), st.query_params.get("key")
        guardrail, found = st.query_params.get("guardrail"), st.query_params.get("found")
        if stretch:
            begins, ends = (formats.moment(at, zone) for at in stretch)
            st.button(
                f"{begins} to {ends}", icon=":material/close:", key="drop_between", on_click=drop, args=("between",)
            )
        if version is not None:
            st.button(
                f"Version {version}", icon=":material/close:", key="drop_version", on_click=drop, args=("version",)
            )
        if field:
            st.button(
                f"{code(field)} failed",
                icon=":material/close:",
                key="drop_field",
                on_click=drop,
                args=("field",),
            )
        if provider:
            st.button(
                f"Asked {code(provider)}", icon=":material/close:", key="drop_provider", on_click=drop,
                args=("provider",),
            )  # fmt: skip
        if key:
            st.button(
                f"With {code(key_prefix(visit, key))}", icon=":material/close:", key="drop_key", on_click=drop,
                args=("key",),
            )  # fmt: skip
        for name, caught in (("guardrail", guardrail), ("found", found)):
            if caught:
                said = f"{code(caught)} found something" if name == "guardrail" else f"Held {plain(caught)}"
                st.button(said, icon=":material/close:", key=f"drop_{name}", on_click=drop, args=(name,))
        links_say = (field, stretch, provider, key, guardrail, found, version is not None)
        narrowed = any((text, outcome, model, schema, route, error, *links_say))
        if narrowed:
            st.button("Clear", icon=":material/filter_alt_off:", type="tertiary", key="clear", on_click=clear)
    begins_at, ends_at = stretch or (Window.last(timedelta(hours=hours), now, zone).starts_at, now)  # as Home has it
    wanted = CallFilter(
        starts_at=begins_at,
        ends_at=ends_at,
        tenant_id=tenant_id,
        outcome=OUTCOMES.get(outcome or "", outcome),
        model=model,
        provider=provider,
        key_id=key,
        schema=schema,
        version=version,
        route=route,
        error_code=error,
        field=field,
        guardrail=guardrail,
        found=found,
        text=text or None,
    )
    return wanted, zone, narrowed


def key_prefix(visit: Visit, key_id: str) -> str:
    """Return by what people know a key; who may not see it is told its id, as the address has it."""
    try:
        return f"{visit.runtime.tenants.find_key(visit.principal, key_id).prefix}…"
    except ProctorError:
        return key_id


def drop(name: str) -> None:
    """Take one filter out of the URL."""
    st.query_params.pop(name, None)


def opened() -> None:
    """Open the call whose row was clicked."""
    ids: list[str] = st.session_state["calls_on_page"]
    row = picked("calls_table", LEADS)
    if row is not None and row < len(ids):
        address.enter("call", ids[row])


def table(page: CallPage, zone: str, *, one_tenant: bool) -> None:
    """Draw one page of calls; a click on a row opens it."""
    calls: Frame = page.calls
    st.session_state["calls_on_page"] = calls["id"].tolist()
    shown = pd.DataFrame(
        {
            "started_at": calls["started_at"],
            "outcome": [
                _words(*row) for row in zip(calls["outcome"], calls["reask_of"], calls["superseded"], strict=True)
            ],
            "tenant": calls["tenant"],
            "schema": [
                version_name(name, None if pd.isna(version) else int(version)) or None
                for name, version in zip(calls["schema"], calls["version"], strict=True)
            ],
            "model": calls["model"],
            "attempts": calls["attempts"],
            "seconds": calls["duration_ms"] / 1000,
            "tokens": calls["input_tokens"] + calls["output_tokens"],
            "cost": calls["cost_usd"],
            "error": calls["error_code"],
            "request": calls["request_id"],
        }
    )
    badges = [*outcomes.OUTCOMES.values(), _REASK, outcomes.ASKED_AGAIN]
    grid(
        shown.drop(columns="tenant") if one_tenant else shown,
        most_rows=PAGE_SIZE,
        key="calls_table",
        on_pick=opened,
        leads={name: lead for name, lead in LEADS.items() if name != "tenant" or not one_tenant},
        alt="Calls, the newest first",
        columns={
            "started_at": COLUMNS.DatetimeColumn(
                "Began", format="MMM D, HH:mm:ss", timezone=zone, width=116, pinned=True
            ),
            "outcome": COLUMNS.MultiselectColumn(
                "Outcome", options=[badge.word for badge in badges], color=[badge.colour for badge in badges], width=132
            ),
            "tenant": COLUMNS.TextColumn("Tenant", width=146),
            "schema": COLUMNS.TextColumn("Schema", width=138),
            "model": COLUMNS.TextColumn("Model", width=186, help="Who answered, or was asked last"),
            "attempts": COLUMNS.NumberColumn("Attempts", width=64),
            "seconds": COLUMNS.NumberColumn("Duration", format="%.2f s", width=66),
            "tokens": COLUMNS.NumberColumn("Tokens", format="localized", width=58),
            "cost": COLUMNS.NumberColumn("Cost", format="$%.5f", width=74, help="As far as known. A dash: unpriced"),
            "error": COLUMNS.TextColumn("Error code", width=126),
            "request": COLUMNS.TextColumn("Request id", width=150),
        },
    )


def _words(outcome: str, reask_of: object, superseded: object) -> list[str]:
    """Return how a call ended, and what it is of those that one client made for one object."""
    said = [outcomes.word(outcome)]
    if isinstance(reask_of, str) and outcome in _UNTOLD:
        said.append(_REASK.word)
    return [*said, outcomes.ASKED_AGAIN.word] if superseded else said


def spent(sums: CallSums) -> str:
    """Return what calls cost, with what that figure does not hold."""
    beside = [
        f"{count:,} {what}" for count, what in ((sums.unpriced, "unpriced"), (sums.estimated, "estimated")) if count
    ]
    return plain(formats.dollars(sums.spend_nano_usd)) + (f" ({', '.join(beside)})" if beside else "")


def draw(visit: Visit) -> None:
    """Draw the filtered list."""
    wanted, zone, narrowed = filters(visit)
    reports = visit.runtime.reports
    sums = reports.sums(visit.principal, wanted)
    total = sums.calls
    if not total:
        sentence = (
            "No call passes these filters." if narrowed else "Nothing was called in this time. Choose a longer range."
        )
        with layout.empty("No calls", sentence, icon=":material/search_off:"):
            if narrowed:
                st.button("Clear the filters", key="clear_all", on_click=clear)
            else:
                st.page_link("playground/page.py", label="Open the playground", icon=":material/data_object:")
        return
    above = st.container()
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        beside = st.container(width="content")
        pages = -(-total // PAGE_SIZE)
        number = st.pagination(pages, key="page", bind="query-params") if pages > 1 else 1
        export(
            "Export CSV",
            files.LIST,
            wanted,
            name=f"calls-{visit.now:%Y%m%d-%H%M}.csv",
            help=f"The filtered list without prompts and answers, times in UTC, at most {MOST_EXPORTED:,} rows.",
        )
    page = reports.calls(visit.principal, wanted, number, total)
    with above:
        table(page, zone, one_tenant=wanted.tenant_id is not None)
    beside.caption(
        f"{formats.plural(total, 'call')} · {spent(sums)} · times in {zones.name(zone)} · "
        f"as of {formats.moment(page.as_of, zone, seconds=True)} · "
        "click a row to see its attempts, a name to open its page"
    )
