"""Figures as pages ask for them: cached for some seconds for everyone who asks the same."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import streamlit as st

from core.reports import Choices, Overview, Reports, Window

RANGES = {"1h": 1, "6h": 6, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
"""What a range control offers, and the hours it means."""
CALL_FILTERS = {
    "text": "",
    "outcome": "Any outcome",
    "model": "Any model",
    "schema": "Any schema",
    "route": "Any route",
    "error": "Any error code",
}
"""The filters of the list of calls by their parameter in the URL, and what each shows while all may pass."""
_NAMES = {1: "hour", 6: "6 hours", 24: "24 hours", 168: "7 days", 720: "30 days"}


def range_name(hours: int) -> str:
    """Return a range in words, to follow "the last"."""
    return _NAMES[hours]


def range_label(hours: int) -> str:
    """Return a range as the URL writes it."""
    return next(label for label, length in RANGES.items() if length == hours)


def range_choice(key: str = "range", on_change: Callable[[], None] | None = None) -> int:
    """Draw a choice of ranges bound to the URL (``?range=24h``); return its hours."""
    chosen = st.segmented_control(
        "Time range",
        list(RANGES),
        default="24h",
        required=True,
        key=key,
        bind="query-params",
        persist_state="session",
        label_visibility="collapsed",
        on_change=on_change or "rerun",
    )
    return RANGES[chosen or "24h"]


def overview(reports: Reports, now: datetime, hours: int, tenant: Any) -> Overview:
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
