"""Recovery: generations whose process died. What they held goes back, and what was out is recorded and charged.

A process that lives shows it every few seconds. A reservation is orphaned when its owner has shown nothing for a while,
or when it is past its time. Recovery is everybody's: each orphan is settled in a transaction of its own.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import Any

import orjson

from core.budgets import ThresholdEvent, Thresholds
from core.clock import Clock, micros
from core.errors import Unavailable
from core.journal import LOST, JournalWriter
from core.record._rows import read_back
from core.record._telling import tell_thresholds
from core.statements import Cursor
from core.store import Store
from core.tables import AttemptRow, FindingRow, GenerationRow, LedgerKind, Outcome
from core.telemetry import Metrics, log

HEARTBEAT_EVERY = timedelta(seconds=5)
DEAD_AFTER = timedelta(seconds=20)
"""Four heartbeats missed."""
FORGET_AFTER = timedelta(days=1)
LOST_SENTENCE = (
    "The process that ran it ended before an answer was recorded; the call that was out is charged an estimate."
)
_LOST: dict[str, Any] = {
    "outcome": Outcome.INTERNAL_ERROR.value,
    "error_code": LOST,
    "error_detail": LOST_SENTENCE,
    "estimated": True,
}


class Recovery:
    """Finds and settles what processes that died left behind."""

    def __init__(self, store: Store, clock: Clock, journal: JournalWriter, metrics: Metrics, *, owner: str) -> None:
        self._store = store
        self._clock = clock
        self._journal = journal
        self._metrics = metrics
        self._owner = owner
        self._beat = store.prepare(
            "INSERT INTO process (owner, started_at, seen_at) VALUES (:owner, :now, :now) "
            "ON CONFLICT (owner) DO UPDATE SET seen_at = excluded.seen_at"
        )
        self._end = store.prepare("UPDATE process SET seen_at = :gone WHERE owner = :owner")
        self._forget = store.prepare("DELETE FROM process WHERE seen_at < :before")
        orphan = (
            "SELECT r.generation_id, r.holds, r.generation, r.attempts FROM reservation r "
            "WHERE r.generation_id > :after AND (r.expires_at < :now "
            "OR EXISTS (SELECT 1 FROM process p WHERE p.owner = r.owner AND p.seen_at < :dead)) "
            "ORDER BY r.generation_id LIMIT 1"
        )
        self._orphan = store.prepare(orphan if store.is_sqlite else f"{orphan} FOR UPDATE OF r SKIP LOCKED")
        self._close = store.prepare("DELETE FROM reservation WHERE generation_id = :id")
        self._move = store.prepare(
            "UPDATE account SET spent_nano_usd = spent_nano_usd + :spent, held_nano_usd = held_nano_usd - :held "
            "WHERE id = :id RETURNING spent_nano_usd"
        )
        self._thresholds = Thresholds(store, clock)

    def heartbeat(self) -> None:
        """Say that this process lives."""
        self._store.condition.look()  # what is written into a file without a name is lost
        now = self._clock.now()
        with self._store.transaction() as cursor:
            cursor.execute(self._beat, {"owner": self._owner, "now": micros(now)})
            cursor.execute(self._forget, {"before": micros(now - FORGET_AFTER)})

    def leave(self) -> None:
        """Say that this process ends, if it ever showed that it lives: what it still holds may be settled at once."""
        gone = self._clock.now() - DEAD_AFTER - timedelta(seconds=1)
        with self._store.transaction() as cursor:
            cursor.execute(self._end, {"owner": self._owner, "gone": micros(gone)})

    def run(self) -> int:
        """Settle every orphan; return how many there were.

        One that cannot be settled, because another release wrote it, is logged and left for that release.
        """
        recovered, seen = 0, [""]
        while True:
            try:
                if not self._recover_one(seen):
                    return recovered
            except Unavailable:
                raise
            except Exception as error:  # noqa: BLE001 whatever it is, it must not keep the others from being settled
                log().error("lapse_failed", generation_id=seen[-1], error=type(error).__name__)
            else:
                recovered += 1

    def _recover_one(self, seen: list[str]) -> bool:
        """Settle the next one after the last of *seen*, and add it there; whether there was one."""
        now = self._clock.now()
        events: list[ThresholdEvent] = []
        with self._store.transaction() as cursor:
            times = {"now": micros(now), "dead": micros(now - DEAD_AFTER)}
            cursor.execute(self._orphan, times | {"after": seen[-1]})
            row = cursor.fetchone()
            if row is None:
                return False
            seen.append(row[0])
            generation_id, holds, generation, attempts = row[0], *map(orjson.loads, row[1:])
            cursor.execute(self._close, {"id": generation_id})
            spent: Counter[str] = Counter()
            entries: list[dict[str, Any]] = []
            rows: list[dict[str, Any]] = []
            for attempt in attempts:
                paying: list[str] = attempt.pop("accounts")
                if attempt["cost_nano_usd"] is None:
                    paying = []
                entries += [self._entry(account_id, attempt, now) for account_id in paying]
                rows.append(
                    read_back(AttemptRow, attempt)
                    | _LOST
                    | {"charges": len(paying), "duration_ms": 0.0, "ended_at": now}
                )
                spent.update(dict.fromkeys(paying, attempt["cost_nano_usd"]))
            self._journal.post(cursor, entries)
            self._journal.attempts(cursor, rows)
            findings = generation.pop("findings", ())
            self._journal.findings(cursor, [read_back(FindingRow, row) for row in findings])
            ended = self._ended(cursor, read_back(GenerationRow, generation), rows[-1], now)
            self._journal.generation(cursor, ended, is_late=True)
            for account_id in sorted({*holds, *spent}):
                row = {"id": account_id, "spent": spent[account_id], "held": holds.get(account_id, 0)}
                cursor.execute(self._move, row)
                moved = cursor.fetchone()
                if moved and spent[account_id]:
                    terms = self._thresholds.terms(cursor, account_id)
                    events += self._thresholds.passed(cursor, terms, moved[0] - spent[account_id], moved[0])
        tell_thresholds(self._metrics, events)
        return True

    def _ended(self, cursor: Cursor, generation: dict[str, Any], lost: dict[str, Any], now: datetime) -> dict[str, Any]:
        """Return the row of a generation that ended with its process, from its attempts."""
        sums = self._journal.sums(cursor, generation["id"])
        step = {"room": "attempt", "verdict": LOST, "reason": LOST_SENTENCE}
        return (
            generation
            | _LOST
            | {
                "ttft_ms": None,
                "ended_at": now,
                # As far as it is known: until its last call went out.
                "duration_ms": max(0.0, (lost["started_at"] - generation["started_at"]).total_seconds() * 1000),
                "attempts": sums.attempts,
                "provider": lost["provider"],
                "model": lost["model"],
                "input_tokens": sums.input_tokens,
                "cached_tokens": sums.cached_tokens,
                "cache_write_tokens": sums.cache_write_tokens,
                "output_tokens": sums.output_tokens,
                "reasoning_tokens": sums.reasoning_tokens,
                "cost_nano_usd": None if sums.unpriced else sums.cost_nano_usd,
                "wasted_nano_usd": sums.cost_nano_usd,
                "trace": [*generation["trace"], step],
            }
        )

    def _entry(self, account_id: str, attempt: dict[str, Any], now: datetime) -> dict[str, Any]:
        return {
            "id": self._clock.new_id(),
            "at": now,
            "account_id": account_id,
            "generation_id": attempt["generation_id"],
            "attempt_id": attempt["id"],
            "kind": LedgerKind.CHARGE.value,
            "cause": "",
            "nano_usd": attempt["cost_nano_usd"],
            "estimated": True,
        }
