"""What is different about some calls: the figures, what may be told, and what takes it back."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.clock import ManualClock
from core.principals import LOCAL_OPERATOR
from core.reports import CallFilter, Reports
from core.reports.contrasts import chosen_by
from core.reports.contrasts._odds import fisher, standing
from core.reports.contrasts._ranking import Alike, Standout, Trait, _reversal, ranked
from core.reports.contrasts._words import nothing_stands_out, sentence
from core.store import Store
from core.tables import ApiKey, GenerationRow, Outcome
from tests import builders
from tests.conftest import START
from tests.statements import counted

NOON = START.replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
Values = Mapping[str, str]


def alike(inside: Iterable[Values], outside: Iterable[Values]) -> list[Alike]:
    """Return calls with these values, selected and not, in groups of those that are alike."""
    counts = [Counter(tuple(sorted(one.items())) for one in side) for side in (inside, outside)]
    return [
        Alike(
            traits=tuple(Trait(*pair) for pair in values),
            inside=counts[0][values],
            outside=counts[1][values],
            examples=(f"{number:032x}",),
        )
        for number, values in enumerate({**counts[0], **counts[1]})
    ]


def many(count: int, /, **values: str) -> list[Values]:
    """Return as many calls with these values."""
    return [values] * count


def said(found: Standout, selected: int, rest: int) -> str:
    """Return its sentence, with values as they are."""
    return sentence(found, selected, rest, {})


@pytest.mark.parametrize(
    ("table", "likelihood"),
    [
        ((24, 40, 480, 960), 0.26),
        ((3, 3, 580, 997), 0.27),
        ((30, 40, 50, 960), 0.0),
        ((0, 5, 0, 7), 1.0),
    ],
)
def test_the_likelihood_of_chance(table: tuple[int, int, int, int], likelihood: float) -> None:
    """Fisher's exact test on both sides; of many calls it is what a normal distribution gives."""
    assert fisher(*table) == pytest.approx(likelihood, abs=0.005)
    assert fisher(2, 40, 0, 960) == pytest.approx(0.0016, abs=5e-5)
    assert fisher(10_000, 200_000, 10_400, 200_000) == pytest.approx(0.0041, abs=1e-4)


@given(st.integers(0, 12), st.integers(0, 12), st.integers(0, 30), st.integers(0, 30))
@example(5, 0, 0, 30)
def test_it_is_what_counting_all_tables_gives(inside: int, without: int, outside: int, lacking: int) -> None:
    """Of all tables with the same sums, those count that are as unlikely as this one, or more so."""
    selected, rest, having = inside + without, outside + lacking, inside + outside
    ways = [math.comb(selected, one) * math.comb(rest, having - one) for one in range(having + 1)]
    expected = sum(one for one in ways if one <= ways[inside]) / sum(ways)

    assert fisher(inside, selected, outside, rest) == pytest.approx(expected, rel=1e-9)


def test_many_values_are_as_many_chances() -> None:
    """Of five that were tried four may be told, of two hundred none of the same."""
    few = [0.03, 0.001, 0.2, 0.012, 0.04]

    assert standing(few) == [True, True, False, True, True]
    assert not any(standing([*few, *[1.0] * 195]))
    assert standing([]) == []


def test_a_mix_that_turns_a_direction_round_is_told() -> None:
    """A model that fails less at every schema is not called the worse one for having the harder schema."""
    of = {
        ("M", "simple"): (10, 90),
        ("M", "complex"): (400, 600),
        ("N", "simple"): (150, 850),
        ("N", "complex"): (45, 55),
    }
    halves = [[one for (m, s), n in of.items() for one in many(n[half], model=m, schema=s)] for half in (0, 1)]
    found = {one.trait: one for one in ranked(alike(*halves))}

    model = found[Trait("model", "M")]
    assert model.difference > 0
    assert model.reversal is not None
    assert (model.reversal.dimension, model.reversal.having, model.reversal.others) == (
        "schema",
        0.25,
        pytest.approx(0.3),
    )
    assert said(model, 605, 1595).endswith(
        "; but this reverses within schema: at an equal mix of schemas 25.0 % of its calls are selected, and 30.0 % of "
        "those without"
    )
    assert Trait("model", "N") not in found
    assert [one.reversal is None for one in ranked(alike(*halves))] == [True, False]


def test_what_says_the_same_is_told_once() -> None:
    """A route that one schema alone takes is no second finding; what has few calls, or as many elsewhere, is none."""
    inside = [
        *many(29, schema="a", route="x", key="k"),
        *many(1, schema="a", route="y", key="k"),
        *many(10, schema="b"),
    ]
    outside = [*many(50, schema="a", route="x", key="k"), *many(910, schema="b")]
    [one] = ranked(alike(inside, outside))

    assert (one.trait, {trait.dimension for trait in one.also}) == (Trait("schema", "a"), {"route", "key"})
    assert ranked(alike(inside, outside), chosen_by=["schema"])[0].trait == Trait("key", "k")


def test_what_made_the_selection_is_not_found_in_it() -> None:
    """Calls that were chosen for being invalid are invalid, and have an error; that goes without saying."""
    every = CallFilter(starts_at=NOON, ends_at=START, tenant_id="acme")
    chosen = CallFilter(starts_at=NOON, ends_at=START, tenant_id="acme", outcome="invalid")
    inside, outside = many(50, outcome="invalid", error="e", route="x"), many(50, outcome="valid", route="x")

    assert chosen_by(every, chosen) == {"outcome"}
    assert ranked(alike(inside, outside), chosen_by(every, chosen)) == []
    assert len(ranked(alike(inside, outside))) == 1


def test_of_few_calls_nothing_is_claimed() -> None:
    """Three of three look like a cause; they are too few, and that is said."""
    assert ranked(alike(many(3, model="m"), [*many(580, model="m"), *many(417, model="n")])) == []
    assert nothing_stands_out(3, 997, 5) == "3 calls: too few to compare."


def calls_of_a_day() -> list[GenerationRow]:
    """Return a thousand calls, of which the forty of one hour are mostly of one version and one tenant."""
    rows: list[GenerationRow] = []
    for number in range(1000):
        is_inside, n = number < 40, number if number < 40 else number - 40
        at = NOON + timedelta(minutes=n if is_inside else -600 + n % 590, microseconds=number * 997)
        rows.append(
            builders.generation(
                at,
                "acme" if (n >= 2 if is_inside else n % 16 < 5) else "globex",
                schema_version=7 if n < (30 if is_inside else 50) else 6,
                model="m" if (n % 5 < 3 if is_inside else n % 2) else None,
                key_id="k-1" if is_inside and n < 20 else None,
            )
        )
    return rows


@pytest.fixture
def reports(store: Store) -> Reports:
    """A day of two tenants, one of which has a key with a name."""
    builders.save(store, [builders.tenant(name, START - timedelta(days=9)) for name in ("Acme", "Globex")])
    builders.save(store, ApiKey(id="k-1", tenant_id="acme", name="billing", prefix="p", hash="h", created_at=NOON))
    builders.save(store, calls_of_a_day())
    return Reports(store, ManualClock(START))


def between(starts_at: datetime, ends_at: datetime, tenant_id: str | None = None) -> CallFilter:
    """Return the calls of that time."""
    return CallFilter(starts_at=starts_at, ends_at=ends_at, tenant_id=tenant_id)


DAY, HOUR = between(NOON - timedelta(hours=11), NOON + timedelta(hours=11)), between(NOON, NOON + timedelta(hours=1))


def test_an_hour_is_held_against_the_rest_of_its_day(reports: Reports, store: Store) -> None:
    """The rest holds none of it; what chance may make is not told; each finding has counts and calls to look at."""
    found = reports.contrast(LOCAL_OPERATOR, DAY, HOUR)

    assert (found.selected, found.rest, found.sample) == (40, 960, None)
    assert [(one.trait, one.inside, one.outside) for one in found.standouts] == [
        (Trait("version", "invoice@7"), 30, 50),
        (Trait("tenant", "acme"), 38, 300),
        (Trait("key", "k-1"), 20, 0),
    ]
    assert found.sentences == [
        "schema invoice v7 is 75.0 % of these 40 calls, and 5.2 % of the 960 others",
        "tenant Acme is 95.0 % of these 40 calls, and 31.2 % of the 960 others",
        "key billing is 50.0 % of these 40 calls, and 0.0 % of the 960 others",
    ]
    for one in found.standouts:
        assert len(one.examples) == 3
        rows = [reports.call(LOCAL_OPERATOR, call) for call in one.examples]
        assert all(HOUR.starts_at <= row.started_at < HOUR.ends_at for row in rows)
    alone = reports.contrast(LOCAL_OPERATOR, between(DAY.starts_at, DAY.ends_at, "acme"), HOUR)
    assert (alone.selected, alone.rest) == (38, 300)
    with counted() as statements, closing(Store(store.url.render_as_string(hide_password=False))) as heard:
        Reports(heard, ManualClock(START)).contrast(LOCAL_OPERATOR, DAY, HOUR)
    assert len([one for one in statements.sent if "generation" in one]) == 2


def test_calls_may_be_chosen_by_what_they_are(reports: Reports) -> None:
    """Others are all that are not so, among them those of which it is not known; nothing chosen is said so."""
    model = CallFilter(starts_at=DAY.starts_at, ends_at=DAY.ends_at, model="openai/m")
    timeouts = CallFilter(starts_at=DAY.starts_at, ends_at=DAY.ends_at, outcome=Outcome.TIMEOUT)

    found = reports.contrast(LOCAL_OPERATOR, DAY, model)
    assert (found.selected, found.rest) == (504, 496)
    assert {one.trait.dimension for one in found.standouts} <= {"tenant", "key"}
    assert reports.contrast(LOCAL_OPERATOR, DAY, timeouts).sentences == ["No call is selected."]


def test_of_very_many_a_sample_is_counted(reports: Reports, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each half has a bound of its own, so that the few are counted whole; that it is a sample is said."""
    monkeypatch.setattr("core.reports.contrasts.MOST_COMPARED", 240)
    found = reports.contrast(LOCAL_OPERATOR, DAY, HOUR)

    assert found.selected == 40
    assert 180 < found.rest < 300
    assert found.sample == (
        f"A sample was counted: {found.rest} of 960 others, chosen by the microsecond in which they began."
    )
    assert {one.trait.value for one in found.standouts} == {"invoice@7", "acme", "k-1"}


def test_a_sample_stands_for_all_where_groups_are_mixed() -> None:
    """How a trait speaks at an equal mix is the same of all calls as of a tenth of one side, a hundredth of another."""
    groups = [("m", "simple", 9, 1), ("m", "complex", 6, 4), ("n", "simple", 85, 5), ("n", "complex", 5, 9)]
    sample = [
        Alike(traits=(Trait("model", model), Trait("schema", schema)), inside=inside, outside=outside)
        for model, schema, outside, inside in groups
    ]
    whole = [replace(one, inside=one.inside * 10, outside=one.outside * 100) for one in sample]
    of_all, of_some = _reversal(whole, {0, 1}, "schema", (1, 1)), _reversal(sample, {0, 1}, "schema", (10, 100))
    assert of_all is not None
    assert of_some is not None
    assert (of_some.having, of_some.others) == pytest.approx((of_all.having, of_all.others))
