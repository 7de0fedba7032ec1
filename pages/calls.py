"""Calls: find one, and see every attempt behind it."""

from __future__ import annotations

import streamlit as st

from core.tenants import Permission
from pages import _call, _call_list, _parts

chosen = st.query_params.get("call")
visit = _parts.page(
    "Call" if chosen else "Calls",
    "What became of one generation, attempt by attempt."
    if chosen
    else "Every generation, and every attempt behind it.",
    needs=Permission.GENERATIONS_READ,
)
with _parts.refusals("The calls cannot be read."):
    if chosen:
        _call.draw(visit, chosen)
    else:
        _call_list.draw(visit)
