"""How all questions are put to the store, and those about how that stands itself."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta

from core.analytics import Analytics
from core.clock import Clock
from core.payload_terms import LEAST_CALL_DAYS
from core.principals import Permission, Principal
from core.reports.keeping import CallsKept, keeping, unkept
from core.reports.looks import Looks, ReplicaState
from core.reports.proven import RollupsProven, proven
from core.reports.reading import Reading
from core.reports.spend import Verified, verified
from core.reports.store_size import StoreSize, store_size
from core.reports.windows import Window
from core.settings import Settings
from core.store import Store


class StandingReports:
    """What ``Reports`` begins with: one look at the store for one asker, and what was proven and measured of it."""

    def __init__(
        self, store: Store, clock: Clock, settings: Settings | None = None, analytics: Analytics | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._looks = Looks(store, clock, settings)
        self._analytics = analytics

    def close(self) -> None:
        """Close what was opened for reports alone."""
        self._looks.close()

    def replica(self, principal: Principal) -> ReplicaState | None:
        """Return how the copy stands that reports are read from, or ``None``; ``Forbidden`` to who sees not all."""
        principal.require_over(Permission.GENERATIONS_READ, None)
        return self._looks.replica()

    def verified(self, principal: Principal) -> Verified | None:
        """Return the last run of ``verify``, which is about all tenants; ``None`` if it was never run."""
        with self._reading(principal) as now:
            return verified(now)

    def proven(self, principal: Principal) -> RollupsProven | None:
        """Return how the sums that figures are read from stood when they were proven last; ``None`` as above."""
        with self._reading(principal) as now:
            return proven(now)

    def store_size(self, principal: Principal) -> StoreSize:
        """Return how large the store is and how it grows; ``Forbidden`` to whoever does not see all tenants."""
        principal.require_over(Permission.GENERATIONS_READ, None)
        with self._reading(principal) as now:
            return store_size(now, self._clock.now())

    def keeping(self, principal: Principal, tenant_id: str | None = None, days: int | None = None) -> CallsKept:
        """Return of whom calls are not kept for ever, and what is to go; of one tenant, were it for so many *days*."""
        with self._reading(principal, tenant_id) as now:
            return keeping(now, self._clock.now(), days)

    def unkept(self, principal: Principal, window: Window, tenant_id: str | None = None) -> str:
        """Return of whom single calls of *window* have aged out, as a sentence; empty if all are there."""
        principal.require(Permission.GENERATIONS_READ)
        if window.starts_at >= self._clock.now() - timedelta(days=LEAST_CALL_DAYS):
            return ""  # of so lately all are there, so that usual pages need no look at it
        with self._reading(principal, tenant_id) as now:
            return unkept(now, window.starts_at, window.ends_at)

    @contextmanager
    def _reading(
        self,
        principal: Principal,
        tenant_id: str | None = None,
        needs: Permission = Permission.GENERATIONS_READ,
    ) -> Generator[Reading]:
        """Open one look at what *principal* may see, of one tenant or of all of those."""
        principal.require(needs)
        scope = principal.scope_of(needs)
        with self._looks.open(scope.narrowed(tenant_id), sees_all=scope.ids is None) as now:
            yield now
