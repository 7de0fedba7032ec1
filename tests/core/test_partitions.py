"""Calls by month: a table is cut while others write, no call waits for a month that is missing, and none is lost."""

# ruff: noqa: S608 names of our own tables

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given
from hypothesis import strategies as st

from core import partitions
from core.clock import LATEST, SystemClock, born, first_id, from_micros, micros
from core.errors import Conflict
from core.journal import JournalWriter
from core.partitions import KEYS, Unpartitioned, months
from core.principals import LOCAL_OPERATOR
from core.store import Store
from core.store_room import store_room, table_sizes
from core.tables import METADATA, Outcome
from tests import builders
from tests.core.test_rollups import STEPS, World, proven, stored
from tests.corridor import rig
from tests.wire.server import WireServer

AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


@pytest.fixture
def whole(pg_database_url: str) -> Iterator[Store]:
    """A PostgreSQL whose tables are as migrations make them."""
    store = Store(pg_database_url)
    yield store
    store.close()


@pytest.fixture
def cut(whole: Store) -> Store:
    """One that keeps calls by months, from September to November 2026; what is older lies in the first partition."""
    whole.partitions.convert(AUGUST)
    return whole


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


def asked(store: Store, sql: str) -> list[Any]:
    """Return what a statement finds, each row as its only value or as a tuple."""
    with store.engine.connect() as connection:
        return [row[0] if len(row) == 1 else tuple(row) for row in connection.exec_driver_sql(sql)]


def run(store: Store, *statements: str) -> None:
    """Run statements as whoever runs the database might."""
    with store.engine.begin() as connection:
        for one in statements:
            connection.exec_driver_sql(one)


def write(store: Store, at: datetime, **more: Any) -> str:
    """Record a call with all that may belong to it, and again if it is told to; return its id."""
    call = builders.generation(at, outcome=Outcome.INVALID, **more)
    attempt, journal = builders.attempt(call, id=builders.new_id(at)), JournalWriter(store)
    for _ in range(3):
        try:
            with store.transaction(pipelined=True) as cursor:
                journal.attempts(cursor, [stored(attempt)])
                journal.field_errors(cursor, [stored(builders.field_error(attempt, "$.total"))])
                journal.generation(cursor, stored(call))
                journal.findings(cursor, [stored(builders.finding(call))])
                journal.payloads(cursor, [stored(builders.payload(call, 0, [], "{}", at + timedelta(days=30)))])
        except Unpartitioned:
            continue
        return call.id
    raise AssertionError("it was told to write again, and again")


def places(store: Store, call_id: str) -> set[str]:
    """Return in which partitions the rows of a call lie, by the ends of their names."""
    union = " UNION ALL ".join(
        f"SELECT substr(tableoid::regclass::text, {len(table) + 2}) FROM {table} WHERE {key} = '{call_id}'"
        for table, key in KEYS.items()
    )
    return set(asked(store, union))


# ── What a month is ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.integers(0, micros(LATEST) - 1))
def test_an_identifier_lies_in_the_month_of_its_birth(moment: int) -> None:
    """To the millisecond, its end not included; and its time is read from it again."""
    at = from_micros(moment)
    begins, ends = months(at, 2)
    key = builders.new_id(at)

    assert first_id(begins) <= key < first_id(ends)
    assert born(key) == at.replace(microsecond=at.microsecond // 1000 * 1000)


@pytest.mark.parametrize("key", ["", "g1", "zzz", "0198", "0198G0000000", first_id(LATEST), "ffffffffffffff"])
def test_what_says_no_time_has_no_month(key: str) -> None:
    """It lies before the first month or beyond the last, where it keeps no month from being made."""
    assert born(key) is None


def test_rows_lie_in_the_month_of_their_call_to_the_millisecond(cut: Store) -> None:
    """So do all that belong to it; what is older than all months, or no time, has its place too."""
    assert places(cut, write(cut, NOVEMBER - MILLISECOND)) == {"2026_10"}
    assert places(cut, write(cut, NOVEMBER)) == {"2026_11"}
    assert places(cut, write(cut, datetime(2001, 1, 1, tzinfo=UTC))) == {"before"}
    assert places(cut, write(cut, NOVEMBER, id="zzz")) == {"beyond"}


# ── The first time ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_table_is_cut_while_others_write(whole: Store) -> None:
    """Whoever writes meanwhile is never refused, and all of it is there, once; nobody waits for long."""
    for n in range(30):
        write(whole, AUGUST + timedelta(minutes=n))
    ended, written = threading.Event(), list[str]()

    def go_on(n: int) -> None:
        while not ended.is_set():
            written.append(write(whole, AUGUST + timedelta(hours=n, seconds=len(written))))

    with ThreadPoolExecutor(3) as pool:
        writing = [pool.submit(go_on, n) for n in range(3)]
        try:
            done = whole.partitions.convert(AUGUST)
            write(whole, AUGUST)
        finally:
            ended.set()
        for one in writing:
            one.result()

    assert [one.table for one in done] == list(KEYS)
    assert max(one.held_ms for one in done) < 1000
    for table in KEYS:
        assert asked(whole, f"SELECT COUNT(*) FROM {table}") == [len(written) + 31]
    assert whole.partitions.are_used()
    assert whole.partitions.convert(AUGUST) == []


@pytest.mark.parametrize("where", ["prove", "switch", "add"])
def test_a_conversion_that_is_cut_off_goes_on_where_it_was(
    where: str, whole: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the middle of any of its steps; calls go on meanwhile, and said again it does the rest."""
    call_id, does = write(whole, AUGUST), getattr(partitions, where)

    def cut_off(connection: Any, table: str, *more: Any) -> None:
        does(connection, table, *more)
        if table == "attempt":
            raise KeyboardInterrupt

    monkeypatch.setattr(partitions, where, cut_off)
    with pytest.raises(KeyboardInterrupt):
        whole.partitions.convert(AUGUST)
    write(whole, AUGUST)
    monkeypatch.setattr(partitions, where, does)
    whole.partitions.convert(AUGUST)

    assert whole.partitions.are_used()
    assert places(whole, call_id) == {"before"}
    assert asked(whole, "SELECT COUNT(*) FROM generation") == [2]


def test_what_a_conversion_left_keeps_nobody_from_writing_for_ever(whole: Store) -> None:
    """One that nobody takes up again is taken back by the first call that it would keep out."""
    run(
        whole,
        f"ALTER TABLE attempt ADD CONSTRAINT attempt_until CHECK (generation_id < '{first_id(AUGUST)}') NOT VALID",
    )

    write(whole, AUGUST)

    assert asked(whole, "SELECT COUNT(*) FROM attempt") == [1]


def test_a_table_is_as_it_was_but_for_its_partitions(whole: Store) -> None:
    """Migrations find the shape that they know, no index is built anew, and who might read it still may."""
    count = "SELECT COUNT(*) FROM pg_index i WHERE i.indrelid = to_regclass('{}')"
    before = {table: asked(whole, count.format(table)) for table in KEYS}
    run(whole, "CREATE ROLE reader", "GRANT SELECT ON generation TO reader WITH GRANT OPTION")
    try:
        whole.partitions.convert(AUGUST)
        with whole.engine.connect() as connection:
            ours = {"compare_type": True, "include_name": lambda name, kind, _: kind != "table" or name in expected}
            expected = {*METADATA.tables}
            assert compare_metadata(MigrationContext.configure(connection, opts=ours), METADATA) == []
        assert {table: asked(whole, count.format(f"{table}_before")) for table in KEYS} == before
        granted = asked(whole, "SELECT has_table_privilege('reader', 'generation', 'SELECT WITH GRANT OPTION')")
        assert granted == [True]
    finally:
        run(whole, "DROP OWNED BY reader", "DROP ROLE reader")


@pytest.mark.parametrize(
    "made",
    ["VIEW slow AS SELECT id FROM generation WHERE duration_ms > 9000", "PUBLICATION calls FOR TABLE generation"],
)
def test_what_would_go_on_seeing_the_first_partition_alone_is_named(made: str, whole: Store) -> None:
    """Nothing is changed before whoever made it has taken it away."""
    run(whole, f"CREATE {made}")

    with pytest.raises(Conflict, match=r"slow|calls"):
        whole.partitions.convert(AUGUST)
    assert not whole.partitions.are_used()


def test_a_clock_that_was_ahead_makes_the_first_partition_longer(whole: Store) -> None:
    """What lies ahead when tables are cut is in it; an id that is no time has to go before."""
    ahead = write(whole, NOVEMBER)

    whole.partitions.convert(AUGUST)
    assert places(whole, ahead) == {"before"}


def test_an_id_that_is_no_time_is_named_before_anything_is_changed(whole: Store) -> None:
    """It would lie in no month."""
    write(whole, NOVEMBER, id="zzz")

    with pytest.raises(Conflict, match="'zzz'"):
        whole.partitions.convert(AUGUST)


# ── Months come and go ────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_month_that_is_missing_is_made_by_those_who_write_into_it(wire: WireServer, pg_database_url: str) -> None:
    """Two at once too: both calls are on record, once, and the money is right."""
    store = Store(pg_database_url)
    store.partitions.convert(SystemClock().now() - timedelta(days=400))
    with rig(wire, pg_database_url) as proctor:
        tenant = proctor.tenant()
        with ThreadPoolExecutor(2) as pool:
            heard = [one.result() for one in [pool.submit(proctor.ask, tenant) for _ in range(2)]]
        assert [one.error for one in heard] == [None, None]
        assert len(proctor.runtime.backlog) == 0
        assert {len(proctor.written(one.generation.id).attempts) for one in heard} == {1}
        assert proctor.is_settled()
        assert proctor.runtime.budgets.verify(LOCAL_OPERATOR, whole=True).ok
        assert asked(store, "SELECT COUNT(*) FROM generation") == [2]
        assert asked(store, f"SELECT COUNT(*) FROM generation_{SystemClock().now():%Y_%m}") == [2]
    store.close()


def test_an_empty_month_goes_and_a_late_call_brings_it_back(cut: Store) -> None:
    """One with a row stays, and one that is not past; the first gives back its room and stays."""
    old, kept = write(cut, AUGUST - timedelta(days=90)), write(cut, NOVEMBER - MILLISECOND)
    run(cut, *(f"DELETE FROM {table} WHERE {key} = '{old}'" for table, key in KEYS.items()))

    dropped = cut.partitions.drop_empty(NOVEMBER + timedelta(days=2))

    assert dropped == [f"{table}_2026_09" for table in KEYS]
    assert asked(cut, "SELECT pg_relation_size('generation_before')") == [0]
    assert places(cut, kept) == {"2026_10"}
    assert places(cut, write(cut, datetime(2026, 9, 30, tzinfo=UTC))) == {"2026_09"}


def test_what_somebody_uses_is_not_waited_for(cut: Store) -> None:
    """The chore gives up soon, so nobody queues behind it, and comes again; a call is written meanwhile."""
    with psycopg.connect(cut.url.render_as_string(hide_password=False).replace("+psycopg", "")) as reader:
        reader.execute("SELECT COUNT(*) FROM generation")

        assert "generation_2026_09" not in cut.partitions.drop_empty(NOVEMBER)
        cut.partitions.make(months(NOVEMBER, 6))
        write(cut, NOVEMBER)
    cut.partitions.keep(NOVEMBER)

    there = asked(cut, "SELECT relname FROM pg_class WHERE relname ~ '^payload_2' AND relkind = 'r' ORDER BY 1")
    assert there == [f"payload_{at:%Y_%m}" for at in months(NOVEMBER - MILLISECOND, 7)]


# ── Everything else is as before ──────────────────────────────────────────────────────────────────────────────────────


def test_sums_are_what_the_calls_of_two_months_say(cut: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever comes, goes, is corrected and folded on both sides of a month's border."""
    monkeypatch.setattr("tests.core.test_rollups.DAY", NOVEMBER - timedelta(days=1))
    monkeypatch.setattr("tests.core.test_rollups.DAYS", (NOVEMBER - timedelta(days=1), NOVEMBER))
    with cut.writing() as session:
        session.add_all(builders.tenant(name, NOVEMBER) for name in ("acme", "globex"))
    world, chance = World(cut, Random(11)), Random(12)  # noqa: S311 no secret
    for _ in range(60):
        chance.choice(STEPS)(world)

    proven(cut)
    assert len(asked(cut, "SELECT DISTINCT tableoid FROM generation")) == 2


def test_a_table_is_as_large_as_its_months(cut: Store) -> None:
    """Where the store's size is told, partitions are no tables of their own."""
    write(cut, NOVEMBER)
    run(cut, "ANALYZE")

    with cut.engine.connect() as connection:
        sizes = {one.name: one for one in table_sizes(connection, store_room(cut), is_sqlite=False)}
    assert {*sizes} <= {*METADATA.tables, "alembic_version"}
    assert sizes["generation"].rows == 1
    assert sizes["generation"].byte_count > asked(cut, "SELECT pg_total_relation_size('generation_2026_11')")[0]
