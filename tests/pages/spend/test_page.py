"""Spend, and the statement: empty, full, one tenant, and when something is wrong."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from core import runtime as running
from core.runtime import Runtime
from core.store import Store
from core.tables import Outcome, RollupProof, Verification
from tests import builders
from tests.core.test_spend import ELSEWHERE, INVALID, call
from tests.pages.conftest import NOW, Open

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
CENT = 10_000_000


@pytest.fixture
def world(proctor: Runtime) -> Runtime:
    """Acme (UTC): a call of two cents on each of twenty days, all sorts of calls today. Borealis: one call today."""
    daily = [
        call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": 2 * CENT}, at=NOW - n * DAY - 2 * HOUR) for n in range(1, 21)
    ]
    builders.save(
        proctor.store,
        builders.tenant("Acme", NOW - 60 * DAY),
        builders.tenant("Borealis", NOW - 60 * DAY, "Asia/Kathmandu"),
        *builders.budget(builders.tenant("Acme", NOW), 100 * CENT, 9 * CENT, NOW),
        [row for rows in daily for row in rows],
        call(Outcome.VALID_AFTER_REASK, INVALID | {"cost_nano_usd": CENT}, {"cost_nano_usd": 2 * CENT}),
        call(Outcome.VALID_AFTER_FALLBACK, INVALID, ELSEWHERE | {"cost_nano_usd": None}),
        call(Outcome.TIMEOUT, {"outcome": Outcome.TIMEOUT, "estimated": True, "cost_nano_usd": CENT}),
        call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": CENT}, tenant_id="borealis"),
    )
    proctor.chores.do("outlooks")
    return proctor


def figures(page: AppTest) -> dict[str, str]:
    """Return the tiles' values by their labels."""
    return {tile.label: tile.value for tile in page.metric}


def paper(page: AppTest) -> str:
    """Return the statement's HTML."""
    return "".join(part.proto.body for part in page.get("html"))


class TestSpend:
    """The page Spend."""

    def test_says_what_to_do_next(self, open_page: Open) -> None:
        """Where nothing was ever called there are ways on, and no figure pretends to be one."""
        page = open_page("spend")
        assert page.header[0].value == "Nothing spent yet"
        assert [link.value for link in page.get("page_link")] == ["Open the playground", "Set a budget"]
        assert not page.metric

    def test_a_day_of_all_tenants(self, world: Runtime, open_page: Open) -> None:
        """The tiles are those of the rows: 5 cents and 100 nano-dollars, two of them and these thrown away."""
        page = open_page("spend")
        assert not page.exception
        shown = figures(page)
        assert (shown["Spend"], shown["Thrown away"]) == ("$0.0500", "$0.0200")
        spend = page.metric[0].proto
        assert spend.delta_description == "1 unpriced · $0.0100 estimated"
        assert [header.value for header in page.header] == [
            "Spend over time",
            "Thrown away",
            "What the money bought",
            "Forecast",
            "Books",
            "Caches",
        ]

    def test_what_is_not_known_stands_beside_the_table(self, world: Runtime, open_page: Open) -> None:
        """Under the table of the money stands the sum, and what it does not hold."""
        page = open_page("spend")
        assert any("unpriced" in line.value and "estimated" in line.value for line in page.caption)

    def test_cuts(self, world: Runtime, open_page: Open) -> None:
        """The table is cut by tenant, by model and by schema; each cut has its CSV."""
        page = open_page("spend")
        assert page.dataframe[0].value["name"].tolist() == ["Acme", "Borealis"]
        page.segmented_control(key="cut").set_value("By model").run()
        figures = page.dataframe[0].value.set_index("name")
        assert figures.loc["anthropic/claude-haiku-4-5", "unpriced"] == 1
        assert figures.loc["anthropic/claude-haiku-4-5", ["spend"]].isna().all()
        page.segmented_control(key="cut").set_value("By schema").run()
        assert page.dataframe[0].value["name"].tolist() == ["invoice@1"]
        for kind in ("Model", "Schema", "Use"):
            page.segmented_control(key="stacked").set_value(kind).run()
            assert not page.exception

    def test_every_chart_says_what_it_shows(self, world: Runtime, open_page: Open) -> None:
        """Each chart has a name with its finding in it."""
        names = [chart.proto.alt for chart in open_page("spend").get("vega_lite_chart")]
        assert names[0] == "Spend over time, stacked by tenant: $0.0500 in all"
        assert "most went to attempts that ended" in names[1]

    def test_one_tenants_forecast(self, world: Runtime, open_page: Open) -> None:
        """One tenant's month is foreseen in a sentence and drawn; how good that is stands under it."""
        page = open_page("spend")
        page.selectbox(key="tenant").select("Acme").run()
        assert not page.exception
        told = next(line.value for line in page.markdown if "Probably" in line.value)
        assert "2026-03 so far" in told
        assert "with 80% likelihood between" in told
        assert any(line.value.startswith("Asked on every past morning") for line in page.caption)
        assert any("As of" in line.value and "made anew every quarter" in line.value for line in page.caption)
        assert any(chart.proto.alt.startswith("Spend of 2026-03") for chart in page.get("vega_lite_chart"))

    def test_none_yet(self, world: Runtime, open_page: Open) -> None:
        """A tenant that is newer than the last round is told that its forecast is still to be made."""
        builders.save(world.store, builders.tenant("New", NOW), call(Outcome.VALID_FIRST_TRY, {}, tenant_id="new"))
        page = open_page("spend")
        page.selectbox(key="tenant").select("New").run()
        assert not page.exception
        assert any(line.value.startswith("There is no forecast yet.") for line in page.caption)

    def test_too_little_to_foresee(self, world: Runtime, open_page: Open) -> None:
        """A tenant of one call is told what a forecast needs, and its tile is a dash."""
        page = open_page("spend")
        page.selectbox(key="tenant").select("Borealis").run()
        assert not page.exception
        assert any("A forecast needs 5 whole days of calls; there are 0." in line.value for line in page.markdown)
        assert figures(page)["Month-end"] == "\N{EN DASH}"

    def test_calls_but_none_of_late(self, world: Runtime, open_page: Open, page_clock: Any) -> None:
        """A window without calls says when the latest was."""
        page_clock.advance(3 * 86400)
        assert open_page("spend").header[0].value == "No calls in the last 24 hours"

    def test_the_books(self, world: Runtime, open_page: Open) -> None:
        """Never verified, adding up, and differing are told apart, with the time."""
        common: dict[str, Any] = {"accounts": 2, "attempts": 9, "held_nano_usd": 0, "duration_ms": 3.5, "by": "ann"}

        def said() -> str:
            return " ".join(line.value for line in open_page("spend").markdown)

        assert "Never verified" in said()
        good = Verification(id="a", at=NOW - HOUR, ok=True, difference_nano_usd=0, **common)
        builders.save(world.store, good)
        assert "Adds up" in said()
        bad = Verification(id="b", at=NOW, ok=False, difference_nano_usd=CENT, **common)
        builders.save(world.store, bad)
        assert "Differs" in said()
        builders.save(world.store, RollupProof(day=NOW, at=NOW, differing=1, told=["by all, spent is 5 too high"]))
        assert "Sums differ] on 1 day" in said()
        assert "spent is 5 too high" in said()

    def test_no_database(self, proctor: Runtime, open_page: Open, tmp_path: Path) -> None:
        """Without its database the page says so and shows no figures and no traceback."""
        (tmp_path / "broken.db").write_bytes(b"not a database" * 100)
        broken = Store(f"sqlite:///{tmp_path / 'broken.db'}")
        running.install(dataclasses.replace(proctor, store=broken))
        page = open_page("spend")
        broken.close()
        assert page.error[0].value.startswith("The database's file is damaged")
        assert not page.metric
        assert not page.exception


class TestStatement:
    """The printable page."""

    def test_nobody(self, open_page: Open) -> None:
        """Where there is no tenant it says what a statement is of."""
        assert open_page("statement").header[0].value == "No statements yet"

    def test_the_month_under_way(self, world: Runtime, open_page: Open) -> None:
        """It names tenant, month and zone, what is unpriced and estimated, and that it is not closed."""
        page = open_page("statement")
        assert not page.exception
        sheet = paper(page)
        for words in ("Statement 2026-03", "not closed yet", "Acme", "anthropic/claude-haiku-4-5 (1 attempt)", "UTC"):
            assert words in sheet
        assert "Estimated, because the provider did not report the usage: $0.0100 for 1 attempt" in sheet

    def test_how_the_providers_billed(self, proctor: Runtime, open_page: Open) -> None:
        """What was served in another tier or region has a table of its own, which adds up; without, there is none."""
        builders.save(
            proctor.store,
            builders.tenant("Acme", NOW - 9 * DAY),
            call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": 4 * CENT, "billing": {"tier": "priority"}}),
            call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": 2 * CENT, "billing": {"tier": "flex", "geo": "eu"}}),
            call(Outcome.VALID_FIRST_TRY, {"cost_nano_usd": CENT, "billing": {"remark": "Odd."}}),
        )
        sheet = paper(open_page("statement"))
        table = sheet.partition("By service tier and region</h3>")[2].partition("</table>")[0]
        rows = [part.partition("</td>")[0] for part in table.split('<td class="long">')[1:]]
        assert rows == ["priority", "flex, in eu", "standard"], "the dearest first"
        figures = [part.rpartition("<td>")[0] for part in table.split("<tr>")]
        spent = ["0.0400", "0.0200", "0.0100", "0.0700"]
        for amount, row in zip(spent, figures[-4:], strict=True):
            assert amount in row

    def test_the_usual_needs_no_table(self, world: Runtime, open_page: Open) -> None:
        """Where all was standard the sheet says nothing of tiers."""
        assert "By service tier" not in paper(open_page("statement"))

    def test_an_older_month(self, world: Runtime, open_page: Open) -> None:
        """Another month is chosen, and stands in the sheet as closed."""
        page = open_page("statement")
        page.selectbox(key="month").select("2026-02").run()
        assert "Statement 2026-02</h2>" in paper(page)

    def test_no_month(self, world: Runtime, open_page: Open) -> None:
        """A link to what is no month says so, without a traceback."""
        page = open_page("statement", month="2026-99")
        assert not page.exception
        assert "is no month" in page.error[0].value

    def test_names_are_text(self, proctor: Runtime, open_page: Open) -> None:
        """A schema's title with markup in it is shown as it stands."""
        hostile = call(Outcome.VALID_FIRST_TRY, {}, schema_name="<script>x</script>", schema_version=None)
        builders.save(proctor.store, builders.tenant("Acme", NOW - 9 * DAY), hostile)
        sheet = paper(open_page("statement"))
        assert "&lt;script&gt;" in sheet
        assert "<script>" not in sheet

    def test_only_the_sheet_is_printed(self, world: Runtime, open_page: Open) -> None:
        """The style hides menu and controls on paper, and is light in every theme."""
        sheet = paper(open_page("statement"))
        printed = sheet.partition("@media print")[2]
        assert "stSidebar" in printed
        assert "background: #fff" in sheet
