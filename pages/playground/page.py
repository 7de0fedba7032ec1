"""Playground: a schema and an input, who answers, what it may cost; and what came of it, alone or side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import streamlit as st

from core.flags import Flag
from core.requests import CallSettings
from core.tenants import Permission, Tenant
from pages.kit import address, checking, layout, links, saving
from pages.kit.buttons import button
from pages.kit.choices import tenant_choice, without_tenants
from pages.kit.page import Visit, open_page, refusals
from pages.playground import answer, ask, beside, columns, comparison, replay, runs, save, settings
from pages.playground.columns import Column

if TYPE_CHECKING:
    from streamlit.delta_generator import DeltaGenerator


TAKES = {
    "tenant": address.ONE_TENANT,
    "call": address.ANY,
    "schema": address.ANY,
    "version": address.ANY,
    "source": address.one_of(ask.SOURCES.values()),
    "model": address.ANY,
}


def advise() -> None:
    """Say what to do where nobody could pay."""
    row = layout.empty(
        "No tenant to pay for it",
        "A generation belongs to a tenant, even here. Create one first.",
        icon=":material/apartment:",
    )
    with row:
        st.page_link("tenants/page.py", label="Create a tenant", icon=":material/add:")


def question(visit: Visit, tenant: Tenant, right: DeltaGenerator) -> tuple[list[Column], int]:
    """Draw the question; return its columns, and how often each is to be asked now: 0 for not at all.

    Several columns have a card of their own on the *right*.
    """
    asked = ask.schema_choice(visit)
    key = ask.input_key(asked.named if asked and isinstance(asked.named, str) else "")
    st.session_state.setdefault(key, asked.example if asked else ask.PASTED_INPUT)
    above = st.container()
    text = st.text_area("Input", height=140, key=key, persist_state="session") or ""
    if asked:
        with above:
            _without_a_call(visit, asked, text)
    system, adjusted = settings.choose()
    messages = columns.as_messages(text, system)
    if columns.wanted() == 1:
        return _answerers(visit, asked, messages, adjusted, tenant)
    with right, layout.card("Compare", key="compare", stretch=False), refusals("This cannot be asked."):
        return _answerers(visit, asked, messages, adjusted, tenant)
    return [], 0


def _without_a_call(visit: Visit, asked: ask.AskedSchema, text: str) -> None:
    """Draw what can be done with the schema without asking anybody."""
    with st.container(horizontal=True, gap="small"):
        if st.button("Check an answer…", icon=":material/rule:", key="check_answer", type="tertiary"):
            what = f"{asked.name}@{asked.version}" if asked.name else "this schema"
            checking.dialog(visit, asked.body, what, _last_answer(asked.body))
        pasted = asked.pasted if saving.is_allowed(visit) else None
        if pasted and st.button("Save as…", icon=":material/save:", key="save", type="tertiary"):
            save.dialog(visit, pasted, text)
    if asked.pasted:
        save.tell(visit)


def _last_answer(body: dict[str, Any]) -> Any:
    """Return what the last run of the schema *body* brought, to be looked at with something changed; or None."""
    trial: runs.Trial | None = st.session_state.get("trial")
    last = trial.runs[0][0] if trial else None
    return last.value if last and last.body == body else None


def _answerers(
    visit: Visit,
    asked: ask.AskedSchema | None,
    messages: dict[str, Any],
    adjusted: CallSettings | None,
    tenant: Tenant,
) -> tuple[list[Column], int]:
    """Draw who answers, what it may cost whom, and what begins it."""
    streams = visit.runtime.flags.evaluate(visit.principal, Flag.STREAMING, tenant.id).value
    chosen = columns.choose(visit, asked, messages, adjusted, tenant)
    chosen = [replace(one, request=replace(one.request, stream=streams)) for one in chosen]
    ready = [answer.provider_notice(visit, first) for first in dict.fromkeys(one.first for one in chosen)]
    if not streams:
        st.caption("Streaming is switched off for this tenant: the object arrives whole.")
    missing = ""
    if asked is None:
        missing = "Choose a schema that can be read first."
    elif not all(ready):
        missing = "Whoever would be asked is not ready: what stands above says why."
    elif not all(one.is_askable for one in chosen):
        missing = "This cannot be asked yet: what stands above says why."
    with st.container(horizontal=True, gap="small"):
        looks: dict[str, Any] = {"type": "primary", "icon": ":material/play_arrow:", "width": "stretch"}
        once = button("Run", missing=missing, is_told=False, key="run", **looks)
        often = button(
            columns.OFTEN,
            missing=missing,
            is_told=False,
            icon=":material/repeat:",
            key="run_often",
            help="Asks the same so often, never from the cache, and shows how far the answers agree, field by field.",
        )
    if missing:
        st.caption(f":material/info: {missing}")
    paid = f"**{links.tenant(tenant.name)}** pays"
    if not missing:
        once_over, often_over = columns.total(chosen), columns.total(chosen, columns.TIMES)
        paid += (
            f": {once_over} · {columns.TIMES} times: {often_over}"
            if once_over
            else "; no price is known of who answers"
        )
    st.markdown(
        f":small[:material/account_balance_wallet: {paid}]",
        help="For first calls; a re-ask or a fallback comes on top.",
    )
    return chosen, columns.TIMES if often else 1 if once else 0


def result(visit: Visit, trial: runs.Trial | None, chosen: Sequence[Column]) -> None:
    """Draw what came of the last run, if there was one."""
    if st.session_state.pop("running", False):
        st.session_state["was_stopped"] = True
    if st.session_state.get("was_stopped"):
        st.warning(
            "It was ended before its answer came; what it had used until then is charged, and stands in Calls.",
            title="Cancelled",
            icon=":material/cancel:",
        )
    if trial is None:
        layout.empty(
            "Nothing asked yet",
            "Press Run: each field appears here as the model writes it.",
            icon=":material/data_object:",
            key="nothing",
        )
    elif len(trial.columns) == 1 and trial.times == 1:
        last = trial.runs[0][0]
        if changed := answer.outdated(last, chosen, 0):
            answer.tell_outdated(changed)
        if call := replay.opened():
            beside.draw(visit, call, last)
        answer.draw(visit, last, is_old=bool(changed))
    else:
        comparison.draw(visit, trial, chosen)


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Playground",
        "Try a schema on an input and watch the object fill in.",
        needs=Permission.GENERATIONS_WRITE,
        takes=TAKES,
    )
    replay.fill_in(visit)
    with visit.controls:
        tenant = tenant_choice(visit, everyone=None, needs=Permission.GENERATIONS_WRITE)
    if tenant is None:
        without_tenants(visit, advise, needs=Permission.GENERATIONS_WRITE)
        return
    replay.tell()
    left, right = st.columns([5, 7], gap="small")
    chosen: list[Column] = []
    times = 0
    with left, layout.card("Ask", key="ask", stretch=False), refusals("This cannot be asked."):
        chosen, times = question(visit, tenant, right)
    trial: runs.Trial | None = st.session_state.get("trial")
    is_wide = columns.wanted() > 1 or (trial is not None and len(trial.columns) > 1)
    with st.container() if is_wide else right:
        arriving, arrived = st.empty(), st.empty()  # two places: in one, what was there before would shine through
        if times:
            arrived.empty()
            st.session_state["running"] = True
            st.session_state["was_stopped"] = False
            with arriving.container():
                st.button("Stop", icon=":material/stop_circle:", key="stop", help="Ends every call that is out.")
                st.session_state["trial"] = runs.try_out(visit, chosen, times)
            st.session_state["running"] = False
            st.rerun()
        with arrived.container():
            result(visit, trial, chosen)


main()
