"""Playground: choose or paste a schema, give it an input, and watch the object fill in field by field."""

from __future__ import annotations

import streamlit as st

from core.flags import Flag
from core.generation import GenerationRequest
from core.tenants import Permission
from pages.kit import layout
from pages.kit.choices import tenant_choice, without_tenants
from pages.kit.page import open_page, refusals
from pages.playground import answer, ask


def advise() -> None:
    """Say what to do where nobody could pay."""
    row = layout.empty(
        "No tenant to pay for it",
        "A generation belongs to a tenant, even here. Create one first.",
        icon=":material/apartment:",
    )
    with row:
        st.page_link("tenants/page.py", label="Create a tenant", icon=":material/add:")


def main() -> None:
    """Draw the page."""
    visit = open_page(
        "Playground", "Try a schema on an input and watch the object fill in.", needs=Permission.GENERATIONS_WRITE
    )
    with visit.controls:
        tenant = tenant_choice(visit, everyone=None)
    if tenant is None:
        without_tenants(visit, advise)
        return
    left, right = st.columns([5, 7], gap="small")
    with left, layout.card("Ask", key="ask", stretch=False), refusals("This cannot be asked."):
        schema, body, example = ask.schema_choice(visit)
        text = st.text_area(
            "Input",
            example,
            height=180,
            key=f"input_{schema if isinstance(schema, str) else ''}",
            persist_state="session",
        )
        route, model, first = ask.model_choice(visit, schema)
        ready = answer.provider_notice(visit, first)
        streams = visit.runtime.flags.evaluate(visit.principal, Flag.STREAMING, tenant.id).value
        if not streams:
            st.caption("Streaming is switched off for this tenant: the object arrives whole.")
        request = GenerationRequest(
            schema=schema or {}, input=text, route=route, model=model, stream=streams, tenant_id=tenant.id
        )
        is_run = st.button(
            "Run",
            type="primary",
            icon=":material/play_arrow:",
            key="run",
            width="stretch",
            disabled=schema is None or not ready,
        )
    with right:
        arriving, arrived = st.empty(), st.empty()  # two places: in one, what was there before would shine through
        if is_run:
            arrived.empty()
            with arriving.container():
                st.session_state["last_run"] = answer.run(visit, request, body)
            st.rerun()
        last = st.session_state.get("last_run")
        with arrived.container():
            if last is None:
                layout.empty(
                    "Nothing asked yet",
                    "Press Run: each field appears here as the model writes it.",
                    icon=":material/data_object:",
                    key="nothing",
                )
            else:
                answer.draw(visit, last)


main()
