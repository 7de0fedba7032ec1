"""Whose turn it is with a question, and what an operator does with the answers that are kept."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

import orjson
from sqlmodel import col, delete, func, select

from core import audit
from core.answers._leases import LEASE_SECONDS, RENEW_SECONDS, Leases
from core.answers._questions import Answered, Given, Question
from core.clock import Clock, from_micros, micros
from core.errors import Cancelled, Exhausted, Unavailable
from core.principals import Permission, Principal
from core.store import Store
from core.tables import CachedAnswer, Generation, Outcome, Tenant

_LOOK_SECONDS = (0.02, 0.25)
"""How often a question that another process answers is looked at, at first and at last."""
_WAKE_SECONDS = 0.05
"""How often who waits for a call of this process looks whether its own caller left."""
_MOST_HINTS = 4096
_REPORTED_DAYS = 30


_CLAIM = """
    INSERT INTO cached_answer
        (key, tenant_id, generation_id, value, provider, model, cost_nano_usd, created_at, expires_at)
    VALUES (:key, :tenant_id, :generation_id, NULL, '', '', NULL, :now, :until)
    ON CONFLICT (key) DO UPDATE SET
        generation_id = excluded.generation_id, value = NULL, provider = '', model = '', cost_nano_usd = NULL,
        created_at = excluded.created_at, expires_at = excluded.expires_at
    WHERE cached_answer.expires_at <= excluded.created_at
"""
_LOOK = """
    SELECT value, generation_id, provider, model, cost_nano_usd, created_at FROM cached_answer
    WHERE key = :key AND expires_at > :now
"""
_KEEP = """
    UPDATE cached_answer SET
        value = :value, provider = :provider, model = :model, cost_nano_usd = :cost,
        created_at = :now, expires_at = :until
    WHERE key = :key AND generation_id = :generation_id
"""
_LEAVE = "DELETE FROM cached_answer WHERE key = :key AND generation_id = :generation_id AND value IS NULL"
_SWEEP = "DELETE FROM cached_answer WHERE expires_at <= :now"


class Turn:
    """One's turn with a question: an answer that is given again, or the right to make it for all who ask the same."""

    def __init__(
        self, answers: Answers | None, question: Question | None, given: Given | None, waited_seconds: float
    ) -> None:
        self._answers = answers
        self._question = question
        self.given = given
        self.waited_seconds = waited_seconds

    def end(self, answered: Answered | None) -> None:
        """Keep what was *answered*, or let the next one try; either wakes those who wait."""
        if self._answers is not None and self._question is not None and self.given is None:
            self._answers.end(self._question, answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """A tenant's answers as people see them."""

    answers: int
    """How many can be given again now."""
    being_made: int
    characters: int
    oldest_at: datetime | None
    hits: int
    """How often one was given again in the last 30 days."""
    saved_nano_usd: int
    """What those would have cost."""


class Answers:
    """The answers of this deployment."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        lease_seconds: float = LEASE_SECONDS,
        renew_seconds: float = RENEW_SECONDS,
    ) -> None:
        self._store = store
        self._clock = clock
        self._lease = timedelta(seconds=lease_seconds)
        self._lock = threading.Lock()
        self._flights: dict[str, threading.Event] = {}
        """The questions that this process answers, or watches another answer; set when that is over."""
        self._hints: dict[str, None] = {}
        """Questions whose answer was seen in the table: there it is looked for before anybody claims it."""
        self._leases = Leases(store, clock, self._lease, renew_seconds)
        self._claim_sql = store.prepare(_CLAIM)
        self._look_sql = store.prepare(_LOOK)
        self._keep_sql = store.prepare(_KEEP)
        self._leave_sql = store.prepare(_LEAVE)

    def turn(self, asked: Question | None, *, ends: float, cancelled: threading.Event) -> Turn:
        """Return one's turn, as soon as it comes; whoever gets it ends it. Without a question it comes at once.

        Raises:
            Exhausted: another call was answering the question until *ends*, on the clock's monotonic time.
            Cancelled: the caller left meanwhile.

        """
        if asked is None:
            return Turn(None, None, None, 0.0)
        began, waited = self._clock.monotonic(), False
        while True:
            given = self._look(asked.key)[0] if asked.key in self._hints else None
            if given is None:
                flight, is_mine = self._joined(asked.key)
                if not is_mine:
                    waited = True
                    self._wait(flight, _WAKE_SECONDS, ends, cancelled)
                    continue
                given, others = self._claimed_or_given(asked, ends, cancelled)
                waited = waited or others
            return Turn(self, asked, given, self._clock.monotonic() - began if waited else 0.0)

    def end(self, asked: Question, answered: Answered | None) -> None:
        """End one's turn. A trouble with the database costs no more than the answer's being kept."""
        try:
            with suppress(Unavailable), self._store.transaction() as cursor:
                who = {"key": asked.key, "generation_id": asked.generation_id}
                if answered is None:
                    cursor.execute(self._leave_sql, who)
                else:
                    now = self._clock.now()
                    cursor.execute(
                        self._keep_sql,
                        who
                        | {
                            "value": orjson.dumps(answered.value).decode(),
                            "provider": answered.provider,
                            "model": answered.model,
                            "cost": answered.cost_nano_usd,
                            "now": micros(now),
                            "until": micros(now + asked.lasts),
                        },
                    )
                    self._hint(asked.key)
        finally:
            self._leases.drop(asked)
            self._part(asked.key)

    def show(self, tenant: Tenant) -> Kept:
        """Return how a tenant's answers stand."""
        now = self._clock.now()
        mine = (col(CachedAnswer.tenant_id) == tenant.id) & (col(CachedAnswer.expires_at) > now)
        is_made = col(CachedAnswer.value).is_not(None)
        since = now - timedelta(days=_REPORTED_DAYS)
        hit = (
            (col(Generation.tenant_id) == tenant.id)
            & (col(Generation.started_at) >= since)
            & (col(Generation.outcome) == Outcome.CACHE_HIT.value)
        )
        size = func.coalesce(func.sum(func.length(CachedAnswer.value)), 0)
        with self._store.reading() as session:
            answers, length, oldest = session.exec(
                select(func.count(), size, func.min(col(CachedAnswer.created_at))).where(mine & is_made)
            ).one()
            being_made = session.exec(select(func.count()).where(mine & ~is_made)).one()
            hits, saved = session.exec(
                select(func.count(), func.coalesce(func.sum(Generation.saved_nano_usd), 0)).where(hit)
            ).one()
        return Kept(
            answers=answers,
            being_made=being_made,
            characters=length,
            oldest_at=oldest,
            hits=hits,
            saved_nano_usd=int(saved),
        )

    def clear(self, principal: Principal, tenant: Tenant) -> int:
        """Forget a tenant's answers; return how many. One that is being made just now is given, and not kept.

        Raises:
            Forbidden: without ``tenants.write``.

        """
        principal.require(Permission.TENANTS_WRITE, tenant.id)
        with self._store.writing() as session:
            mine = col(CachedAnswer.tenant_id) == tenant.id
            made = session.exec(select(func.count()).where(mine, col(CachedAnswer.value).is_not(None))).one()
            session.exec(delete(CachedAnswer).where(mine))
            audit.record(
                session,
                self._clock,
                actor=principal.name,
                action="cache.clear",
                kind="tenant",
                subject=tenant.name,
                summary=f"{made} kept answers of {tenant.name} were cleared.",
                tenant_id=tenant.id,
                before={"answers": made},
                after={"answers": 0},
            )
        return made

    def sweep(self) -> int:
        """Delete answers that are too old, and the claims of processes that died; return how many."""
        with self._store.transaction() as cursor:
            cursor.execute(self._store.prepare(_SWEEP), {"now": micros(self._clock.now())})
            return cursor.rowcount

    def close(self) -> None:
        """Renew no lease any more."""
        self._leases.close()

    # ── Whose turn it is ──────────────────────────────────────────────────────────────────────────────────────────────

    def _joined(self, key: str) -> tuple[threading.Event, bool]:
        """Return this process's flight with a question, and whether the caller has just begun it."""
        with self._lock:
            flight = self._flights.get(key)
            if flight is not None:
                return flight, False
            flight = self._flights[key] = threading.Event()
            return flight, True

    def _part(self, key: str) -> None:
        with self._lock:
            flight = self._flights.pop(key, None)
        if flight is not None:
            flight.set()

    def _claimed_or_given(self, asked: Question, ends: float, cancelled: threading.Event) -> tuple[Given | None, bool]:
        """Claim the question, or wait while another process answers it; and whether there was a wait.

        ``None`` is a claim: then this process's flight goes on until the turn ends.
        """
        look_again = _LOOK_SECONDS[0]
        is_mine = waited = False
        try:
            while True:
                if self._claim(asked):
                    self._leases.hold(asked)
                    is_mine = True
                    return None, waited
                given, is_taken = self._look(asked.key)
                if given is not None:
                    return given, waited
                if is_taken:
                    waited = True
                    self._wait(cancelled, look_again, ends, cancelled)
                    look_again = min(look_again * 2, _LOOK_SECONDS[1])
        finally:
            if not is_mine:
                self._part(asked.key)

    def _claim(self, asked: Question) -> bool:
        now = self._clock.now()
        with self._store.transaction() as cursor:
            cursor.execute(
                self._claim_sql,
                {
                    "key": asked.key,
                    "tenant_id": asked.tenant_id,
                    "generation_id": asked.generation_id,
                    "now": micros(now),
                    "until": micros(now + self._lease),
                },
            )
            return cursor.rowcount == 1

    def _look(self, key: str) -> tuple[Given | None, bool]:
        """Return the answer that can be given, and whether the question is taken: answered, or being answered."""
        row = self._store.read_one(self._look_sql, {"key": key, "now": micros(self._clock.now())})
        if row is None or row[0] is None:
            self._hints.pop(key, None)
            return None, row is not None
        value, generation_id, provider, model, cost, created = row
        self._hint(key)
        given = Given(
            value=orjson.loads(value),
            generation_id=generation_id,
            provider=provider,
            model=model,
            cost_nano_usd=cost,
            made_at=from_micros(created),
        )
        return given, True

    def _hint(self, key: str) -> None:
        if len(self._hints) >= _MOST_HINTS:
            self._hints.clear()
        self._hints[key] = None

    def _wait(self, woken: threading.Event, seconds: float, ends: float, cancelled: threading.Event) -> None:
        left = ends - self._clock.monotonic()
        if left <= 0:
            raise Exhausted(
                "Another call was answering the same question, and did not end in time. Ask again.",
                outcome=Outcome.TIMEOUT,
            )
        self._clock.wait(woken, min(seconds, left))
        if cancelled.is_set():
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)
