"""How versions fare: of all schemas, of some and of one it is the same; what is asked of some an index answers."""

from __future__ import annotations

from datetime import timedelta

from core.clock import ManualClock, micros
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, VersionFigures, Window
from core.reports.queries import BEFORE_NEWEST, VERSION_ROUTES
from core.store import Store
from tests import builders
from tests.conftest import START

MINUTE = timedelta(minutes=1)
NAMES = [f"form_{number}" for number in range(200)]
SOME = NAMES[20:45]


def test_some_and_one_have_the_figures_that_they_have_among_all(store: Store) -> None:
    """On both databases; one schema is told with its latency and routes besides, and none is asked of nobody."""
    calls = [
        builders.generation(
            START - n * MINUTE, "acme" if n % 3 else "other", schema_name=NAMES[n % 200], schema_version=1 + n % 7
        )
        for n in range(1, 1500)
    ]
    builders.save(store, calls)
    reports = Reports(store, ManualClock(START))
    window = Window.last(timedelta(days=1), START)
    for tenant in (None, "acme"):
        every = reports.schemas(LOCAL_OPERATOR, window, tenant)
        assert reports.schemas(LOCAL_OPERATOR, window, tenant, among=SOME) == [
            one for one in every if one.schema in SOME
        ]
        alone = reports.schemas(LOCAL_OPERATOR, window, tenant, SOME[0])
        assert [_bare(one) for one in alone] == [_bare(one) for one in every if one.schema == SOME[0]]
        assert all(one.latency.p50 is not None and sum(one.routes.values()) == one.calls for one in alone)
    assert reports.schemas(LOCAL_OPERATOR, window, among=[]) == []


def test_the_newest_calls_are_the_end_of_the_window(store: Store) -> None:
    """So many and no more are summed, of all tenants or of one; where there are fewer it is the whole window."""
    builders.save(
        store,
        [
            builders.generation(
                START - n * MINUTE, "acme" if n % 2 else "other", schema_name=f"form_{n % 4}", schema_version=1
            )
            for n in range(1, 101)
        ],
    )
    reports = Reports(store, ManualClock(START))
    window = Window.last(timedelta(days=1), START)
    for tenant, before in ((None, 31), ("acme", 61)):
        newest = reports.newest(LOCAL_OPERATOR, window, 30, tenant)
        assert newest.ends_at == window.ends_at
        assert newest.starts_at == START - before * MINUTE + timedelta(microseconds=1)
        assert sum(one.calls for one in reports.schemas(LOCAL_OPERATOR, newest, tenant)) == 30
    assert reports.newest(LOCAL_OPERATOR, window, 100) == window
    some = reports.newest(LOCAL_OPERATOR, window, 20, None, ["form_1", "form_2"])
    assert sum(one.calls for one in reports.schemas(LOCAL_OPERATOR, some, among=["form_1", "form_2"])) == 20


def test_the_newest_calls_are_found_by_an_index_alone(store: Store) -> None:
    """No row of a call is read to find where they begin, on SQLite; PostgreSQL reads them by the index too."""
    builders.save(store, [builders.generation(START - n * MINUTE, "acme") for n in range(6_000)])
    bound = {"starts_at": micros(START - 5_000 * MINUTE), "ends_at": micros(START), "most": 500}
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE generation")
        asked = store.prepare(f"{explain} {BEFORE_NEWEST.replace('{tenant}', '')}")
        plan = " ".join(map(str, connection.exec_driver_sql(asked, bound).all()))
    assert "ix_generation_started" in plan
    assert ("COVERING INDEX" if store.is_sqlite else "Index") in plan


def _bare(one: VersionFigures) -> tuple[object, ...]:
    return one.schema, one.version, one.calls, one.validity, one.spend_nano_usd, one.cost_per_valid_nano_usd


def test_an_index_answers_what_is_asked_of_some(store: Store) -> None:
    """Among some thousand calls of two hundred schemas those of a few are found by the schema, on both databases."""
    builders.save(
        store,
        [
            builders.generation(START - n * MINUTE, "acme", schema_name=NAMES[n % 200], schema_version=1)
            for n in range(6_000)
        ],
    )
    explain = "EXPLAIN QUERY PLAN" if store.is_sqlite else "EXPLAIN"
    bound = {
        "starts_at": micros(START - 4_000 * MINUTE),
        "ends_at": micros(START),
        "name_0": "form_1",
    }
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE generation")
        asked = store.prepare(f"{explain} {VERSION_ROUTES.replace('{tenant}', '')}")
        plan = " ".join(map(str, connection.exec_driver_sql(asked, bound).all()))
        assert "ix_generation_schema_started" in plan
