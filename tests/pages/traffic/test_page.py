"""Traffic: what it says of the calls of a day, of what was picked out of them, and when something is wrong."""

from __future__ import annotations

import dataclasses
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.runtime import Runtime
from core.store import Store
from core.tables import ApiKey, Outcome
from tests import builders
from tests.pages.conftest import NOW, Open

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
OUTAGE = {"from": "2026-03-04T09:00+00:00", "to": "2026-03-04T10:00+00:00"}


def calls(many: int, at: Any, tenant: str = "acme", outcome: str = Outcome.VALID_FIRST_TRY, **more: Any) -> list[Any]:
    """Return as many calls with an attempt each."""
    made = [builders.generation(at, tenant, outcome, key_id=f"key-{tenant}", **more) for _ in range(many)]
    return [row for one in made for row in (one, builders.attempt(one, outcome=outcome, id=builders.new_id(at)))]


@pytest.fixture
def world(proctor: Runtime) -> Runtime:
    """Acme with some calls in each of ten hours, and two just now; at 9 thirty of Borealis timed out elsewhere."""
    key = {"created_at": NOW - 9 * DAY, "name": "production", "prefix": "prk_"}
    builders.save(
        proctor.store,
        builders.tenant("Acme", NOW - 9 * DAY),
        builders.tenant("Borealis", NOW - 9 * DAY, "Asia/Kathmandu"),
        [ApiKey(id=f"key-{one}", tenant_id=one, hash=one, **key) for one in ("acme", "borealis")],
        *(calls(12 + n, NOW - n * HOUR) for n in range(1, 11)),
        calls(2, NOW - timedelta(minutes=2)),
        calls(
            30,
            NOW - 3 * HOUR,
            "borealis",
            Outcome.TIMEOUT,
            error_code="timeout",
            provider="anthropic",
            model="claude-haiku-4-5",
            schema_name="ticket",
        ),
    )
    return proctor


def alts(page: AppTest) -> dict[str, str]:
    """Return what each chart finds, by what it shows."""
    told = [str(chart.proto.alt) for chart in page.get("vega_lite_chart")]
    return dict(re.split(r"[;:] ", one, maxsplit=1) if re.search(r"[;:] ", one) else (one, "") for one in told)


def words(page: AppTest) -> str:
    """Return all sentences, as they are read."""
    return " ".join(one.value for one in (*page.markdown, *page.caption)).replace("\\", "")


def test_says_what_to_do_next(open_page: Open) -> None:
    """Where nothing was ever called there are ways on, and no figure pretends to be one."""
    page = open_page("traffic")
    assert page.header[0].value == "No calls yet"
    assert not page.metric
    assert not page.get("vega_lite_chart")


def test_a_day_of_all_tenants(world: Runtime, open_page: Open) -> None:
    """Figures are those of the rows, charts tell their finding, and the bar that fills is neither most nor fewest."""
    builders.save(world.store, calls(60, NOW - timedelta(minutes=1)))
    page = open_page("traffic", measure="errors", by="tenant")
    assert not page.exception
    assert {one.label: one.value for one in page.metric}["Calls"] == "267"
    assert "**267 calls**, 11.1 an hour; 30 errors (timeout)" in words(page)
    assert "the busiest 30 minutes from Mar 04, 09:00 on (45), the quietest from Mar 03, 12:00 on (0)" in words(page)
    found = alts(page)
    assert found["Calls over time by outcome"] == "237 valid, 30 error; most from Mar 04, 09:00: 45"
    assert found["Errors over time by outcome"] == "most are Timeout: 30 of 30"
    assert found["Errors over time by tenant"] == "Borealis peaks at 30 from Mar 04, 09:00"
    assert found["Errors by tenant over time"].startswith("highest for Borealis, Mar 04, 09:00 \N{EN DASH} 09:30: 30")
    assert page.dataframe[0].value[["name", "calls", "errors"]].values.tolist() == [
        ["Acme", 237, 0],
        ["Borealis", 30, 30],
    ]


@pytest.mark.parametrize(
    ("by", "measure", "names"),
    [
        ("model", "p95", ["openai/gpt-4o-mini", "anthropic/claude-haiku-4-5"]),
        ("key", "error_rate", ["Acme · production", "Borealis · production"]),
        ("version", "spend", ["invoice v1", "ticket v1"]),
        ("outcome", "calls", ["Valid", "Timeout"]),
    ],
)
def test_groups(world: Runtime, open_page: Open, by: str, measure: str, names: list[str]) -> None:
    """Each group has a name of its own, and whatever is measured by whatever is drawn or refused in a sentence."""
    page = open_page("traffic", by=by, measure=measure)
    assert not page.exception
    assert not page.error
    assert page.dataframe[0].value["name"].tolist() == names
    page.selectbox(key="measure").select("tokens").run()
    assert not page.exception
    assert ("'tokens' is not" in words(page)) == (by == "outcome")


def test_what_is_different_in_a_stretch(world: Runtime, open_page: Open) -> None:
    """What was dragged over is held against what it was cut out of: sentence, counts, calls to look at, a way back."""
    page = open_page("traffic", around="24h", **OUTAGE)
    assert not page.exception
    said = words(page)
    assert "**All calls from Mar 04, 09:00 to Mar 04, 10:00**, against the others in the last 24 hours." in said
    assert "tenant Borealis is 66.7 % of these 45 calls, and 0.0 % of the 162 others." in said
    assert "30 of 45 against 0 of 162. The same calls: schema ticket v1" in said
    assert 1 <= len(re.findall(r"\[\d\]\(/calls\?[^)]*call=", said)) <= 3
    page.button(key="zoom_out").click().run()
    assert (page.query_params.get("around"), page.query_params.get("from")) == (None, None)
    assert "**207 calls**" in words(page)


def test_what_is_different_about_a_group(world: Runtime, open_page: Open) -> None:
    """What it was chosen by is not told of it; its calls are a link, and it can become the search."""
    page = open_page("traffic", here="tenant:Borealis", at="2026-03-04T09:00+00:00/2026-03-04T09:30+00:00")
    said = words(page)
    assert "schema ticket v1 is 100.0 % of these 30 calls, and 0.0 % of the 177 others." in said
    assert "tenant Borealis is" not in said
    page.button(key="only_these").click().run()
    assert page.query_params.get("q") == "tenant:Borealis"
    assert "**30 calls**" in words(page)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"here": "error:timeout", "at": "2026-03-03T09:00Z/2026-03-03T10:00Z"}, "No call is selected."),
        ({"around": "6h", "from": "2026-03-04T12:04Z", "to": "2026-03-04T12:06Z"}, "2 calls: too few to compare."),
        ({"here": "route:default"}, "No other calls to compare with: too few."),
        ({}, "Drag across a chart to zoom in"),
    ],
)
def test_nothing_is_told(world: Runtime, open_page: Open, asked: dict[str, str], said: str) -> None:
    """Where there is nothing to tell, the reason stands there."""
    page = open_page("traffic", **asked)
    assert not page.exception
    assert said in words(page)
    assert "% of these" not in words(page)


@pytest.mark.parametrize(
    ("q", "said"),
    [
        ("latency:>2s", "No figures are kept by 'latency:>2000ms'"),
        ("tenant:(", "Nothing follows 'tenant:('"),
        ("model:openai/none", "Take out a term of the search"),
    ],
)
def test_a_search_that_finds_nothing(world: Runtime, open_page: Open, q: str, said: str) -> None:
    """What cannot be asked for, read or found is said, and no figure is drawn."""
    page = open_page("traffic", q=q)
    assert not page.exception
    assert said in " ".join(one.value for one in (*page.error, *page.caption)).replace("\\", "")
    assert not page.metric


def test_all_others_are_the_rest(proctor: Runtime, open_page: Open) -> None:
    """Of more models than are told apart the others are one row, made of their calls, and its card leads to these."""
    models = [calls(2, NOW - HOUR, model=f"model-{n:02}") for n in range(22)]
    builders.save(proctor.store, builders.tenant("Acme", NOW - 9 * DAY), *models)
    page = open_page("traffic")
    rows = page.dataframe[0].value
    assert (len(rows), rows["name"].iloc[-1], rows["calls"].iloc[-1]) == (21, "All others", 4)
    cards = "".join(part.proto.body for part in page.get("html"))
    assert cards.count("/traffic?here=model") == 20
    assert cards.count("/calls?range=24h&amp;q=-%28model") == 1


def test_no_database(proctor: Runtime, open_page: Open, tmp_path: Path) -> None:
    """Without its database the page says so and shows no figures and no traceback."""
    (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
    broken = Store(f"sqlite:///{tmp_path / 'broken.db'}")
    running.install(dataclasses.replace(proctor, store=broken))
    page = open_page("traffic")
    broken.close()
    assert page.error[0].value.startswith("The database's file is damaged")
    assert not page.metric
    assert not page.exception
