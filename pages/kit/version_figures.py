"""How versions of schemas fare, as the page asks for it: kept for some seconds, for everyone who may see the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import streamlit as st

from core.reports import VersionFigures, Window
from core.tenants import Permission
from pages.kit import formats
from pages.kit.page import View, Visit

WEEK = 7 * 24
"""The hours over which two versions are held side by side."""


def of_versions(
    visit: Visit,
    hours: int,
    tenant_id: str | None = None,
    schema: str | None = None,
    among: tuple[str, ...] | None = None,
) -> Mapping[tuple[str, int], VersionFigures]:
    """Return how each version fared in the *hours* until now, by schema and version; nothing to who may not read it.

    Of every schema, of those *among* some, or of one *schema*, whose latency and routes are told too.
    """
    if not visit.may(Permission.GENERATIONS_READ):
        return {}
    found = _figures(visit, visit.now, visit.view, hours, tenant_id, schema, among)
    return {(one.schema, one.version): one for one in found}


MOST_SUMMED = 50_000
"""How many calls, the newest, a list of schemas tells of: what a page waits for has a bound."""


def of_newest(
    visit: Visit, hours: int, tenant_id: str | None = None, among: tuple[str, ...] | None = None
) -> tuple[Mapping[tuple[str, int], VersionFigures], datetime | None]:
    """Return how each version fared among the newest calls of the *hours* until now, of all schemas or *among* some.

    With them comes when the first of those calls began, ``None`` where they are all.
    """
    if not visit.may(Permission.GENERATIONS_READ):
        return {}, None
    found, since = _of_newest(visit, visit.now, visit.view, hours, tenant_id, among)
    return {(one.schema, one.version): one for one in found}, since


@st.cache_data(ttl="20s", max_entries=64, show_spinner="Counting calls…")
def _of_newest(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 as below
    hours: int,
    tenant_id: str | None,
    among: tuple[str, ...] | None,
) -> tuple[Sequence[VersionFigures], datetime | None]:
    window = Window.last(timedelta(hours=hours), _now)
    reports = _visit.runtime.reports
    newest = reports.newest(_visit.principal, window, MOST_SUMMED, tenant_id, among)
    since = newest.starts_at if newest.starts_at > window.starts_at else None
    return reports.schemas(_visit.principal, newest, tenant_id, among=among), since


@st.cache_data(ttl="20s", max_entries=64, show_spinner="Counting calls…")
def _figures(
    _visit: Visit,
    _now: datetime,
    view: View,  # noqa: ARG001 keeps apart what different runtimes answered, and who may see it
    hours: int,
    tenant_id: str | None,
    schema: str | None,
    among: tuple[str, ...] | None,
) -> Sequence[VersionFigures]:
    window = Window.last(timedelta(hours=hours), _now)
    return _visit.runtime.reports.schemas(_visit.principal, window, tenant_id, schema, among)


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
