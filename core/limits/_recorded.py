"""What was used of a pace in the last minute, by the record: for a process that does not count the traffic itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import col, func, select

from core.limits._terms import Pace, Scope, Use
from core.store import Store
from core.tables import Generation


def recorded_use(store: Store, pace: Pace, now: datetime) -> Use:
    """Return the generations and tokens of the last minute as they were written down; those in flight are not yet."""
    whose = Generation.tenant_id if pace.scope is Scope.TENANT else Generation.key_id
    used = col(Generation.input_tokens) + col(Generation.output_tokens)
    asked = select(func.count(), func.coalesce(func.sum(used), 0)).where(
        col(whose) == pace.id,
        col(Generation.started_at) > now - timedelta(minutes=1),
        col(Generation.outcome) != "blocked_rate",
    )
    with store.reading() as session:
        requests, tokens = session.exec(asked).one()
    return Use(requests=requests, tokens=int(tokens), concurrent=0)
