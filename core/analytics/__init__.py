"""An analytics store beside the database: ClickHouse, which holds the facts that the rollups are sums of.

Of what no rollup holds together, such as routes by model, the database adds up a bounded number of calls; the store
adds up any number of facts. It is sent what is folded into the rollups (``core.rollups.outbox``), a batch at a time and
in order (``_shipping``), and what there was before (``_past``). Whoever asks it takes what it has acknowledged, adds
what is still on its way, both as one look at the database says (``_looking``), and so has what the calls say at that
moment. The database stays the truth: the store can be lost, and is built anew.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection

from core.analytics._comparing import AnalyticsFinding as AnalyticsFinding
from core.analytics._comparing import compared
from core.analytics._looking import FactLook as FactLook
from core.analytics._looking import StoreSilent as StoreSilent
from core.analytics._looking import look
from core.analytics._past import MOST_WAITING, PastFacts
from core.analytics._server import AnalyticsServer
from core.analytics._server import TooSlow as TooSlow
from core.analytics._shipping import Shipping
from core.analytics._state import Progress as Progress
from core.clock import Clock
from core.errors import Conflict
from core.principals import Permission, Principal
from core.settings import Settings
from core.store import Store
from core.telemetry import Metrics

_STEPS_OF_ROUND = 200
_LONGEST_SECONDS = 45
"""An answer takes at most so long, or half of what a question may take: the rest is for adding up calls without it.

The transaction beside it does nothing meanwhile, which a PostgreSQL allows for a minute.
"""
_PATIENCE_SECONDS = 5
"""By so much longer than the server may take, or a quarter of what a question may, an answer is waited for."""
ASKED = "somebody asked for it"


class Analytics:
    """The analytics store of this deployment, if a setting names one."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: Settings,
        metrics: Metrics,
        connect: Callable[[], Any] | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        seconds = settings.report_seconds
        self._seconds = min(seconds / 2, _LONGEST_SECONDS) if seconds else _LONGEST_SECONDS
        self.is_set = bool(settings.analytics_url)
        self._server = AnalyticsServer(settings.analytics_url, clock, connect)
        patience = self._seconds + (min(seconds / 4, _PATIENCE_SECONDS) if seconds else _PATIENCE_SECONDS)
        self._asked = AnalyticsServer(settings.analytics_url, clock, connect, patience)
        self._shipping = Shipping(store, clock, self._server)
        self._past = PastFacts(store)

    def run(self) -> int:
        """Send what waits, and build some of the past; return how many steps that took.

        Raises:
            Unavailable: the store does not answer.

        """
        if not self.is_set:
            return 0
        try:
            return self._round()
        finally:
            self.measure()

    def _round(self) -> int:
        now = self._shipping.begin()
        self._shipping.forget()
        for step in range(_STEPS_OF_ROUND):
            is_more = self._shipping.ship(now)
            table, now = now.table, self._shipping.progress()
            if now.table != table:  # somebody had it begun anew meanwhile
                now = self._shipping.begin()
            if now.waiting < MOST_WAITING:
                is_more = self._past.step() or is_more
            if not is_more:
                self._shipping.caught_up()
                return step
            self._store.rest()
        return _STEPS_OF_ROUND

    def check(self) -> None:
        """Ask the store anything, if there is one.

        Raises:
            Unavailable: it does not answer.

        """
        if self.is_set:
            self._server.rows("SELECT 1", {})

    def progress(self) -> Progress:
        """Return how far the store has come."""
        return self._shipping.progress()

    def measure(self) -> None:
        """Tell the metrics."""
        now = self.progress()
        self._metrics.analytics_waiting.set(now.waiting)
        self._metrics.analytics_shipped.set(now.shipped)
        self._metrics.analytics_behind.set(now.behind_seconds(self._clock.now()))

    def look(self, connection: Connection) -> FactLook | None:
        """Return what can be asked of the store beside one look at the database; ``None`` where that is nothing."""
        return look(self._asked, connection, self._seconds) if self.is_set else None

    def compare(self, principal: Principal) -> AnalyticsFinding | None:
        """Compare the store with the rollups, day by day; ``None`` where there is none.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.
            Unavailable: the store does not answer.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        if not self.is_set:
            return None
        with self._store.reading() as session:
            connection = session.connection()
            found = self.look(connection)
            return None if found is None else compared(found, self._store, connection)

    def rebuild(self, principal: Principal) -> None:
        """Begin the store anew: the chore builds it again from the calls.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        self._shipping.begin_anew(self.progress(), ASKED)

    def stop(self, principal: Principal) -> bool:
        """Send nothing any more, and delete what waits; return whether anything was sent.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.
            Conflict: a setting still names a store, to which the next round would send again.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        if self.is_set:
            raise Conflict("ANALYTICS_URL names a store. Take it out of the settings of every process first.")
        return self._shipping.stop()

    def close(self) -> None:
        """Close the connections."""
        self._server.close()
        self._asked.close()
