"""Verify: whether every balance follows from the attempts and the ledger, to the nano-dollar.

A whole run reads all history, a short one what is new since the last: closed stretches of the ledger were proven once,
and what they sum to per account is kept, with a checksum. Either way it reads some thousand rows at a time, each on a
snapshot of its own, and writes as little at a time; so nobody waits for it, and it keeps no snapshot.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy
from sqlmodel import col, select

from core.budgets.openings import LONGEST_CALL
from core.budgets.proofs import Proofs, Series, SeriesMoved
from core.clock import Clock, last_id
from core.errors import Conflict
from core.store import Store
from core.tables import Verification

_AT_ONCE = 2_500
"""How many rows one look reads: some milliseconds' worth, and so few that PostgreSQL finds them and theirs by index."""
_LAST = "zzzz"
"""Sorts after every id."""
_TRIES = 3
CLOSES_AFTER = LONGEST_CALL + timedelta(minutes=5)
"""A stretch of the ledger closes once nobody writes into it any more."""

# The rows of a stretch, and older ones that entries of the stretch are about: corrections, re-pricings, late calls.
_ENTRIES = "FROM ledger_entry WHERE id > :after AND id <= :until"
_ATTEMPTS = """((a.id > :after AND a.id <= :until)
OR (a.id <= :since AND a.id IN (SELECT e.attempt_id FROM ledger_entry e WHERE e.id > :after AND e.id <= :until)))"""
_GENERATIONS = """((g.id > :after AND g.id <= :until)
OR (g.id <= :since AND g.id IN (SELECT e.generation_id FROM ledger_entry e WHERE e.id > :after AND e.id <= :until)))"""

# What was charged for an attempt, in each account that was charged for it, is what the attempt cost. Each is looked at
# where its last entry lies, however many stretches it has entries in. Of a call that has aged out there is nothing left
# to hold its charges against: they stay as they were proven.
_CHARGED = f"""SELECT COALESCE(SUM(ABS(e.total - COALESCE(a.cost_nano_usd, 0))), 0)
FROM (
    SELECT attempt_id, account_id, SUM(nano_usd) AS total, MAX(generation_id) AS generation_id FROM ledger_entry
    WHERE attempt_id IN (SELECT attempt_id {_ENTRIES}) GROUP BY attempt_id, account_id HAVING MAX(id) <= :until
) e LEFT JOIN attempt a ON a.id = e.attempt_id
WHERE a.id IS NOT NULL OR NOT EXISTS (
    SELECT 1 FROM account c JOIN aged_out o ON o.tenant_id = c.tenant_id
    WHERE c.id = e.account_id AND e.generation_id < o.below_id
)"""  # noqa: S608 written here
# Each attempt was charged to as many accounts as it says.
_MISSING = f"""SELECT
    COALESCE(SUM(ABS(a.charges - a.accounts) * COALESCE(a.cost_nano_usd, 0)), 0), COUNT(*),
    COALESCE(SUM(CASE WHEN a.charges <> a.accounts THEN 1 ELSE 0 END), 0)
FROM (
    SELECT a.charges, a.cost_nano_usd,
        (SELECT COUNT(DISTINCT e.account_id) FROM ledger_entry e WHERE e.attempt_id = a.id) AS accounts
    FROM attempt a WHERE {_ATTEMPTS}
) a"""  # noqa: S608 written here
# Each attempt belongs to a generation that is recorded, or is out.
_ORPHANED = f"""SELECT COALESCE(SUM(a.cost_nano_usd), 0), COUNT(*) FROM attempt a WHERE {_ATTEMPTS}
AND NOT EXISTS (SELECT 1 FROM generation g WHERE g.id = a.generation_id)
AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.generation_id = a.generation_id)"""  # noqa: S608 written here
# A generation costs what its attempts do, and nobody knows what only where one of them is unpriced.
_SUMMED = f"""SELECT COALESCE(SUM(ABS(COALESCE(g.cost_nano_usd, 0) - COALESCE(g.total, 0))), 0)
FROM (
    SELECT g.cost_nano_usd, SUM(a.cost_nano_usd) AS total,
        COUNT(CASE WHEN a.input_tokens IS NOT NULL AND a.cost_nano_usd IS NULL THEN 1 END) AS unpriced
    FROM generation g LEFT JOIN attempt a ON a.generation_id = g.id
    WHERE {_GENERATIONS} GROUP BY g.id, g.cost_nano_usd
) g
WHERE g.cost_nano_usd IS NOT NULL OR g.unpriced = 0"""  # noqa: S608 written here
_OLDEST = "SELECT MIN(generation_id) FROM reservation"
_END = "SELECT id FROM {table} WHERE id > :after AND id <= :until ORDER BY id LIMIT 1 OFFSET :most"


@dataclass(slots=True)
class _Findings:
    """What a run has found so far."""

    difference: int = 0
    attempts: int = 0
    faults: int = 0
    """What is wrong without a difference in money: a charge that is missing, an attempt of no generation."""


class Verifier:
    """Verifies the books of one database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._proofs = Proofs(store, clock)

    def verify(self, by: str, *, whole: bool = True, anew: bool = False) -> Verification:
        """Recompute every balance, and write down what came of it.

        Without *whole* only what is new since the last run is looked at, if that found everything in order. A whole
        run also compares closed stretches with what they were when they were proven, unless it is to begin *anew*.

        Raises:
            Conflict: others verify at the same time, again and again.

        """
        for _ in range(_TRIES):
            try:
                return self._verify(by, whole=whole or anew, anew=anew)
            except SeriesMoved:
                continue
        raise Conflict("The books are being verified by another process; try again.")

    def _verify(self, by: str, *, whole: bool, anew: bool) -> Verification:
        began, at = self._clock.monotonic(), self._clock.now()
        found = _Findings()
        known = None if whole else self._proofs.latest()
        if known is None:
            known = Series(self._clock.new_id(), "", is_new=True)
            found.faults += 0 if anew else self._proofs.changed()
        until = self._closes_at(at)
        since = known.ends_with
        for after, end in self._pieces("ledger_entry", since, until):
            found.difference += self._sum(_CHARGED, after, end, since)[0]
            known = self._proofs.close(known, end)
        for after, end in self._pieces("ledger_entry", known.ends_with, _LAST):
            found.difference += self._sum(_CHARGED, after, end, since)[0]
        for after, end in self._pieces("attempt", since, _LAST):
            missing, attempts, incomplete, orphaned, orphans = self._sum(_MISSING, after, end, since, _ORPHANED)
            found.difference += missing + orphaned
            found.attempts += attempts
            found.faults += incomplete + orphans
        for after, end in self._pieces("generation", since, _LAST):
            found.difference += self._sum(_SUMMED, after, end, since)[0]
        accounts, held, difference = self._proofs.balance(known)
        found.difference += difference
        ok = found.difference == 0 and found.faults == 0
        row = Verification(
            id=self._clock.new_id(),
            at=at,
            ok=ok,
            accounts=accounts,
            attempts=found.attempts,
            difference_nano_usd=found.difference,
            held_nano_usd=held,
            duration_ms=(self._clock.monotonic() - began) * 1000,
            by=by,
            is_whole=known.is_new,
            series=known.name if ok else "",
        )
        with self._store.writing() as session:
            session.add(row)
        if ok and known.is_new:
            self._proofs.keep_only(known.name)
        return row

    def _closes_at(self, now: datetime) -> str:
        """Return up to which id nobody writes any more: whatever belongs to a call that is out is younger than it."""
        settled = last_id(now - CLOSES_AFTER)
        with self._store.reading() as session:
            oldest = session.connection().execute(sqlalchemy.text(_OLDEST)).scalar()
        return settled if oldest is None else min(settled, oldest[:-1])

    def _pieces(self, table: str, after: str, until: str) -> Iterator[tuple[str, str]]:
        """Yield ranges of ids that are read at once, the first above *after*, the last up to *until*."""
        find = sqlalchemy.text(_END.format(table=table))
        while after < until:
            with self._store.reading() as session:
                bounds = {"after": after, "until": until, "most": _AT_ONCE - 1}
                end = session.connection().execute(find, bounds).scalar() or until
            yield after, end
            after = end

    def _sum(self, sql: str, after: str, until: str, since: str, *more: str) -> list[int]:
        """Return the numbers that some statements find in one range, on one snapshot."""
        bounds = {"after": after, "until": until, "since": since}
        with self._store.reading() as session:
            connection = session.connection()
            return [
                int(one) for text in (sql, *more) for one in connection.execute(sqlalchemy.text(text), bounds).one()
            ]


def last_verification(store: Store) -> Verification | None:
    """Return the latest run, whole or short; ``None`` if there never was one."""
    with store.reading() as session:
        return session.exec(select(Verification).order_by(col(Verification.at).desc()).limit(1)).first()
