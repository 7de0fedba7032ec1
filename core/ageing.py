"""Calls age out whose tenant keeps them no longer: rows go, and every figure stays.

A tenant's calls go by UTC days, the oldest first. First the day is proven anew: whatever rollups hold of it is what its
calls add up to. Then it is written down that nothing older may be read from calls any more (``AgedOut``), in a
transaction of its own, and only then they go, some hundred at a time. Whoever is broken off in between leaves what the
next one goes on with, and whatever is recorded late of a time that has aged out goes as well, once its figures count.

Nothing goes while rollups of the past are still being built, or from a day whose sums differ: those can be made anew
from the calls alone. Nor does what a budget's fixed span began with that is not over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from core import journal
from core.clock import Clock, from_micros, micros
from core.rollups import RollupProofs
from core.store import AT_ONCE, Store

_DAY = timedelta(days=1)
_DAY_MICROS = 86_400_000_000
_AT_ONCE = AT_ONCE
_STEPS_OF_ROUND = 200
_PROOFS_OF_ROUND = 3
"""Each reads all calls of a day."""
_MOST_TENANTS = 100
"""That have their turn in one round; the others have it in the next ones."""
_BUILT = "SELECT s.built_from FROM rollup_state s"
_DUE = f"""
SELECT d.id, d.days, d.raw_from, d.below_id FROM (
    SELECT t.id, t.call_days AS days, COALESCE(o.raw_from, 0) AS raw_from, COALESCE(o.below_id, '') AS below_id,
        (SELECT MIN(g.started_at) FROM generation g WHERE g.tenant_id = t.id) AS oldest
    FROM tenant t LEFT JOIN aged_out o ON o.tenant_id = t.id
    WHERE t.id > :after AND (t.call_days IS NOT NULL OR o.raw_from IS NOT NULL)
) d WHERE d.oldest < d.raw_from OR d.oldest < :today - d.days * {_DAY_MICROS} ORDER BY d.id LIMIT {_MOST_TENANTS}
"""  # noqa: S608 our own words
# A call that was given up for lost may come back: it stays for as long behind that as others do behind their beginning.
# One that asks again for a call that is kept says how that ended, which began before it, by clocks that agree.
_GOING = """
SELECT g.id FROM generation g WHERE g.tenant_id = :tenant_id AND g.started_at < :raw_from AND g.id < :below_id
    AND (g.error_code IS NULL OR g.error_code <> 'lost' OR g.ended_at < :raw_from)
    AND (g.reask_of IS NULL OR NOT EXISTS (
        SELECT 1 FROM generation e WHERE e.id = g.reask_of AND (e.started_at >= :raw_from OR e.id >= :below_id)))
ORDER BY g.started_at LIMIT :most
"""
_OLDEST = "SELECT MIN(g.started_at) FROM generation g WHERE g.tenant_id = :tenant_id AND g.started_at >= :raw_from"
# Only while the tenant still says so, as what was lengthened meanwhile keeps the day; and no budget began with it that
# is not over, since its account, should it be opened anew, is summed from its calls.
_MARK = """
INSERT INTO aged_out (tenant_id, raw_from, below_id, at)
SELECT t.id, :raw_from, :below_id, :now FROM tenant t WHERE t.id = :tenant_id AND t.call_days = :days
    AND NOT EXISTS (SELECT 1 FROM budget b WHERE b.tenant_id = t.id AND b.period = 'span' AND b.removed_at IS NULL
        AND b.ends_at > :now AND b.starts_at < :raw_from)
ON CONFLICT (tenant_id) DO UPDATE SET raw_from = excluded.raw_from, below_id = excluded.below_id, at = excluded.at
WHERE excluded.raw_from > aged_out.raw_from
"""


class _Due(NamedTuple):
    """A tenant of whom calls may go."""

    tenant_id: str
    days: int | None
    raw_from: int
    below_id: str


class Ageing:
    """Lets calls go that are older than their tenants keep them."""

    def __init__(self, store: Store, clock: Clock, proofs: RollupProofs) -> None:
        self._store = store
        self._clock = clock
        self._proofs = proofs
        self._proofs_left = 0
        self._after = ""
        """Who had the last turn of the round before."""
        self._built, self._due, self._going, self._oldest, self._mark = map(
            store.prepare, (_BUILT, _DUE, _GOING, _OLDEST, _MARK)
        )

    def run(self) -> int:
        """Let some calls go, tenant by tenant in turn; return how many."""
        if self._store.read_one(self._built, {})[0]:
            return 0
        left, gone, self._proofs_left = self._find(), 0, _PROOFS_OF_ROUND
        for _ in range(_STEPS_OF_ROUND):
            if not left:
                break
            one, *left = left
            gone += (count := self._let_go(one))
            following = one if count else self._next_day(one)
            if following is not None:
                left.append(following)
            self._store.rest()
        return gone

    def _find(self) -> list[_Due]:
        """Return the next tenants who have their turn, found by one look however many there are."""
        bound = {"today": micros(_midnight(self._clock.now())), "after": self._after}
        found = self._store.read_all(self._due, bound)
        if not found and self._after:
            found = self._store.read_all(self._due, bound | {"after": ""})
        self._after = found[-1][0] if len(found) == _MOST_TENANTS else ""
        return [_Due(*row) for row in found]

    def _let_go(self, one: _Due) -> int:
        """Delete some hundred calls that are older than may be read; return how many there were."""
        bound = {"tenant_id": one.tenant_id, "raw_from": one.raw_from, "below_id": one.below_id, "most": _AT_ONCE}
        ids = [row[0] for row in self._store.read_all(self._going, bound)]
        if ids:
            with self._store.writing() as session:
                journal.age_out(self._store, session, ids)
        return len(ids)

    def _next_day(self, one: _Due) -> _Due | None:
        """Let the oldest day that is left be over; return how things stand then, ``None`` where none may go."""
        (oldest,) = self._store.read_one(self._oldest, {"tenant_id": one.tenant_id, "raw_from": one.raw_from})
        if oldest is None or one.days is None:
            return None
        now = self._clock.now()
        day = _midnight(from_micros(oldest))
        if day + _DAY > _midnight(now) - one.days * _DAY or not self._is_proven(day):
            return None
        raw_from, below_id = micros(day + _DAY), first_id(day + _DAY)
        bound = {"tenant_id": one.tenant_id, "days": one.days, "now": micros(now)}
        with self._store.transaction() as cursor:
            cursor.execute(self._mark, bound | {"raw_from": raw_from, "below_id": below_id})
            is_marked = bool(cursor.rowcount)
        return one._replace(raw_from=raw_from, below_id=below_id) if is_marked else None

    def _is_proven(self, day: datetime) -> bool:
        known = self._proofs.stands(day, self._clock.now() - _DAY)  # what was corrected since, a new proof sees
        if known is None and self._proofs_left:
            self._proofs_left -= 1
            known = self._proofs.prove(day)
        return bool(known)


def first_id(at: datetime) -> str:
    """Return what sorts before every id that is born then or later, and behind all others."""
    return f"{micros(at) // 1000:012x}"


def _midnight(at: datetime) -> datetime:
    return from_micros(micros(at) // _DAY_MICROS * _DAY_MICROS)
