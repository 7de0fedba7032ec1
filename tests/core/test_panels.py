"""Panels: every question of the pages is measured, on either database."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from core import runtime as running
from core.cli import main
from core.clock import SystemClock
from core.panels import PANELS, PagePanel, PanelBench, scanned
from core.principals import LOCAL_OPERATOR
from core.reports import Reports
from core.settings import Settings
from core.workload import Workload

QUESTIONS = {name for name in dir(Reports) if not name.startswith("_") and name != "close"}


class Heard:
    """Reports that note which of their questions is asked."""

    def __init__(self, reports: Reports) -> None:
        self.reports, self.asked = reports, set[str]()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Return a question."""
        self.asked.add(name)
        return getattr(self.reports, name)


def test_every_question_of_the_reports_is_in_a_panel(database_url: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Each is asked by some panel, and none fails; what more calls have to read is more; JSON tells all of it."""
    runtime = running.build(Settings(database_url=database_url, demo=False, local_model="off"), SystemClock())
    Workload(runtime.store, runtime.clock, tenants=2).fill(150)
    bench = PanelBench(runtime, LOCAL_OPERATOR)
    heard = Heard(bench.on.reports)
    object.__setattr__(bench.on, "reports", heard)

    costs = {(one.page, one.panel): one for one in bench.costs(PANELS, 1)}

    assert heard.asked == QUESTIONS
    assert len(costs) == len(PANELS)
    assert [one.failed for one in costs.values() if one.failed] == []
    day, month = (costs["Home", f"overview {name}, all tenants"] for name in ("24h", "30d"))
    assert 0 < day.read < month.read
    assert month.cold_ms > 0 < month.warm_ms
    assert bench.unit.split()[0] in {"steps", "rows"}
    unknown = PagePanel("Home", "of nobody", lambda on: on.reports.statement(on.principal, "nobody"))
    assert "nobody" in next(bench.costs([unknown], 1)).failed
    runtime.close()

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATABASE_URL", database_url)
        patch.setenv("LOCAL_MODEL", "off")
        assert main(["bench", "panels", "--page", "flags", "--repeat", "1", "--json"]) == 0
        document = json.loads(capsys.readouterr().out)
        assert [one["page"] for one in document["panels"]] == ["Flags"]
        assert main(["bench", "panels", "--page", "nowhere"]) == 1
        assert "There are: Home, " in capsys.readouterr().err


def test_a_plan_tells_what_its_scans_looked_at() -> None:
    """What a condition left out was read as well, once for each loop; an index scan below a heap scan is the same."""
    heap = {"Node Type": "Bitmap Heap Scan", "Actual Rows": 3, "Rows Removed by Filter": 2, "Actual Loops": 4}
    below = {"Node Type": "Bitmap Index Scan", "Actual Rows": 5, "Actual Loops": 4}
    again = {"Node Type": "CTE Scan", "Actual Rows": 7, "Actual Loops": 1}
    assert scanned({"Node Type": "Sort", "Actual Rows": 9, "Plans": [heap | {"Plans": [below]}, again]}) == 20
