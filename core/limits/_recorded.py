"""What was used of a quota in the last minute, by the record: for a process that does not count the traffic itself."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlmodel import col, func, select

from core.limits._terms import Quota, QuotaScope, QuotaUse
from core.store import Store
from core.tables import GenerationRow


def recorded_use(store: Store, quota: Quota, now: datetime) -> QuotaUse:
    """Return the generations and tokens of the last minute as they were written down; those in flight are not yet."""
    whose = GenerationRow.tenant_id if quota.scope is QuotaScope.TENANT else GenerationRow.key_id
    used = col(GenerationRow.input_tokens) + col(GenerationRow.output_tokens)
    asked = select(func.count(), func.coalesce(func.sum(used), 0)).where(
        col(whose) == quota.id,
        col(GenerationRow.started_at) > now - timedelta(minutes=1),
        col(GenerationRow.outcome) != "blocked_rate",
    )
    with store.reading() as session:
        requests, tokens = session.exec(asked).one()
    return QuotaUse(requests=requests, tokens=int(tokens), concurrent=0)
