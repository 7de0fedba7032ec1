"""Figures as pages ask for them: cached for some seconds for everyone who asks the same and may see the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from core.reports import Choices
from pages.kit.page import View, Visit

CALL_FILTERS = {
    "text": "",
    "outcome": "Any outcome",
    "model": "Any model",
    "schema": "Any schema",
    "route": "Any route",
    "error": "Any error code",
}
"""The filters of the list of calls by their parameter in the URL, and what each shows while all may pass."""


def choices(visit: Visit, now: datetime, hours: int, tenant_id: str | None) -> Choices:
    """Return what the calls of the *hours* before *now* offer to filter by; at most half a minute old."""
    return _choices(visit, now, visit.view, hours, tenant_id)


@st.cache_data(ttl="30s", max_entries=64, show_spinner=False)
def _choices(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    hours: int,
    tenant_id: str | None,
) -> Choices:
    return _visit.runtime.reports.choices(_visit.principal, _now - timedelta(hours=hours), _now, tenant_id)
