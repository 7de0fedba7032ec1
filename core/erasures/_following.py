"""Carrying erasures out: the calls of one, of those that are new, or of all, some hundred at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import update
from sqlmodel import col

from core.claims import forget_answers
from core.clock import Clock, from_micros, micros
from core.journal import ERASED_TRACE, erase
from core.store import AT_ONCE, Store
from core.tables import Erasure, as_json

SETTLED = timedelta(minutes=1)
"""So long after its record a call may still leave an answer that is to be given again; until then it stays findable."""
LATE = timedelta(hours=3)
"""Longer than any call is out: an erasure that is older is met by nobody who writes, but from a file or a backup."""
# From the erasures on, in this order: a database that knows nothing of its tables would rather read all calls.
_FOUND = f"""
    SELECT g.id, e.tenant_id, e.user_hash, e.at FROM erasure e CROSS JOIN generation g
    WHERE g.tenant_id = e.tenant_id AND g.user_hash = e.user_hash AND g.started_at <= e.at AND g.user_hash IS NOT NULL
    {{which}} {{of}} LIMIT {AT_ONCE}
"""  # noqa: S608 written here
_OF_ONE = "AND e.certificate_id = :id"
_KEY = "at, tenant_id, user_hash"
_OF_SLICE = """
    AND (e.at, e.tenant_id, e.user_hash) > (:at, :tenant_id, :user_hash)
    AND (e.at, e.tenant_id, e.user_hash) <= (:last_at, :last_tenant_id, :last_user_hash)
"""
# The last of the next few hundred, so that each look meets so many erasures at most, however many there are.
_SLICE = f"""
    SELECT at AS last_at, tenant_id AS last_tenant_id, user_hash AS last_user_hash FROM (
        SELECT {_KEY} FROM erasure WHERE ({_KEY}) > (:at, :tenant_id, :user_hash) ORDER BY {_KEY} LIMIT {AT_ONCE}
    ) ahead ORDER BY at DESC, tenant_id DESC, user_hash DESC LIMIT 1
"""  # noqa: S608 as above
_OPEN = f"""
    SELECT DISTINCT certificate_id FROM erasure WHERE done_at IS NULL AND certificate_id > :after
    ORDER BY certificate_id LIMIT {AT_ONCE}
"""  # noqa: S608 as above
_OLD, _YOUNG = "AND g.ended_at <= :settled", "AND g.ended_at > :settled AND g.trace <> :erased"


class Following:
    """Carries out what was decided."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._slice, self._open = store.prepare(_SLICE), store.prepare(_OPEN)

    def open_ones(self) -> int:
        """Carry out what is not done; return of how many calls something went."""
        erased, after = 0, ""
        while some := self._store.read_all(self._open, {"after": after}):
            for (after,) in some:
                erased += self.carry_out(after)
        return erased

    def since(self, moment: datetime) -> int:
        """Carry out all that were decided since then, some hundred at a time; return of how many calls."""
        erased, behind = 0, {"at": micros(moment), "tenant_id": "", "user_hash": ""}
        while last := self._store.read_one(self._slice, behind):
            ends = dict(zip(("last_at", "last_tenant_id", "last_user_hash"), last, strict=True))
            erased += self._strip(_OF_SLICE, behind | ends)
            behind = dict(zip(behind, last, strict=True))
            self._store.rest()
        return erased

    def carry_out(self, certificate_id: str, told: Callable[[int], None] | None = None) -> int:
        """Carry one out, and write down that it is done; return how many calls, of which *told* hears meanwhile."""
        erased = self._strip(_OF_ONE, {"id": certificate_id}, told)
        is_it = col(Erasure.certificate_id) == certificate_id, col(Erasure.done_at).is_(None)
        with self._store.writing() as session:
            session.connection().execute(update(Erasure).where(*is_it).values(done_at=self._clock.now()))
        return erased

    def _strip(self, of: str, said: Mapping[str, Any], told: Callable[[int], None] | None = None) -> int:
        """Erase the calls of some erasures; return how many."""
        asked, erased = {"settled": micros(self._clock.now() - SETTLED), **said}, 0
        for which, more in ((_OLD, {}), (_YOUNG, {"erased": as_json(ERASED_TRACE)})):
            sql = self._store.prepare(_FOUND.format(which=which, of=of))
            while True:
                with self._store.scanning() as session:
                    found = session.connection().exec_driver_sql(sql, asked | more).all()
                if not found:
                    break
                erased += self._erase(found, forgets_user=which is _OLD)
                if told is not None:
                    told(erased)
                self._store.rest()
        return erased

    def _erase(self, found: Sequence[Any], *, forgets_user: bool) -> int:
        """Erase some calls that were found, with whom they are of, in one transaction; return how many."""
        of: dict[tuple[str, str, int], list[str]] = defaultdict(list)
        for row in {row.id: row for row in found}.values():  # two erasures of one user may meet the same call
            of[row.tenant_id, row.user_hash, row.at].append(row.id)
        with self._store.writing() as session:
            for (tenant_id, user_hash, at), ids in of.items():
                went = {**erase(session, ids, forgets_user=forgets_user), "answers": forget_answers(session, ids)}
                is_it = (
                    col(Erasure.tenant_id) == tenant_id,
                    col(Erasure.user_hash) == user_hash,
                    col(Erasure.at) == from_micros(at),
                )
                more = {step: getattr(Erasure, step) + count for step, count in went.items()}
                session.connection().execute(update(Erasure).where(*is_it).values(more))
        return sum(map(len, of.values()))
