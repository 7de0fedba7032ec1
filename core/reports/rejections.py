"""Providers that turn us away whatever is asked: our key is not accepted, or our account has nothing left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from core.clock import from_micros, micros
from core.reports.queries import ANSWERED, REJECTED, REJECTED_EARLIER
from core.reports.reading import Reading

LOOK_BACK = timedelta(days=1)
LEAST_REJECTED = 12
"""Calls from which on it is said: one or two may be a key that is being changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """One provider that has turned away every call since some time, for one reason."""

    provider: str
    code: str
    """``key_rejected`` or ``quota_exhausted``."""
    calls: int
    """Attempts that were turned away, at most those of a day."""
    since: datetime | None
    """When the first of them began; ``None`` where that was more than a day ago."""
    last_at: datetime
    """When the last of them began."""


def rejections(reading: Reading, now: datetime) -> list[Rejection]:
    """Return who turned away a dozen calls or more and has answered none that began later; who did most first.

    What is read is an index of the calls that were turned away, and of the others the way back to the last answer.
    """
    day_ago = micros(now - LOOK_BACK)
    answered = {row.provider: _last_answer(reading, row.provider, day_ago) for row in _rejected(reading, day_ago)}
    found: list[Rejection] = []
    for provider, last_answer in answered.items():
        for row in _rejected(reading, day_ago if last_answer is None else last_answer + 1, provider):
            began_earlier = last_answer is None and _rejected_before(reading, provider, day_ago)
            found.append(
                Rejection(
                    provider=provider,
                    code=row.error_code,
                    calls=row.calls,
                    since=None if began_earlier else from_micros(row.first_at),
                    last_at=from_micros(row.last_at),
                )
            )
    return sorted(found, key=lambda one: (-one.calls, one.provider, one.code))


def _rejected(reading: Reading, starts_at: int, provider: str | None = None) -> Sequence[Any]:
    bound = {"starts_at": starts_at, "least": LEAST_REJECTED}
    return [row for row in reading.rows(REJECTED, bound, tenant="a.tenant_id") if provider in (None, row.provider)]


def _last_answer(reading: Reading, provider: str, starts_at: int) -> int | None:
    bound = {"provider": provider, "starts_at": starts_at}
    return next((row.started_at for row in reading.rows(ANSWERED, bound, tenant="a.tenant_id")), None)


def _rejected_before(reading: Reading, provider: str, ends_at: int) -> bool:
    bound = {"provider": provider, "starts_at": ends_at - LOOK_BACK // timedelta(microseconds=1), "ends_at": ends_at}
    return bool(reading.rows(REJECTED_EARLIER, bound, tenant="a.tenant_id"))
