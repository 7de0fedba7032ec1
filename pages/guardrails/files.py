"""What the page of guardrails gives away: the counts of what was caught."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from core.api.exports import Export
from core.principals import Principal
from core.reports import Window, csv
from core.runtime import Runtime


@dataclass(frozen=True, slots=True)
class CaughtWanted:
    """Of which stretch of time, and of whom."""

    starts_at: datetime
    ends_at: datetime
    tenant_id: str | None
    zone: str = "UTC"


def _caught(runtime: Runtime, who: Principal, wanted: CaughtWanted) -> Iterator[bytes]:
    window = Window.of(wanted.starts_at, wanted.ends_at, wanted.zone)
    return iter((csv(runtime.reports.caught(who, window, wanted.tenant_id).lines),))


CAUGHT = Export("guardrails/caught", CaughtWanted, _caught)
FILES = (CAUGHT,)
