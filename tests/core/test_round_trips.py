"""How often a generation waits for PostgreSQL, counted on the wire; and what a broken connection costs."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest

from core import postgres
from core.claims import ANSWER, Done, Lease
from core.database_faults import Disconnected
from core.principals import LOCAL_OPERATOR
from core.store import Store
from tests.corridor import ANTHROPIC, OPENAI, Rig, rig
from tests.counting_proxy import CountingProxy, counting
from tests.wire.server import WireServer

ONE_LOOK, ONE_TRANSACTION = 1, 2
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


@pytest.fixture
def counted(wire: WireServer, pg_database_url: str) -> Iterator[tuple[Rig, CountingProxy]]:
    """A Proctor whose PostgreSQL is behind a proxy that counts."""
    with counting(pg_database_url) as (proxy, url), rig(wire, url) as proctor:
        yield proctor, proxy


def trips(proctor: Rig, proxy: CountingProxy, *more: Any, **asked: Any) -> int:
    """Return the round trips of one generation, after two that found accounts and connections and kept the policy."""
    asked["corridor"] = proctor.corridor()
    for _ in range(2):
        proctor.ask(*more, **asked)
    before = proxy.trips
    proctor.ask(*more, **asked)
    return proxy.trips - before


@pytest.mark.parametrize("budgets", [0, 1, 4])
def test_a_generation_waits_five_times(counted: tuple[Rig, CountingProxy], budgets: int) -> None:
    """One look at the policy, a hold and a settlement of two trips each, however many budgets pay."""
    proctor, proxy = counted
    tenant = proctor.tenant(None)
    for scope, name in [("tenant", ""), ("model", OPENAI), ("schema", "person"), ("route", "default")][:budgets]:
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**12, scope=scope, scope_name=name)

    assert trips(proctor, proxy, tenant, model=OPENAI) <= ONE_LOOK + 2 * ONE_TRANSACTION


@pytest.mark.parametrize("budgets", [0, 1])
def test_a_route_that_caches_answers_waits_twice_more(counted: tuple[Rig, CountingProxy], budgets: int) -> None:
    """A miss takes a claim and leaves its answer by one statement each, in one trip."""
    proctor, proxy = counted
    tenant = proctor.tenant(None)
    if budgets:
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**12)
    route = proctor.route(OPENAI, cache_seconds=3600)

    assert trips(proctor, proxy, tenant, route=route) <= ONE_LOOK + 2 * ONE_TRANSACTION + 2


@pytest.mark.parametrize("scenario", ["ok", "invalid-once"])
def test_accounts_are_moved_last_and_locked_for_two_trips(
    scenario: str, counted: tuple[Rig, CountingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In no transaction of a generation anything stands between the first account that is moved and the COMMIT."""
    proctor, proxy = counted
    tenant = proctor.tenant(None)
    for scope, name in [("tenant", ""), ("model", OPENAI), ("schema", "person")]:
        proctor.runtime.budgets.set(LOCAL_OPERATOR, tenant, 10**12, scope=scope, scope_name=name)
    for _ in range(2):
        proctor.ask(tenant, scenario, model=OPENAI)
    sent: list[tuple[str, int]] = []
    begin = postgres.pipeline

    class Watched(postgres.PipelineCursor):
        def execute(self, sql: str, *parameters: Any) -> postgres.PipelineCursor:
            sent.append((sql, proxy.trips))
            return super().execute(sql, *parameters)

    @contextmanager
    def watched(connection: Any) -> Generator[Any]:
        with begin(connection) as cursor:
            yield cursor
        sent.append(("END", proxy.trips))

    monkeypatch.setattr(postgres, "PipelineCursor", Watched)
    monkeypatch.setattr(postgres, "pipeline", watched)
    assert proctor.ask(tenant, scenario, model=OPENAI).error is None

    transactions = [list(some) for is_end, some in itertools.groupby(sent, lambda one: one[0] == "END") if not is_end]
    ends = [trips for sql, trips in sent if sql == "END"]
    assert len(transactions) == len(ends) >= 2
    for transaction, end in zip(transactions, ends, strict=True):
        moved = [n for n, (sql, _) in enumerate(transaction) if sql.startswith("UPDATE account")]
        assert moved, "each of them moves money"
        assert [sql for sql, _ in transaction[moved[0] :] if not sql.startswith("UPDATE account")] == ["COMMIT"]
        assert end - transaction[moved[0]][1] <= 2


def test_a_claim_whose_connection_breaks_is_taken_and_finished(counted: tuple[Rig, CountingProxy]) -> None:
    """Whoever finds a kept connection broken runs the statement again, and knows its own row again."""
    proctor, proxy = counted
    clock, claims = proctor.runtime.clock, proctor.runtime.claims
    claims.look(ANSWER, "none")
    proxy.cut()

    lease = claims.claim(ANSWER, "broken")

    assert isinstance(lease, Lease)
    claims.look(ANSWER, "none")
    proxy.cut()
    assert lease.finish("done", clock.now() + timedelta(hours=1))
    assert isinstance(claims.look(ANSWER, "broken"), Done)


@pytest.mark.parametrize("ended", [False, True])
def test_a_claim_that_was_kept_when_its_connection_broke_is_its_holders(
    counted: tuple[Rig, CountingProxy], monkeypatch: pytest.MonkeyPatch, *, ended: bool
) -> None:
    """A statement that was kept, but not answered, is not taken for somebody else's."""
    proctor, _ = counted
    clock, claims, store = proctor.runtime.clock, proctor.runtime.claims, proctor.runtime.store
    write, key = store.write_one, f"kept {ended}"
    until = clock.now() + timedelta(hours=1)

    def unheard(*statement: Any) -> int:
        write(*statement)
        raise Disconnected("The answer was lost.")

    if ended:
        lease = claims.claim(ANSWER, key)
        assert isinstance(lease, Lease)
        monkeypatch.setattr(store, "write_one", unheard)
        assert lease.finish("done", until)
    else:
        monkeypatch.setattr(store, "write_one", unheard)
        assert isinstance(claims.claim(ANSWER, key), Lease)


def test_each_further_call_waits_three_times(counted: tuple[Rig, CountingProxy]) -> None:
    """A re-ask or a fallback looks for what was switched off, and is written down and held for in two trips more."""
    proctor, proxy = counted
    tenant = proctor.tenant()
    route = proctor.route(OPENAI, ANTHROPIC)

    assert trips(proctor, proxy, tenant, "invalid-once", route=route) <= 2 * ONE_LOOK + 3 * ONE_TRANSACTION


def test_after_a_restart_of_the_database_nobody_notices(counted: tuple[Rig, CountingProxy]) -> None:
    """Kept connections that broke meanwhile are found out and replaced; no generation fails for it."""
    proctor, proxy = counted
    tenant = proctor.tenant()
    for _ in range(3):
        assert proctor.ask(tenant).error is None

    proxy.cut()

    for _ in range(3):
        assert proctor.ask(tenant).error is None
    assert proctor.is_settled()


def test_a_connection_that_breaks_between_look_and_hold_is_replaced(
    counted: tuple[Rig, CountingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hold or a settlement that meets a broken connection is run again on one that lives."""
    proctor, proxy = counted
    tenant, corridor = proctor.tenant(), proctor.corridor()
    proctor.ask(tenant, corridor=corridor)
    store, seen = proctor.runtime.store, list[bool]()
    transaction = store.transaction

    def breaking(**how: Any) -> Any:
        if how.get("pipelined"):
            proxy.cut()
        seen.append(bool(how.get("pipelined")))
        return transaction(**how)

    monkeypatch.setattr(store, "transaction", breaking)

    assert proctor.ask(tenant, corridor=corridor).error is None
    assert seen == [True, False, True], "the next hold or settlement finds a new one"
    monkeypatch.undo()
    assert proctor.is_settled()


def test_a_new_policy_whose_connection_breaks_is_kept(
    counted: tuple[Rig, CountingProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first generation under a policy keeps it by a statement of its own, on a connection that lives."""
    proctor, proxy = counted
    tenant = proctor.tenant()
    proctor.ask(tenant)
    store, seen = proctor.runtime.store, list[bool]()
    transaction = store.transaction

    def breaking(**how: Any) -> Any:
        if how.get("single"):
            proxy.cut()
            seen.append(True)
        return transaction(**how)

    monkeypatch.setattr(store, "transaction", breaking)

    assert proctor.ask(tenant).error is None
    assert seen == [True], "the second time it is a transaction like any other"
    monkeypatch.undo()
    assert proctor.is_settled()


def test_what_is_sent_comes_back(pg_database_url: str) -> None:
    """Values cross as they are, under names that may stand in several places; a text with a NUL does not."""
    store = Store(pg_database_url)
    look = store.prepare(
        "SELECT CAST(:n AS BIGINT), CAST(:n AS BIGINT) + 1, CAST(:t AS TEXT), CAST(:b AS BOOLEAN), "
        "CAST(:f AS DOUBLE PRECISION), CAST(:nothing AS TEXT), 7 % 4"
    )
    for n, text, flag, figure in ((0, "", True, 0.1), (2**62, "%s 'ü' $1 \N{GRINNING FACE}", False, 1e300)):
        row = store.read_one(look, {"n": n, "t": text, "b": flag, "f": figure, "nothing": None})
        assert row == (n, n + 1, text, flag, figure, None, 3)
    with pytest.raises(psycopg.DataError):
        store.read_one(look, {"n": 0, "t": "\0", "b": True, "f": 0.0, "nothing": None})
    assert store.read_one("SELECT 1", {}) == (1,)
    store.close()


def test_a_statement_that_fails_takes_all_with_it_and_leaves_the_connection(pg_database_url: str) -> None:
    """Its own error is told, not that of those behind it; what stood before it is undone, and the next one goes on."""
    store = Store(pg_database_url, pool_size=1)
    count = store.prepare("UPDATE revision SET count = count + :more RETURNING count")
    look = "SELECT SUM(count) FROM revision"
    before = store.read_one(look, {})
    connection = store.read_one("SELECT pg_backend_pid()", {})

    def fail(*, asks: bool) -> None:
        with store.transaction(pipelined=True) as cursor:
            told = cursor.send(count, {"more": 1})
            cursor.execute("SELECT nothing")
            cursor.execute(count, {"more": 70_000})
            if asks:
                told()

    for asks in (True, False):
        with pytest.raises(psycopg.errors.UndefinedColumn):
            fail(asks=asks)
    assert store.read_one(look, {}) == before
    assert store.read_one("SELECT pg_backend_pid()", {}) == connection
    store.close()
