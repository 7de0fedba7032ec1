"""Recovery: what the dead leave behind is recorded and charged once, by whoever comes; and some were not dead."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from core.journal import LOST
from core.principals import LOCAL_OPERATOR
from core.record.recovery import FORGET_AFTER, LOST_SENTENCE
from core.statements import json_text
from core.store import Store
from core.tables import AttemptRow, GenerationRow, LedgerEntry, LedgerKind, Outcome, Process, Reservation
from tests.tills import DEAD, LASTS, MODEL, OTHER, Till, Walk

OVERDUE = LASTS + 31


def fall_asleep(till: Till) -> int:
    """Let *till*'s process show nothing for too long, and another sweep; return how many were swept."""
    till.recovery.heartbeat()
    till.advance(DEAD)
    other = till.beside(f"other {till.clock.new_id()}")
    other.recovery.heartbeat()
    return other.recovery.run()


# ── The dead ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["its owner shows no life", "its time is over", "its owner left"])
def test_a_crash_is_recorded_and_what_was_out_is_charged_its_estimate(how: str, till: Till) -> None:
    """Whatever shows that a process died: its call is recorded as lost and charged, and its hold goes back."""
    if how != "its time is over":
        till.recovery.heartbeat()
    walk = till.begin()
    walk.end(walk.cover(400), 100)
    lost = walk.cover(300, estimate=250)
    other = till.beside("other")
    assert other.recovery.run() == 0
    if how == "its owner left":
        till.recovery.leave()
    else:
        till.advance(DEAD if "owner" in how else OVERDUE)
    other.recovery.heartbeat()

    assert other.recovery.run() == 1
    assert other.recovery.run() == 0

    assert till.account() == (350, 0)
    [generation] = till.rows(GenerationRow)
    assert (generation.id, generation.outcome, generation.error_code) == (walk.id, Outcome.INTERNAL_ERROR, LOST)
    assert (generation.cost_nano_usd, generation.wasted_nano_usd, generation.estimated) == (350, 350, True)
    assert (generation.attempts, generation.input_tokens, generation.output_tokens) == (2, 200, 150)
    assert generation.trace[-1] == {"room": "attempt", "verdict": LOST, "reason": LOST_SENTENCE}
    attempts = {attempt.id: attempt for attempt in till.rows(AttemptRow)}
    assert (attempts[lost.id].error_code, attempts[lost.id].estimated, attempts[lost.id].cost_nano_usd) == (
        LOST,
        True,
        250,
    )
    assert [(one.attempt_id, one.nano_usd) for one in till.rows(LedgerEntry) if one.estimated] == [(lost.id, 250)]
    assert till.rows(Reservation) == []
    assert till.is_sound()


def test_the_living_are_left_alone(till: Till) -> None:
    """Who shows life keeps what it holds, however often others sweep, until the call's own time is over."""
    till.begin().cover(300)
    other = till.beside("other")
    for _ in range(int(LASTS // 5)):
        till.recovery.heartbeat()
        till.advance(5)
        assert other.recovery.run() == 0

    assert till.account() == (0, 300)


def test_hedged_calls_are_both_lost(till: Till) -> None:
    """Of a walk that had two calls out, both are recorded and charged, each by its own budgets."""
    till.set(1000, scope="model", scope_name=OTHER)
    walk = till.begin()
    walk.cover(300)
    walk.cover(200, OTHER)

    assert fall_asleep(till) == 1
    assert (till.account(), till.account("model", OTHER)) == ((500, 0), (200, 0))
    assert {f"{one.provider}/{one.model}": one.charges for one in till.rows(AttemptRow)} == {MODEL: 1, OTHER: 2}
    assert till.is_sound()


def test_of_two_calls_that_are_out_the_longer_decides(till: Till) -> None:
    """A hedge that has less time than the call beside it does not let that one's money go while it is out."""
    walk = till.begin()
    slow = walk.cover(300, lasts=120)
    walk.end(walk.cover(100, OTHER, lasts=2), 100)
    till.advance(120)

    assert till.recovery.run() == 0
    assert till.account()[1] == 400
    walk.end(slow, 300)
    walk.close()
    assert till.account() == (400, 0)
    assert till.is_sound()


def test_a_lost_call_that_passes_a_threshold_tells_so(till: Till) -> None:
    """What the sweep charges passes thresholds as every other charge does, once each, raises included."""
    walks = [till.begin() for _ in range(2)]
    for walk in walks:
        walk.cover(480)
    raised = {"ends_at": till.clock.now() + timedelta(hours=1), "reason": "Launch week"}
    till.budgets.raise_limit(LOCAL_OPERATOR, till.tenant, till.state().budget_id, 200, **raised)

    till.recovery.heartbeat()
    till.advance(DEAD)
    other = till.beside("other")
    assert other.recovery.run() == 2
    assert till.account() == (960, 0)
    assert till.threshold_events() == [80]
    told = [line for line in other.metrics.text().splitlines() if line.startswith(b"proctor_budget_thresholds_total{")]
    assert [line.split()[-1] for line in told] == [b"1.0"]


def test_a_call_that_an_older_release_lost_is_recovered(till: Till) -> None:
    """What its reservation says of the rows lacks columns of today: they have their defaults, nothing stays held."""
    till.begin().cover(480)
    [kept] = till.rows(Reservation)
    generation = {name: kept.generation[name] for name in ("id", "tenant_id", "started_at", "trace")}
    attempts = [{name: value for name, value in one.items() if name != "cache_saved_nano_usd"} for one in kept.attempts]
    with till.store.transaction() as cursor:
        sql = till.store.prepare("UPDATE reservation SET generation = :generation, attempts = :attempts")
        cursor.execute(sql, {"generation": json_text(generation), "attempts": json_text(attempts)})

    assert fall_asleep(till) == 1
    assert till.account() == (480, 0)
    assert till.is_sound()


def test_a_lost_call_without_a_price_is_recorded_and_charges_nobody(till: Till) -> None:
    """What has no price stays unpriced, also when it is lost."""
    till.begin().cover(None)

    assert fall_asleep(till) == 1
    [generation] = till.rows(GenerationRow)
    assert (generation.cost_nano_usd, till.account()) == (None, (0, 0))
    assert till.is_sound()


def test_generations_without_a_budget_are_recorded_as_well(till: Till) -> None:
    """A tenant without budgets has its lost calls in its books too."""
    other = Till(till.store, till.clock, owner=till.owner)
    other.begin().cover(300)

    assert fall_asleep(other) == 1
    [attempt] = till.rows(AttemptRow)
    assert (attempt.cost_nano_usd, attempt.charges, attempt.tenant_id) == (300, 0, other.tenant.id)
    assert till.is_sound()


def test_many_sweepers_settle_each_lapse_once(till: Till) -> None:
    """Processes that sweep at the same moment share the work and repeat none of it."""
    for _ in range(12):
        till.begin().cover(50)
    till.advance(OVERDUE)
    processes = [till.beside(f"process {number}") for number in range(6)]

    with ThreadPoolExecutor(6) as pool:
        swept = list(pool.map(lambda one: one.recovery.run(), processes))

    assert sum(swept) == 12
    assert till.account() == (600, 0)
    assert till.is_sound()


def test_a_sweep_and_the_end_of_a_call_meet(till: Till) -> None:
    """Where the owner ends its walks at the very moment at which others sweep them, each is charged once."""
    walks = [till.begin() for _ in range(16)]
    calls = [walk.cover(50) for walk in walks]
    till.advance(OVERDUE)
    other = till.beside("other")

    def end(number: int) -> None:
        if number % 4 == 3:
            other.recovery.run()
        walks[number].end(calls[number], 20)
        walks[number].close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(end, range(16)))
    other.recovery.run()

    assert till.account() == (16 * 20, 0)
    assert Counter(attempt.cost_nano_usd for attempt in till.rows(AttemptRow)) == {20: 16}
    assert till.is_sound()


def test_one_that_cannot_be_settled_does_not_keep_the_others(till: Till) -> None:
    """A reservation that another release wrote in another shape is left alone, held; all others are settled."""
    for _ in range(3):
        till.begin().cover(100)
    strange = till.rows(Reservation)[1].generation_id
    with till.store.transaction() as cursor:
        change = till.store.prepare("UPDATE reservation SET attempts = '[{}]' WHERE generation_id = :id")
        cursor.execute(change, {"id": strange})
    till.advance(OVERDUE)

    assert till.recovery.run() == 2
    assert till.account() == (200, 100)
    assert [one.generation_id for one in till.rows(Reservation)] == [strange]
    assert till.is_sound()


def test_processes_that_are_long_gone_are_forgotten(till: Till) -> None:
    """The list of processes does not grow for ever."""
    till.recovery.heartbeat()
    till.advance(FORGET_AFTER.total_seconds() + 1)
    other = till.beside("other")
    other.recovery.heartbeat()

    assert [process.owner for process in till.rows(Process)] == ["other"]


# ── The sleepers ──────────────────────────────────────────────────────────────────────────────────────────────────────


def ledger(till: Till) -> list[tuple[str, int, bool]]:
    """Return kind, amount and mark of every entry, in the order in which they came."""
    return [(entry.kind, entry.nano_usd, entry.estimated) for entry in till.rows(LedgerEntry)]


def test_who_wakes_at_the_end_pays_what_it_cost(till: Till) -> None:
    """A call that was given up for lost and ended after all corrects its estimate, and is recorded as it ended."""
    walk = till.begin()
    call = walk.cover(300, estimate=250)
    assert fall_asleep(till) == 1
    assert till.account() == (250, 0)

    walk.end(call, 120)
    walk.close()

    assert till.account() == (120, 0)
    assert sorted(ledger(till)) == [("charge", 250, True), ("correction", -130, False)]
    [generation], [attempt] = till.rows(GenerationRow), till.rows(AttemptRow)
    assert (generation.outcome, generation.cost_nano_usd) == (Outcome.VALID_FIRST_TRY, 120)
    assert (attempt.error_code, attempt.cost_nano_usd, attempt.charges) == (None, 120, 1)
    assert till.is_sound()


def test_who_wakes_in_the_middle_of_a_walk_goes_on(till: Till) -> None:
    """A walk that was swept between two calls corrects the first, reserves anew for the second, and ends as one."""
    walk = till.begin()
    call = walk.cover(300)
    assert fall_asleep(till) == 1
    walk.end(call, 320)
    second = walk.cover(200)

    assert till.account() == (320, 200)
    assert till.is_sound()
    walk.end(second, 100)
    walk.close()
    assert till.account() == (420, 0)
    assert [one.cost_nano_usd for one in till.rows(GenerationRow)] == [420]
    assert till.is_sound()


def test_who_wakes_with_a_call_still_out_corrects_it_when_it_ends(till: Till) -> None:
    """Of two calls at once that were given up, one ends and one goes on: until then its estimate stands."""
    walk = till.begin()
    first, second = walk.cover(300), walk.cover(200, OTHER)
    assert fall_asleep(till) == 1
    assert till.account() == (500, 0)

    walk.end(first, 100)
    third = walk.cover(50)
    assert till.account() == (300, 50), "the second is paid for already"
    assert till.is_sound()
    walk.end(second, 150)
    walk.end(third, 50)
    walk.close()

    assert till.account() == (300, 0)
    assert till.is_sound()


def test_who_sleeps_twice_is_charged_once(till: Till) -> None:
    """A call that is given up a second time is neither charged nor recorded a second time."""
    walk = till.begin()
    first, second = walk.cover(300), walk.cover(200, OTHER)
    assert fall_asleep(till) == 1
    walk.end(first, 100)
    third = walk.cover(50, estimate=40)
    assert fall_asleep(till) == 1
    assert (till.account(), till.is_sound()) == ((340, 0), True)

    walk.end(second, 150)
    fourth = walk.cover(60)
    assert fall_asleep(till) == 1
    assert till.is_sound()
    walk.end(fourth, 6)
    walk.end(third, 50)
    walk.close()

    assert till.account() == (306, 0)
    assert sorted(attempt.cost_nano_usd for attempt in till.rows(AttemptRow)) == [6, 50, 100, 150]
    assert till.is_sound()


@pytest.mark.parametrize("cost", [None, 0])
def test_who_wakes_and_has_paid_nothing_gets_the_estimate_back(cost: int | None, till: Till) -> None:
    """A call that was given up, charged, and then cost nothing after all gives its estimate back."""
    till.set(1000, scope="model", scope_name=MODEL)
    walk = till.begin()
    call = walk.cover(300)
    assert fall_asleep(till) == 1
    walk.end(call, cost, free=cost is None)
    walk.close()

    assert (till.account(), till.account("model", MODEL)) == ((0, 0), (0, 0))
    assert till.is_sound()


def test_a_call_that_ended_just_before_the_sweep_is_charged_once(till: Till) -> None:
    """What had ended but was not yet written when the sweep came is the correction of what the sweep charged."""
    walk = till.begin()
    call = walk.cover(300)
    walk.end(call, 100)
    assert fall_asleep(till) == 1
    walk.close()

    assert till.account() == (100, 0)
    assert till.is_sound()


def test_a_walk_that_is_left_with_a_call_out_gives_its_estimate_back(till: Till) -> None:
    """Whoever wakes and ends a walk without ever hearing of its call has been charged nothing for it in the end."""
    walk = till.begin()
    walk.cover(300)
    assert fall_asleep(till) == 1
    walk.close()

    assert till.account() == (0, 0)
    [generation] = till.rows(GenerationRow)
    assert (generation.outcome, generation.cost_nano_usd, till.rows(AttemptRow)) == (Outcome.CANCELLED, 0, [])
    assert till.is_sound()


def test_who_wakes_to_an_empty_budget_is_refused_and_still_settles(till: Till) -> None:
    """A walk that wakes and finds the money gone cannot go on; what it had is corrected at its end all the same."""
    walk: Walk = till.begin()
    call = walk.cover(300)
    assert fall_asleep(till) == 1
    till.beside("third").spend(700)
    walk.end(call, 300)
    with pytest.raises(Exception, match="The next attempt could cost"):
        walk.cover(1)
    assert till.is_sound()
    walk.close()

    assert till.account() == (1000, 0)
    assert [entry.kind for entry in till.rows(LedgerEntry)].count(LedgerKind.CORRECTION.value) == 1
    assert till.is_sound()


def test_processes_share_nothing_but_the_database(store: Store, till: Till) -> None:
    """What one process lost is found by another that shares nothing but the database."""
    till.begin().cover(300)
    till.advance(OVERDUE)
    other = Store(store.url.render_as_string(hide_password=False))
    try:
        assert Till(other, till.clock, owner="elsewhere", tenant=till.tenant).recovery.run() == 1
    finally:
        other.close()
    assert till.account() == (300, 0)
