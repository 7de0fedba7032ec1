"""Claims: one of all who want to do a thing does it, whoever dies or sleeps meanwhile; on both databases alike."""

from __future__ import annotations

import itertools
import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from sqlmodel import select

from core.claims import LEASE_SECONDS, Claims, Done, Held, Lease
from core.clock import ManualClock, SystemClock
from core.store import AT_ONCE, Store
from core.tables import Claim
from tests.conftest import START
from tests.forks import Forked

HOUR = timedelta(hours=1)


class Counting(Store):
    """A store that counts what it is asked."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.asked = 0

    def read_one(self, sql: str, parameters: Any) -> Any:
        self.asked += 1
        return super().read_one(sql, parameters)

    @contextmanager
    def transaction(self, **how: Any) -> Iterator[Any]:  # pyright: ignore[reportIncompatibleMethodOverride] it is one
        self.asked += 1
        with super().transaction(**how) as cursor:
            yield cursor


@pytest.fixture
def store(database_url: str) -> Iterator[Counting]:
    """A store that counts, on either database."""
    with closing(Counting(database_url)) as counting:
        yield counting


@pytest.fixture
def claims(store: Counting, clock: ManualClock) -> Iterator[Claims]:
    """The claims, while time stands still."""
    with closing(Claims(store, clock)) as made:
        yield made


def mine(found: Lease | Held | Done) -> Lease:
    """Return a lease that was got."""
    assert isinstance(found, Lease)
    return found


def rows(store: Store) -> list[str]:
    """Return the keys of all claims that are kept."""
    with store.reading() as session:
        return sorted(session.exec(select(Claim.key)).all())


# ── What a claim is ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_one_gets_it_and_the_others_learn_what_came_of_it(claims: Claims, store: Counting, clock: ManualClock) -> None:
    """The first holds it, the second is told by whom and since when; once it is finished, everybody has the result."""
    lease = mine(claims.claim("report", "march", holder="me"))
    assert store.asked == 1

    assert claims.claim("report", "march") == Held("me", START, START + timedelta(seconds=LEASE_SECONDS))
    assert store.asked == 3
    clock.advance(2)
    assert lease.finish({"rows": 3}, clock.now() + HOUR)
    assert store.asked == 4

    left = Done({"rows": 3}, "me", START + timedelta(seconds=2), START + timedelta(seconds=2) + HOUR)
    assert claims.look("report", "march") == left
    assert store.asked == 5
    assert claims.claim("report", "march") == left


def test_kinds_and_keys_are_apart(claims: Claims) -> None:
    """The same key of another kind is another claim."""
    mine(claims.claim("a", "k"))
    mine(claims.claim("b", "k"))
    mine(claims.claim("a", "l"))
    assert claims.look("c", "k") is None


def test_what_is_left_may_be_taken_at_once(claims: Claims) -> None:
    """Whoever leaves without a result lets the next one try."""
    mine(claims.claim("a", "k")).leave()
    assert claims.look("a", "k") is None
    mine(claims.claim("a", "k"))


def test_a_result_grows_old(claims: Claims, clock: ManualClock) -> None:
    """It is given until its time is over, and not at that moment any more; then it may be made anew."""
    mine(claims.claim("a", "k")).finish("x", clock.now() + HOUR)
    clock.advance(3599.9)
    assert isinstance(claims.claim("a", "k"), Done)
    clock.advance(0.1)
    again = mine(claims.claim("a", "k"))
    assert isinstance(claims.look("a", "k"), Held), "the old result is gone"
    assert again.finish("y", clock.now() + HOUR)


@pytest.mark.parametrize("ends", ["finish", "leave"])
def test_who_was_followed_changes_nothing(ends: str, claims: Claims, store: Counting, clock: ManualClock) -> None:
    """A holder whose lease lapsed and was taken over leaves no result and takes nothing of the other's."""
    late = mine(claims.claim("a", "k"))
    clock.advance(LEASE_SECONDS)
    with closing(Claims(store, clock)) as others:
        heir = mine(others.claim("a", "k", holder="heir"))
        if ends == "finish":
            assert not late.finish("late", clock.now() + HOUR)
        else:
            late.leave()
        assert isinstance(claims.look("a", "k"), Held)
        assert heir.finish("heir", clock.now() + HOUR)
    assert not late.finish("late", clock.now() + HOUR)
    late.leave()
    found = claims.look("a", "k")
    assert isinstance(found, Done)
    assert (found.result, found.holder) == ("heir", "heir")


def test_a_result_is_left_once(claims: Claims, clock: ManualClock) -> None:
    """A second result of the same holder is not taken."""
    lease = mine(claims.claim("a", "k"))
    assert lease.finish(1, clock.now() + HOUR)
    assert not lease.finish(2, clock.now() + HOUR)


def test_what_is_forgotten_is_not_kept(claims: Claims, store: Counting, clock: ManualClock) -> None:
    """Forgetting a tenant's claims of one kind takes results, and what is under way leaves none; the rest stays."""
    mine(claims.claim("answer", "done", tenant_id="t")).finish(1, clock.now() + HOUR)
    under_way = mine(claims.claim("answer", "under way", tenant_id="t"))
    for kind, key, tenant in (("answer", "theirs", "u"), ("chore", "other", "t")):
        mine(claims.claim(kind, key, tenant_id=tenant)).finish(1, clock.now() + HOUR)
    claims.forget("answer", "t")
    assert not under_way.finish(2, clock.now() + HOUR)
    assert rows(store) == ["other", "theirs"]


def test_many_are_forgotten_some_hundred_at_a_time(claims: Claims, store: Counting, clock: ManualClock) -> None:
    """No transaction deletes more than some hundred, and what comes later stays."""
    for number in range(AT_ONCE + 50):
        mine(claims.claim("answer", f"{number:03}", tenant_id="t")).finish(1, clock.now() + HOUR)
    store.asked = 0
    claims.forget("answer", "t")
    assert (store.asked, rows(store)) == (2, [])


def test_the_old_are_swept(claims: Claims, store: Counting, clock: ManualClock) -> None:
    """Results that are too old and leases of the dead are deleted; the rest stays."""
    for number in range(12):
        mine(claims.claim("a", f"old {number:02}")).finish(1, clock.now() + timedelta(seconds=1))
    mine(claims.claim("a", "dead"))
    assert claims.sweep() == 0
    clock.advance(LEASE_SECONDS)
    mine(claims.claim("a", "young"))
    store.asked = 0
    assert claims.sweep() == 13
    assert store.asked == 1
    assert rows(store) == ["young"]


def test_a_sweep_takes_few_at_a_time(store: Counting, claims: Claims, clock: ManualClock) -> None:
    """However many are old, one transaction deletes 500 of them at most."""
    insert = store.insert(Claim)
    old = {
        "kind": "a",
        "tenant_id": "",
        "holder": "h",
        "result": "1",
        "key_id": None,
        "since": START,
        "expires_at": START,
    }
    with store.transaction() as cursor:
        insert(cursor, [old | {"key": f"{number}"} for number in range(1100)])
    store.asked = 0
    assert claims.sweep() == 1100
    assert store.asked == 3


_numbers = itertools.count()
_steps = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["claim", "finish", "leave"]), st.integers(0, 2)),
        st.tuples(st.just("wait"), st.sampled_from([1, 9, 10, 30])),
    ),
    max_size=20,
)


@given(steps=_steps)
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_happens_one_holds_it(steps: list[tuple[str, int]], sqlite_store: Store) -> None:
    """In any order of events there is one holder at most, and what is left is the last holder's."""
    clock, key = ManualClock(START), f"{next(_numbers)}"
    holder: Lease | None = None
    result: Any = None
    until = START
    got: list[Lease | None] = [None] * 3
    with closing(Claims(sqlite_store, clock)) as claims:
        for number, (what, who) in enumerate(steps):
            now, lease = clock.now(), got[who % 3]
            if what == "wait":
                clock.advance(who)
            elif what == "claim":
                found = claims.claim("a", key)
                if until > now:
                    assert isinstance(found, Done if result is not None else Held)
                    assert found.holder == (holder.holder if holder else "")
                    continue
                holder = got[who] = mine(found)
                result, until = None, now + timedelta(seconds=LEASE_SECONDS)
            elif lease is not None:
                is_holder = lease == holder and result is None
                if what == "finish":
                    assert lease.finish(number, now + timedelta(seconds=20)) is is_holder
                    result, until = (number, now + timedelta(seconds=20)) if is_holder else (result, until)
                else:
                    lease.leave()
                    holder, until = (None, now) if is_holder else (holder, until)
            found = claims.look("a", key)
            assert (found is not None) == (until > clock.now())
            assert not isinstance(found, Done) or found.result == result


# ── As long as its holder lives ───────────────────────────────────────────────────────────────────────────────────────


def test_a_lease_is_renewed_while_its_process_lives(store: Counting) -> None:
    """Who takes longer than a lease keeps it; after the end nothing renews it any more."""
    clock = SystemClock()
    with closing(Claims(store, clock, lease_seconds=0.6, renew_seconds=0.15)) as claims:
        lease = mine(claims.claim("a", "k"))
        for _ in range(12):
            time.sleep(0.15)
            assert isinstance(claims.look("a", "k"), Held)
        assert lease.finish(1, clock.now() + timedelta(seconds=0.3))
        time.sleep(0.5)
        assert claims.look("a", "k") is None


def test_a_lease_is_renewed_for_as_long_as_was_said(store: Counting) -> None:
    """Work that hangs is given up after its longest time, though its process lives."""
    with closing(Claims(store, SystemClock(), lease_seconds=0.4, renew_seconds=0.1)) as claims:
        hung = mine(claims.claim("a", "k", most=timedelta(seconds=0.5)))
        time.sleep(0.6)
        assert isinstance(claims.look("a", "k"), Held)
        time.sleep(0.7)
        heir = mine(claims.claim("a", "k"))
        assert not hung.finish("late", START + 10**4 * HOUR)
        heir.leave()


def test_one_thread_renews_whatever_is_held(store: Counting) -> None:
    """However many claims of whatever kinds a process holds, one thread renews them, in one transaction a round."""
    before = set(threading.enumerate())  # an earlier test's may not have ended yet
    with closing(Claims(store, SystemClock(), lease_seconds=5, renew_seconds=0.2)) as claims:
        for number in range(50):
            mine(claims.claim(f"kind {number % 3}", f"{number}"))
        assert [one.name for one in set(threading.enumerate()) - before] == ["leases"]
        time.sleep(0.45)
        asked = store.asked
        time.sleep(0.6)
        assert 1 <= store.asked - asked <= 4


# ── Processes ─────────────────────────────────────────────────────────────────────────────────────────────────────────

LEASE = 1.2


class Process:
    """A process that takes claims as it is told."""

    def __init__(self, url: str) -> None:
        self.popen = Forked("-m", "tests.claiming", url, str(LEASE))
        assert self.hear() == "ready"

    def say(self, line: str) -> None:
        self.popen.stdin.write(f"{line}\n")
        self.popen.stdin.flush()

    def hear(self) -> Any:
        return json.loads(self.popen.stdout.readline())

    def ask(self, line: str) -> Any:
        """Say a line and return the answer."""
        self.say(line)
        return self.hear()

    def end(self) -> None:
        with self.popen:
            self.popen.kill()


@pytest.fixture
def three(database_url: str) -> Iterator[list[Process]]:
    """Three processes on one database."""
    processes = [Process(database_url) for _ in range(3)]
    yield processes
    for one in processes:
        one.end()


def race(processes: Sequence[Process]) -> Counter[str]:
    """Return how four threads of each process fared that took the claim at once."""
    for one in processes:
        one.say("race 4")
    return Counter(end for one in processes for end in one.hear())


def test_of_all_processes_one_gets_it(three: list[Process]) -> None:
    """Of twelve threads in three processes one gets it; what it leaves, all are given."""
    assert race(three) == {"mine": 1, "held": 11}
    [winner] = [one for one in three if one.ask("race 1") == ["held"] and one.ask("holds")]
    assert winner.ask("finish it is done") is True
    assert race(three) == {"done it is done": 12}


def test_who_is_killed_is_followed_by_one(three: list[Process]) -> None:
    """While the holder lives nobody follows; once it is killed exactly one does, when its lease is over."""
    doomed, *heirs = three
    assert doomed.ask("race 1") == ["mine"]
    time.sleep(1.5 * LEASE)
    assert race(heirs) == {"held": 8}
    doomed.popen.send_signal(signal.SIGKILL)
    doomed.popen.wait()
    killed = time.monotonic()
    assert race(heirs) == {"held": 8}
    while (fared := race(heirs)) == {"held": 8}:
        assert time.monotonic() < killed + 10 * LEASE
        time.sleep(0.02)
    assert fared == {"mine": 1, "held": 7}


@pytest.mark.parametrize("is_done", [False, True])
def test_who_slept_cannot_finish_what_another_took(three: list[Process], *, is_done: bool) -> None:
    """A holder that is stopped past its lease and wakes changes nothing, whether its heir is still at it or done."""
    sleeper, heir, other = three
    assert sleeper.ask("race 1") == ["mine"]
    sleeper.popen.send_signal(signal.SIGSTOP)
    while heir.ask("race 1") == ["held"]:
        time.sleep(0.02)
    if is_done:
        assert heir.ask("finish the heir's") is True
    sleeper.popen.send_signal(signal.SIGCONT)

    assert sleeper.ask("finish the sleeper's") is False
    assert other.ask("race 1") == (["done the heir's"] if is_done else ["held"])
    if not is_done:
        assert heir.ask("finish the heir's") is True
        assert sleeper.ask("race 1") == ["done the heir's"]
