"""Names of models that callers invent: they take the place of nothing that is in use, and add up to one line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta

import pytest

from core.clock import ManualClock, micros
from core.pricing import MOST_NAMES, Prices
from core.principals import EVERYWHERE, LOCAL_OPERATOR
from core.reports import CallFilter, Reports, Window
from core.reports.calls._summary import MOST_VALUES
from core.reports.documents import spend_document, statement_document
from core.reports.reading import reading
from core.reports.sums import SumQuestion, slots, sums
from core.rollups.facets import MODEL
from core.rollups.sums import NAMES
from core.store import Store
from core.tables import AttemptRow, GenerationRow, Outcome
from tests import builders
from tests.conftest import START
from tests.corridor import ANTHROPIC, OPENAI, rig
from tests.wire.server import WireServer

INVENTED = 300
DAY = timedelta(days=1)
WEEK = Window.last(7 * DAY, START)
ROUTED = ("openai/gpt-4o-mini", "compatible/in-a-route")


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


def called(names: dict[str, int], cost: int | None, **more: object) -> list[tuple[GenerationRow, AttemptRow]]:
    """Return so many calls of each ``provider/name``, spread over two days, tenants and schemas."""
    found: list[tuple[GenerationRow, AttemptRow]] = []
    for place, (name, count) in enumerate(names.items()):
        provider, model = name.split("/", 1)
        who = {"provider": provider, "model": model, "cost_nano_usd": cost} | more
        for n in range(count):
            tenant = ("acme", "borealis")[(place + n) % 2]
            began = START - (1 + n % 2) * DAY - timedelta(seconds=place)
            call = builders.generation(began, tenant, schema_version=1 + place % 2, **who)
            found.append((call, builders.attempt(call, id=f"{call.id}-1", **who)))
    return found


@pytest.fixture
def flooded(store: Store) -> Store:
    """Hundreds of invented names, each called once and unpriced, beside those that are in use."""
    rows = called({f"compatible/m-{n:04}": 1 for n in range(INVENTED)}, None)
    rows += called({"compatible/m-0100": 2, "compatible/often": 7}, None)
    rows += called({ROUTED[0]: 4, "openai/gpt-4.1": 3}, 114_000)
    rows += called({ROUTED[1]: 1}, None)
    rows += called({f"openai/no-such-{n}": 1 for n in range(50)}, 0, outcome=Outcome.PROVIDER_ERROR, input_tokens=None)
    builders.save(
        store,
        builders.tenant("Acme", START - 40 * DAY),
        builders.tenant("Borealis", START - 40 * DAY),
        [call for call, _ in rows],
        [attempt for _, attempt in rows],
    )
    return store


def reports(store: Store) -> Reports:
    """Return the reports of a Proctor with two models in its routes."""
    return Reports(store, ManualClock(START), lambda: ROUTED)


def test_spend_has_few_lines_and_every_call(flooded: Store) -> None:
    """Those routed and the dearest have a line; the rest is one, that says how many names; it all adds up."""
    found = reports(flooded).spend(LOCAL_OPERATOR, WEEK)
    keys = [line.key for line in found.models]
    names = INVENTED + 1 + 1 + 50  # besides those routed: often, gpt-4.1
    assert keys[:2] == ["openai/gpt-4o-mini", "openai/gpt-4.1"], "the dearest first"
    assert {*ROUTED, "compatible/often", "compatible/m-0100"} < {*keys}
    assert len(keys) == len(ROUTED) + MOST_NAMES + 1
    [others] = [line for line in found.models if "/" not in line.key]
    assert others.key == f"other names ({names - MOST_NAMES})"
    for figure in ("spent", "attempts", "unpriced_attempts", "input_tokens", "output_tokens", "calls"):
        assert sum(getattr(line.figures, figure) for line in found.models) == getattr(found.total, figure), figure
    assert found.total.calls == INVENTED + 2 + 7 + 4 + 3 + 1 + 50
    assert {one.model for one in found.reasons} <= {*keys}
    assert sum(one.attempts for one in found.reasons) == found.total.discarded_attempts == 50
    over = found.over_time[found.over_time["kind"] == "model"]
    assert set(over["name"]) < {*keys, "All others"}
    assert round(over["usd"].sum() * 1e9) == found.total.spent
    assert {one["model"] for one in spend_document(found, "all")["by_model"]} == {*keys}


def test_only_names_that_are_told_of_come_out_of_the_database(flooded: Store) -> None:
    """Of two thousand names that were asked, two are told apart and the rest is one row, in sums and in latencies."""
    question = SumQuestion(window=WEEK, facet=MODEL, by=("value", "detail"), details=["often", "gpt-4.1"])
    with reading(flooded, EVERYWHERE) as now:
        found = sums(now, question, micros(START))
        timed = slots(now, question, micros(START))
    assert {row[1] for row in found} == {row[1] for row in timed} == {"often", "gpt-4.1", ""}
    assert len(found) <= 2 * 3
    assert len(timed) < 50
    spent = 2 + NAMES.index("spent")
    assert sum(row[spent] for row in found) == reports(flooded).spend(LOCAL_OPERATOR, WEEK).total.spent


def test_it_is_the_same_each_time(flooded: Store) -> None:
    """Which names have a line follows from the calls alone: from cost, number and name."""
    first, second = (reports(flooded).spend(LOCAL_OPERATOR, WEEK) for _ in range(2))
    assert [(line.key, line.figures) for line in first.models] == [(line.key, line.figures) for line in second.models]
    shown = sorted(key for line in first.models if (key := line.key).startswith("compatible/m-"))
    others = 3  # of those that have a line and are not routed: often, gpt-4.1, and m-0100, called three times
    assert shown == [*(f"compatible/m-{n:04}" for n in range(MOST_NAMES - others)), "compatible/m-0100"]


def test_few_names_have_a_line_each(store: Store) -> None:
    """As many as may be shown are shown; there is no line for none."""
    rows = called({f"compatible/m-{n}": 1 for n in range(MOST_NAMES)}, None)
    builders.save(store, builders.tenant("Acme", START), [one for one, _ in rows], [one for _, one in rows])
    found = reports(store).spend(LOCAL_OPERATOR, WEEK)
    assert sorted(line.key for line in found.models) == sorted(f"compatible/m-{n}" for n in range(MOST_NAMES))


def test_answers_from_the_cache_are_folded_too(store: Store) -> None:
    """Who made an answer that was given again may be any of many names: their savings are in the lines all the same."""
    kept = {"outcome": Outcome.CACHE_HIT, "provider": "compatible", "saved_nano_usd": 10}
    calls = [builders.generation(START - DAY, model=f"m-{n}", **kept) for n in range(MOST_NAMES + 5)]
    builders.save(store, builders.tenant("Acme", START), calls)
    found = reports(store).spend(LOCAL_OPERATOR, WEEK)
    assert found.models[-1].key == "other names (5)"
    assert len(found.models) == MOST_NAMES + 1
    assert sum(line.figures.answers_saved for line in found.models) == found.total.answers_saved == 10 * len(calls)


def test_a_statement_is_short_and_exact(flooded: Store) -> None:
    """Page, CSV and document have as many lines; the CSV's lines of models add up to its total."""
    bill = reports(flooded).statement(LOCAL_OPERATOR, "acme", "2026-03")
    assert len(bill.models) <= len(ROUTED) + MOST_NAMES + 1
    assert len(bill.unpriced) <= len(bill.models)
    table = bill.frame()
    models, [total] = (table[table["part"] == part].to_dict("records") for part in ("model", "total"))
    assert [one["model"] for one in models if "/" not in one["model"]] == [bill.models[-1].key]
    for figure in ("attempts", "unpriced_attempts", "useful_nano_usd", "input_tokens"):
        assert sum(one[figure] for one in models) == total[figure], figure
    assert len(statement_document(bill)["by_model"]) == len(bill.models)


def test_prices_have_a_row_for_what_is_in_use(flooded: Store) -> None:
    """Of work to do, and of what costs what, those routed and those called most; the rest is counted, and is last."""
    prices = Prices(flooded, ManualClock(START))
    routed = [("openai", "gpt-4o-mini"), ("compatible", "in-a-route"), ("compatible", "never-called")]
    unpriced = prices.unpriced(LOCAL_OPERATOR, routed)
    assert [(one.subject, one.calls) for one in unpriced[:2]] == [("compatible/often", 7), ("compatible/m-0100", 3)]
    assert ("compatible", "in-a-route") in {(one.provider, one.model) for one in unpriced}
    assert unpriced[-1].subject == f"other names ({INVENTED + 1 - MOST_NAMES})"
    assert len(unpriced) == 1 + MOST_NAMES + 1
    assert sum(one.calls for one in unpriced) == INVENTED + 2 + 7 + 1
    assert sum(one.input_tokens for one in unpriced) == 400 * (INVENTED + 2 + 7 + 1)
    assert unpriced[-1].tenants == ("Acme", "Borealis")
    in_use = prices.in_use(LOCAL_OPERATOR, START - 30 * DAY, routed)
    assert len(in_use) == len(routed) + MOST_NAMES + 1
    assert Counter(one.calls for one in in_use)[0] == 1, "a candidate that was never called has its row"
    assert in_use[-1].names == INVENTED + 2 + 50 - MOST_NAMES
    assert sum(one.calls for one in in_use) == INVENTED + 2 + 7 + 4 + 3 + 1 + 50


def test_models_to_choose_from_are_few(flooded: Store) -> None:
    """*Calls* offers those called most to narrow the list by."""
    wanted = CallFilter(starts_at=WEEK.starts_at, ends_at=WEEK.ends_at)
    offered = reports(flooded).summary(LOCAL_OPERATOR, wanted).facets["model"]
    assert [one.label for one in offered][:1] == ["compatible/often"]
    assert "openai/gpt-4.1" in {one.label for one in offered}
    assert len(offered) == MOST_VALUES


def test_a_flood_of_names_through_the_corridor(wire: WireServer, database_url: str) -> None:
    """Names that a provider does not have, then a call as routes go: metrics, prices and statement know who counts."""
    with rig(wire, database_url) as proctor:
        tenant, route = proctor.tenant(None), proctor.route(OPENAI, ANTHROPIC)
        corridor = proctor.runtime.generator  # whose metrics are the runtime's
        for n in range(230):
            proctor.ask(tenant, "unknown-model", model=f"openai/gpt-4o-junk-{n}", corridor=corridor)
        proctor.ask(tenant, route=route, corridor=corridor)

        metrics = proctor.runtime.metrics.text().decode()
        assert 'gen_ai_request_model="gpt-4o-mini"' in metrics
        assert 'gen_ai_request_model="other"' in metrics
        assert metrics.count("proctor_cost_nano_usd_total{") < 210
        bill = proctor.runtime.reports.statement(LOCAL_OPERATOR, tenant.id)
        assert bill.models[0].key == OPENAI
        assert len(bill.models) <= MOST_NAMES + 3
        assert bill.models[-1].key.startswith("other names (2")
        assert bill.difference_nano_usd == 0
        in_use = proctor.runtime.prices.in_use(LOCAL_OPERATOR, tenant.created_at, [("openai", "gpt-4o-mini")])
        assert len(in_use) == 1 + MOST_NAMES + 1
        assert proctor.runtime.prices.unpriced(LOCAL_OPERATOR) == [], "what was turned away cost nothing"
