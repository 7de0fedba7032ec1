"""The removal of the demo world, beside the rows of everybody else: nobody who writes waits for those to be read."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, event, insert
from sqlmodel import col, select

from core.clock import ManualClock
from core.demo import Demo
from core.principals import LOCAL_OPERATOR
from core.settings import Settings
from core.store import AT_ONCE, Store
from core.tables import AttemptRow, AuditEntry, ChangeEvent, Claim, RepricedAttempt, Repricing, Tenant
from tests import builders

NOW = datetime(2026, 3, 4, 12, 0, tzinfo=UTC)
GROWING = (
    *("generation", "attempt", "field_error", "finding", "payload", "ledger_entry", "policy_snapshot"),
    *("repriced_attempt", "change_event", "audit_entry", "claim", "account", "opening", "schema_version"),
    *("repricing", "price_override", "fire_drill"),
)
"""The tables that hold a row for everything that happens, or that somebody decides."""
_READS_ALL = re.compile(r"(?:Seq Scan on|\bSCAN) (\w+)")

Sent = tuple[str, Any]


@contextmanager
def written() -> Generator[list[list[Sent]]]:
    """Collect, by transaction, what is sent in those that write: the statements and what is bound in them."""
    transactions = list[list[Sent]]()

    def begun(connection: Any) -> None:
        if connection.get_execution_options().get("writing"):
            transactions.append([])

    def sent(connection: Any, _cursor: Any, sql: str, bound: Any, *_: Any) -> None:
        if connection.get_execution_options().get("writing") and sql.startswith(("SELECT", "DELETE", "UPDATE")):
            transactions[-1].append((sql, bound))

    event.listen(Engine, "begin", begun)
    event.listen(Engine, "before_cursor_execute", sent)
    try:
        yield transactions
    finally:
        event.remove(Engine, "begin", begun)
        event.remove(Engine, "before_cursor_execute", sent)


def many_decisions(store: Store, tenant_id: str, count: int) -> None:
    """Write that many changes, audit entries and kept answers of one tenant."""
    tags = [f"{tenant_id}-{n}" for n in range(count)]
    with store.writing() as session:
        connection, at = session.connection(), NOW
        connection.execute(
            insert(ChangeEvent),
            [
                {"id": tag, "at": at, "kind": "key", "subject": "", "tenant_id": tenant_id, "summary": ""}
                for tag in tags
            ],
        )
        connection.execute(
            insert(AuditEntry),
            [
                {"id": tag, "at": at, "actor": "me", "action": "key.create", "subject": "", "tenant_id": tenant_id}
                for tag in tags
            ],
        )
        connection.execute(
            insert(Claim),
            [
                {"kind": "answer", "key": tag, "tenant_id": tenant_id, "holder": "", "since": at, "expires_at": at}
                for tag in tags
            ],
        )


def test_no_transaction_that_writes_reads_the_rows_of_all(store: Store) -> None:
    """Each finds by an index what it deletes, on either database, and what is of others stays."""
    real = builders.tenant("Real", NOW)
    call = builders.generation(NOW - timedelta(hours=1), tenant_id=real.id)
    builders.save(store, real, call, builders.attempt(call))
    demo = Demo(Settings(demo=True), store, ManualClock(NOW), scale=0.01)
    demo.make(LOCAL_OPERATOR)
    with store.reading() as session:
        theirs = session.exec(select(Tenant.id).where(col(Tenant.is_demo))).first()
        attempts = session.exec(select(AttemptRow.id, AttemptRow.tenant_id)).all()
    assert theirs
    many_decisions(store, theirs, 2 * AT_ONCE + 1)
    many_decisions(store, real.id, AT_ONCE)
    day = timedelta(days=1)
    repricing = Repricing(id="r", at=NOW, actor="me", reason="", starts_at=NOW - 30 * day, ends_at=NOW)
    builders.save(
        store, repricing, [RepricedAttempt(repricing_id="r", attempt_id=one, after_nano_usd=1) for one, _ in attempts]
    )

    with written() as transactions:
        counts = demo.remove(LOCAL_OPERATOR)

    assert counts["generation"] > 200
    assert min(counts[table] for table in ("change_event", "audit_entry", "claim")) > 2 * AT_ONCE
    with store.reading() as session:
        for table in (ChangeEvent, AuditEntry, Claim):
            assert len(session.exec(select(table).where(table.tenant_id == real.id)).all()) == AT_ONCE
        left = session.exec(select(RepricedAttempt.attempt_id)).all()
    assert sorted(left) == sorted(one for one, tenant_id in attempts if tenant_id == real.id)
    sent = {sql: bound for transaction in transactions for sql, bound in transaction}
    assert {table for table in GROWING if any(f" {table} " in f"{sql} " for sql in sent)} == set(GROWING)
    assert read_whole(store, sent) == {}


def read_whole(store: Store, sent: dict[str, Any]) -> dict[str, str]:
    """Return the statements that read a growing table from end to end, for want of an index, with its name."""
    found: dict[str, str] = {}
    with store.engine.connect() as connection:
        if not store.is_sqlite:
            connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        for sql, bound in sent.items():
            asked = f"{'EXPLAIN QUERY PLAN' if store.is_sqlite else 'EXPLAIN'} {sql}"
            plan = "\n".join(str(row) for row in connection.exec_driver_sql(asked, bound).all())
            for table in set(_READS_ALL.findall(plan)) & set(GROWING):
                found[sql] = table
    return found
