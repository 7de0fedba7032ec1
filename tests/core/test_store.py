"""The store: what its transactions keep, and what they leave behind."""

from __future__ import annotations

import sqlite3

import pytest
from sqlalchemy.exc import IntegrityError

from core.clock import ManualClock
from core.store import Store
from core.tables import Reservation, Tenant
from tests import builders


def test_a_commit_that_fails_keeps_nothing_and_blocks_nobody(sqlite_store: Store, clock: ManualClock) -> None:
    """A transaction that SQLite refuses only at its end, as on a full disk, is undone; the next one goes through."""
    orphan = {"id": "r", "account_id": "nobody's", "generation_id": "g", "held_nano_usd": 1, "at_risk_nano_usd": 0}
    insert = sqlite_store.insert(Reservation)
    with pytest.raises(sqlite3.IntegrityError), sqlite_store.transaction() as cursor:  # noqa: PT012 as it is used
        cursor.execute("PRAGMA defer_foreign_keys=ON")  # the account is looked for when all is written
        insert(cursor, [{**orphan, "owner": "o", "expires_at": clock.now()}])
    with sqlite_store.transaction() as cursor:
        cursor.execute("SELECT COUNT(*) FROM reservation")
        assert cursor.fetchone()[0] == 0


def test_errors_hold_no_values(sqlite_store: Store, clock: ManualClock) -> None:
    """The text of a database error, which ends in logs, holds none of the values that were to be written."""
    builders.save(sqlite_store, builders.tenant("Acme", clock.now()))
    with pytest.raises(IntegrityError) as caught, sqlite_store.writing() as session:  # noqa: PT012 as above
        session.add(Tenant(id="acme", name="Some Person", timezone="UTC", created_at=clock.now()))
        session.flush()
    assert "Some Person" not in str(caught.value)
