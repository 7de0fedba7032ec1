"""Proofs: closed stretches of the ledger, what they sum to per account, and a checksum of each.

A series is one unbroken row of stretches, from the first entry on. A whole run begins a series, short runs go on with
it; it counts once a run that found everything in order has signed it.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy
from sqlmodel import col, select

from core.clock import Clock, micros
from core.store import AT_ONCE, Store
from core.tables import Account, Reservation, Stretch, Verification

# Amounts and times of the entries, folded so that a sum of many still is a number.
_CHECKSUM = "CAST(COALESCE(SUM((nano_usd % 1000003) * (at / 1000 % 1009 + 1)), 0) AS BIGINT)"
_SUMS = f"""SELECT account_id, COUNT(*) AS entries, CAST(SUM(nano_usd) AS BIGINT) AS nano_usd, {_CHECKSUM} AS checksum
FROM ledger_entry WHERE id > :begins_after AND id <= :ends_with GROUP BY account_id"""  # noqa: S608 written here
_CLOSE = """INSERT INTO stretch (series, begins_after, ends_with, at, entries, nano_usd, checksum)
VALUES (:series, :begins_after, :ends_with, :at, :entries, :nano_usd, :checksum) ON CONFLICT DO NOTHING"""
_ADD = """INSERT INTO proven_balance (series, account_id, nano_usd) VALUES (:series, :account_id, :nano_usd)
ON CONFLICT (series, account_id) DO UPDATE SET nano_usd = proven_balance.nano_usd + excluded.nano_usd"""
_PUT = """INSERT INTO proven_balance (series, account_id, nano_usd) VALUES (:series, :account_id, :nano_usd)
ON CONFLICT (series, account_id) DO UPDATE SET nano_usd = excluded.nano_usd"""
_UNEQUAL = """SELECT a.id FROM account a
LEFT JOIN proven_balance p ON p.series = :series AND p.account_id = a.id
LEFT JOIN (
    SELECT account_id, SUM(nano_usd) AS total FROM ledger_entry WHERE id > :after GROUP BY account_id
) t ON t.account_id = a.id
WHERE a.spent_nano_usd <> COALESCE(p.nano_usd, 0) + COALESCE(t.total, 0)"""
_ONE = """SELECT a.spent_nano_usd,
(SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry WHERE account_id = a.id) AS entries,
(SELECT CAST(COALESCE(SUM(nano_usd), 0) AS BIGINT) FROM ledger_entry WHERE account_id = a.id AND id <= :after) AS closed
FROM account a WHERE a.id = :account_id"""


class SeriesMoved(Exception):
    """Another process has closed the same stretch; begin anew behind it."""


@dataclass(frozen=True, slots=True)
class Series:
    """Stretches that follow each other."""

    name: str
    ends_with: str
    """Every entry up to this id lies in one of them."""
    is_new: bool


class Proofs:
    """Closes stretches, and holds accounts against them."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._close = store.prepare(_CLOSE)
        self._add = store.prepare(_ADD)
        self._put = store.prepare(_PUT)

    def latest(self) -> Series | None:
        """Return the series that the last run has signed; ``None`` where it found a fault, or there was none."""
        with self._store.reading() as session:
            last = session.exec(select(Verification).order_by(col(Verification.at).desc()).limit(1)).first()
            if last is None or not last.series:
                return None
            newest = select(Stretch.ends_with).where(Stretch.series == last.series)
            end = session.exec(newest.order_by(col(Stretch.ends_with).desc()).limit(1)).first()
        return None if end is None else Series(last.series, end, is_new=False)

    def changed(self) -> int:
        """Return how many stretches of the last series that was signed are no longer what they were.

        Entries that were written late, because the database had been away, are no change.
        """
        with self._store.reading() as session:
            signed = select(Verification.series).where(col(Verification.series) != "", col(Verification.ok))
            name = session.exec(signed.order_by(col(Verification.at).desc()).limit(1)).first()
            stretches = session.exec(
                select(Stretch).where(Stretch.series == (name or "")).order_by(col(Stretch.begins_after))
            ).all()
        changed = 0
        for known in stretches:
            _, now = self._summed(known.series, known.begins_after, known.ends_with)
            was = (known.entries, known.nano_usd, known.checksum)
            changed += now[0] < was[0] or (now[0] == was[0] and now != was)
        return changed

    def close(self, series: Series, ends_with: str) -> Series:
        """Close the stretch up to *ends_with*, in one short transaction; return the series with it.

        Raises:
            SeriesMoved: another process just did.

        """
        by_account, (entries, nano_usd, checksum) = self._summed(series.name, series.ends_with, ends_with)
        row = {
            "series": series.name,
            "begins_after": series.ends_with,
            "ends_with": ends_with,
            "at": micros(self._clock.now()),
            "entries": entries,
            "nano_usd": nano_usd,
            "checksum": checksum,
        }
        with self._store.transaction() as cursor:
            cursor.execute(self._close, row)
            if not cursor.rowcount:
                raise SeriesMoved
            if by_account:
                cursor.executemany(self._add, by_account)
        return replace(series, ends_with=ends_with)

    def _summed(
        self, series: str, begins_after: str, ends_with: str
    ) -> tuple[list[dict[str, Any]], tuple[int, int, int]]:
        """Return what a stretch sums to, by account and in all: entries, nano-dollars, checksum."""
        bounds = {"begins_after": begins_after, "ends_with": ends_with}
        with self._store.reading() as session:
            rows = session.connection().execute(sqlalchemy.text(_SUMS), bounds).all()
        by_account = [{"series": series, "account_id": row.account_id, "nano_usd": int(row.nano_usd)} for row in rows]
        total = (
            sum(int(row.entries) for row in rows),
            sum(int(row.nano_usd) for row in rows),
            sum(int(row.checksum) for row in rows),
        )
        return by_account, total

    def balance(self, series: Series) -> tuple[int, int, int]:
        """Hold every account against stretches, later entries and reservations, on one short snapshot.

        Return how many accounts there are, what they hold, and the sum of all differences, both in nano-dollars.
        """
        with self._store.scanning() as session:
            connection = session.connection()
            bounds = {"series": series.name, "after": series.ends_with}
            unequal = list(connection.execute(sqlalchemy.text(_UNEQUAL), bounds).scalars())
            holding = select(Account.id, Account.held_nano_usd).where(Account.held_nano_usd != 0)
            holds = dict(session.exec(holding).all())
            held: Counter[str] = Counter()
            for reservation in session.exec(select(Reservation)):
                held.update(reservation.holds)
            accounts = session.exec(select(sqlalchemy.func.count()).select_from(Account)).one()
        difference = sum(abs(holds.get(one, 0) - held[one]) for one in {*holds, *held})
        difference += sum(self._difference(series, account_id) for account_id in unequal)
        return accounts, sum(holds.values()), difference

    def _difference(self, series: Series, account_id: str) -> int:
        """Return what an account and all its entries differ by; where they do not, what was kept of it is mended."""
        bounds = {"account_id": account_id, "after": series.ends_with}
        with self._store.scanning() as session:
            row = session.connection().execute(sqlalchemy.text(_ONE), bounds).first()
        if row is None:
            return 0  # it went with a demo world meanwhile
        if row.spent_nano_usd != row.entries:
            return abs(int(row.spent_nano_usd) - int(row.entries))
        with self._store.transaction() as cursor:
            cursor.execute(self._put, {"series": series.name, "account_id": account_id, "nano_usd": int(row.closed)})
        return 0

    def keep_only(self, series: str) -> None:
        """Forget every other series, some hundred rows at a time."""
        for table, key in (("proven_balance", "account_id"), ("stretch", "begins_after")):
            rows = f"SELECT series, {key} FROM {table} WHERE series <> :series LIMIT :most"  # noqa: S608 written above
            sql = self._store.prepare(f"DELETE FROM {table} WHERE (series, {key}) IN ({rows})")  # noqa: S608 written above
            while True:
                with self._store.transaction() as cursor:
                    cursor.execute(sql, {"series": series, "most": AT_ONCE})
                    count = cursor.rowcount
                if count < AT_ONCE:
                    break
                self._store.rest()
