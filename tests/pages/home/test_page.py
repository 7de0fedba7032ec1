"""Home, as it is for a stranger, on a good day and on a bad one."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.principals import Principal
from core.runtime import Runtime
from core.store import Store
from core.tables import Outcome
from pages.home import tables
from pages.kit import charts as kit_charts
from pages.kit import page as kit
from tests import builders
from tests.pages.conftest import NOW, Open

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def world(proctor: Runtime) -> Runtime:
    """Acme (UTC) with 40 calls an hour ago, three of them in error, and Borealis (Kathmandu) with two yesterday."""
    calls = [builders.generation(NOW - HOUR, duration_ms=100.0 * n) for n in range(1, 38)]
    errors = [builders.generation(NOW - HOUR, outcome=Outcome.TIMEOUT, duration_ms=9000.0) for _ in range(3)]
    builders.save(
        proctor.store,
        builders.tenant("Acme", NOW - 9 * DAY),
        builders.tenant("Borealis", NOW - 9 * DAY, "Asia/Kathmandu"),
        [*calls, *errors],
        [builders.generation(NOW - 20 * HOUR, "borealis", cost_nano_usd=None) for _ in range(2)],
    )
    return proctor


def figures(page: AppTest) -> dict[str, str]:
    """Return the tiles' values by their labels."""
    return {tile.label: tile.value for tile in page.metric}


def charts(page: AppTest) -> list[str]:
    """Return what the charts are called to those who do not see them."""
    return [chart.proto.alt for chart in page.get("vega_lite_chart")]


class TestEmpty:
    """A Proctor that was never called."""

    def test_says_what_to_do_next(self, open_page: Open) -> None:
        """There are ways to the playground and to a key, and a command to copy; no figure pretends to be one."""
        page = open_page("home")
        assert not page.exception
        assert [link.value for link in page.get("page_link")] == ["Open the playground", "Make a tenant and a key"]
        assert "curl http://localhost:8501/v1/generate" in page.code[0].value
        assert any("proctor demo" in text.value for text in page.markdown), "nobody asked for a demo world"
        assert not page.metric

    def test_a_tenant_without_calls(self, world: Runtime, open_page: Open) -> None:
        """Choosing a tenant that never called says so by its name."""
        builders.save(world.store, builders.tenant("Quiet", NOW))
        page = open_page("home", of="Quiet")
        assert page.header[0].value == "No calls of Quiet yet"

    def test_calls_but_none_of_late(self, world: Runtime, open_page: Open, page_clock: Any) -> None:
        """A window without calls says when the latest was; its counts are 0 and its rates unknown."""
        page_clock.advance(3 * 3600)
        page = open_page("home", last="1h")
        assert page.header[0].value == "No calls in the last hour"
        assert figures(page)["Blocked"] == "0"
        assert figures(page)["Error rate"] == "\N{EN DASH}"
        assert any("4 h ago" in caption.value for caption in page.caption)


def first_sentence(page: Any) -> str:
    """Return what Home says first of its figures."""
    return next(text.value for text in page.markdown if "got an object" in text.value)


class TestFigures:
    """The tiles, against rows counted by hand."""

    def test_a_day_of_all_tenants(self, world: Runtime, open_page: Open) -> None:
        """Who got an object, who was blocked, errors, p95, spend and cost per valid object are those of the rows."""
        page = open_page("home")
        assert first_sentence(page).startswith("**42 calls**, **92.9% got an object**")
        assert figures(page) == {
            "Got an object": "92.9%",
            "Blocked": "0",
            "Error rate": "7.14%",
            "p95 latency": "8.95 s",
            "Spend": "$0.0046",
            "Cost per valid": "$0.00012",
        }

    def test_unpriced_calls_are_said(self, world: Runtime, open_page: Open) -> None:
        """The two calls without a price are counted beside the spend, and their tenant's spend is not shown as 0."""
        page = open_page("home")
        spend = next(tile for tile in page.metric if tile.label == "Spend")
        assert "2 unpriced" in spend.proto.delta_description
        tenants = page.dataframe[0].value
        assert tenants.loc[tenants["tenant"] == "Borealis", "spend_usd"].isna().all()

    def test_few_calls_have_no_p95(self, world: Runtime, open_page: Open) -> None:
        """Two calls give no p95 worth reading: a dash, and what it would take."""
        page = open_page("home", of="Borealis")
        tile = next(tile for tile in page.metric if tile.label == "p95 latency")
        assert tile.value == "\N{EN DASH}"
        assert tile.proto.delta_description == "from 20 calls on"

    def test_one_tenant_in_its_own_time(self, world: Runtime, open_page: Open) -> None:
        """A tenant in the URL narrows every figure, and times are told in its zone."""
        page = open_page("home", of="Borealis")
        assert first_sentence(page).startswith("**2 calls**")
        assert "times in Asia/Kathmandu · as of Mar 04, 17:52:00" in page.caption[-1].value

    def test_the_range_is_in_the_url(self, world: Runtime, open_page: Open) -> None:
        """Another range counts other calls, and says from when on."""
        page = open_page("home", last="6h")
        assert first_sentence(page).startswith("**40 calls**")
        assert page.caption[-1].value.startswith("40 calls that began from Mar 04, 06:00 on · times in UTC")

    def test_nonsense_in_the_url(self, world: Runtime, open_page: Open) -> None:
        """A tenant or a range that is not there leaves the page as it is without them."""
        page = open_page("home", of="Nobody", last="99y")
        assert not page.exception
        assert first_sentence(page).startswith("**42 calls**")

    def test_change_against_the_day_before(self, world: Runtime, open_page: Open) -> None:
        """Three of forty-two calls got no object; of twenty-one the day before all did. Tile and sentence say so."""
        builders.save(world.store, [builders.generation(NOW - 30 * HOUR) for _ in range(21)])
        page = open_page("home")
        assert page.metric[0].delta == "-7.1 pp"
        assert "(-7.1 pp against" in first_sentence(page)

    def test_who_is_refused_is_not_well(self, world: Runtime, open_page: Open) -> None:
        """A tenant whose calls its budget blocks got no objects, and is named with why; its errors are none."""
        blocked = [builders.generation(NOW - HOUR, "borealis", Outcome.BLOCKED_BUDGET) for _ in range(60)]
        builders.save(world.store, blocked)
        page = open_page("home")
        told = first_sentence(page)
        assert "63 did not, mostly blocked: budget, of" in told
        assert "Borealis" in told
        assert figures(page)["Blocked"] == "60"
        row = page.dataframe[0].value.set_index("tenant").loc["Borealis"]
        assert (list(row["status"]), row["blocked"]) == (["Blocking"], 60)
        assert row["got_object"] == pytest.approx(100 * 2 / 62)


class TestPanels:
    """What stands under the tiles."""

    def test_every_chart_says_what_it_shows(self, world: Runtime, open_page: Open) -> None:
        """Each chart has a name with its finding in it, for those who do not see it."""
        names = charts(open_page("home"))
        assert names == [
            "Median, 95th and 99th percentile of latency over time; p95 peaks at 8.95 s around Mar 04, 11:00",
            "Error rate by tenant over time; highest for Acme from Mar 04, 11:00: 7.5% of 40 calls",
            "Calls over time by outcome: 39 valid, 3 errors, 0 blocked",
            "Spend over time, stacked by tenant; Acme spends most",
        ]

    def test_they_are_made_once_for_all_who_look(
        self, world: Runtime, open_page: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A second visitor who may see the same is shown the same charts and tables, and nothing is shaped for him."""
        made: list[str] = []
        shaping = {
            (module, name): getattr(module, name)
            for module, names in (
                (kit_charts, ("latency", "spend", "outcomes", "heat")),
                (tables, ("tenants", "models", "schemas", "fields")),
            )
            for name in names
        }
        for (module, name), shape in shaping.items():
            monkeypatch.setattr(
                module, name, lambda overview, name=name, shape=shape: made.append(name) or shape(overview)
            )
        first, second = open_page("home"), open_page("home")
        assert sorted(made) == [
            *("fields", "heat", "latency", "models", "outcomes", "schemas", "spend", "tenants"),
        ]
        assert [chart.proto for chart in first.get("vega_lite_chart")] == [
            chart.proto for chart in second.get("vega_lite_chart")
        ]
        assert all(one.value.equals(other.value) for one, other in zip(first.dataframe, second.dataframe, strict=True))

    def test_one_tenant_is_not_compared(self, world: Runtime, open_page: Open) -> None:
        """With one tenant there is neither a table of tenants nor an error map by tenant."""
        page = open_page("home", of="Acme")
        assert not any("by tenant over time" in name for name in charts(page))
        assert [header.value for header in page.header] == [
            "Latency percentiles",
            "Calls by outcome",
            "Models",
            "Schemas",
            "Fields that fail most",
            "Spend",
            "Changes",
        ]

    def test_tenants_are_told_how_they_stand(self, world: Runtime, open_page: Open) -> None:
        """A tenant near its budget is called so, one beyond it too, one whose calls fail as well."""
        many = [builders.generation(NOW - 2 * HOUR, "borealis", Outcome.REFUSED) for _ in range(20)]
        builders.save(world.store, many, *builders.budget(builders.tenant("Acme", NOW), 1_000_000, 850_000, NOW))
        tenants = open_page("home").dataframe[0].value.set_index("tenant")
        assert list(tenants.loc["Acme", "status"]) == ["Near budget"]
        assert tenants.loc["Acme", "used"] == pytest.approx(85)
        assert list(tenants.loc["Borealis", "status"]) == ["Failing"]

    def test_fields_and_changes(self, world: Runtime, open_page: Open) -> None:
        """The worst field is named with its rule, and what operators changed is listed in plain words."""
        call = builders.generation(NOW - HOUR, outcome=Outcome.INVALID)
        error = builders.field_error(builders.attempt(call), "$.total", "decimal_parsing")
        builders.save(
            world.store, call, error, builders.change(NOW - HOUR, "flag", "cache", "Flag *cache* is on for all.")
        )
        page = open_page("home")
        assert page.dataframe[3].value[["schema", "path", "type", "errors"]].to_numpy().tolist() == [
            ["invoice@1", "$.total", "decimal_parsing", 1]
        ]
        assert any("Flag \\*cache\\* is on for all" in line.value for line in page.markdown)


class TestAlert:
    """The warning at the top."""

    def test_all_is_well(self, world: Runtime, open_page: Open, page_clock: Any) -> None:
        """Errors of two hours ago are history, no alarm."""
        page_clock.advance(2 * 3600)
        assert not open_page("home").warning

    def test_failing_calls_and_a_spent_budget(self, world: Runtime, open_page: Open) -> None:
        """What fails now comes first, a nearly spent budget after it."""
        failing = [builders.generation(NOW - MINUTE, "borealis", Outcome.PROVIDER_ERROR) for _ in range(12)]
        builders.save(
            world.store,
            failing,
            *builders.budget(builders.tenant("Acme", NOW), 1_000_000_000, 990_000_000, NOW),
        )
        warning = open_page("home").warning[0]
        assert warning.proto.title == "[Borealis\\: 100% of calls fail](/tenants?tenant=Borealis)"
        assert "12 of 12 calls" in warning.value
        assert "99% of the budget" in warning.value

    def test_an_open_breaker(self, world: Runtime, open_page: Open) -> None:
        """A model whose breaker opened is named, whatever else is wrong."""
        for _ in range(10):
            world.breakers.note("openai", "gpt-4o-mini", healthy=False)
        assert "gpt\\-4o\\-mini is failing" in open_page("home").warning[0].proto.title


class TestTrouble:
    """What the page does when it cannot do its work."""

    def test_no_database(self, proctor: Runtime, open_page: Open, tmp_path: Path) -> None:
        """Without its database the page says so, offers to try again, and shows no figures and no traceback."""
        (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
        broken = Store(f"sqlite:///{tmp_path / 'broken.db'}")
        running.install(dataclasses.replace(proctor, store=broken))
        page = open_page("home")
        broken.close()
        assert page.error[0].value.startswith("The database's file is damaged")
        assert page.button(key="try_again")
        assert not page.metric
        assert not page.exception

    def test_not_allowed(self, world: Runtime, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
        """Whoever lacks the permission sees what is missing and nothing else."""
        monkeypatch.setattr(kit, "current_principal", lambda: Principal("a guest", ()))
        page = open_page("home")
        assert "a guest lacks the permission generations.read" in page.error[0].value.replace("\\", "")
        assert not page.metric
        assert not page.dataframe


@pytest.mark.parametrize(
    ("calls", "error_rate", "named"),
    [
        (14, 0.93, ["Errors", "Few calls"]),
        (40, 0.93, ["Failing"]),
        (14, 0.0, ["Healthy"]),
        (0, 0.0, ["Quiet"]),
    ],
)
def test_no_tenant_is_healthy_whose_calls_mostly_fail(calls: int, error_rate: float, named: list[str]) -> None:
    """Of a few calls it is said that they are few, and that there are errors among them."""
    assert tables.status(SimpleNamespace(calls=calls, error_rate=error_rate, used=0.0, blocked=0)) == named
