"""Upgrades and downgrades of a database that holds money, on both databases."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy
from sqlmodel import select

from core.budgets import Budgets
from core.claims import Claims, Done
from core.clock import ManualClock, micros
from core.principals import LOCAL_OPERATOR
from core.store import MIGRATIONS, Store
from core.tables import AttemptRow, GenerationRow, LedgerEntry, LedgerKind, PolicySnapshot, Reservation, Tenant
from tests import servers
from tests.conftest import START
from tests.tills import MODEL, Till

MARCH, APRIL = micros(datetime(2026, 3, 1, tzinfo=UTC)), micros(datetime(2026, 4, 1, tzinfo=UTC))
NOON = micros(START)
OLD: dict[str, list[dict[str, Any]]] = {
    "tenant": [{"id": "acme", "name": "Acme", "timezone": "UTC", "payload_retention_days": 30, "created_at": MARCH}],
    "budget": [{"id": "b", "tenant_id": "acme", "period": "month", "limit_nano_usd": 10_000, "created_at": MARCH}],
    "account": [
        {"id": "a", "budget_id": "b", "tenant_id": "acme", "starts_at": MARCH, "ends_at": APRIL, "spent_nano_usd": 950,
         "held_nano_usd": 700},
    ],
    "reservation": [
        {"id": "r1", "account_id": "a", "generation_id": "out", "held_nano_usd": 400, "at_risk_nano_usd": 300,
         "owner": "o", "expires_at": NOON},
        {"id": "r2", "account_id": "a", "generation_id": "idle", "held_nano_usd": 300, "at_risk_nano_usd": 0,
         "owner": "o", "expires_at": NOON},
    ],
    "ledger_entry": [
        {"id": "e1", "generation_id": "done", "attempt_id": "t1", "kind": "charge", "nano_usd": 600},
        {"id": "e2", "generation_id": "out", "attempt_id": "t2", "kind": "charge", "nano_usd": 250},
        {"id": "e3", "generation_id": "gone", "attempt_id": None, "kind": "charge", "nano_usd": 200},
        {"id": "e4", "generation_id": "gone", "attempt_id": None, "kind": "refund", "nano_usd": -100},
    ],
    "generation": [{"id": "done", "cost_nano_usd": 600}],
    "attempt": [
        {"id": "t1", "generation_id": "done", "cost_nano_usd": 600},
        {"id": "t2", "generation_id": "out", "cost_nano_usd": 250},
    ],
}  # fmt: skip
"""A database of the first release: one generation is done, one is out with a second call, one holds and waits."""


def back_to(revision: int) -> str:
    """Return how many revisions there are above one, as a way back."""
    return f"-{sum(int(one.name[:4]) > revision for one in (MIGRATIONS / 'versions').glob('[0-9]*.py'))}"


def fill_old(store: Store) -> None:
    """Write ``OLD`` into a database at the first revision; what no row names is filled in."""
    usual: dict[str, Any] = {
        "account_id": "a", "at": NOON, "tenant_id": "acme", "n": 1, "kind": "first", "provider": "openai",
        "model": "gpt-4o-mini", "mode": "tools", "started_at": NOON, "ended_at": NOON + 1000, "duration_ms": 1.0,
        "outcome": "valid_first_try", "schema_name": "invoice", "route": "default", "wasted_nano_usd": 0,
        "estimated": False, "streamed": False, "is_demo": False, "version": 1, "trace": "[]", "attempts": 1,
        "input_tokens": 10, "cached_tokens": 0, "cache_write_tokens": 0, "output_tokens": 5, "reasoning_tokens": 0,
        "principal": "", "request_id": "", "schema_hash": "",
    }  # fmt: skip
    with store.engine.begin() as connection:
        known = sqlalchemy.MetaData()
        known.reflect(connection)
        for name, rows in OLD.items():
            table = known.tables[name]
            for row in rows:
                needed = {column.name: usual[column.name] for column in table.columns if column.name in usual}
                connection.execute(table.insert().values(**needed | row))


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """A database of the first release, filled."""

    def filled(url: str) -> Store:
        store = Store(url)
        store.migrate("0001")
        fill_old(store)
        return store

    if request.param == "sqlite":
        store = filled(f"sqlite:///{tmp_path / 'old.db'}")
        yield store
        store.close()
        return
    with servers.database(request.getfixturevalue("pg_url"), f"old_{id(tmp_path)}") as url:
        store = filled(url)
        yield store
        store.close()


def test_an_upgrade_keeps_every_figure(old: Store) -> None:
    """Money of the first release is kept: what was spent stays spent, what was out is settled, and it all adds up."""
    old.migrate()

    budgets = Budgets(old, ManualClock(START), owner="test")
    with old.reading() as session:
        acme = session.exec(select(Tenant)).one()
        attempts = {one.id: one for one in session.exec(select(AttemptRow))}
        generations = {one.id: one for one in session.exec(select(GenerationRow))}
        assert session.exec(select(Reservation)).all() == []
    state = budgets.show(LOCAL_OPERATOR, acme)
    assert (state.limit_nano_usd, state.spent_nano_usd, state.held_nano_usd, state.version) == (10_000, 1250, 0, 1)
    assert (state.terms.mode, state.terms.thresholds, state.terms.scope) == ("hard", (80, 95), "tenant")
    assert {name: one.charges for name, one in attempts.items()} == {"t1": 1, "t2": 1}
    lost = generations["out"]
    assert (lost.outcome, lost.error_code, lost.cost_nano_usd, lost.attempts) == ("provider_error", "lost", 250, 1)
    assert lost.started_at == START
    found = budgets.verify(LOCAL_OPERATOR)
    assert (found.ok, found.difference_nano_usd, found.held_nano_usd) == (True, 0, 0)


def test_a_downgrade_keeps_what_the_first_release_knew(old: Store) -> None:
    """Going back keeps the monthly budgets of tenants with all they spent; what is newer goes."""
    old.migrate()
    till = Till(old, ManualClock(START), tenant=the_tenant(old))
    till.spend(100)
    till.set(10_000, period="day")
    till.spend(100)
    till.set(10_000, period="month")
    till.set(5000, scope="model", scope_name=MODEL)
    till.begin().cover(50)
    with old.writing() as session:
        entry = session.exec(select(LedgerEntry).where(LedgerEntry.attempt_id == "t1")).one()
        for cause in ("r1", "r2"):
            values = entry.model_dump() | {"id": cause, "kind": "repricing", "cause": cause, "nano_usd": 0}
            session.add(LedgerEntry(**values))

    old.migrate(back_to(1))

    with old.engine.connect() as connection:
        rows = connection.exec_driver_sql("SELECT spent_nano_usd, held_nano_usd FROM account").all()
        assert [tuple(row) for row in rows] == [(1450, 0)]
        assert connection.exec_driver_sql("SELECT SUM(nano_usd) FROM ledger_entry").scalar_one() == 1450
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM reservation").scalar_one() == 0
    old.migrate()
    assert till.account() == (1450, 0)


def test_answers_that_are_kept_stay(old: Store) -> None:
    """What was kept before answers were claims answers again; what was being made is asked anew."""
    old.migrate("0002")
    usual: dict[str, Any] = {
        "tenant_id": "acme", "generation_id": "g", "provider": "openai", "model": MODEL, "cost_nano_usd": 7,
        "created_at": NOON, "expires_at": APRIL,
    }  # fmt: skip
    value = r'{"say":"\"a\" é \u0000","n":[1,null]}'
    with old.engine.begin() as connection:
        known = sqlalchemy.MetaData()
        known.reflect(connection)
        kept = known.tables["cached_answer"]
        for row in ({"key": "kept", "value": value}, {"key": "bare", "value": '"text"', "cost_nano_usd": None}):
            connection.execute(kept.insert().values(**usual | row))
        connection.execute(kept.insert().values(**usual | {"key": "under way", "value": None}))

    old.migrate()

    with closing(Claims(old, ManualClock(START))) as claims:
        found, bare = claims.look("answer", "kept"), claims.look("answer", "bare")
        assert isinstance(found, Done)
        assert isinstance(bare, Done)
        told = {"value": orjson.loads(value), "provider": "openai", "model": MODEL, "cost_nano_usd": 7}
        assert (found.result, found.holder, found.since) == (told, "g", START)
        assert bare.result == told | {"value": "text", "cost_nano_usd": None}
        assert claims.look("answer", "under way") is None
    old.migrate(back_to(2))
    with old.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT COUNT(*) FROM cached_answer").scalar_one() == 0
    old.migrate()


def the_tenant(store: Store) -> Tenant:
    """Return the one tenant there is."""
    with store.reading() as session:
        return session.exec(select(Tenant)).one()


def test_policies_move_to_a_table_of_their_own_and_back(old: Store) -> None:
    """What generations and reservations said of their policy is still known, kept once; going back restores it."""
    old.migrate("0005")
    policy = {"revision": 7, "flags": {"a": True}, "route": {"name": "défaut"}}
    texts = [orjson.dumps(one).decode() for one in (policy, policy | {"revision": 8}, policy | {"flags": {}})]
    with old.engine.begin() as connection:
        known = sqlalchemy.MetaData()
        known.reflect(connection)
        like: dict[str, Any] = dict(connection.execute(known.tables["generation"].select()).mappings().first() or {})
        rows = [like | {"id": f"g{n}", "policy": texts[n % 3]} for n in range(3000)]
        connection.execute(known.tables["generation"].insert(), rows)
        lost = {"generation": orjson.dumps({"id": "out", "policy": policy}).decode(), "holds": "{}", "attempts": "[]"}
        keys = {"generation_id": "out", "tenant_id": "acme", "owner": "", "expires_at": 0}
        connection.execute(known.tables["reservation"].insert(), [lost | keys])

    old.migrate()

    with old.reading() as session:
        kept = {one.hash: one.body for one in session.exec(select(PolicySnapshot))}
        found = {one.id: one for one in session.exec(select(GenerationRow))}
        [reservation] = session.exec(select(Reservation))
    same, other = found["g0"], found["g2"]
    assert (len(kept), same.policy_hash, same.policy_revision) == (2, found["g1"].policy_hash, 7)
    assert kept[same.policy_hash or ""] == {"flags": {"a": True}, "route": {"name": "défaut"}}
    assert kept[other.policy_hash or ""]["flags"] == {}
    assert found["done"].policy_hash is None
    assert reservation.generation == {"id": "out", "policy_hash": same.policy_hash, "policy_revision": 7}

    old.migrate(back_to(5))
    with old.engine.connect() as connection:
        text = connection.exec_driver_sql("SELECT policy FROM generation WHERE id = 'g2998'").scalar_one()
    assert orjson.loads(text) == {"flags": {"a": True}, "route": {"name": "défaut"}}


def test_opening_balances_keep_their_money(old: Store) -> None:
    """What an account began with has another word in the ledger from then on, and its old one again on the way back."""
    old.migrate()
    till = Till(old, ManualClock(START), tenant=the_tenant(old))
    till.set(5000, scope="model", scope_name=MODEL)
    till.budgets.verify(LOCAL_OPERATOR)
    with old.reading() as session:
        [entry] = [one for one in session.exec(select(LedgerEntry)) if one.kind == LedgerKind.OPENING_BALANCE]
    stood = till.account()

    old.migrate(back_to(7))
    with old.engine.connect() as connection:
        words = dict(connection.exec_driver_sql("SELECT id, kind FROM ledger_entry").all())
    assert (words[entry.id], "opening_balance" in words.values()) == ("carried", False)

    old.migrate()
    with old.reading() as session:
        assert session.get(LedgerEntry, entry.id) == entry
    found = till.budgets.verify(LOCAL_OPERATOR)
    assert (found.ok, found.difference_nano_usd, till.account()) == (True, 0, stood)


def test_how_calls_were_billed_goes_and_comes(old: Store) -> None:
    """Attempts of older releases were billed as usual; of newer ones that goes on the way back; money stays."""
    old.migrate()
    told = {"tier": "priority", "remark": "odd"}
    with old.writing() as session:
        attempts = {one.id: one for one in session.exec(select(AttemptRow))}
        assert {one.billing for one in attempts.values()} == {None} == {one.family for one in attempts.values()}
        attempts["t1"].billing, attempts["t1"].family = told, "openai/gpt-4o-mini"
        attempts["t2"].error_code = "key_rejected"
        session.add_all(attempts.values())
    costs = {name: one.cost_nano_usd for name, one in attempts.items()}

    for revision in (10, 8):
        old.migrate(back_to(revision))
        known = sqlalchemy.inspect(old.engine)
        columns = {one["name"] for one in known.get_columns("attempt")}
        assert {"billing", "family"} & columns == ({"billing", "family"} if revision > 8 else set())
        assert "ix_attempt_rejected" not in {one["name"] for one in known.get_indexes("attempt")}
        old.migrate()
        assert "ix_attempt_rejected" in {one["name"] for one in sqlalchemy.inspect(old.engine).get_indexes("attempt")}
        with old.reading() as session:
            again = {one.id: one for one in session.exec(select(AttemptRow))}
        assert {name: one.cost_nano_usd for name, one in again.items()} == costs
        assert again["t1"].billing == (told if revision > 8 else None)


def test_labels_begin_without_a_past(old: Store) -> None:
    """A label that an older release moved stays where it is; which version it named before is not known."""
    old.migrate("0009")
    with old.engine.begin() as connection:
        known = sqlalchemy.MetaData()
        known.reflect(connection)
        rows = {"schema": {}, "schema_version": {"version": 3}, "schema_label": {"label": "production"}}
        for table, row in ((known.tables[name], row) for name, row in rows.items()):
            usual = {column.name: _USUAL[type(column.type)] for column in table.columns if not column.nullable}
            connection.execute(table.insert().values(**usual | row))

    for _ in range(2):
        old.migrate()
        with old.engine.connect() as connection:
            label = connection.exec_driver_sql(
                "SELECT label, version_id, version_before, moved_at, moved_by FROM schema_label"
            ).one()
            assert tuple(label) == ("production", "invoice", None, None, "")
            assert tuple(connection.exec_driver_sql("SELECT version, source FROM schema_version").one()) == (3, "")
        old.migrate(back_to(9))
        with old.engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT version_id FROM schema_label").scalar_one() == "invoice"


def test_keys_keep_what_they_may(old: Store) -> None:
    """A key of an older release generates and reads for ever; on the way back what could do less is gone, not more."""
    old.migrate("0024")
    with old.engine.begin() as connection:
        known = sqlalchemy.MetaData()
        known.reflect(connection)
        row = {"id": "k", "tenant_id": "acme", "name": "", "prefix": "prk_1", "hash": "h", "created_at": NOON}
        connection.execute(known.tables["api_key"].insert().values(**row))
    old.migrate()
    till = Till(old, ManualClock(START), tenant=Tenant(id="acme", name="Acme"))
    kept = till.tenants.find_key(LOCAL_OPERATOR, "k")
    assert (kept.scopes, kept.models, kept.routes, kept.ends_at) == (("generate", "read"), (), (), None)
    assert kept.version == 1
    till.tenants.create_key(LOCAL_OPERATOR, till.tenant, models=[MODEL])
    till.tenants.create_key(LOCAL_OPERATOR, None)
    till.set(500, scope="key", scope_name="k")
    terms = till.terms()

    old.migrate(back_to(24))
    with old.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT id FROM api_key").scalars().all() == ["k"]
        assert "key" not in connection.exec_driver_sql("SELECT scope FROM budget").scalars().all()
    old.migrate()
    till.set(500, scope="key", scope_name="k")
    assert [one.budget_id for one in till.terms()] == [one.budget_id for one in terms]


_USUAL: dict[Any, Any] = {
    sqlalchemy.VARCHAR: "invoice",
    sqlalchemy.TEXT: "{}",
    sqlalchemy.INTEGER: 1,
    sqlalchemy.BIGINT: 0,
    sqlalchemy.BOOLEAN: False,
}
"""What a column of a kind holds that no row names."""
