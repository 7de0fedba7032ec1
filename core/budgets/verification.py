"""Verify: whether every balance follows from the attempts and the ledger, to the nano-dollar."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy
from sqlmodel import col, select

from core.clock import Clock
from core.store import Store
from core.tables import Account, LedgerEntry, Reservation
from core.tables import Verification as VerificationRow

# What was charged for an attempt, in each account that was charged for it, is what the attempt cost.
_CHARGED = """SELECT COALESCE(SUM(ABS(e.total - COALESCE(a.cost_nano_usd, 0))), 0), COUNT(*)
FROM (
    SELECT attempt_id, account_id, SUM(nano_usd) AS total FROM ledger_entry
    WHERE attempt_id IS NOT NULL GROUP BY attempt_id, account_id
) e LEFT JOIN attempt a ON a.id = e.attempt_id"""
# Each attempt was charged to as many accounts as it says.
_MISSING = """SELECT
    COALESCE(SUM(ABS(a.charges - COALESCE(e.accounts, 0)) * COALESCE(a.cost_nano_usd, 0)), 0), COUNT(*),
    COALESCE(SUM(CASE WHEN a.charges <> COALESCE(e.accounts, 0) THEN 1 ELSE 0 END), 0)
FROM attempt a LEFT JOIN (
    SELECT attempt_id, COUNT(DISTINCT account_id) AS accounts FROM ledger_entry
    WHERE attempt_id IS NOT NULL GROUP BY attempt_id
) e ON e.attempt_id = a.id"""
# A generation costs what its attempts do, and nobody knows what only where one of them is unpriced.
_SUMMED = """SELECT COALESCE(SUM(ABS(COALESCE(g.cost_nano_usd, 0) - COALESCE(a.total, 0))), 0)
FROM generation g LEFT JOIN (
    SELECT generation_id, SUM(cost_nano_usd) AS total,
        COUNT(CASE WHEN input_tokens IS NOT NULL AND cost_nano_usd IS NULL THEN 1 END) AS unpriced
    FROM attempt GROUP BY generation_id
) a ON a.generation_id = g.id
WHERE g.cost_nano_usd IS NOT NULL OR COALESCE(a.unpriced, 0) = 0"""
# Each attempt belongs to a generation that is recorded, or is out.
_ORPHANED = """SELECT COALESCE(SUM(a.cost_nano_usd), 0), COUNT(*) FROM attempt a
WHERE NOT EXISTS (SELECT 1 FROM generation g WHERE g.id = a.generation_id)
AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.generation_id = a.generation_id)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether attempts and ledger explain every account."""

    ok: bool
    accounts: int
    attempts: int
    difference_nano_usd: int
    """The sum of all absolute differences between accounts, ledger, reservations, attempts and generations."""
    held_nano_usd: int
    """What all accounts hold now."""
    at: datetime
    duration_ms: float


def verify(store: Store, clock: Clock, *, by: str) -> Verification:
    """Recompute every balance on one snapshot, and write down what came of it."""
    began, at = clock.monotonic(), clock.now()
    charged = select(LedgerEntry.account_id, sqlalchemy.func.sum(LedgerEntry.nano_usd)).group_by(
        col(LedgerEntry.account_id)
    )
    with store.reading() as session:
        connection = session.connection()
        spent = {account_id: int(total) for account_id, total in session.exec(charged)}
        held: Counter[str] = Counter()
        for reservation in session.exec(select(Reservation)):
            held.update(reservation.holds)
        accounts = session.exec(select(Account)).all()
        mischarged, _ = connection.execute(sqlalchemy.text(_CHARGED)).one()
        missing, attempts, incomplete = connection.execute(sqlalchemy.text(_MISSING)).one()
        missummed = connection.execute(sqlalchemy.text(_SUMMED)).scalar_one()
        orphaned, orphans = connection.execute(sqlalchemy.text(_ORPHANED)).one()
    difference = int(mischarged) + int(missing) + int(missummed) + int(orphaned)
    for account in accounts:
        difference += abs(account.spent_nano_usd - spent.pop(account.id, 0))
        difference += abs(account.held_nano_usd - held.pop(account.id, 0))
    difference += sum(map(abs, spent.values())) + sum(map(abs, held.values()))
    found = Verification(
        ok=difference == 0 and int(incomplete) == 0 and int(orphans) == 0,
        accounts=len(accounts),
        attempts=int(attempts),
        difference_nano_usd=difference,
        held_nano_usd=sum(account.held_nano_usd for account in accounts),
        at=at,
        duration_ms=(clock.monotonic() - began) * 1000,
    )
    with store.writing() as session:
        session.add(
            VerificationRow(
                id=clock.new_id(),
                at=found.at,
                ok=found.ok,
                accounts=found.accounts,
                attempts=found.attempts,
                difference_nano_usd=found.difference_nano_usd,
                held_nano_usd=found.held_nano_usd,
                duration_ms=found.duration_ms,
                by=by,
            )
        )
    return found


def last_verification(store: Store) -> VerificationRow | None:
    """Return the latest run of :func:`verify`; ``None`` if there never was one."""
    with store.reading() as session:
        return session.exec(select(VerificationRow).order_by(col(VerificationRow.at).desc()).limit(1)).first()
