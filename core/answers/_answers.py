"""Looking an answer up, or the lease to make it, and what an operator does with the answers that are kept."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlmodel import col, func, select

from core import audit
from core.answers._keys import AnswerKey, CachedAnswer, CacheHit
from core.claims import ANSWER, Claims, Done, Lease
from core.clock import Clock
from core.errors import Cancelled, Exhausted, Unavailable
from core.principals import Permission, Principal
from core.store import Store
from core.tables import Claim, GenerationRow, Outcome, Tenant
from core.visibility import present, visible

_LOOK_SECONDS = (0.02, 0.25)
"""How often what another process answers is looked at, at first and at last."""
_WAKE_SECONDS = 0.05
"""How often who waits for a call of this process looks whether its own caller left."""
_MOST_HINTS = 4096
_REPORTED_DAYS = 30


class Lookup:
    """What came of looking an answer up: a hit, or the lease to make it for all who ask the same."""

    def __init__(
        self, answers: Answers | None, key: AnswerKey | None, got: CacheHit | Lease | None, waited_seconds: float
    ) -> None:
        self._answers = answers
        self._key = key
        self._lease = got if isinstance(got, Lease) else None
        self.hit = got if isinstance(got, CacheHit) else None
        self.waited_seconds = waited_seconds

    def end(self, answered: CachedAnswer | None) -> None:
        """Keep what was *answered*, or let the next one try; either wakes those who wait."""
        if self._answers is not None and self._key is not None and self._lease is not None:
            self._answers.end(self._key, self._lease, answered)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheStatus:
    """A tenant's answers as people see them."""

    answers: int
    """How many can answer a call now."""
    being_made: int
    characters: int
    """How much room they take, as they are kept."""
    oldest_at: datetime | None
    hits: int
    """How often one answered a call in the last 30 days."""
    saved_nano_usd: int
    """What those would have cost."""


class Answers:
    """The answers of this deployment."""

    def __init__(self, store: Store, clock: Clock, claims: Claims) -> None:
        self._store = store
        self._clock = clock
        self._claims = claims
        self._lock = threading.Lock()
        self._in_flight: dict[str, threading.Event] = {}
        """By digest, what this process answers, or sees another answer; set when that is over."""
        self._hints: dict[str, None] = {}
        """Digests whose answer was seen in the table: there it is looked for before anybody claims it."""

    def look_up(self, asked: AnswerKey | None, *, ends: float, cancelled: threading.Event) -> Lookup:
        """Return a hit, or the lease to make the answer, as soon as there is either; whoever gets it ends it.

        Without a key it comes at once.

        Raises:
            Exhausted: another call was answering the same until *ends*, on the clock's monotonic time.
            Cancelled: the caller left meanwhile.

        """
        if asked is None:
            return Lookup(None, None, None, 0.0)
        began, waited = self._clock.monotonic(), False
        while True:
            got: CacheHit | Lease | None = self._hinted(asked.digest)
            if got is None:
                ended, is_mine = self._joined(asked.digest)
                if not is_mine:
                    waited = True
                    self._wait(ended, _WAKE_SECONDS, ends, cancelled)
                    continue
                got, others = self._lease_or_hit(asked, ends, cancelled)
                waited = waited or others
            return Lookup(self, asked, got, self._clock.monotonic() - began if waited else 0.0)

    def end(self, asked: AnswerKey, lease: Lease, answered: CachedAnswer | None) -> None:
        """End a lease. A trouble with the database costs no more than the answer's being kept."""
        try:
            with suppress(Unavailable):
                if answered is None:
                    lease.leave()
                elif lease.finish(answered.document(), self._clock.now() + asked.lasts):
                    self._hint(asked.digest)
        finally:
            self._part(asked.digest)

    def show(self, principal: Principal, tenant: Tenant) -> CacheStatus:
        """Return how a tenant's answers stand.

        Raises:
            Forbidden: without ``tenants.read``.

        """
        principal.require(Permission.TENANTS_READ)
        now, scope = self._clock.now(), principal.scope_of(Permission.TENANTS_READ).narrowed(tenant.id)
        mine = visible(scope, Claim.tenant_id) & (col(Claim.kind) == ANSWER) & (col(Claim.expires_at) > now)
        is_made = col(Claim.result).is_not(None)
        since = now - timedelta(days=_REPORTED_DAYS)
        hit = (
            visible(scope, GenerationRow.tenant_id)
            & (col(GenerationRow.started_at) >= since)
            & (col(GenerationRow.outcome) == Outcome.CACHE_HIT.value)
        )
        size = func.coalesce(func.sum(func.length(Claim.result)), 0)
        with self._store.reading() as session:
            answers, length, oldest = session.exec(
                select(func.count(), size, func.min(col(Claim.since))).where(mine & is_made)
            ).one()
            being_made = session.exec(select(func.count()).where(mine & ~is_made)).one()
            hits, saved = session.exec(
                select(func.count(), func.coalesce(func.sum(GenerationRow.saved_nano_usd), 0)).where(hit)
            ).one()
        return CacheStatus(
            answers=answers,
            being_made=being_made,
            characters=length,
            oldest_at=oldest,
            hits=hits,
            saved_nano_usd=int(saved),
        )

    def clear(self, principal: Principal, tenant: Tenant, *, reason: str = "") -> int:
        """Forget a tenant's answers; return how many. One that is being made just now is given, and not kept.

        Raises:
            Forbidden: without ``tenants.write``.
            NotFound: the tenant is gone.

        """
        principal.require(Permission.TENANTS_WRITE, tenant.id)
        mine = (col(Claim.tenant_id) == tenant.id) & (col(Claim.kind) == ANSWER)
        with self._store.reading() as session:
            made = session.exec(select(func.count()).where(mine, col(Claim.result).is_not(None))).one()
        with self._store.writing() as session:
            tenant = present(session, tenant)
            audit.record(
                session,
                self._clock,
                by=principal,
                action="cache.clear",
                kind="tenant",
                subject=tenant.name,
                summary=f"{made} cached answers of {tenant.name} were cleared.",
                tenant_id=tenant.id,
                before={"answers": made},
                after={"answers": 0},
                reason=reason,
            )
        self._claims.forget(ANSWER, tenant.id)
        return made

    # ── Hit or lease ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _joined(self, key: str) -> tuple[threading.Event, bool]:
        """Return what is set when this process is through with it, and whether the caller has just begun it."""
        with self._lock:
            ended = self._in_flight.get(key)
            if ended is not None:
                return ended, False
            ended = self._in_flight[key] = threading.Event()
            return ended, True

    def _part(self, key: str) -> None:
        with self._lock:
            ended = self._in_flight.pop(key, None)
        if ended is not None:
            ended.set()

    def _lease_or_hit(self, asked: AnswerKey, ends: float, cancelled: threading.Event) -> tuple[CacheHit | Lease, bool]:
        """Claim the answer, or wait while another process answers it; and whether there was a wait.

        With a lease, others of this process wait until it ends.
        """
        look_again = _LOOK_SECONDS[0]
        is_mine = waited = False
        try:
            while True:
                found = self._claims.claim(ANSWER, asked.digest, tenant_id=asked.tenant_id, holder=asked.generation_id)
                if isinstance(found, Lease):
                    is_mine = True
                    return found, waited
                if isinstance(found, Done):
                    return self._as_hit(asked.digest, found), waited
                waited = True
                self._wait(cancelled, look_again, ends, cancelled)
                look_again = min(look_again * 2, _LOOK_SECONDS[1])
        finally:
            if not is_mine:
                self._part(asked.digest)

    def _hinted(self, key: str) -> CacheHit | None:
        """Return the answer that can be given, where one was seen before."""
        if key not in self._hints:
            return None
        found = self._claims.look(ANSWER, key)
        if isinstance(found, Done):
            return self._as_hit(key, found)
        self._hints.pop(key, None)
        return None

    def _as_hit(self, key: str, done: Done) -> CacheHit:
        self._hint(key)
        return CacheHit(generation_id=done.holder, made_at=done.since, **done.result)

    def _hint(self, key: str) -> None:
        if len(self._hints) >= _MOST_HINTS:
            self._hints.clear()
        self._hints[key] = None

    def _wait(self, woken: threading.Event, seconds: float, ends: float, cancelled: threading.Event) -> None:
        left = ends - self._clock.monotonic()
        if left <= 0:
            raise Exhausted(
                "Another call was answering the same, and did not end in time. Ask again.",
                outcome=Outcome.TIMEOUT,
            )
        self._clock.wait(woken, min(seconds, left))
        if cancelled.is_set():
            raise Cancelled("The caller left before the answer came.", outcome=Outcome.CANCELLED)
