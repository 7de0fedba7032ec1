"""Schemas: every version and how it fares, what differs, and which one callers get."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.kit import address, ranges
from pages.kit.page import name_tab, open_page, refusals
from pages.schemas import lines, listing, one

TAKES = {
    "schema": address.ANY,
    "version": address.ANY,
    "against": address.NUMBER,
    "shown": address.one_of(one.TABS),
    "tenant": address.TENANT,
    **ranges.TAKES,
    "text": address.ANY,
    "sort": address.one_of(lines.SORTS),
    "page": address.NUMBER,
}
chosen = st.query_params.get("schema")
visit = open_page(
    "Schema" if chosen else "Schemas",
    "Its versions, how each fares, and which one callers get."
    if chosen
    else "What answers must look like: every version, and how it fares.",
    needs=Permission.SCHEMAS_READ,
    takes=TAKES,
)
with refusals("The schemas cannot be read."):
    if chosen:
        name_tab(visit, chosen)
        one.draw(visit, chosen)
    else:
        listing.draw(visit)
