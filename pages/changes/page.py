"""Changes: what was decided or happened by itself, by whom, from what to what, and why."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.changes import listing, one
from pages.kit.page import open_page, refusals

chosen = st.query_params.get("change")
visit = open_page(
    "Change" if chosen else "Changes",
    "What was changed: by whom, from what to what, and why."
    if chosen
    else "What was changed: by whom, from what to what, and why; and what changed by itself.",
    needs=Permission.CHANGES_READ,
    takes=listing.TAKES,
)
with refusals("This change cannot be shown." if chosen else "The changes cannot be read."):
    if chosen:
        one.draw(visit, chosen)
    else:
        listing.draw(visit)
