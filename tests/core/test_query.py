"""Any question about figures is answered as the calls themselves say, whatever it is answered from."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from core.clock import EPOCH, ManualClock
from core.errors import Invalid
from core.outlooks import Outlooks
from core.principals import EVERYWHERE, SYSTEM, TenantScope
from core.reports import Reports
from core.reports.measures import MEASURES, CallFigures
from core.reports.query import DIMENSIONS, TIME, Query, QueryAnswer, _planning, answered
from core.reports.reading import reading
from core.reports.windows import Window
from core.rollups import Folding
from core.rollups.sums import NAMES
from core.store import Store
from core.tables import ModelListing, Outcome, RollupState
from tests import builders
from tests.core.test_rollups import DAY, World
from tests.examples import few

NOW = DAY + timedelta(days=9)
WINDOW = Window.of(DAY, DAY + timedelta(days=2))
Q = (
    "", "tenant:acme", "-tenant:acme", "outcome:invalid", "-outcome:any_error", "schema:invoice version:2",
    "-version:1", "key:k1", "-key:k1", 'key:""', "error:upstream", "-error:upstream", "model:gpt-4o",
    "-model:openai/gpt-4o", "provider:openai", "outcome:(invalid OR timeout) tenant:globex",
    "route:default model:gpt-4o-mini",
)  # fmt: skip


def ask(store: Store, query: Query, scope: TenantScope = EVERYWHERE) -> QueryAnswer:
    """Return the answer as it is some days later."""
    with reading(store, scope) as one:
        return answered(one, query, NOW)


def drawn(chance: Random) -> Query:
    """Return some question that has an answer."""
    while True:
        by = chance.sample([TIME, *DIMENSIONS], chance.randint(0, 3))
        asked = chance.sample([*MEASURES], 3)
        ends = sorted(DAY + timedelta(seconds=chance.randrange(2 * 86_400)) for _ in range(2))
        step = chance.choice([None, timedelta(minutes=7), timedelta(minutes=30)])
        try:
            return Query(
                window=Window.of(ends[0], ends[1] + timedelta(minutes=1)),
                measures=asked,
                by=by,
                q=chance.choice(Q),
                limit=chance.choice([1, 3, 100]),
                step=step,
            )
        except Invalid:
            continue


@settings(max_examples=few(6), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_answers_from_rollups_are_those_from_calls(store: Store, seed: int) -> None:
    """Whatever is asked, of whom; and groups with all others, and cells with all cells, are the whole."""
    world = World(store, Random(seed))  # noqa: S311 no secret
    for _ in range(25):
        world.record()
    if world.one_of((True, False)):
        world.fold()
    queries = [drawn(world.chance) for _ in range(12)]
    scope = world.one_of((EVERYWHERE, TenantScope(frozenset({"acme", "nobody"}))))

    def answers(built_from: datetime) -> list[Any]:
        with store.writing() as session:
            session.execute(update(RollupState).values(built_from=built_from))
        found: list[Any] = []
        for query in queries:
            try:
                answer = ask(store, query, scope)
            except Invalid as refused:
                found.append(str(refused))
                continue
            whole(answer)
            found.append(answer.frame().to_dict("records"))
        return [repr(one) for one in found]

    from_rollups, from_calls = answers(EPOCH), answers(NOW)
    assert from_rollups == from_calls
    with store.writing() as session:
        session.execute(update(RollupState).values(built_from=EPOCH))


def whole(answer: QueryAnswer) -> None:
    """Assert that the parts of an answer add up to it."""
    told = [*answer.groups, *([answer.others] if answer.others else [])]
    assert bool(answer.others) == (answer.others_count > 0)
    for name in NAMES:
        total = getattr(answer.total.whole.figures, name)
        if answer.query.dimensions:
            assert sum(getattr(one.whole.figures, name) for one in told) == total
        for one in (answer.total, *told):
            if answer.times:
                assert sum(getattr(cell.figures, name) for cell in one.cells) == getattr(one.whole.figures, name)
    if answer.query.dimensions:
        added = sum((Counter(one.whole.slots.get("duration", {})) for one in told), Counter[int]())
        assert added == +Counter(answer.total.whole.slots.get("duration", {}))


@pytest.fixture
def calls(store: Store) -> Store:
    """Some calls of two tenants, half of them folded."""
    made = (
        ("acme", "fast", Outcome.VALID_FIRST_TRY, None, "k1", "gpt-4o", 1),
        ("acme", "fast", Outcome.INVALID, "validation", "k1", "gpt-4o", 2),
        ("acme", "slow", Outcome.VALID_FIRST_TRY, None, None, "gpt-4o-mini", 2),
        ("acme", "slow", Outcome.PROVIDER_ERROR, "upstream", None, "gpt-4o-mini", None),
        ("globex", "fast", Outcome.VALID_FIRST_TRY, None, "k2", "gpt-4o", 1),
        ("globex", "slow", Outcome.VALID_FIRST_TRY, None, "k2", "openai/gpt-4o", 1),
        ("globex", "slow", Outcome.BLOCKED_BUDGET, "budget", "k2", "gpt-4o", 1),
    )
    builders.save(store, *(builders.tenant(one, DAY) for one in ("Acme", "Globex")))
    for number, (tenant, route, outcome, error, key, model, version) in enumerate(made):
        provider = "openrouter" if "/" in model else "openai"
        row = builders.generation(
            DAY + timedelta(hours=3 * number),
            tenant_id=tenant,
            route=route,
            outcome=outcome,
            error_code=error,
            key_id=key,
            provider=provider,
            model=model,
            schema_version=version,
            attempts=0 if outcome.is_blocked else 1,
            queue_us=None if number < 3 else 999 * number,
        )
        attempts = (
            [] if outcome.is_blocked else [builders.attempt(row, provider=provider, model=model, outcome=outcome)]
        )
        builders.save(store, row, attempts)
        if number == 3:
            Folding(store).run()
    return store


TOLD: tuple[tuple[tuple[str, ...], str, str, dict[str, float | None]], ...] = (
    ((), "", "calls", {"": 7}),
    ((), "tenant:Acme", "calls", {"": 4}),
    ((), "-tenant:ACME", "blocked", {"": 1}),
    (("tenant",), "", "errors", {"Acme": 2, "Globex": 0}),
    (("route",), "-tenant:globex", "calls", {"fast": 2, "slow": 2}),
    (("route", "outcome"), "", "calls", {
        "fast/valid first try": 2, "fast/invalid": 1, "slow/valid first try": 2, "slow/provider error": 1,
        "slow/blocked budget": 1,
    }),
    (("key",), "", "calls", {"k1": 2, "k2": 3, "no key": 2}),
    (("error",), "", "calls", {"validation": 1, "upstream": 1, "budget": 1}),
    (("error", "outcome"), "-tenant:globex", "calls", {"validation/invalid": 1, "upstream/provider error": 1}),
    (("outcome",), "-error:validation tenant:acme", "calls", {"valid first try": 2, "provider error": 1}),
    (("version",), "", "calls", {"invoice v1": 4, "invoice v2": 2, "invoice": 1}),
    (("schema",), "version:2", "validity", {"invoice": 0.5}),
    (("model",), "", "attempts", {"openai/gpt-4o": 3, "openai/gpt-4o-mini": 2, "openrouter/openai/gpt-4o": 1}),
    (("provider",), "-model:openai/gpt-4o-mini", "error_rate", {"openai": 1 / 3, "openrouter": 0}),
    (("model",), "model:gpt-4o", "validity", {"openai/gpt-4o": 2 / 3}),
    (("tenant", "model"), "route:slow", "attempts", {
        "Acme/openai/gpt-4o-mini": 2, "Globex/openrouter/openai/gpt-4o": 1,
    }),
    (("outcome",), "outcome:any_error", "calls", {"invalid": 1, "provider error": 1}),
    ((), 'key:""', "got_object", {"": 0.5}),
    ((), "tenant:nobody", "got_object", {"": None}),
    (("route",), "", "queue", {"fast": 3.996, "slow": (2.997 + 4.995 + 5.994) / 3}),
    (("tenant",), "", "queued_share", {"Acme": 1, "Globex": 1}),
    ((), "version:2", "queue", {"": None}),
)  # fmt: skip


@pytest.mark.parametrize(("by", "q", "measure", "told"), TOLD)
def test_what_is_told(calls: Store, by: tuple[str, ...], q: str, measure: str, told: dict[str, float | None]) -> None:
    """A question has the answer that whoever counts the calls by hand finds."""
    answer = ask(calls, Query(window=WINDOW, measures=[measure], by=by, q=q))
    found = {"/".join(one.names): one.whole.value(MEASURES[measure]) for one in answer.shown}
    assert found == told


def test_a_model_whose_provider_is_listed_is_left_out_alone(calls: Store) -> None:
    """Such a model is meant in full, so nothing is left out by its bare name: all others stay."""
    builders.save(calls, ModelListing(provider="openai", asked_at=DAY))
    answer = ask(calls, Query(window=WINDOW, measures=["attempts"], by=["model"], q="-model:openai/gpt-4o"))
    assert sorted(one.values[0] or "" for one in answer.groups) == ["openai/gpt-4o-mini", "openrouter/openai/gpt-4o"]


def test_those_that_matter_most_are_told_apart(calls: Store) -> None:
    """By what is counted, not by a share of next to nothing; all others are one, over time too."""
    query = Query(window=WINDOW, measures=["error_rate", "p95"], by=["time", "model"], limit=1, step=timedelta(hours=6))
    answer = ask(calls, query)
    assert [one.names for one in answer.groups] == [("openai/gpt-4o",)]
    assert answer.others is not None
    assert (answer.others_count, answer.others.whole.figures.attempts) == (2, 3)
    assert [cell.figures.attempts for cell in answer.others.cells] == [0, 2, 1, 0, 0, 0, 0, 0]
    assert answer.filling_from is None
    assert answer.of_attempts
    table = answer.frame()
    assert list(table.columns) == ["at", "model", "error_rate", "p95"]
    assert len(table) == 16


def test_the_cell_that_is_filling_is_told(calls: Store) -> None:
    """Whoever reads it knows that it will be more."""
    query = Query(window=Window.of(DAY, NOW), measures=["calls"], by=["time"], step=timedelta(hours=25))
    answer = ask(calls, query)
    assert answer.filling_from == answer.times[-1]


REFUSED: tuple[tuple[Callable[[], Query], str], ...] = (
    (lambda: Query(window=WINDOW, measures=["speed"]), "no measure 'speed'"),
    (lambda: Query(window=WINDOW, measures=[]), "a measure at least"),
    (lambda: Query(window=WINDOW, measures=["calls", "calls"]), "named twice"),
    (lambda: Query(window=WINDOW, measures=["calls"], by=["planet"]), "no dimension 'planet'"),
    (lambda: Query(window=WINDOW, measures=["calls"], by=["route", "model", "key"]), "two more at most"),
    (lambda: Query(window=WINDOW, measures=["calls"], limit=0), "'limit'"),
    (lambda: Query(window=WINDOW, measures=["calls"], step=timedelta(seconds=90)), "whole minute"),
    (lambda: Query(window=WINDOW, measures=["calls"], by=["time"], step=timedelta(minutes=1)), "2,880 steps"),
    (lambda: Query(window=WINDOW, measures=["tokens"], by=["outcome"]), "'tokens' is not known by outcome"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="latency:>2s"), "No figures are kept by 'latency:>2000ms'"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="hello"), "No figures are kept by 'hello'"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="version:>2"), "No figures are kept by 'version:>2'"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="route:a*"), "without '*'"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="route:a OR key:b"), "several fields"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="outcome:superseded"), "count with the one"),
    (lambda: Query(window=WINDOW, measures=["calls"], q="rout:a"), "rout"),
)


@pytest.mark.parametrize(("made", "said"), REFUSED)
def test_what_makes_no_sense_is_refused_in_a_sentence(
    sqlite_store: Store, made: Callable[[], Query], said: str
) -> None:
    """It says what, and what there is."""
    with pytest.raises(Invalid) as told:
        ask(sqlite_store, made())
    assert said in str(told.value)


def test_not_too_many_calls_are_added_up(calls: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no rollup holds an answer; what rollups hold is told however many there were."""
    monkeypatch.setattr(_planning, "MOST_READ", 3)
    monkeypatch.setattr("core.reports.query._answering.MOST_READ", 3)
    monkeypatch.setattr("core.reports.unbuilt.MOST_UNBUILT", 3)
    for by, measure in ((("route", "model"), "calls"), (("route",), "p95"), (("time",), "calls")):
        step = timedelta(minutes=7) if by == ("time",) else None
        window = Window.of(DAY, DAY + timedelta(days=1))
        with pytest.raises(Invalid, match="added up from 7 calls"):
            ask(calls, Query(window=window, measures=[measure], by=by, step=step))
    assert ask(calls, Query(window=WINDOW, measures=["calls", "p95"], by=["model"])).total.whole.figures.calls == 6
    with calls.writing() as session:
        session.execute(update(RollupState).values(built_from=DAY + timedelta(hours=10)))
    with pytest.raises(Invalid, match="reach back to 2026-10-24 10:00 UTC so far"):
        ask(calls, Query(window=WINDOW, measures=["calls"]))
    window = Window.of(DAY + timedelta(hours=4), DAY + timedelta(days=1))
    assert ask(calls, Query(window=window, measures=["calls"])).total.whole.figures.calls == 5
    clock = ManualClock(DAY + timedelta(days=1))
    reports = Reports(calls, clock)
    for panel in (reports.overview, reports.spend, reports.clusters):
        with pytest.raises(Invalid, match=r"still being built: sums .* of the way"):
            panel(SYSTEM, WINDOW)
    assert Outlooks(calls, clock).make() == 0, "it waits until they are"


@given(st.data())
def test_a_measure_needs_what_it_says(data: st.DataObject) -> None:
    """It is the same whatever else happened."""
    row = {name: data.draw(st.integers(0, 9)) for name in NAMES}
    for measure in MEASURES.values():
        if measure.percent is None:
            some = {name: value for name, value in row.items() if name in measure.needs}
            assert measure.of(CallFigures(**some)) == measure.of(CallFigures(**row)), measure.name
        assert measure.sentence.endswith(".")
        assert set(measure.ranked_by) <= {field.name for field in dataclasses.fields(CallFigures)}
