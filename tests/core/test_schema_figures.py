"""How versions fare: of all schemas, of some and of one it is the same; what is asked of some an index answers."""

from __future__ import annotations

from datetime import timedelta

from core.clock import ManualClock, micros
from core.principals import LOCAL_OPERATOR
from core.reports import Reports, VersionFigures, Window
from core.reports.queries import BY_VERSION, VERSION_ROUTES
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
        "name_1": "form_2",
    }
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("ANALYZE" if store.is_sqlite else "VACUUM ANALYZE generation")
        for sql, limit in ((BY_VERSION, "AND g.schema_name IN (:name_0, :name_1)"), (VERSION_ROUTES, "")):
            asked = store.prepare(f"{explain} {sql.replace('{tenant}', limit)}")
            plan = " ".join(map(str, connection.exec_driver_sql(asked, bound).all()))
            assert "ix_generation_schema_started" in plan
