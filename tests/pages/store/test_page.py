"""Store: how large it is stands in one sentence, what takes the room below it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from core.clock import EPOCH, ManualClock
from core.principals import LOCAL_OPERATOR
from core.reports import Reports
from core.reports.store_size import StoreSize
from core.rollups import Folding
from core.runtime import Runtime
from core.store import Store
from tests import builders
from tests.conftest import START
from tests.pages.conftest import Open


def test_the_sentence_comes_first(open_page: Open, proctor: Runtime) -> None:
    """Size, growth and how long it lasts, then a line per family, then how the sums stand."""
    calls = [builders.generation(proctor.clock.now() - timedelta(days=day)) for day in range(1, 5)]
    builders.save(proctor.store, calls, [builders.attempt(one) for one in calls])
    Folding(proctor.store).run()
    builders.save(proctor.store, builders.generation(proctor.clock.now()))
    page = open_page("store")
    (said,) = [one.value for one in page.markdown if "The database takes **" in one.value]
    assert "are free on its disk, which lasts" in said
    assert any("Sums hold every call. 1 row" in one for one in page.caption.values)
    assert len(page.dataframe[0].value) >= 4
    assert "Calls are kept for ever: no tenant says for how many days." in page.caption.values


def test_who_keeps_calls_for_how_long(open_page: Open, proctor: Runtime) -> None:
    """A tenant that says for how many days has a line, with how many are to go."""
    now = proctor.clock.now()
    builders.save(proctor.store, builders.tenant("Umbra", now, call_days=90))
    builders.save(proctor.store, builders.generation(now - timedelta(days=95), "umbra"))
    Folding(proctor.store).run()
    table = open_page("store").dataframe[-1].value
    assert table[["Tenant", "Days", "To go"]].values.tolist() == [["Umbra", "90", "1"]]


@pytest.mark.parametrize("days", [1, 7])
def test_growth_is_what_was_recorded_lately(store: Store, days: int) -> None:
    """Of both databases: rows of the last days, as large as those that are kept, whenever the first of them was."""
    calls = [builders.generation(START - timedelta(days=1 + n // 6, seconds=n)) for n in range(6 * days)]
    builders.save(store, calls, [builders.attempt(one) for one in calls])
    Folding(store).run()
    if not store.is_sqlite:
        with store.engine.connect() as connection:
            connection.exec_driver_sql("ANALYZE")
    found: StoreSize = Reports(store, ManualClock(START)).store_size(LOCAL_OPERATOR)
    by_name = {one.name: one for one in found.families}
    assert by_name["calls"].rows == 12 * days
    assert found.rows_a_day == pytest.approx(12, rel=0.2)
    assert found.growth is not None
    assert found.growth == pytest.approx(
        sum(by_name[name].byte_count for name in ("calls", "ledger", "sums")) / days, rel=0.3
    )
    assert (found.unfolded, found.built_from, found.is_estimate) == (0, EPOCH, not store.is_sqlite)
    assert found.used >= sum(one.byte_count for one in found.families) * 0.5
    assert (found.lasts_days is not None) == store.is_sqlite
