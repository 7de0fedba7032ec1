"""Whether rollups are what the calls add up to: proven day by day, written down, and put right where somebody asks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import update
from sqlmodel import col, select

from core.clock import EPOCH, Clock, from_micros, micros, minute
from core.principals import Permission, Principal
from core.rollups.mending import Mending
from core.rollups.proof import MOST_TOLD, Mismatch, part_proofs
from core.store import Store
from core.tables import RollupProof

_DAY = timedelta(days=1)
_RECENT = 7
"""Of so many days, yesterday the first, the chore proves one; and one of all before them."""
_LEFT_AT_ONCE = 20
"""So many days that differed are looked at again each time, or put right."""
_MOST_COUNTED = 10 * MOST_TOLD
"""So many rows that are off say enough of a day."""
_BUILT = "SELECT built_from FROM rollup_state"
_NEXT_CALL = "SELECT MIN(started_at) FROM generation WHERE started_at >= :since"
_AGED = "SELECT COUNT(*), MAX(raw_from) FROM aged_out"
_NEXT_SUM = "SELECT MIN(at) FROM rollup WHERE facet = 'all' AND minutes = 1440 AND tenant_id = '' AND at >= :since"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollupFinding:
    """What a proof of some days found."""

    days: int
    """How many were proven."""
    differing: Sequence[RollupProof]
    """Those whose sums are not what their calls add up to, the oldest first."""
    built_from: datetime
    """Of calls before it there are no sums yet, so there is nothing to prove."""
    aged_out: int = 0
    """Of how many tenants calls have aged out."""
    aged_until: datetime = EPOCH
    """Up to when at the latest."""

    @property
    def ok(self) -> bool:
        """Whether no day differs."""
        return not self.differing

    @property
    def sentence(self) -> str:
        """What was found, as one or two sentences."""
        days = f"{self.days} day{'' if self.days == 1 else 's'}"
        more = "" if self.built_from == EPOCH else " Those of older calls are still being made."
        if self.aged_out:
            more += (
                f" Of {self.aged_out} tenant{'' if self.aged_out == 1 else 's'} calls are gone that began up to "
                f"{minute(self.aged_until)}, as they are not kept for longer: their sums, and what was charged for "
                "them, stay as they were proven while the calls were there."
            )
        if self.ok:
            return f"The sums of calls agree with the calls on each of {days}.{more}"
        first = self.differing[0]
        named = f"{first.day:%Y-%m-%d}: {first.told[0]}."
        count = len(self.differing)
        which = f"On {named}" if count == 1 else f"That is so on {count} days, the first {named}"
        return f"The sums of calls are not what the calls add up to. {which}{more}"


class RollupProofs:
    """Proves rollups, and has them put right."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._mending = Mending(store)
        self._built, self._call, self._sum = map(store.prepare, (_BUILT, _NEXT_CALL, _NEXT_SUM))
        self._aged = store.prepare(_AGED)

    def verify(self, principal: Principal, *, whole: bool = True) -> RollupFinding:
        """Prove the sums of every day, one after the other, or with less than the *whole* of two chosen by chance.

        Days that differed the last time are among them in any case.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        days = {*self._days(), *self._left()} if whole else self._drawn()
        proven = [self._prove(day, principal.name) for day in sorted(days)]
        aged_out, aged_until = self._store.read_one(self._aged, {})
        return RollupFinding(
            days=len(proven),
            differing=[one for one in proven if one.differing],
            built_from=from_micros(self._built_from()),
            aged_out=aged_out,
            aged_until=from_micros(aged_until or 0),
        )

    def rebuild(self, principal: Principal) -> int:
        """Have the chore put right the days that differed when they were proven last; return how many.

        Raises:
            Forbidden: without ``budgets.write`` over all tenants.

        """
        principal.require_over(Permission.BUDGETS_WRITE, None)
        with self._store.writing() as session:
            asked = update(RollupProof).where(col(RollupProof.differing) > 0).values(rebuild_asked_at=self._clock.now())
            return session.connection().execute(asked).rowcount

    def mend(self) -> int:
        """Put right the days that somebody asked for, some at a time, and prove them anew; return how many."""
        days = self._left(is_asked=True)
        for day in days:
            self._mending.mend(day)
            self._prove(day)
        return len(days)

    def stands(self, day: datetime, since: datetime) -> bool | None:
        """Return whether a day was found to be right; ``None`` if nobody looked *since* then, and since it was over."""
        with self._store.reading() as session:
            found = session.get(RollupProof, day)
        return None if found is None or found.at < max(since, day + _DAY) else not found.differing

    def prove(self, day: datetime) -> bool:
        """Prove a day and write down what came of it; return whether it is right."""
        return not self._prove(day).differing

    def _prove(self, day: datetime, by: str = "") -> RollupProof:
        found: list[Mismatch] = []
        for part in part_proofs(self._store, day):
            with self._store.scanning() as session:
                found += map(part.told, part.off(self._store, session.connection(), MOST_TOLD))
            if len(found) >= _MOST_COUNTED:
                break
        with self._store.writing() as session:
            known = session.get(RollupProof, day)
            row = RollupProof(
                day=day,
                at=self._clock.now(),
                differing=len(found),
                told=[_told(one) for one in found[:MOST_TOLD]],
                by=by or (known.by if known else ""),
                rebuild_asked_at=known.rebuild_asked_at if known and found else None,
            )
            return session.merge(row)

    def _built_from(self) -> int:
        (found,) = self._store.read_one(self._built, {})
        return int(found)

    def _first(self) -> datetime:
        return _day_of(self._built_from() + micros(EPOCH + _DAY) - 1)

    def _days(self) -> Iterator[datetime]:
        """Yield the days on which there are calls, or sums of some."""
        day = self._next(self._first())
        while day is not None:
            yield day
            day = self._next(day + _DAY)

    def _next(self, since: datetime) -> datetime | None:
        asked = {"since": micros(since)}
        found = [self._store.read_one(sql, asked)[0] for sql in (self._call, self._sum)]
        return min((_day_of(one) for one in found if one is not None), default=None)

    def _drawn(self) -> set[datetime]:
        """Return a day of late and an older one, by chance, and those that differed."""
        late = _day_of(micros(self._clock.now())) - _RECENT * _DAY
        drawn = [self._next(late + int(self._clock.chance() * _RECENT) * _DAY) or self._next(late)]
        oldest = self._next(self._first())
        if oldest is not None and oldest < late:
            drawn.append(self._next(oldest + int(self._clock.chance() * ((late - oldest) // _DAY)) * _DAY))
        return {*(one for one in drawn if one is not None and one >= self._first()), *self._left()}

    def _left(self, *, is_asked: bool = False) -> Sequence[datetime]:
        differs = select(RollupProof.day).where(col(RollupProof.differing) > 0)
        if is_asked:
            differs = differs.where(col(RollupProof.rebuild_asked_at).is_not(None))
        with self._store.reading() as session:
            return session.exec(differs.order_by(col(RollupProof.day)).limit(_LEFT_AT_ONCE)).all()


def _day_of(at: int) -> datetime:
    return from_micros(at).astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)


def _told(one: Mismatch) -> str:
    whose = f"tenant {one.tenant_id}" if one.tenant_id else "all tenants"
    more = f"{one.by:,} too high" if one.by > 0 else f"{-one.by:,} too low"
    return f"by {one.facet}, {one.minutes} minutes from {minute(one.at)}, of {whose}, {one.what} is {more}"
