"""Every read-only question: how calls went, and what became of one.

Definitions, the same on every page:

* A *call* is a generation; it belongs to the window in which it began.
* *Error rate*: calls that ended invalid, truncated, refused by the model, content-filtered, in a provider error or in a
  timeout, among all that ended by themselves (those, the valid and the unchecked ones). What policy blocked and what
  its caller cancelled is shown apart.
* *Validity*: calls that gave a valid object, among those that reached a provider. Cache hits are in neither.
* *Latency*: wall time from the door to the record, of calls that reached a provider. Percentiles go by
  nearest rank, over slots that put them at most 2.2 % off.
* *Spend*: what all attempts of the window's calls cost, however and whenever they ended, at the prices frozen on them.
  Unpriced calls are counted beside it, and so is the part that is an estimate.
* *Discarded*: the part of the spend that bought no answer which the caller got, or an invalid one. *Cost
  per valid object* is all spend over valid objects, among calls that are wholly priced. *Unchecked* calls, whose
  answers had nothing to satisfy, count neither in it nor in *validity*.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from datetime import datetime

from core.analytics import Analytics
from core.clock import Clock, micros
from core.principals import Permission, Principal, TenantScope
from core.reports import calls as lists
from core.reports.budget_lines import BudgetLine as BudgetLine
from core.reports.calls import MOST_EXPORTED as MOST_EXPORTED
from core.reports.calls import CallFilter as CallFilter
from core.reports.calls import CallPage as CallPage
from core.reports.change_reports import ChangeReports
from core.reports.change_words import Difference as Difference
from core.reports.change_words import differences as differences
from core.reports.change_words import sides as sides
from core.reports.changes import CHANGES_ON_PAGE as CHANGES_ON_PAGE
from core.reports.changes import MOST_COUNTED as MOST_COUNTED
from core.reports.changes import ChangeChoices as ChangeChoices
from core.reports.changes import ChangeCursor as ChangeCursor
from core.reports.changes import ChangeFilter as ChangeFilter
from core.reports.changes import ChangePage as ChangePage
from core.reports.changes import RecordedChange as RecordedChange
from core.reports.contrasts import Contrast as Contrast
from core.reports.contrasts import contrast
from core.reports.documents import backtest_document as backtest_document
from core.reports.documents import forecast_document as forecast_document
from core.reports.documents import spend_document as spend_document
from core.reports.documents import statement_document as statement_document
from core.reports.forecast import INTERVAL as INTERVAL
from core.reports.forecast import LEAST_DAYS as LEAST_DAYS
from core.reports.forecast import MOST_TESTED as MOST_TESTED
from core.reports.forecast import Backtest as Backtest
from core.reports.forecast import Forecast as Forecast
from core.reports.frames import AT_ONCE
from core.reports.frames import OTHERS as OTHERS
from core.reports.frames import Frame as Frame
from core.reports.frames import batches as batches
from core.reports.frames import csv as csv
from core.reports.frames import csv_cell as csv_cell
from core.reports.frames import csv_pieces as csv_pieces
from core.reports.guardrails import Caught as Caught
from core.reports.guardrails import caught
from core.reports.incidents import Cluster as Cluster
from core.reports.incidents import Incident as Incident
from core.reports.incidents import clusters, incident
from core.reports.measures import CallFigures as CallFigures
from core.reports.one_call import Call as Call
from core.reports.one_call import RecordedAttempt as RecordedAttempt
from core.reports.one_call import RecordedFieldError as RecordedFieldError
from core.reports.one_call import one_call
from core.reports.outlooks import outlooks, tested
from core.reports.overview import MOST_HEATED as MOST_HEATED
from core.reports.overview import Change as Change
from core.reports.overview import Overview as Overview
from core.reports.overview import Totals as Totals
from core.reports.overview import overview
from core.reports.percentiles import PERCENTILE_ERROR as PERCENTILE_ERROR
from core.reports.percentiles import Timing as Timing
from core.reports.preview import PREVIEW_DAYS as PREVIEW_DAYS
from core.reports.preview import Preview as Preview
from core.reports.preview import PreviewedPeriod as PreviewedPeriod
from core.reports.preview import SpendHistory as SpendHistory
from core.reports.preview import spend_histories
from core.reports.providers import ProviderDay as ProviderDay
from core.reports.providers import ProviderFigures as ProviderFigures
from core.reports.providers import provider_day
from core.reports.query import Query as Query
from core.reports.query import QueryAnswer as QueryAnswer
from core.reports.query import answered
from core.reports.rejections import Rejection as Rejection
from core.reports.rejections import rejections
from core.reports.schema_figures import VersionFigures as VersionFigures
from core.reports.schema_figures import newest_of, schema_figures
from core.reports.spend import Line as Line
from core.reports.spend import Reason as Reason
from core.reports.spend import Spend as Spend
from core.reports.spend import Verified as Verified
from core.reports.spend import spend
from core.reports.statement import Statement as Statement
from core.reports.statement import month_around as month_around
from core.reports.statement import statement
from core.reports.troubles import Trouble as Trouble
from core.reports.troubles import troubles
from core.reports.use import FlagMet as FlagMet
from core.reports.use import RouteTraffic as RouteTraffic
from core.reports.use import flag_met, route_use
from core.reports.windows import Window as Window
from core.reports.windows import wall as wall
from core.settings import Settings
from core.store import Store
from core.tables import Outcome as Outcome

ENOUGH = 20
"""Calls from which on a p95 is worth reading; with fewer a page shows it pale or not at all."""


class Reports(ChangeReports):
    """The read side. Each question is answered from one snapshot of the store, and of what its asker may see.

    Of tenants that the principal may not see nothing is found, as if they were not there. Every method raises
    ``Forbidden`` without ``generations.read``, those about changes without ``changes.read``, and ``Unavailable`` where
    the database does not answer.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        routed: Callable[[], Collection[str]] = tuple,
        settings: Settings | None = None,
        analytics: Analytics | None = None,
    ) -> None:
        """*routed* gives the models that routes name, as ``provider/name``: they have lines of their own."""
        super().__init__(store, clock, settings, analytics)
        self._routed = routed

    def overview(self, principal: Principal, window: Window, tenant_id: str | None = None) -> Overview:
        """Return how calls went over *window*, for one tenant or for all."""
        with self._reading(principal, tenant_id) as now:
            return overview(now, window, self._clock.now())

    def query(self, principal: Principal, asked: Query, tenant_id: str | None = None) -> QueryAnswer:
        """Return any figures over any time, by what calls are told apart by: see :mod:`core.reports.query`.

        Raises:
            Invalid: there are no such figures.

        """
        with self._reading(principal, tenant_id) as now:
            other = self._analytics
            return answered(now, asked, self._clock.now(), lambda: other.look(now.connection) if other else None)

    def troubles(self, principal: Principal, tenant_id: str | None = None) -> list[Trouble]:
        """Return what is wrong at this time, the worst first; nothing if all is well."""
        with self._reading(principal, tenant_id) as now:
            return troubles(now, self._clock.now())

    def clusters(self, principal: Principal, window: Window, tenant_id: str | None = None) -> list[Cluster]:
        """Return where in *window* much more than usual went wrong, the worst first."""
        with self._reading(principal, tenant_id) as now:
            return clusters(now, window, self._clock.now())

    def incident(self, principal: Principal, window: Window, tenant_id: str | None = None) -> Incident:
        """Return what went wrong in *window*, held against the same hours of the days before; see :func:`incident`."""
        with self._reading(principal, tenant_id) as now:
            return incident(now, window, self._clock.now())

    def rejections(self, principal: Principal, tenant_id: str | None = None) -> list[Rejection]:
        """Return the providers that turn away every call, for our key or our account; nothing if all is well."""
        with self._reading(principal, tenant_id) as now:
            return rejections(now, self._clock.now())

    def providers(self, principal: Principal, tenant_id: str | None = None) -> ProviderDay:
        """Return how each provider that was called within a day fared."""
        with self._reading(principal, tenant_id) as now:
            return provider_day(now, self._clock.now())

    def route_use(self, principal: Principal, tenant_id: str | None = None) -> Mapping[str, RouteTraffic]:
        """Return by its name who went each route within a day, and how they fared."""
        with self._reading(principal, tenant_id) as now:
            return route_use(now, self._clock.now())

    def caught(self, principal: Principal, window: Window, tenant_id: str | None = None) -> Caught:
        """Return what guardrails caught in *window*, for one tenant or for all."""
        with self._reading(principal, tenant_id) as now:
            return caught(now, window)

    def flag_met(self, principal: Principal, flag: str, tenant_id: str | None = None) -> FlagMet:
        """Return how many calls of the last day a flag was about."""
        with self._reading(principal, tenant_id) as now:
            return flag_met(now, flag, self._clock.now())

    def spend(self, principal: Principal, window: Window, tenant_id: str | None = None) -> Spend:
        """Return what the money of *window* bought, for one tenant or for all."""
        routed = self._routed()
        with self._reading(principal, tenant_id) as now:
            return spend(now, window, self._clock.now(), routed)

    def statement(self, principal: Principal, tenant_id: str, month: str | None = None) -> Statement:
        """Return a tenant's bill of *month* (``2026-11``) in its time zone, or of the month under way.

        Raises:
            NotFound: there is no such tenant.
            Invalid: *month* is none, or has not begun.

        """
        routed = self._routed()
        with self._reading(principal, tenant_id) as now:
            return statement(now, tenant_id, month, self._clock.now(), routed)

    def forecasts(self, principal: Principal, tenant_id: str | None = None) -> Sequence[Forecast]:
        """Return how the month will end for one tenant, or for each that called of late, the dearest first.

        It is as a chore last made it, which each says; nothing of whom it has not come to yet.

        Raises:
            NotFound: there is no such tenant.

        """
        with self._reading(principal, tenant_id) as now:
            if tenant_id is not None:
                now.tenant(tenant_id)
            found = [one.forecast for one in outlooks(now, tenant_id)]
        return sorted(found, key=lambda one: (-(one.expected or one.spent), one.tenant))

    def forecast(self, principal: Principal, tenant_id: str) -> Forecast | None:
        """Return how a tenant's month will end, as it was last made; ``None`` where it is still to be made.

        Raises:
            NotFound: there is no such tenant.

        """
        return next(iter(self.forecasts(principal, tenant_id)), None)

    def backtests(self, principal: Principal, tenant_id: str | None = None) -> Sequence[Backtest]:
        """Return how the forecast did on past mornings: a week ahead, to the month's end.

        For one tenant, or for those ``MOST_TESTED`` that spent most; as it was made with the forecasts.
        """
        with self._reading(principal, tenant_id) as now:
            return tested(outlooks(now, tenant_id))

    def spend_history(  # noqa: PLR0917 what a budget is made of
        self,
        principal: Principal,
        tenant_id: str,
        scope: str = "tenant",
        scope_name: str = "",
        span: tuple[datetime, datetime] | None = None,
        days: int = PREVIEW_DAYS,
    ) -> SpendHistory:
        """Return what calls cost that a budget would cover, to be held against one limit after the other.

        *scope* is ``tenant``, ``model`` (*scope_name* ``provider/name``), ``schema`` or ``route``. With *span* it
        reaches back to the beginning of that, at most 400 days.

        Raises:
            NotFound: there is no such tenant.
            Invalid: an unknown scope.

        """
        with self._reading(principal, tenant_id) as now:
            now.tenant(tenant_id)
            return spend_histories(now, self._clock.now(), scope, scope_name, span, days)[tenant_id]

    def spend_histories(self, principal: Principal, tenant_ids: Sequence[str]) -> Mapping[str, SpendHistory]:
        """Return what the calls of each of some tenants cost, by its id, in one look; those who are gone are left out.

        Some thousand figures a tenant: ask for few at once.
        """
        principal.require(Permission.GENERATIONS_READ)
        some = frozenset(one for one in tenant_ids if principal.scope_of(Permission.GENERATIONS_READ).holds(one))
        with self._looks.open(TenantScope(some)) as now:
            return spend_histories(now, self._clock.now())

    def latest_call_at(self, principal: Principal, tenant_id: str | None = None) -> datetime | None:
        """Return when the latest call of the tenant, or of any, began; ``None`` if there never was one."""
        with self._reading(principal, tenant_id) as now:
            return lists.latest_call_at(now)

    def count(self, principal: Principal, wanted: CallFilter) -> int:
        """Return how many calls pass *wanted*, at most ``MOST_COUNTED_CALLS``; as below, ``Invalid`` is not read."""
        with self._reading(principal, wanted.tenant_id) as now:
            return lists.call_count(now, wanted, self._clock.now())

    def calls(
        self,
        principal: Principal,
        wanted: CallFilter,
        order: lists.CallOrder = lists.NEWEST,
        cursor: lists.CallCursor | None = None,
        **more: int,
    ) -> CallPage:
        """Return one page of the calls that pass *wanted*, in this order: see :func:`lists.call_page`."""
        with self._reading(principal, wanted.tenant_id) as now:
            return lists.call_page(now, wanted, self._clock.now(), order=order, cursor=cursor, **more)

    def calls_frames(
        self, principal: Principal, wanted: CallFilter, at_once: int = AT_ONCE, order: lists.CallOrder = lists.NEWEST
    ) -> Generator[Frame]:
        """Yield the calls that pass *wanted*, for an export: so many at once, ``MOST_EXPORTED`` in all, no payloads."""
        principal.require(Permission.GENERATIONS_READ)
        now = self._clock.now()
        return lists.calls_frames(lambda: self._reading(principal, wanted.tenant_id), wanted, at_once, now, order)

    def summary(self, principal: Principal, wanted: CallFilter) -> lists.CallSummary:
        """Return what the newest of the calls that pass *wanted* cost, and what there is among them to narrow by."""
        with self._reading(principal, wanted.tenant_id) as now:
            return lists.call_summary(now, wanted, self._clock.now())

    def tail(self, principal: Principal, wanted: CallFilter) -> Frame:
        """Return the calls that were recorded last, of those that pass *wanted* whenever it says, the latest first."""
        with self._reading(principal, wanted.tenant_id) as now:
            return lists.call_tail(now, wanted, self._clock.now())

    def contrast(self, principal: Principal, within: CallFilter, selected: CallFilter) -> Contrast:
        """Return what tells the calls that pass *selected* from the others that pass *within*."""
        with self._reading(principal, within.tenant_id) as now:
            return contrast(now, within, selected)

    def schemas(
        self,
        principal: Principal,
        window: Window,
        tenant_id: str | None = None,
        schema: str | None = None,
        among: Sequence[str] | None = None,
    ) -> Sequence[VersionFigures]:
        """Return how each version of the registered schemas fared that was called in *window*.

        Of all schemas, of those *among* some, or of one *schema*; of that it is also told how long its calls took, and
        which routes they went.
        """
        with self._reading(principal, tenant_id) as now:
            names = among if schema is None else [schema]
            return schema_figures(now, window, micros(self._clock.now()), names, is_timed=schema is not None)

    def newest(
        self,
        principal: Principal,
        window: Window,
        most: int,
        tenant_id: str | None = None,
        among: Sequence[str] | None = None,
    ) -> Window:
        """Return the end of *window* that has its *most* newest calls, of the schemas *among* some; all, if no more."""
        with self._reading(principal, tenant_id) as now:
            return newest_of(now, window, most, among)

    def call(self, principal: Principal, call_id: str) -> Call:
        """Return one call, told whole.

        Raises:
            NotFound: there is none of that id.

        """
        with self._reading(principal) as now:
            return one_call(now, call_id, self._clock.now())
