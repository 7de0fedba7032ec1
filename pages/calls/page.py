"""Calls: find one, and see every attempt behind it."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages.calls import call, listing
from pages.kit.page import open_page, refusals

chosen = st.query_params.get("call")
visit = open_page(
    "Call" if chosen else "Calls",
    "What became of one generation, attempt by attempt."
    if chosen
    else "Every generation, and every attempt behind it.",
    needs=Permission.GENERATIONS_READ,
    takes=listing.TAKES,
)
with refusals("The calls cannot be read."):
    if chosen:
        call.draw(visit, chosen)
    else:
        listing.draw(visit)
