"""Money that is only held: who needs it waits in line for the calls that are out, for a moment and not for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from core.budgets.shortages import LONGEST_LINE, LOOK_SECONDS, Shortages
from core.budgets.terms import BudgetTerms, Mode, Scope
from core.clock import SystemClock
from core.errors import BudgetExceeded, BudgetHeld
from core.tables import Outcome, Tenant
from tests.corridor import OPENAI, Heard, Rig, rig
from tests.shortage_process import processes
from tests.wire.server import WireServer

ONE_CALL = 1_500_000
"""Nano-dollars: what one call holds, and some; two do not fit."""


def budget(name: str = "b", **more: Any) -> BudgetTerms:
    """Return a hard budget of a tenant."""
    facts = {"tenant_id": "t", "tenant": "Acme", "timezone": "UTC", "limit_nano_usd": 10}
    return BudgetTerms(budget_id=name, **(facts | more))


class Balance:
    """Money that some may hold at once, as a database would have it."""

    def __init__(self, terms: BudgetTerms, free: int = 0) -> None:
        self.terms = terms
        self.free = free
        self.tried: list[int] = []
        self.got: list[int] = []
        self._lock = threading.Lock()

    def hold(self, who: int) -> None:
        """Take one, or say that others have it."""
        with self._lock:
            self.tried.append(who)
            if not self.free:
                short = BudgetHeld("held")
                short.about = self.terms
                raise short
            self.free -= 1
            self.got.append(who)

    def give(self, count: int = 1) -> None:
        """Put some back."""
        with self._lock:
            self.free += count


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for those who wait."""
    with ThreadPoolExecutor(LONGEST_LINE + 8) as threads:
        yield threads


def until(is_so: Any) -> None:
    """Wait until something is so."""
    end = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.005)


def line_of(shortages: Shortages) -> int:
    """Return how many wait."""
    return sum(map(len, shortages._lines.values()))


def queued(
    shortages: Shortages, balance: Balance, pool: ThreadPoolExecutor, count: int, seconds: float = 10
) -> list[Any]:
    """Let *count* wait, one after the other."""
    found: list[Any] = []
    for who in range(count):
        left = threading.Event()
        waits = pool.submit(
            shortages.wait, balance.terms, lambda who=who: balance.hold(who), seconds=seconds, left=left
        )
        found.append((waits, left))
        until(lambda who=who: line_of(shortages) == who + 1)
    return found


def test_the_first_who_came_is_the_first_who_gets_it(pool: ThreadPoolExecutor) -> None:
    """Money that comes back goes down the line; only who is first asks for it, and each passes the turn on."""
    shortages, balance = Shortages(SystemClock(), 10), Balance(budget())
    waits = queued(shortages, balance, pool, 6)
    balance.give(2)
    shortages.returned([balance.terms])
    until(lambda: len(balance.got) == 2)
    balance.give(4)
    shortages.returned([balance.terms])
    assert all(one.result(10) is not None for one, _ in waits)
    assert balance.got == sorted(balance.got) == list(range(6))
    assert not shortages._lines


def test_of_many_who_wait_one_asks(pool: ThreadPoolExecutor) -> None:
    """However long the line, the database is asked by its first alone, some times a second."""
    shortages, balance = Shortages(SystemClock(), 10), Balance(budget())
    waits = queued(shortages, balance, pool, 30)
    time.sleep(3 * LOOK_SECONDS)
    assert set(balance.tried) == {0}
    assert len(balance.tried) <= 6
    for _, left in waits:
        left.set()
    assert all(one.result(10) is None for one, _ in waits)
    assert not shortages._lines


def test_the_wait_ends(pool: ThreadPoolExecutor) -> None:
    """Who waited in vain is told what holds the money, in time; what comes from elsewhere is found."""
    shortages, balance = Shortages(SystemClock(), 1), Balance(budget())
    began = time.monotonic()
    in_vain = queued(shortages, balance, pool, 3, seconds=0.4)
    for one, _ in in_vain:
        with pytest.raises(BudgetHeld):
            one.result(10)
    assert 0.35 <= time.monotonic() - began < 5
    [(elsewhere, _)] = queued(shortages, balance, pool, 1)
    balance.give()  # and nobody is told
    assert elsewhere.result(10) is not None


def test_the_line_has_an_end(pool: ThreadPoolExecutor) -> None:
    """Who finds it full is told at once."""
    shortages, balance = Shortages(SystemClock(), 10), Balance(budget())
    waits = queued(shortages, balance, pool, LONGEST_LINE)
    with pytest.raises(BudgetHeld):
        shortages.wait(balance.terms, lambda: balance.hold(999), seconds=10, left=threading.Event())
    for _, left in waits:
        left.set()


def test_who_spent_it_is_not_waited_for(pool: ThreadPoolExecutor) -> None:
    """Money that is gone for good ends the wait at once."""
    shortages, balance = Shortages(SystemClock(), 10), Balance(budget())

    def gone() -> None:
        raise BudgetExceeded("spent")

    with pytest.raises(BudgetExceeded, match="spent"):
        shortages.wait(balance.terms, gone, seconds=10, left=threading.Event())
    assert not shortages._lines


def test_a_newcomer_goes_to_the_line_of_his_budget(pool: ThreadPoolExecutor) -> None:
    """Nobody overtakes those who wait for the same budget, and nobody waits behind those who wait for another."""
    shortages, terms = Shortages(SystemClock(), 10), budget(scope=Scope.MODEL, scope_name=OPENAI)
    assert shortages.line_for([terms], OPENAI) is None
    [(waits, left)] = queued(shortages, Balance(terms), pool, 1)
    assert shortages.line_for([terms], OPENAI) is terms
    assert shortages.line_for([terms], "anthropic/other") is None
    assert shortages.line_for([budget("c")], OPENAI) is None
    assert shortages.line_for([budget(mode=Mode.SOFT)], OPENAI) is None
    left.set()
    assert waits.result(10) is None


# ── On the way of a generation ────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


def at_once(here: Rig, count: int, wait_seconds: float) -> list[Heard]:
    """Ask *count* times at once with money for one call at a time."""
    here.runtime.budgets.shortages = Shortages(SystemClock(), wait_seconds)
    tenant, route = here.tenant(ONE_CALL), here.route(OPENAI)
    with ThreadPoolExecutor(count) as threads:
        return list(threads.map(lambda _: here.ask(tenant, "slow-0.3s", route=route), range(count)))


def test_calls_at_once_wait_for_each_other(wire: WireServer, database_url: str) -> None:
    """All are answered, one after the other, from a budget that holds one at a time; the trace says who waited."""
    with rig(wire, database_url) as here:
        heard = at_once(here, 4, 20)
        assert [one.error for one in heard] == [None] * 4
        waited = [one for one in heard if any(step["verdict"] == "waited" for step in one.generation.trace)]
        assert len(waited) >= 2
        assert all(one.generation.queue_us >= 100_000 for one in waited)
        assert here.is_settled()
        told = here.runtime.metrics.text().decode()
        assert 'proctor_budget_waits_total{result="covered"' in told


def test_without_a_wait_held_money_refuses_at_once(wire: WireServer, database_url: str) -> None:
    """With 0 seconds whoever comes second is told that it is held, by how many calls, and when to come back."""
    with rig(wire, database_url) as here:
        heard = at_once(here, 4, 0)
        refused = [one for one in heard if one.error]
        assert refused
        for one in refused:
            assert isinstance(one.error, BudgetHeld)
            assert one.generation.outcome is Outcome.BLOCKED_BUDGET
            assert one.error.facts["held_by"] == 1
        assert here.is_settled()


# ── Two processes ─────────────────────────────────────────────────────────────────────────────────────────────────────


def shared_budget(here: Rig, database_url: str, limit: int) -> tuple[dict[str, Any], Tenant, str]:
    """Return the settings of the processes, and a tenant with one budget and a route for them."""
    common = {"budget_wait_seconds": 30.0, "openai_base_url": here.wire.openai_url, "model_primary": OPENAI}
    common |= {"database_url": database_url, "openai_api_key": "sk-test-openai", "rate_limit_per_min": 100_000}
    common |= {"log_level": "ERROR", "local_model": "off", "demo": False}
    return common, here.tenant(limit), here.route(OPENAI)


def test_who_waits_gets_what_another_process_settles(wire: WireServer, database_url: str) -> None:
    """Nobody tells the second process that money came back in the first: it finds it, and asks only then."""
    with rig(wire, database_url) as here:
        settings, tenant, route = shared_budget(here, database_url, ONE_CALL)
        before = len(wire.ledger.calls())
        with processes(2, settings) as (first, second):
            first.send(tenant=tenant.id, route=route, scenario="slow-2s", count=1)
            until(lambda: wire.ledger.open_count == 1)
            second.send(tenant=tenant.id, route=route, scenario="ok", count=1)
            [one], [other] = first.answer(), second.answer()
        assert (one["code"], one["waited"], other["code"], other["waited"]) == (None, False, None, True)
        early, late = wire.ledger.calls()[before:]
        assert early.ended_at is not None
        assert early.ended_at <= late.received_at, "it did not go out before its money was there"
        assert here.is_settled()


def test_two_processes_never_spend_more_than_there_is(wire: WireServer, database_url: str) -> None:
    """Money for one call at a time, drawn on by six callers of each: one is out at a time, and the limit holds.

    Whoever is refused in the end is refused because what is spent leaves too little, not because another holds it.
    """
    with rig(wire, database_url) as here, ThreadPoolExecutor(1) as pool:
        settings, tenant, route = shared_budget(here, database_url, ONE_CALL)
        before, most_out, most_used = len(wire.ledger.calls()), 0, 0
        with processes(2, settings) as both:
            for one in both:
                one.send(tenant=tenant.id, route=route, scenario="slow-0.2s", count=6)
            told = pool.submit(lambda: [found for one in both for found in one.answer()])
            while not told.done():
                most_out = max(most_out, wire.ledger.open_count)
                most_used = max([most_used, *(one.spent_nano_usd + one.held_nano_usd for one in here.accounts(tenant))])
                time.sleep(0.01)
            heard = told.result()
        answered = [one for one in heard if one["code"] is None]
        assert {one["code"] for one in heard} <= {None, "budget_exceeded"}
        assert len(answered) >= 3
        assert any(one["waited"] for one in answered)
        assert len(wire.ledger.calls()) - before == sum(one["attempts"] for one in heard) == len(answered)
        assert most_out == 1
        assert 0 < most_used <= ONE_CALL
        [account] = here.accounts(tenant)
        assert 0 < account.spent_nano_usd <= ONE_CALL
        assert here.is_settled()
