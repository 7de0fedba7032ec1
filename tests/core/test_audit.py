"""The audit: entry, event and revision, together with the change or not at all."""

from __future__ import annotations

import threading

import pytest
from pydantic import SecretStr
from sqlmodel import col, select

from core import audit
from core.clock import ManualClock
from core.principals import Grant, Principal, Role
from core.store import Store
from core.tables import AuditEntry, ChangeEvent, FlagRule
from tests.builders import decisions

ANN = Principal("ann", (Grant(Role.ADMIN),), door="the console")


def _flip(store: Store, clock: ManualClock, **facts: object) -> None:
    with store.writing() as session:
        session.add(FlagRule(name=f"flag{clock.new_id()}", is_on=True, changed_at=clock.now()))
        audit.record(
            session,
            clock,
            by=ANN,
            action="flag.set",
            kind="flag",
            subject="streaming",
            summary="streaming turned on",
            tenant_id="t1",
            **facts,
        )


def test_one_call_writes_entry_and_event(store: Store, clock: ManualClock) -> None:
    """A change leaves an audit entry and a change event that agree on who, what and when."""
    _flip(store, clock, before={"is_on": False}, after={"is_on": True})
    with store.reading() as session:
        entry = session.exec(select(AuditEntry)).one()
        event = session.exec(select(ChangeEvent)).one()
    assert (entry.actor, entry.action, entry.subject, entry.tenant_id, entry.at) == (
        "ann",
        "flag.set",
        "streaming",
        "t1",
        clock.now(),
    )
    assert (entry.before, entry.after) == ({"is_on": False}, {"is_on": True})
    assert (event.kind, event.subject, event.summary, event.tenant_id, event.at) == (
        "flag",
        "streaming",
        "streaming turned on",
        "t1",
        clock.now(),
    )
    assert (event.before, event.after) == (entry.before, entry.after)


def test_revision_counts_changes(store: Store, clock: ManualClock) -> None:
    """The revision starts at 0 and goes up by one with every change."""
    with store.snapshot() as connection:
        assert decisions(connection) == 0
    for count in (1, 2, 3):
        _flip(store, clock)
        with store.snapshot() as connection:
            assert decisions(connection) == count


def test_failed_change_leaves_nothing(store: Store, clock: ManualClock) -> None:
    """A change that fails leaves no entry, no event and the old revision."""

    def change_and_fail() -> None:
        with store.writing() as session:
            audit.record(session, clock, by=ANN, action="x.y", kind="x", subject="s", summary="s")
            raise LookupError

    with pytest.raises(LookupError):
        change_and_fail()
    with store.reading() as session:
        assert session.exec(select(AuditEntry)).all() == []
        assert session.exec(select(ChangeEvent)).all() == []
        assert decisions(session.connection()) == 0


def test_wrapped_secret_cannot_be_recorded(store: Store, clock: ManualClock) -> None:
    """A secret in before or after stops the change instead of being written down."""
    with pytest.raises(Exception, match="not JSON serializable"):
        _flip(store, clock, after={"key": SecretStr("sk-not-for-the-audit")})
    with store.reading() as session:
        assert session.exec(select(AuditEntry)).all() == []


def test_concurrent_changes_all_count(store: Store, clock: ManualClock) -> None:
    """Changes made at once by many threads each raise the revision once."""
    threads = [threading.Thread(target=_flip, args=(store, clock)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.reading() as session:
        entries = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
        assert len(entries) == 16
        assert decisions(session.connection()) == 16
