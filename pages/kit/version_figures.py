"""How versions of schemas fare, as the page asks for it: kept for some seconds, for everyone who may see the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import streamlit as st

from core.reports import VersionFigures
from core.reports.ranges import Range
from core.tenants import Permission
from pages.kit import formats
from pages.kit.page import View, Visit

WEEK = Range("7d")
"""The time over which two versions are held side by side."""


def of_versions(
    visit: Visit,
    chosen: Range,
    tenant_id: str | None = None,
    schema: str | None = None,
    zone: str = "UTC",
) -> Mapping[tuple[str, int], VersionFigures]:
    """Return how each version fared in what is *chosen*, by schema and version; nothing to who may not read it.

    Of every schema, or of one *schema*, whose latency and routes are told too.
    """
    if not visit.may(Permission.GENERATIONS_READ):
        return {}
    found = _figures(visit, visit.now, visit.view, chosen, tenant_id, schema, zone)
    return {(one.schema, one.version): one for one in found}


MOST_SUMMED = 50_000
"""How many calls, the newest, a list of schemas tells of: what a page waits for has a bound."""


def of_newest(
    visit: Visit, chosen: Range, tenant_id: str | None, zone: str, among: tuple[str, ...] | None = None
) -> tuple[Mapping[tuple[str, int], VersionFigures], datetime | None]:
    """Return how each version fared among the newest calls of what is *chosen*, of all schemas or *among* some.

    With them comes when the first of those calls began, ``None`` where they are all.
    """
    if not visit.may(Permission.GENERATIONS_READ):
        return {}, None
    found, since = _of_newest(visit, visit.now, visit.view, chosen, tenant_id, zone, among)
    return {(one.schema, one.version): one for one in found}, since


@st.cache_data(ttl="20s", max_entries=64, show_spinner="Counting calls…")
def _of_newest(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as below
    chosen: Range,
    tenant_id: str | None,
    zone: str,
    among: tuple[str, ...] | None,
) -> tuple[Sequence[VersionFigures], datetime | None]:
    window = chosen.window(_now, zone)
    reports = _visit.runtime.reports
    newest = reports.newest(_visit.principal, window, MOST_SUMMED, tenant_id, among)
    since = newest.starts_at if newest.starts_at > window.starts_at else None
    return reports.schemas(_visit.principal, newest, tenant_id, among=among), since


@st.cache_data(ttl="20s", max_entries=64, show_spinner="Counting calls…")
def _figures(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    chosen: Range,
    tenant_id: str | None,
    schema: str | None,
    zone: str,
) -> Sequence[VersionFigures]:
    return _visit.runtime.reports.schemas(_visit.principal, chosen.window(_now, zone), tenant_id, schema)


def told(found: VersionFigures | None) -> dict[str, str]:
    """Return the figures of one version in words, by what they are."""
    if found is None:
        return {"Calls": "0", "Valid": formats.UNKNOWN, "p50": formats.UNKNOWN, "Cost per valid": formats.UNKNOWN}
    cost = found.cost_per_valid_nano_usd
    per_valid = formats.dollars(cost) if cost is not None else "unpriced" if found.unpriced else formats.UNKNOWN
    return {
        "Calls": formats.count(found.calls),
        "Valid": formats.percent(found.validity),
        "p50": formats.millis(found.latency.p50),
        "Cost per valid": per_valid,
    }
