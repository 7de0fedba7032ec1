"""The list of panels, page by page in the order of the menu."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from datetime import timedelta
from functools import partial

from core.panels._asking import Onlooker, PagePanel
from core.reports import ChangeFilter, Query, Window
from core.reports.calls import CallOrder

_RANGES = {"1h": 1, "24h": 24, "7d": 7 * 24, "30d": 30 * 24}
_DAY, _WEEK, _MONTH = _RANGES["24h"], _RANGES["7d"], _RANGES["30d"]
_NEWEST = 50_000
"""How many calls the list of schemas tells of."""
_EXPORTED = 1_000
_IN_USE = timedelta(days=30)
_FORMER = timedelta(days=31)
"""Reaches back into the month before."""


def _overview(hours: int, *, of_all: bool) -> Callable[[Onlooker], object]:
    return lambda on: on.reports.overview(on.principal, on.last(hours), None if of_all else on.tenant_id)


def _spend(hours: int, *, of_all: bool) -> Callable[[Onlooker], object]:
    return lambda on: on.reports.spend(on.principal, on.last(hours), None if of_all else on.tenant_id)


def _query(hours: int, *by: str, measures: Sequence[str] = ("calls", "error_rate")) -> Callable[[Onlooker], object]:
    return lambda on: on.reports.query(on.principal, Query(window=on.last(hours), measures=measures, by=by))


def _newest_versions(on: Onlooker) -> object:
    newest = on.reports.newest(on.principal, on.last(_WEEK), _NEWEST)
    return on.reports.schemas(on.principal, newest)


def _changes(on: Onlooker, days: int = 30) -> ChangeFilter:
    return ChangeFilter(starts_at=on.now - timedelta(days=days), ends_at=on.now + timedelta(seconds=1))


def _clusters(on: Onlooker, hours: int) -> object:
    return on.reports.clusters(on.principal, on.last(hours))


def _incident(on: Onlooker, hours: int, *, of_all: bool = True) -> object:
    window = Window.of(on.now - timedelta(hours=hours), on.now)
    return on.reports.incident(on.principal, window, None if of_all else on.tenant_id)


def _decided_before(on: Onlooker) -> object:
    return on.reports.decided_before(on.principal, on.reports.changes(on.principal, _changes(on)).changes)


def _newest_change(on: Onlooker) -> object:
    page = on.reports.changes(on.principal, _changes(on, 365)).changes
    if not page:
        return None
    change = on.reports.change(on.principal, page[0].id)
    return on.reports.changes_since(on.principal, change, 20)


def _exported(on: Onlooker) -> object:
    """Take as many calls of an export as its cost is told by: all of it costs what its lines do."""
    return next(on.reports.calls_frames(on.principal, on.calls(_MONTH), _EXPORTED))


def _all_of(pieces: Iterable[object]) -> None:
    deque(pieces, maxlen=0)


_WHOSE = {"all tenants": True, "biggest tenant": False}

PANELS: Sequence[PagePanel] = (
    *(
        PagePanel("Home", f"overview {name}, {whose}", _overview(hours, of_all=of_all))
        for name, hours in _RANGES.items()
        for whose, of_all in _WHOSE.items()
    ),
    PagePanel("Home", "latest call", lambda on: on.reports.latest_call_at(on.principal)),
    PagePanel("Home", "troubles", lambda on: on.reports.troubles(on.principal)),
    PagePanel("Home", "replica", lambda on: on.reports.replica(on.principal)),
    PagePanel("Home", "rejections", lambda on: on.reports.rejections(on.principal)),
    *(PagePanel("Home", f"clusters {name}", partial(_clusters, hours=_RANGES[name])) for name in ("24h", "30d")),
    PagePanel("Traffic", "totals, 30d", _query(_MONTH, measures=("calls", "got_object", "p95", "tokens", "spend"))),
    PagePanel("Traffic", "outcomes, 30d", _query(_MONTH, "time", "outcome", measures=("calls", "errors"))),
    PagePanel("Traffic", "calls by model, 30d", _query(_MONTH, "time", "model")),
    PagePanel("Traffic", "calls by tenant, 30d", _query(_MONTH, "time", "tenant")),
    PagePanel("Traffic", "calls by key, 7d", _query(_WEEK, "time", "tenant", "key")),
    PagePanel("Traffic", "latency, 30d", _query(_MONTH, "time", measures=("p50", "p95", "p99"))),
    PagePanel("Traffic", "latency by model, 7d", _query(_WEEK, "time", "model", measures=("p95", "calls"))),
    PagePanel("Traffic", "table of versions, 30d", _query(_MONTH, "version", measures=("calls", "p95", "spend"))),
    PagePanel(
        "Traffic",
        "what is different in a day of a week",
        lambda on: on.reports.contrast(on.principal, on.calls(_WEEK), on.calls(_DAY)),
    ),
    PagePanel("Calls", "list 24h", lambda on: on.reports.calls(on.principal, on.calls(_DAY), total=1)),
    PagePanel("Calls", "list 30d", lambda on: on.reports.calls(on.principal, on.calls(_MONTH), total=1)),
    PagePanel("Calls", "count 24h", lambda on: on.reports.count(on.principal, on.calls(_DAY))),
    PagePanel("Calls", "summary 24h", lambda on: on.reports.summary(on.principal, on.calls(_DAY))),
    PagePanel("Calls", "summary 30d", lambda on: on.reports.summary(on.principal, on.calls(_MONTH))),
    PagePanel(
        "Calls",
        "summary 30d, biggest tenant",
        lambda on: on.reports.summary(on.principal, on.calls(_MONTH, tenant_id=on.tenant_id)),
    ),
    PagePanel(
        "Calls",
        "summary 30d, timeouts",
        lambda on: on.reports.summary(on.principal, on.calls(_MONTH, outcome="timeout")),
    ),
    PagePanel(
        "Calls", "list 30d, timeouts", lambda on: on.reports.calls(on.principal, on.calls(_MONTH, outcome="timeout"))
    ),
    PagePanel(
        "Calls", "list 30d, one schema", lambda on: on.reports.calls(on.principal, on.calls(_MONTH, schema=on.schema))
    ),
    PagePanel("Calls", "list, one id", lambda on: on.reports.calls(on.principal, on.calls(_DAY, text=on.call_id))),
    PagePanel("Calls", "list 30d, words", lambda on: on.reports.calls(on.principal, on.calls(_MONTH, q="limit"))),
    PagePanel(
        "Calls",
        "list 30d, the slowest",
        lambda on: on.reports.calls(on.principal, on.calls(_MONTH), CallOrder("latency"), total=1),
    ),
    PagePanel(
        "Calls",
        "what is different about timeouts",
        lambda on: on.reports.contrast(on.principal, on.calls(_DAY), on.calls(_DAY, outcome="timeout")),
    ),
    PagePanel("Calls", "tail", lambda on: on.reports.tail(on.principal, on.calls(_DAY))),
    PagePanel("Calls", "export, the first thousand", _exported),
    PagePanel("Calls", "one call", lambda on: on.reports.call(on.principal, on.call_id)),
    *(
        PagePanel("Spend", f"figures {name}, {whose}", _spend(_RANGES[name], of_all=of_all))
        for name in ("24h", "30d")
        for whose, of_all in _WHOSE.items()
    ),
    PagePanel("Spend", "forecasts, all tenants", lambda on: on.reports.forecasts(on.principal)),
    PagePanel("Spend", "forecast, biggest tenant", lambda on: on.reports.forecast(on.principal, on.tenant_id)),
    PagePanel("Spend", "backtests, all tenants", lambda on: on.reports.backtests(on.principal)),
    PagePanel("Spend", "backtests, biggest tenant", lambda on: on.reports.backtests(on.principal, on.tenant_id)),
    PagePanel("Spend", "verified", lambda on: on.reports.verified(on.principal)),
    PagePanel("Spend", "proven", lambda on: on.reports.proven(on.principal)),
    PagePanel("Statement", "this month", lambda on: on.reports.statement(on.principal, on.tenant_id)),
    PagePanel(
        "Statement",
        "last month",
        lambda on: on.reports.statement(on.principal, on.tenant_id, f"{on.now.replace(day=1) - _FORMER:%Y-%m}"),
    ),
    PagePanel("Changes", "list 30d", lambda on: on.reports.changes(on.principal, _changes(on))),
    PagePanel(
        "Changes",
        "choices 30d",
        lambda on: on.reports.change_choices(on.principal, _changes(on).starts_at, _changes(on).ends_at),
    ),
    PagePanel("Changes", "export 30d", lambda on: _all_of(on.reports.every_change(on.principal, _changes(on)))),
    PagePanel("Changes", "one change", _newest_change),
    PagePanel("Incident", "an hour", partial(_incident, hours=1)),
    PagePanel("Incident", "two days, biggest tenant", partial(_incident, hours=48, of_all=False)),
    PagePanel("Incident", "changes and what was decided before", _decided_before),
    PagePanel("Tenants", "list", lambda on: on.runtime.tenants.list(on.principal)),
    PagePanel(
        "Tenants",
        "budgets",
        lambda on: on.runtime.budgets.all(on.principal, on.runtime.tenants.list(on.principal)),
    ),
    PagePanel("Tenants", "budget preview", lambda on: on.reports.spend_history(on.principal, on.tenant_id)),
    PagePanel("Tenants", "budgets preview", lambda on: on.reports.spend_histories(on.principal, [on.tenant_id])),
    PagePanel("Flags", "calls that met one", lambda on: on.reports.flag_met(on.principal, "route:default")),
    PagePanel("Guardrails", "caught 24h", lambda on: on.reports.caught(on.principal, on.last(_DAY))),
    PagePanel("Guardrails", "caught 30d", lambda on: on.reports.caught(on.principal, on.last(_MONTH))),
    PagePanel("Routes", "use", lambda on: on.reports.route_use(on.principal)),
    PagePanel("Providers", "a day", lambda on: on.reports.providers(on.principal)),
    PagePanel(
        "Prices",
        "in use",
        lambda on: on.runtime.prices.in_use(on.principal, on.now - _IN_USE),
    ),
    PagePanel("Prices", "unpriced", lambda on: on.runtime.prices.unpriced(on.principal)),
    PagePanel("Schemas", "list 7d", _newest_versions),
    PagePanel(
        "Schemas", "one schema 30d", lambda on: on.reports.schemas(on.principal, on.last(_MONTH), schema=on.schema)
    ),
    PagePanel("Store", "size", lambda on: on.reports.store_size(on.principal)),
    PagePanel("Store", "who keeps calls how long", lambda on: on.reports.keeping(on.principal)),
    PagePanel("Calls", "not kept any more, 90d", lambda on: on.reports.unkept(on.principal, on.last(3 * _MONTH))),
)
"""Every question; where one is asked of a tenant, it is the one that spends most."""
