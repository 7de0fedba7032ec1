"""What was recorded last, whenever it began: a call that took a minute comes as it ends, not where it began.

All that is shown is asked for each time, so one that is recorded a moment after another that ended later is not missed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlmodel import col

from core.reports.calls._conditions import condition
from core.reports.calls._filters import CallFilter
from core.reports.calls._lists import LINE, frame_of, joined_lines
from core.reports.frames import Frame
from core.reports.reading import Reading
from core.tables import GenerationRow
from core.visibility import visible

TAIL_SIZE = 50
"""Calls that are shown at once."""
LONGEST_FOLLOWED = timedelta(minutes=15)
"""Calls are followed that began so long ago at most: none takes longer."""
MOST_FOLLOWED = 20_000
"""So many of the newest of them are looked at."""


def call_tail(reading: Reading, wanted: CallFilter, now: datetime) -> Frame:
    """Return the calls that were recorded last of those that pass *wanted*, with ``ended_at``, the latest first."""
    lately = replace(wanted, starts_at=now - LONGEST_FOLLOWED, ends_at=now + timedelta(seconds=1))
    newest = select(col(GenerationRow.id)).where(
        condition(reading, lately, now), visible(reading.scope, GenerationRow.tenant_id)
    )
    some = newest.order_by(col(GenerationRow.started_at).desc()).limit(MOST_FOLLOWED)
    lines = joined_lines((*LINE, GenerationRow.ended_at), col(GenerationRow.id).in_(some))
    last_first = (col(GenerationRow.ended_at).desc(), col(GenerationRow.id).desc())
    return frame_of(reading, lines.order_by(*last_first).limit(TAIL_SIZE))
