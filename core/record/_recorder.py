"""Opens records, with what all of them share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from core.budgets import Budgets
from core.clock import Clock
from core.journal import JournalWriter
from core.policy import Policy, TenantTerms
from core.principals import Principal
from core.record._record import Record
from core.record._running import RunningGeneration
from core.record._telling import OwnLacks
from core.record.backlog import Backlog
from core.store import Store
from core.telemetry import Metrics

_MOST_POLICIES = 4096


class Recorder:
    """Opens records."""

    def __init__(
        self, *, store: Store, clock: Clock, budgets: Budgets, metrics: Metrics, backlog: Backlog | None = None
    ) -> None:
        """Join the parts. Without *backlog* a generation that the database does not take ends in ``Unavailable``."""
        self.store = store
        self.clock = clock
        self.budgets = budgets
        self.metrics = metrics
        self.backlog = backlog
        self.journal = JournalWriter(store)
        self.lacks = OwnLacks(clock)
        self._policies: set[str] = set()

    def keeps(self, policy: Policy) -> bool:
        """Whether this process knows that *policy* is kept."""
        return policy.recorded[0] in self._policies

    def keep(self, policy: Policy) -> None:
        """Remember that *policy* is kept."""
        if len(self._policies) >= _MOST_POLICIES:
            self._policies.clear()
        self._policies.add(policy.recorded[0])

    def open(
        self,
        *,
        tenant: TenantTerms,
        principal: Principal,
        generation_id: str | None = None,
        request_id: str,
        route: str,
        schema: str,
        streamed: bool,
        user: str | None,
        metadata: Mapping[str, Any] | None,
        began: float | None = None,
        queued_seconds: float = 0.0,
    ) -> Record:
        """Return the record of one generation; it is written when its ``with`` block ends, by any door.

        *began* is when the request came to the door, on the clock's monotonic time; now, where that is not told. There
        it waited for its turn for *queued_seconds*.
        """
        generation_id, now = generation_id or self.clock.new_id(), self.clock.now()
        running = RunningGeneration(
            id=generation_id,
            tenant=tenant,
            principal=principal,
            request_id=request_id or generation_id,  # who gives none can still be found by one
            route=route,
            schema=schema,
            streamed=streamed,
            user_hash=self.store.own_keys.user_hash(tenant.id, user) if user else None,
            metadata=metadata,
            started_at=now,
            began=self.clock.monotonic() if began is None else began,
            payloads=tenant.payloads,
            queued_seconds=queued_seconds,
        )
        return self._record(running)

    def _record(self, running: RunningGeneration) -> Record:
        return Record(self, running)
