"""Figures as pages ask for them: cached for some seconds for everyone who asks the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from core.reports import Choices, Overview, Reports, Window
from core.tenants import Tenant

CALL_FILTERS = {
    "text": "",
    "outcome": "Any outcome",
    "model": "Any model",
    "schema": "Any schema",
    "route": "Any route",
    "error": "Any error code",
}
"""The filters of the list of calls by their parameter in the URL, and what each shows while all may pass."""


def overview(reports: Reports, now: datetime, hours: int, tenant: Tenant | None) -> Overview:
    """Return how the last *hours* went for *tenant*, or for all with ``None``; at most ten seconds old."""
    zone = tenant.timezone if tenant else "UTC"
    return _overview(reports, now, id(reports), hours, tenant.id if tenant else None, zone)


@st.cache_data(ttl="10s", max_entries=64, show_spinner=False)
def _overview(
    _reports: Reports,
    _now: datetime,
    reports_id: int,  # noqa: ARG001 keeps apart what different runtimes answered
    hours: int,
    tenant_id: str | None,
    zone: str,
) -> Overview:
    return _reports.overview(Window.last(timedelta(hours=hours), _now, zone), tenant_id)


def choices(reports: Reports, now: datetime, hours: int, tenant_id: str | None) -> Choices:
    """Return what the calls of the last *hours* offer to filter by; at most half a minute old."""
    return _choices(reports, now, id(reports), hours, tenant_id)


@st.cache_data(ttl="30s", max_entries=64, show_spinner=False)
def _choices(
    _reports: Reports,
    _now: datetime,
    reports_id: int,  # noqa: ARG001 as above
    hours: int,
    tenant_id: str | None,
) -> Choices:
    return _reports.choices(_now - timedelta(hours=hours), _now, tenant_id)
