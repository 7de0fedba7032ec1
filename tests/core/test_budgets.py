"""Budgets: never overspent, whoever calls at once; every door settles; the ledger explains every account."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from core.budgets import MOST_NANO_USD, Budgets, BudgetTerms, Purse, period
from core.clock import ManualClock
from core.errors import BudgetExceeded, Conflict, Forbidden, Invalid, NotFound
from core.principals import LOCAL_OPERATOR, Principal, Role
from core.store import Store
from core.tables import Account, AuditEntry, ChangeEvent, Generation, LedgerEntry, Reservation
from core.tenants import Tenants
from tests import builders
from tests.conftest import START
from tests.corridor import DOLLAR

LEASE = timedelta(minutes=10)
SEEDS = itertools.count(1)
ZONES = (
    "UTC",
    "Asia/Kathmandu",
    "America/New_York",
    "Europe/Berlin",
    "America/Havana",
    "Africa/Cairo",
    "Australia/Lord_Howe",
    "Pacific/Apia",
    "Pacific/Chatham",
    "America/Sao_Paulo",
    "Asia/Amman",
)


class Till:
    """One tenant's budget, and the generations that are paid from it."""

    def __init__(self, store: Store, clock: ManualClock, limit_nano_usd: int, timezone: str = "UTC") -> None:
        self.store = store
        self.clock = clock
        self.budgets = Budgets(store, clock, owner="test", lease=LEASE)
        self.tenants = Tenants(store, clock)
        others = len(self.tenants.list())
        self.tenant = self.tenants.create(LOCAL_OPERATOR, f"Acme {others}" if others else "Acme", timezone)
        self.budget_id = self.budgets.set(LOCAL_OPERATOR, self.tenant, limit_nano_usd).id

    def terms(self) -> BudgetTerms:
        """Return what a policy read now would say."""
        state = self.budgets.show(self.tenant)
        return BudgetTerms(
            budget_id=self.budget_id,
            tenant_id=self.tenant.id,
            limit_nano_usd=state.limit_nano_usd,
            timezone=self.tenants.find(self.tenant.id).timezone,
        )

    def open(self, terms: BudgetTerms | None = None) -> tuple[Purse, Generation]:
        """Return the purse of a new generation, and its row."""
        generation = builders.generation(self.clock.now(), self.tenant.id, id=self.clock.new_id())
        return self.budgets.open(terms or self.terms(), generation.id), generation

    def cover(self, purse: Purse, nano_usd: int) -> None:
        """Hold money for an attempt; leave the purse as it was where that fails."""
        before = replace(purse)
        try:
            with self.store.transaction() as cursor:
                self.budgets.cover(cursor, purse, nano_usd)
        except BudgetExceeded:
            for facet in fields(purse):
                setattr(purse, facet.name, getattr(before, facet.name))
            raise

    def charge(self, purse: Purse, of: Generation, nano_usd: int, n: int = 1) -> None:
        """Spend on the *n*-th attempt, and write that down as the record does."""
        attempt = builders.attempt(of, n, cost_nano_usd=nano_usd)
        builders.save(self.store, attempt)
        self.budgets.charge(purse, attempt.id, nano_usd, estimated=False)

    def settle(self, purse: Purse) -> None:
        """End a generation."""
        with self.store.transaction() as cursor:
            self.budgets.settle(cursor, purse)

    def account(self) -> tuple[int, int]:
        """Return what is spent and held now."""
        state = self.budgets.show(self.tenant)
        return state.spent_nano_usd, state.held_nano_usd

    def accounts(self) -> list[tuple[int, int]]:
        """Return what is spent and held in every account there is, the oldest first."""
        with self.store.reading() as session:
            rows = session.exec(select(Account).order_by(col(Account.starts_at)))
            return [(row.spent_nano_usd, row.held_nano_usd) for row in rows]


@pytest.fixture
def till(store: Store, clock: ManualClock) -> Till:
    """A budget of 1000 nano-dollars, on both databases."""
    return Till(store, clock, 1000)


# ── Periods ───────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(
    zone=st.sampled_from(ZONES),
    at=st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 30), timezones=st.just(UTC)),  # noqa: DTZ001
)
def test_a_period_is_the_local_month(zone: str, at: datetime) -> None:
    """A period holds its moment, begins with the first instant of a local month, and the next begins as it ends."""
    starts_at, ends_at = period(zone, at)

    assert starts_at <= at < ends_at
    for border in (starts_at, ends_at):
        here, before = (moment.astimezone(ZoneInfo(zone)) for moment in (border, border - timedelta(microseconds=1)))
        assert (here.day, here.month) == (1, before.month % 12 + 1)
    assert period(zone, ends_at)[0] == ends_at
    assert period(zone, starts_at - timedelta(microseconds=1))[1] == starts_at


@pytest.mark.parametrize(
    ("zone", "at", "starts_at", "ends_at"),
    [
        ("UTC", "2026-03-31T23:59:59", "2026-03-01T00:00", "2026-04-01T00:00"),
        ("UTC", "2026-04-01T00:00:00", "2026-04-01T00:00", "2026-05-01T00:00"),
        ("UTC", "2026-12-31T12:00:00", "2026-12-01T00:00", "2027-01-01T00:00"),
        ("Asia/Kathmandu", "2026-03-31T18:14:59", "2026-02-28T18:15", "2026-03-31T18:15"),
        ("Asia/Kathmandu", "2026-03-31T18:15:00", "2026-03-31T18:15", "2026-04-30T18:15"),
        ("America/New_York", "2026-03-15T12:00:00", "2026-03-01T05:00", "2026-04-01T04:00"),
        ("Europe/Berlin", "2026-10-25T01:30:00", "2026-09-30T22:00", "2026-10-31T23:00"),
        ("America/Havana", "2026-11-01T04:30:00", "2026-11-01T04:00", "2026-12-01T05:00"),
        ("Pacific/Apia", "2026-02-28T11:00:00", "2026-02-28T11:00", "2026-03-31T11:00"),
    ],
)
def test_known_borders(zone: str, at: str, starts_at: str, ends_at: str) -> None:
    """Borders lie where the calendar on the tenant's wall has them, also in months that change their clocks."""
    moments = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (at, starts_at, ends_at)]

    assert period(zone, moments[0]) == tuple(moments[1:])


# ── Never too much ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_of_many_at_once_no_more_hold_than_the_budget_covers(till: Till) -> None:
    """A hundred callers in sixteen threads cannot hold more than the budget has, and not less either."""
    terms = till.terms()

    def hold(_: int) -> bool:
        purse, _generation = till.open(terms)
        try:
            till.cover(purse, 90)
        except BudgetExceeded:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        granted = sum(pool.map(hold, range(100)))

    assert (granted, till.account()) == (11, (0, 990))
    assert till.budgets.verify().ok


def test_a_storm_of_generations_never_overspends(till: Till) -> None:
    """Reserving, topping up, charging and settling from many threads never brings spent and held above the limit."""
    terms, worst, stopped = till.terms(), [0], threading.Event()

    def watch() -> None:
        while not stopped.is_set():
            with till.store.snapshot() as connection:
                rows = connection.exec_driver_sql("SELECT spent_nano_usd + held_nano_usd FROM account").all()
            worst[0] = max([worst[0], *(row[0] for row in rows)])

    def generate(number: int) -> int:
        purse, generation = till.open(terms)
        paid = 0
        try:
            for n in (1, 2):
                till.cover(purse, 60)
                till.charge(purse, generation, 20 + number % 30, n)
                paid += 20 + number % 30
        except BudgetExceeded:
            pass
        till.settle(purse)
        return paid

    watching = threading.Thread(target=watch)
    watching.start()
    with ThreadPoolExecutor(12) as pool:
        paid = sum(pool.map(generate, range(48)))
    while more := generate(48):  # what was held for others when somebody was refused has gone back by now
        paid += more
    stopped.set()
    watching.join()

    assert worst[0] <= 1000
    assert till.account() == (paid, 0)
    while (more := generate(0)) > 0:
        paid += more
    assert till.account() == (paid, 0)
    assert paid > 1000 - 60, "what nobody holds can be spent"
    assert till.budgets.verify().ok


def test_the_refusal_says_how_much_and_when(till: Till) -> None:
    """What is left, what was wanted and when it starts anew are told, to people and to programs."""
    purse, generation = till.open()
    till.cover(purse, 700)
    till.charge(purse, generation, 650)
    till.settle(purse)
    holding, _ = till.open()
    till.cover(holding, 300)

    with pytest.raises(BudgetExceeded, match="starts anew at 2026-04-01 00:00 UTC") as refused:
        till.cover(till.open()[0], 51)

    assert refused.value.facts == {
        "limit_nano_usd": 1000,
        "spent_nano_usd": 650,
        "held_nano_usd": 300,
        "resets_at": "2026-04-01T00:00:00+00:00",
    }
    till.cover(till.open()[0], 50)


def test_a_refused_top_up_keeps_what_is_held(till: Till) -> None:
    """When a further attempt is not covered, what came before stays held and charged until the end settles it."""
    purse, generation = till.open()
    till.cover(purse, 600)
    till.charge(purse, generation, 500)

    with pytest.raises(BudgetExceeded):
        till.cover(purse, 501)

    assert till.account() == (0, 600)
    till.settle(purse)
    assert till.account() == (500, 0)
    assert till.budgets.verify().ok


def test_a_budget_of_nothing_covers_nothing(store: Store, clock: ManualClock) -> None:
    """A limit of zero refuses whatever costs anything."""
    till = Till(store, clock, 0)

    with pytest.raises(BudgetExceeded):
        till.cover(till.open()[0], 1)
    assert till.budgets.show(till.tenant).used_share is None


def test_without_a_budget_nothing_is_held(till: Till) -> None:
    """A purse without terms pays whatever comes and leaves no trace in the ledger."""
    purse = till.budgets.open(None, "g")
    till.cover(purse, 10**15)
    till.budgets.charge(purse, "a", 10**15, estimated=False)
    till.settle(purse)

    assert till.accounts() == []
    assert purse.charges == []


# ── By any door ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("steps", "spent"),
    [
        ([], 0),
        ([("cover", 100)], 0),
        ([("cover", 100), ("charge", 100)], 100),
        ([("cover", 100), ("charge", 30)], 30),
        ([("cover", 100), ("charge", 30), ("cover", 200), ("charge", 150)], 180),
        ([("cover", 100), ("charge", 30), ("cover", 20)], 30),
        ([("cover", 100), ("charge", 140)], 140),
        ([("cover", 100), ("charge", 0)], 0),
        ([("cover", 0), ("charge", 5)], 5),
    ],
)
def test_settling_spends_what_was_charged_and_returns_the_rest(
    steps: list[tuple[str, int]], spent: int, till: Till
) -> None:
    """Whichever way a generation ends, its charges are spent, nothing is held, and its reservation is gone."""
    purse, generation = till.open()
    for n, (what, nano_usd) in enumerate(steps, 1):
        if what == "cover":
            till.cover(purse, nano_usd)
        else:
            till.charge(purse, generation, nano_usd, n)
    till.settle(purse)
    till.settle(purse)

    assert till.account() == (spent, 0)
    assert till.budgets.verify() == till.budgets.verify()
    assert till.budgets.verify().ok
    with till.store.reading() as session:
        assert session.exec(select(Reservation)).all() == []
        assert sum(entry.nano_usd for entry in session.exec(select(LedgerEntry))) == spent


STEPS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.sampled_from(["cover", "charge", "settle", "lapse", "sweep"]),
        st.integers(0, 400),
    ),
    max_size=25,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_no_order_of_events_breaks_the_books(sqlite_store: Store, steps: list[tuple[int, str, int]]) -> None:
    """Whatever four generations do in whatever order, lapsing included: the ledger explains the account after each."""
    clock = ManualClock(START, seed=next(SEEDS))
    till = Till(sqlite_store, clock, 1000)
    open_ones = [till.open() for _ in range(4)]
    settled: set[int] = set()
    for n, (who, what, nano_usd) in enumerate(steps, 1):
        purse, generation = open_ones[who]
        if what == "lapse":
            clock.advance(LEASE.total_seconds() + 1)
        elif what == "sweep":
            till.budgets.sweep()
        elif who in settled:
            continue
        elif what == "settle":
            till.settle(purse)
            settled.add(who)
        elif what == "charge" and purse.at_risk_nano_usd:
            till.charge(purse, generation, min(nano_usd, purse.at_risk_nano_usd), n)
        elif what == "cover":
            left = 1000 - sum(till.account())
            with suppress(BudgetExceeded):
                till.cover(purse, nano_usd)
                assert sum(till.account()) <= 1000 or left < 0
        assert till.budgets.verify().ok
        assert min(till.account()) >= 0
    for purse, _ in open_ones:
        till.settle(purse)
    clock.advance(LEASE.total_seconds() + 1)
    till.budgets.sweep()
    assert till.account()[1] == 0
    assert till.budgets.verify().ok


# ── Lapsing ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_crash_returns_what_was_held_and_charges_what_was_at_risk(till: Till) -> None:
    """When a process dies its reservation lapses: the call that was out is charged its estimate, the rest goes back."""
    purse, generation = till.open()
    till.cover(purse, 400)
    till.charge(purse, generation, 100)
    till.cover(purse, 300)

    till.clock.advance(LEASE.total_seconds() - 1)
    assert till.budgets.sweep() == 0
    assert till.account() == (100, 300)

    till.clock.advance(2)
    assert till.budgets.sweep() == 1
    assert till.account() == (400, 0)
    with till.store.reading() as session:
        estimated = [entry for entry in session.exec(select(LedgerEntry)) if entry.estimated]
    assert [(entry.attempt_id, entry.nano_usd) for entry in estimated] == [(None, 300)]
    assert till.budgets.verify().ok
    assert till.budgets.sweep() == 0


def test_a_crash_between_two_attempts_costs_nothing_more(till: Till) -> None:
    """What has been charged stays charged; a reservation with no call out goes back whole."""
    purse, generation = till.open()
    till.cover(purse, 400)
    till.charge(purse, generation, 100)
    till.cover(purse, 0)
    till.clock.advance(LEASE.total_seconds() + 1)

    assert till.budgets.sweep() == 1
    assert till.account() == (100, 0)


def test_many_sweepers_settle_each_lapse_once(till: Till) -> None:
    """Processes that sweep at the same moment share the work and repeat none of it."""
    for _ in range(12):
        till.cover(till.open()[0], 50)
    till.clock.advance(LEASE.total_seconds() + 1)

    with ThreadPoolExecutor(6) as pool:
        swept = list(pool.map(lambda _: till.budgets.sweep(), range(6)))

    assert sum(swept) == 12
    assert till.account() == (600, 0)
    assert till.budgets.verify().ok


def test_a_generation_that_outlives_its_reservation_pays_once(till: Till) -> None:
    """A call that was given up as crashed, charged its estimate, and then ended after all is not charged again."""
    purse, generation = till.open()
    till.cover(purse, 300)
    till.clock.advance(LEASE.total_seconds() + 1)
    till.budgets.sweep()
    assert till.account() == (300, 0)

    till.charge(purse, generation, 120)
    till.settle(purse)

    assert till.account() == (120, 0)
    assert till.budgets.verify().ok


# ── From month to month ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_new_month_has_a_new_account(store: Store, clock: ManualClock) -> None:
    """At the tenant's own midnight the budget starts anew; what was held before is settled where it was held."""
    till = Till(store, clock, 1000, "Asia/Kathmandu")
    purse, generation = till.open()
    till.cover(purse, 1000)
    clock.move_to(datetime(2026, 3, 31, 18, 14, 59, tzinfo=UTC))
    with pytest.raises(BudgetExceeded):
        till.cover(till.open()[0], 1)

    clock.advance(1)
    assert till.account() == (0, 0)
    other, _ = till.open()
    till.cover(other, 10)
    till.charge(purse, generation, 900)
    till.settle(purse)
    till.settle(other)

    assert till.accounts() == [(900, 0), (0, 0)]
    assert till.budgets.verify().ok


@pytest.mark.parametrize(
    "zones", [("UTC", "Asia/Kathmandu"), ("Asia/Kathmandu", "UTC"), ("Pacific/Apia", "Pacific/Niue")]
)
def test_a_new_time_zone_does_not_start_the_budget_anew(
    zones: tuple[str, str], store: Store, clock: ManualClock
) -> None:
    """What was spent this month stays spent when the tenant's clock is set otherwise in the middle of it."""
    till = Till(store, clock, 1000, zones[0])
    purse, generation = till.open()
    till.cover(purse, 800)
    till.charge(purse, generation, 800)
    till.settle(purse)

    till.tenants.edit(LOCAL_OPERATOR, till.tenant.id, 1, timezone=zones[1])
    till.tenant = till.tenants.find(till.tenant.id)

    assert till.account() == (800, 0)
    with pytest.raises(BudgetExceeded):
        till.cover(till.open()[0], 201)
    till.cover(till.open()[0], 200)
    assert till.account() == (800, 200)
    clock.move_to(datetime(2026, 4, 2, tzinfo=UTC))
    assert till.account() == (0, 0)
    till.cover(till.open()[0], 1000)
    assert till.budgets.verify().ok


# ── Operators ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_setting_a_budget_changes_the_limit_and_nothing_else(till: Till) -> None:
    """What is spent stays spent: a higher limit lets more through, a lower one than what is spent stops at once."""
    purse, generation = till.open()
    till.cover(purse, 900)
    till.charge(purse, generation, 900)
    till.settle(purse)

    till.budgets.set(LOCAL_OPERATOR, till.tenant, 2000, expected_version=1)
    till.cover(till.open()[0], 1100)
    till.budgets.set(LOCAL_OPERATOR, till.tenant, 500, expected_version=2)
    with pytest.raises(BudgetExceeded, match=r"\$0.00 of this month's"):
        till.cover(till.open()[0], 1)
    state = till.budgets.show(till.tenant)

    assert (state.limit_nano_usd, state.version, state.spent_nano_usd) == (500, 3, 900)
    assert state.used_share == 1.8


def test_a_stale_edit_saves_nothing(till: Till) -> None:
    """Whoever edits what has changed since is told so."""
    till.budgets.set(LOCAL_OPERATOR, till.tenant, 2000, expected_version=1)

    for version in (0, 1, 3):
        with pytest.raises(Conflict, match="nothing was saved") as stale:
            till.budgets.set(LOCAL_OPERATOR, till.tenant, 9, expected_version=version)
        assert stale.value.facts == {"version": 2}
    assert till.budgets.show(till.tenant).limit_nano_usd == 2000


def test_of_two_who_edit_at_once_one_is_told(till: Till) -> None:
    """Two operators who read the same version cannot both save."""

    def edit(limit: int) -> bool:
        try:
            till.budgets.set(LOCAL_OPERATOR, till.tenant, limit, expected_version=1)
        except Conflict:
            return False
        return True

    with ThreadPoolExecutor(6) as pool:
        assert sum(pool.map(edit, range(2000, 2006))) == 1
    assert till.budgets.show(till.tenant).version == 2


@pytest.mark.parametrize("limit", [-1, MOST_NANO_USD + 1])
def test_an_absurd_limit_is_refused(limit: int, till: Till) -> None:
    """A budget is neither negative nor beyond a billion dollars."""
    with pytest.raises(Invalid, match="between"):
        till.budgets.set(LOCAL_OPERATOR, till.tenant, limit)


def test_only_operators_set_budgets(till: Till) -> None:
    """A tenant's own key cannot raise what the tenant may spend."""
    with pytest.raises(Forbidden):
        till.budgets.set(Principal("key", Role.TENANT_KEY, tenant_id=till.tenant.id), till.tenant, 10)


def test_every_change_is_written_down(till: Till) -> None:
    """Audit and time axis know each change with before and after; setting the same again is none."""
    till.budgets.set(LOCAL_OPERATOR, till.tenant, 2 * DOLLAR)
    till.budgets.set(LOCAL_OPERATOR, till.tenant, 2 * DOLLAR)

    with till.store.reading() as session:
        entries = session.exec(select(AuditEntry).where(AuditEntry.action == "budget.set").order_by(col(AuditEntry.id)))
        changes = [(entry.before, entry.after) for entry in entries]
        events = [event.summary for event in session.exec(select(ChangeEvent).where(ChangeEvent.kind == "budget"))]
    assert sorted(changes, key=str) == sorted(
        [(None, {"limit_nano_usd": 1000}), ({"limit_nano_usd": 1000}, {"limit_nano_usd": 2 * DOLLAR})], key=str
    )
    assert "The monthly budget of Acme was set to $2.00." in events


def test_a_tenant_without_a_budget_is_told_how_to_make_one(till: Till) -> None:
    """Showing what is not there names the command that makes it."""
    with pytest.raises(NotFound, match="proctor budget set"):
        till.budgets.show(till.tenants.create(LOCAL_OPERATOR, "Beta"))


# ── The proof ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("tampering", "difference"),
    [
        ("UPDATE account SET spent_nano_usd = spent_nano_usd - 7", 7),
        ("UPDATE account SET held_nano_usd = held_nano_usd + 5", 5),
        ("DELETE FROM ledger_entry", 300),
        ("UPDATE ledger_entry SET nano_usd = nano_usd + 1", 2),
        ("UPDATE attempt SET cost_nano_usd = 100", 200),
        ("DELETE FROM attempt", 300),
        ("DELETE FROM reservation", 50),
    ],
)
def test_whoever_tampers_is_seen(tampering: str, difference: int, till: Till) -> None:
    """An account, a charge, an attempt's price or a reservation that was changed by hand shows to the nano-dollar."""
    purse, generation = till.open()
    till.cover(purse, 300)
    till.charge(purse, generation, 300)
    till.settle(purse)
    till.cover(till.open()[0], 50)
    before = till.budgets.verify()
    assert (before.ok, before.accounts, before.difference_nano_usd, before.held_nano_usd) == (True, 1, 0, 50)

    with till.store.transaction() as cursor:
        cursor.execute(tampering)
    after = till.budgets.verify()

    assert (after.ok, after.difference_nano_usd) == (False, difference)
