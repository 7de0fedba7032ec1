"""Looks: none takes longer than it may, and they are at the copy where there is one that answers."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from core.clock import ManualClock
from core.errors import Unavailable
from core.principals import EVERYWHERE
from core.reports.looks import IS_LEFT, Looks, NobodyWaits, ReplicaState
from core.settings import Settings
from core.store import Store
from tests import builders, servers
from tests.conftest import START

ENDLESS = """
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)
SELECT COUNT(*) FROM n WHERE i < 0 {tenant}
"""
"""Counts for ever."""
NOWHERE = "postgresql+psycopg://nobody@127.0.0.1:1/none"


def test_what_takes_too_long_is_cancelled_in_the_database(store: Store) -> None:
    """It says so and what to do; the database is as well as before, and so is the next look, on the same connection."""
    with closing(Looks(store, ManualClock(START), Settings(report_seconds=0.3))) as looks:
        began = time.monotonic()
        with (
            pytest.raises(Unavailable, match="was given up: choose a shorter time"),
            looks.open(EVERYWHERE) as now,
        ):
            now.rows(ENDLESS, {}, tenant="i")
        assert time.monotonic() - began < 5
        with looks.open(EVERYWHERE) as now:
            assert now.rows("SELECT COUNT(*) FROM generation g WHERE 1 = 1 {tenant}", {})[0][0] == 0
    assert store.condition.fault is None


def test_what_nobody_waits_for_is_cancelled_in_the_database(store: Store) -> None:
    """Whoever asked has gone on: within a moment his look ends, with or without a limit."""
    left = threading.Event()
    token = IS_LEFT.set(left.is_set)
    try:
        for seconds in (0.0, 60.0):
            left.clear()
            with closing(Looks(store, ManualClock(START), Settings(report_seconds=seconds))) as looks:
                with looks.open(EVERYWHERE) as now:
                    assert now.rows("SELECT COUNT(*) FROM generation g WHERE 1 = 1 {tenant}", {})[0][0] == 0
                threading.Timer(0.3, left.set).start()
                with pytest.raises(NobodyWaits), looks.open(EVERYWHERE) as now:
                    now.rows(ENDLESS, {}, tenant="i")
    finally:
        IS_LEFT.reset(token)
    assert store.condition.fault is None


@pytest.fixture
def copy_url(store: Store, request: pytest.FixtureRequest, sqlite_template: Path, tmp_path: Path) -> Iterator[str]:
    """The URL of a second database of the same kind, at the newest schema."""
    if store.is_sqlite:
        yield f"sqlite:///{shutil.copy(sqlite_template, tmp_path / 'copy.db')}"
        return
    template = request.getfixturevalue("pg_template")
    with servers.database(request.getfixturevalue("pg_url"), "copy_of_reports", template) as url:
        yield url


def test_a_copy_is_asked_where_it_answers(store: Store, copy_url: str) -> None:
    """Its rows are what is told; one that is down is left alone for a while, the database is asked, and it is said."""
    clock = ManualClock(START)
    with closing(Store(copy_url)) as other:
        builders.save(other, builders.generation(START))

    def calls(looks: Looks) -> int:
        with looks.open(EVERYWHERE) as now:
            return int(now.rows("SELECT COUNT(*) FROM generation g WHERE 1 = 1 {tenant}", {})[0][0])

    with closing(Looks(store, clock, Settings(reports_database_url=copy_url))) as looks:
        assert calls(looks) == 1
        assert looks.replica() == ReplicaState(is_down=False, lag_seconds=0)
    with closing(Looks(store, clock, Settings(reports_database_url=NOWHERE))) as looks:
        assert (calls(looks), calls(looks)) == (0, 0)
        assert looks.replica() == ReplicaState(is_down=True, lag_seconds=0)
        clock.advance(31)
        looks._replica = Store(copy_url)  # it is there again
        assert calls(looks) == 1
        with closing(Store(copy_url)) as other, other.engine.begin() as connection:
            connection.exec_driver_sql("ALTER TABLE generation RENAME TO elsewhere")
        with pytest.raises((DBAPIError, Unavailable)):
            calls(looks)
        assert calls(looks) == 0, "one that fails on a question is left as well"
        clock.advance(31)
        with pytest.raises((DBAPIError, Unavailable)):
            calls(looks)
    with closing(Looks(store, clock)) as looks:
        assert looks.replica() is None
