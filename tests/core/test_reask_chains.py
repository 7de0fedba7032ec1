"""What a client asks again for by itself is one call: counted once, as its last, and paid in all its attempts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from core.call_search import SUPERSEDED_CALLS
from core.clock import ManualClock, micros
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Reports, Window, spend_document
from core.rollups.facts import facts
from core.store import Store
from core.tables import Outcome
from tests import builders

NOW = datetime(2026, 3, 4, 12, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
COST = 114_000
"""Of one attempt; 490 tokens."""
INVALID, VALID = Outcome.INVALID, Outcome.VALID_AFTER_REASK


@pytest.fixture
def reports(store: Store) -> Reports:
    """The read side at 12:07, with the tenant Acme."""
    builders.save(store, builders.tenant("Acme", NOW - 30 * DAY))
    return Reports(store, ManualClock(NOW))


def chain(*outcomes: str, at: datetime = NOW - HOUR, **more: Any) -> list[Any]:
    """Return generations of one attempt each, a minute apart, of which each asks again for the one before it."""
    made: list[Any] = []
    before: str | None = None
    for place, outcome in enumerate(outcomes):
        models = more.get("models")
        one = builders.generation(
            at + place * timedelta(minutes=1),
            outcome=outcome,
            reask_of=before,
            schema_version=None,
            **({"model": models[place]} if models else {}),
            wasted_nano_usd=COST if outcome == INVALID else 0,
        )
        before = one.id
        made += [one, builders.attempt(one, 1, outcome, id=builders.new_id(at))]
    return made


def hour() -> Window:
    """Return the last two hours."""
    return Window.last(2 * HOUR, NOW)


def test_a_chain_is_one_call_and_its_last_says_how_it_ended(reports: Reports, store: Store) -> None:
    """Home, Spend, the statement and the API have the same two calls of three, two and one requests."""
    builders.save(store, *chain(INVALID, INVALID, VALID), *chain(INVALID, INVALID), *chain(Outcome.VALID_FIRST_TRY))
    totals = reports.overview(LOCAL_OPERATOR, hour()).totals
    assert (totals.calls, totals.reached, totals.valid, totals.first_try, totals.errors) == (3, 3, 2, 1, 1)
    assert totals.validity == 2 / 3
    assert totals.error_rate == 1 / 3
    assert (totals.spend, totals.discarded, totals.input_tokens) == (6 * COST, 4 * COST, 2400)
    assert totals.cost_per_valid == 3 * COST
    spend = reports.spend(LOCAL_OPERATOR, hour())
    for bought in (spend.total, spend.tenants[0].figures, spend.schemas[0].figures, spend.models[0].figures):
        assert (bought.calls, bought.valid, bought.attempts, bought.discarded_attempts) == (3, 2, 6, 4)
        assert (bought.spend, bought.cost_per_valid) == (6 * COST, 3 * COST)
    document = spend_document(spend, "Acme")
    assert (document["calls"], document["valid_objects"], document["attempts"]) == (3, 2, 6)
    assert [(one.reason, one.attempts) for one in spend.reasons] == [("invalid", 4)]
    bill = reports.statement(LOCAL_OPERATOR, "acme")
    assert (bill.total.calls, bill.total.valid, bill.total.attempts, bill.difference_nano_usd) == (3, 2, 6, 0)


def test_outcomes_and_trends_count_calls(reports: Reports, store: Store) -> None:
    """No chart shows a call as invalid that was asked again; of several tenants each has its own."""
    builders.save(store, *chain(INVALID, VALID))
    found = reports.overview(LOCAL_OPERATOR, hour())
    assert list(zip(found.outcomes["outcome"], found.outcomes["calls"], strict=True)) == [(VALID, 1)]
    assert sum(found.tenants["trend"][0]) == 1
    assert list(found.tenants["validity"]) == [1.0]
    assert list(found.heat["errors"]) == [0]


def test_a_chain_stands_where_its_last_began_and_money_where_it_was_spent(reports: Reports, store: Store) -> None:
    """Over the edge of a window nothing is counted twice or lost."""
    edge = hour().starts_at
    builders.save(store, *chain(INVALID, VALID, at=edge - timedelta(seconds=30)))
    before, after = (
        reports.overview(LOCAL_OPERATOR, window).totals for window in (Window.of(edge - DAY, edge), hour())
    )
    assert (before.calls, before.errors, before.spend) == (0, 0, COST)
    assert (after.calls, after.valid, after.spend) == (1, 1, COST)


def test_a_chain_that_changed_its_model_counts_for_both(reports: Reports, store: Store) -> None:
    """As a call does that fell back; of the model that was asked twice it is one."""
    builders.save(store, *chain(INVALID, INVALID, VALID, models=["gpt-4o-mini", "gpt-4o-mini", "gpt-4o"]))
    lines = {one.key: one.figures for one in reports.spend(LOCAL_OPERATOR, hour()).models}
    assert {key: (one.calls, one.attempts, one.valid) for key, one in lines.items()} == {
        "openai/gpt-4o-mini": (1, 2, 0),
        "openai/gpt-4o": (1, 1, 1),
    }


def test_a_past_figure_changes_when_somebody_asks_again(reports: Reports, store: Store) -> None:
    """Until then it is a failure."""
    first, attempt, second, its = chain(INVALID, VALID)
    builders.save(store, first, attempt)
    assert reports.overview(LOCAL_OPERATOR, hour()).totals.errors == 1
    builders.save(store, second, its)
    totals = reports.overview(LOCAL_OPERATOR, hour()).totals
    assert (totals.errors, totals.valid) == (0, 1)


def test_fields_of_a_chain_were_repaired_if_its_last_is_valid(reports: Reports, store: Store) -> None:
    """However far behind that stands; where it never came, they were not."""
    good, bad = chain(INVALID, INVALID, VALID), chain(INVALID, INVALID, Outcome.TIMEOUT)
    builders.save(store, *good, *bad)
    builders.save(store, *(builders.field_error(one, "$.a") for one in (good[1], good[3])))
    builders.save(store, builders.field_error(bad[1], "$.b"))
    fields = reports.overview(LOCAL_OPERATOR, hour()).fields
    assert list(zip(fields["path"], fields["errors"], fields["repaired"], strict=True)) == [
        ("$.a", 2, 2),
        ("$.b", 1, 0),
    ]


def test_nobody_is_warned_of_what_was_asked_again(reports: Reports, store: Store) -> None:
    """Twelve objects that took two requests each fail for nobody; the same without a valid end does."""
    builders.save(store, *(one for _ in range(12) for one in chain(INVALID, VALID, at=NOW - HOUR / 2)))
    assert reports.troubles(LOCAL_OPERATOR) == []
    builders.save(store, *(one for _ in range(12) for one in chain(INVALID, INVALID, at=NOW - HOUR / 2)))
    [trouble] = reports.troubles(LOCAL_OPERATOR)
    assert trouble.share == 0.5


def test_a_list_shows_each_request_and_says_which_were_asked_again(reports: Reports, store: Store) -> None:
    """What is an error in the list is one in the figures; the export says it as well; one call tells of its chain."""
    made = chain(INVALID, INVALID, VALID)
    builders.save(store, *made, *chain(INVALID, at=NOW - 3 * HOUR))
    span = {"starts_at": NOW - DAY, "ends_at": NOW}
    found = {
        outcome: list(reports.calls(LOCAL_OPERATOR, CallFilter(outcome=outcome, **span)).calls["superseded"])
        for outcome in (None, "any_error", INVALID, SUPERSEDED_CALLS)
    }
    assert found == {
        None: [False, True, True, False],
        "any_error": [False],
        INVALID: [True, True, False],
        SUPERSEDED_CALLS: [True, True],
    }
    assert "superseded" in next(reports.calls_frames(LOCAL_OPERATOR, CallFilter(**span)))
    for one in made[::2]:
        told = reports.call(LOCAL_OPERATOR, one.id).chain
        assert told is not None
        assert (told.generations, told.attempts, told.tokens, told.cost_nano_usd) == (3, 3, 1470, 3 * COST)
    assert reports.call(LOCAL_OPERATOR, made[2].id).asked_again_as == [made[4].id]


def test_an_index_finds_what_was_asked_again(store: Store) -> None:
    """Who sums thousands of calls looks for successors by the index of re-asks, on both databases."""
    few = [one for _ in range(5) for one in chain(INVALID, VALID)]
    many = [builders.generation(NOW - n * timedelta(seconds=1), outcome=INVALID) for n in range(3_000)]
    builders.save(store, *few, many)
    bound = {"starts_at": micros(NOW - DAY), "ends_at": micros(NOW)}
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE generation")
        asked = store.prepare(f"{explain} {facts('g.started_at >= :starts_at AND g.started_at < :ends_at')}")
        plan = " ".join(map(str, connection.exec_driver_sql(asked, bound).all()))
        assert "ix_generation_reask_of" in plan
        assert plan.count("Seq Scan on generation later") == 0
