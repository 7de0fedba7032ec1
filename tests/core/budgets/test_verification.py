"""The proof: whoever tampers is seen, and no order of events breaks the books."""

from __future__ import annotations

import itertools
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from sqlmodel import col, select

from core.attempts import ProviderCall
from core.budgets import verification
from core.clock import ManualClock
from core.errors import BudgetExceeded
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.tables import Account, AttemptRow, GenerationRow, LedgerEntry, Reservation, Stretch, Verification
from tests.builders import person
from tests.conftest import START
from tests.examples import few
from tests.tills import DEAD, LASTS, MODEL, OTHER, Till, Walk

_seeds = itertools.count(1)


@pytest.mark.parametrize(
    ("tampering", "difference"),
    [
        ("UPDATE account SET spent_nano_usd = spent_nano_usd - 7", 14),
        ("UPDATE account SET held_nano_usd = held_nano_usd + 5", 10),
        ("DELETE FROM ledger_entry", 1200),
        ("UPDATE ledger_entry SET nano_usd = nano_usd + 1", 4),
        (
            (
                "INSERT INTO ledger_entry (id, at, account_id, generation_id, kind, cause, nano_usd, estimated) "
                "SELECT 'forged', at, account_id, generation_id, kind, 'x', 9, estimated FROM ledger_entry LIMIT 1"
            ),
            9,
        ),
        ("UPDATE attempt SET cost_nano_usd = 100", 600),
        ("UPDATE attempt SET cost_nano_usd = NULL", 900),
        ("UPDATE attempt SET charges = 1", 300),
        ("UPDATE attempt SET generation_id = 'another'", 600),
        ("DELETE FROM attempt", 900),
        ("UPDATE generation SET cost_nano_usd = cost_nano_usd + 1", 1),
        ("UPDATE generation SET cost_nano_usd = NULL", 300),
        ("DELETE FROM generation", 300),
        ("DELETE FROM reservation", 100),
        ("UPDATE reservation SET holds = '{}'", 100),
        ("UPDATE reservation SET holds = REPLACE(holds, '50', '51')", 2),
    ],
)
def test_whoever_tampers_is_seen(tampering: str, difference: int, till: Till) -> None:
    """Whatever was changed by hand shows: an account, an entry, a cost, a generation, a reservation."""
    till.set(1000, scope="model", scope_name=MODEL)
    till.spend(300)
    till.begin().cover(50)
    before = till.budgets.verify(LOCAL_OPERATOR)
    assert (before.ok, before.accounts, before.attempts) == (True, 2, 1)
    assert (before.difference_nano_usd, before.held_nano_usd) == (0, 100)

    with till.store.transaction() as cursor:
        cursor.execute(tampering)
    after = till.budgets.verify(LOCAL_OPERATOR)

    assert (after.difference_nano_usd, after.ok) == (difference, False)


def test_an_opening_balance_cannot_be_taken_away(till: Till) -> None:
    """The entry with which an account was opened explains it as every other does."""
    till.spend(300)
    till.set(1000, scope="model", scope_name=MODEL)
    assert till.is_sound()

    with till.store.transaction() as cursor:
        cursor.execute("DELETE FROM ledger_entry WHERE kind = 'opening_balance'")

    assert till.budgets.verify(LOCAL_OPERATOR).difference_nano_usd == 300


def test_a_verification_is_written_down(till: Till) -> None:
    """Everybody can see when the books were last verified, by whom, and what came of it."""
    assert till.budgets.last_verification(LOCAL_OPERATOR) is None
    till.spend(300)
    till.budgets.verify(person("somebody"))
    till.advance(1)
    with till.store.transaction() as cursor:
        cursor.execute("UPDATE account SET held_nano_usd = 5")
    till.budgets.verify(LOCAL_OPERATOR)

    last = till.budgets.last_verification(LOCAL_OPERATOR)
    assert last is not None
    assert (last.ok, last.by, last.difference_nano_usd, last.held_nano_usd) == (False, LOCAL_OPERATOR.name, 5, 5)
    assert [(row.by, row.ok) for row in till.rows(Verification)] == [("somebody", True), (LOCAL_OPERATOR.name, False)]


def test_what_the_dead_hold_is_settled_before_it_is_counted(till: Till) -> None:
    """Once recovery has run, as it does before each verification, nothing that the dead held is counted as held."""
    till.begin().cover(100)
    till.advance(LASTS + 31)

    assert till.budgets.verify(LOCAL_OPERATOR).held_nano_usd == 100
    assert till.recovery.run() == 1
    assert till.budgets.verify(LOCAL_OPERATOR).held_nano_usd == 0
    assert till.account() == (100, 0)


# ── Short runs ────────────────────────────────────────────────────────────────────────────────────────────────────────

LATER = 1800
"""Seconds after which what was recorded is closed."""


def a_closed_past(till: Till) -> None:
    """Two budgets, three calls, all closed and proven; and one call since."""
    till.set(1000, scope="model", scope_name=MODEL)
    for _ in range(3):
        till.spend(100)
    till.advance(LATER)
    assert till.budgets.verify(LOCAL_OPERATOR).is_whole
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).attempts == 0
    till.spend(50)


def test_a_short_run_looks_only_at_what_is_new(till: Till) -> None:
    """Closed stretches are not read again, however often; a first run is whole whatever was asked."""
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).is_whole
    a_closed_past(till)

    short = till.budgets.verify(LOCAL_OPERATOR, whole=False)
    assert (short.is_whole, short.ok, short.attempts, short.accounts) == (False, True, 1, 2)
    till.advance(LATER)
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).attempts == 1, "it is closed now"
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).attempts == 0
    assert till.budgets.verify(LOCAL_OPERATOR).attempts == 4


@pytest.mark.parametrize(
    ("tampering", "is_seen"),
    [
        ("UPDATE account SET spent_nano_usd = spent_nano_usd - 7", True),
        ("UPDATE account SET held_nano_usd = held_nano_usd + 5", True),
        ("DELETE FROM ledger_entry", True),
        ("UPDATE attempt SET cost_nano_usd = cost_nano_usd + 1", True),
        ("UPDATE attempt SET cost_nano_usd = 1 WHERE id = (SELECT MIN(id) FROM attempt)", False),
        ("UPDATE generation SET cost_nano_usd = 1 WHERE id = (SELECT MIN(id) FROM generation)", False),
        ("UPDATE ledger_entry SET nano_usd = nano_usd + 1 WHERE id = (SELECT MIN(id) FROM ledger_entry)", False),
    ],
)
def test_a_short_run_sees_accounts_and_what_is_new(tampering: str, is_seen: bool, till: Till) -> None:  # noqa: FBT001
    """Every account and whatever is new is held against the proof; what was tampered with in closed history is not."""
    a_closed_past(till)
    with till.store.transaction() as cursor:
        cursor.execute(tampering)

    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok is not is_seen
    assert not till.budgets.verify(LOCAL_OPERATOR).ok
    short = till.budgets.verify(LOCAL_OPERATOR, whole=False)
    assert (short.is_whole, short.ok) == (True, False), "once something was found, no short run hides it"


def test_history_that_is_cut_out_cleanly_is_missed(till: Till) -> None:
    """A call that vanishes with its charges, so that all balances agree, still leaves a hole in a closed stretch."""
    a_closed_past(till)
    with till.store.transaction() as cursor:
        cursor.execute("DELETE FROM ledger_entry WHERE attempt_id = (SELECT MIN(id) FROM attempt)")
        cursor.execute(
            "DELETE FROM generation WHERE id = (SELECT generation_id FROM attempt ORDER BY attempt.id LIMIT 1)"
        )
        cursor.execute("DELETE FROM attempt WHERE id = (SELECT MIN(id) FROM attempt)")
        cursor.execute("UPDATE account SET spent_nano_usd = spent_nano_usd - 100")

    for _ in range(2):
        found = till.budgets.verify(LOCAL_OPERATOR)
        assert (found.ok, found.difference_nano_usd) == (False, 0)
    assert till.budgets.verify(LOCAL_OPERATOR, anew=True).ok, "an operator may take it as it is"
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok


def test_what_is_written_late_into_a_closed_stretch_is_no_fault(till: Till) -> None:
    """A charge that was kept while the database was away comes with its old id; the account is read again."""
    early = till.clock.new_id()
    a_closed_past(till)
    with till.store.writing() as session:
        [account, _] = session.exec(select(Account).order_by(col(Account.id)))
        session.add(account)
        account.spent_nano_usd += 9
        values = {"generation_id": "", "kind": "opening_balance", "nano_usd": 9}
        session.add(LedgerEntry(id=early, at=till.clock.now(), account_id=account.id, **values))

    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok
    assert till.budgets.verify(LOCAL_OPERATOR).ok


def test_several_processes_verify_at_once(till: Till) -> None:
    """Each finds the books in order, and together they close each stretch once."""
    a_closed_past(till)
    processes = [till, till.beside("two"), till.beside("three")]
    for _ in range(3):
        till.spend(10)
        till.advance(LATER)
        with ThreadPoolExecutor(3) as pool:
            assert all(
                one.ok for one in pool.map(lambda one: one.budgets.verify(LOCAL_OPERATOR, whole=False), processes)
            )
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).attempts == 0
    stretches = till.rows(Stretch)
    assert len({one.begins_after for one in stretches}) == len(stretches)
    assert {one.ends_with for one in stretches} >= {one.begins_after for one in stretches} - {""}
    assert till.budgets.verify(LOCAL_OPERATOR).ok


def test_small_pieces_add_up_as_well(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows are read at once, a charge and its correction in another stretch belong together."""
    monkeypatch.setattr("core.budgets.verification._AT_ONCE", 2)
    till.set(1000, scope="model", scope_name=MODEL)
    till.recovery.heartbeat()
    walk = till.begin()
    call = walk.cover(100, estimate=80)
    for _ in range(3):
        till.spend(100)
    till.advance(DEAD)
    other = till.beside("other")
    other.recovery.heartbeat()
    assert other.recovery.run() == 1
    till.advance(LATER)
    assert till.budgets.verify(LOCAL_OPERATOR).ok
    walk.end(call, 30)
    walk.close()

    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok
    till.advance(LATER)
    assert till.budgets.verify(LOCAL_OPERATOR, whole=False).ok
    assert till.budgets.verify(LOCAL_OPERATOR).ok
    assert len(till.rows(Stretch)) >= 4


# ── Any order of events ───────────────────────────────────────────────────────────────────────────────────────────────

SCOPES = [("tenant", ""), ("model", MODEL), ("model", OTHER), ("schema", "invoice"), ("route", "slow")]
AMOUNTS = st.sampled_from([0, 1, 10, 99, 100, 250, 400])


class Books(RuleBasedStateMachine):
    """Three processes, several budgets; generations that are answered, killed, swept, and wake again."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.clock = ManualClock(START, seed=next(_seeds))
        self.till = Till(self.store, self.clock, 1000)
        self.processes = [self.till, self.till.beside("two"), self.till.beside("three")]
        self.out: list[tuple[Walk, list[ProviderCall]]] = []

    @rule(
        who=st.integers(0, 2),
        schema=st.sampled_from(["invoice", "person"]),
        route=st.sampled_from(["default", "slow"]),
    )
    @precondition(lambda self: len(self.out) < 5)
    def begin(self, who: int, schema: str, route: str) -> None:
        """Begin a generation in one of the processes."""
        self.out.append((self.processes[who].begin(schema=schema, route=route), []))

    @rule(which=st.integers(0, 9), worst=st.one_of(st.none(), AMOUNTS), model=st.sampled_from([MODEL, OTHER]))
    @precondition(lambda self: self.out)
    def cover(self, which: int, worst: int | None, model: str) -> None:
        """Send one more call, also beside others."""
        walk, calls = self.out[which % len(self.out)]
        if len(calls) < 2:
            with suppress(BudgetExceeded):
                calls.append(walk.cover(worst, model, estimate=worst and worst // 2))

    @rule(which=st.integers(0, 9), share=st.integers(0, 100), free=st.booleans())
    @precondition(lambda self: any(calls for _, calls in self.out))
    def end(self, which: int, share: int, free: bool) -> None:  # noqa: FBT001
        """End a call: it costs a share of what was held, or was never paid for."""
        walk, calls = [one for one in self.out if one[1]][which % sum(bool(calls) for _, calls in self.out)]
        call = calls.pop(which % len(calls))
        worst = call.worst_nano_usd
        walk.end(call, None if worst is None or free else worst * share // 100, free=free)

    @rule(which=st.integers(0, 9))
    @precondition(lambda self: self.out)
    def close(self, which: int) -> None:
        """End a generation, perhaps with calls still out."""
        walk, _ = self.out.pop(which % len(self.out))
        walk.close()

    @rule(which=st.integers(0, 9))
    @precondition(lambda self: self.out)
    def kill(self, which: int) -> None:
        """Forget a generation in the middle, as SIGKILL does."""
        self.out.pop(which % len(self.out))

    @rule(who=st.integers(0, 2))
    def sleep(self, who: int) -> None:
        """Let one process show no life for a while, so that another takes it for dead; it may go on afterwards."""
        self.processes[who].recovery.heartbeat()
        self.clock.advance(DEAD)
        other = self.processes[(who + 1) % 3].recovery
        other.heartbeat()
        other.run()

    @rule(hours=st.sampled_from([0, 7, 30]))
    def wait(self, hours: int) -> None:
        """Let time pass until every call should have ended, also past midnight; whoever sweeps settles them all."""
        self.clock.advance(LASTS + 31 + 3600 * hours)
        self.till.recovery.run()

    @rule(scope=st.sampled_from(SCOPES), limit=st.integers(500, 3000), period=st.sampled_from(["day", "week", "month"]))
    def edit(self, scope: tuple[str, str], limit: int, period: str) -> None:
        """Set a budget, new or old."""
        self.till.set(limit, scope=scope[0], scope_name=scope[1], period=period)

    @rule(which=st.integers(0, 4))
    def remove(self, which: int) -> None:
        """Remove a budget."""
        terms = self.till.terms()
        if terms:
            self.till.budgets.remove(LOCAL_OPERATOR, self.till.tenant, terms[which % len(terms)].budget_id)

    @invariant()
    def adds_up(self) -> None:
        """What is new is explained: a short run finds nothing. Books that it let go wrong are so at the end as well."""
        assert self.till.budgets.verify(LOCAL_OPERATOR, whole=False).ok

    def teardown(self) -> None:
        """It adds up as it stands; when all have ended or lapsed, nothing is held, attempts explain each account."""
        assert self.till.is_sound()
        for walk, _ in self.out[::2]:
            walk.close()
        self.clock.advance(LASTS + 31)
        self.till.recovery.run()
        assert self.till.rows(Reservation) == []
        assert all(held == 0 for _, held in self.till.accounts())
        assert self.till.is_sound()
        generations = {one.id for one in self.till.rows(GenerationRow)}
        assert {one.generation_id for one in self.till.rows(AttemptRow)} <= generations
        with self.store.transaction() as cursor:
            for table in (
                "stretch",
                "proven_balance",
                "reservation",
                "ledger_entry",
                "account",
                "attempt",
                "generation",
                "process",
            ):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 names written above


def test_no_order_of_events_breaks_the_books(sqlite_store: Store) -> None:
    """Whatever several processes do in whatever order, kills, sweeps, sleepers and edits included, it adds up."""

    class Here(Books):
        store = sqlite_store

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=few(20),
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# ── Nobody waits for it ───────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("whole", [True, False])
def test_it_keeps_no_snapshot(till: Till, clock: ManualClock, monkeypatch: pytest.MonkeyPatch, *, whole: bool) -> None:
    """After each piece of some rows, PostgreSQL may clean up what is older, and SQLite's journal may begin anew."""
    monkeypatch.setattr(verification, "_AT_ONCE", 5)
    till.spend(1)
    till.budgets.verify(LOCAL_OPERATOR)
    for _ in range(20):
        till.spend(1)
    clock.advance(7200)
    store, looks, pieces = till.store, verification.Verifier._sum, list[bool]()

    def watched(*what: Any) -> list[int]:
        found = looks(*what)
        with store.transaction() as cursor:
            cursor.execute("UPDATE revision SET count = count + 1")
        pieces.append(holds_nothing(store))
        return found

    monkeypatch.setattr(verification.Verifier, "_sum", watched)
    assert till.budgets.verify(LOCAL_OPERATOR, whole=whole).ok
    assert len(pieces) >= 12
    assert all(pieces)


def holds_nothing(store: Store) -> bool:
    """Whether no transaction of ours keeps the database from forgetting what is old."""
    if store.is_sqlite:
        with closing(sqlite3.connect(store.url.database or "", isolation_level=None)) as other:
            return other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    with psycopg.connect(store.url.set(drivername="postgresql").render_as_string(hide_password=False)) as other:
        held = (
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)"
        )
        return other.execute(held).fetchone() == (0,)
