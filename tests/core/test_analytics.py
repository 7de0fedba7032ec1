"""An analytics store says what the calls say, whatever is on its way to it, comes twice, is cut off or is lost."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from core.analytics import Analytics
from core.analytics._shipping import COLUMNS
from core.clock import ManualClock
from core.errors import Invalid, Unavailable
from core.principals import EVERYWHERE, SYSTEM, TenantScope
from core.reports.query import Query, answered
from core.reports.reading import reading
from core.reports.windows import Window
from core.rollups import Folding
from core.settings import Settings
from core.store import Store
from core.tables import ModelListing
from core.telemetry import Metrics, configure_logging
from tests import builders
from tests.core.test_query import NOW, WINDOW, drawn
from tests.core.test_rollups import DAY, STEPS, World
from tests.examples import few

chdb = pytest.importorskip("chdb", reason="there is no in-process engine for this platform")
SECRET = "s3cr3t-word"
SET = Settings(analytics_url=f"clickhouse://proctor:{SECRET}@127.0.0.1:8123/x")
BY_TWO = Query(window=WINDOW, measures=["calls"], by=["route", "model"])
ASKED = (
    BY_TWO,
    Query(
        window=Window.of(DAY - timedelta(hours=2), DAY + timedelta(days=2), "Europe/Berlin"),  # a day of 25 hours
        measures=["attempts", "p95"],
        by=["time", "schema", "model"],
        step=timedelta(days=1),
        limit=2,
    ),
    Query(
        window=Window.of(DAY, DAY + timedelta(days=1, minutes=7, seconds=13), "Asia/Kathmandu"),
        measures=["p50", "spend"],
        by=["time", "tenant"],
        step=timedelta(minutes=45),
    ),
    Query(window=WINDOW, measures=["p99", "calls"], by=["key", "outcome"], q="-key:k1"),
)
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """A ClickHouse within this process: there can be one."""
    import clickhouse_connect

    with closing(clickhouse_connect.get_client(interface="chdb")) as client:
        client.command("SYSTEM STOP MERGES")  # else what came twice would be one by chance
        yield client


@pytest.fixture
def connect(engine: Any) -> Iterator[Callable[[], Any]]:
    """What connects to a database of its own in it."""
    import clickhouse_connect

    name = f"test_{next(_numbers)}"
    engine.command(f"CREATE DATABASE {name}")
    yield lambda: clickhouse_connect.get_client(interface="chdb", database=name)
    engine.command(f"DROP DATABASE {name}")


@pytest.fixture
def analytics(store: Store, connect: Callable[[], Any]) -> Iterator[Analytics]:
    """A store that is set up, some days later."""
    with closing(Analytics(store, ManualClock(NOW), SET, Metrics(), connect)) as made:
        yield made


@pytest.fixture
def on_sqlite(sqlite_store: Store, connect: Callable[[], Any]) -> Iterator[Analytics]:
    """The same on an SQLite: what is on its way is the same on either."""
    with closing(Analytics(sqlite_store, ManualClock(NOW), SET, Metrics(), connect)) as made:
        yield made


def both(store: Store, analytics: Analytics, query: Query, scope: TenantScope = EVERYWHERE) -> tuple[Any, Any, bool]:
    """Return the answer of the calls, that with the store, and whether the store had a part in it."""
    with reading(store, scope) as one:
        told: list[Any] = []
        for facts in (lambda: None, lambda: analytics.look(one.connection)):
            answer = answered(one, query, NOW, facts)
            told += [repr(answer.frame().to_dict("records")), answer.from_facts]
    return told[0], told[2], told[3]


class Sender:
    """Steps of whoever sends, some of which are cut off."""

    def __init__(self, store: Store, analytics: Analytics, chance: Random) -> None:
        self.store, self.analytics, self.chance = store, analytics, chance
        self.shipping, self.past = analytics._shipping, analytics._past

    def ship(self) -> None:
        """Some batches are sent and acknowledged."""
        self.shipping.ship(self.shipping.begin())

    def send_and_die(self) -> None:
        """A batch, or a part of it, reaches the store, and whoever sent it hears nothing of that."""
        now = self.shipping.begin()
        with self.store.transaction() as cursor:
            waiting = f"FROM analytics_outbox WHERE batch > {now.shipped} ORDER BY batch, place LIMIT 1000"
            cursor.execute(f"SELECT {', '.join(COLUMNS)} {waiting}")
            rows = iter(cursor.fetchone, None)
            some = [row for row in rows if self.chance.random() < 0.8]
        if some:
            self.analytics._server.insert(now.table, COLUMNS, some)

    def build(self) -> None:
        """A step of the past."""
        self.shipping.begin()
        self.past.step()

    def lose(self) -> None:
        """The store loses all that it had."""
        self.analytics._server.command(f"DROP TABLE IF EXISTS {self.shipping.progress().table}")
        self.shipping.begin()

    def round(self) -> None:
        """The chore runs."""
        self.analytics.run()


SENDS = (Sender.ship, Sender.send_and_die, Sender.send_and_die, Sender.build, Sender.build, Sender.round)


@settings(max_examples=few(3), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32))
def test_the_store_and_what_is_on_its_way_are_what_the_calls_say(
    store: Store, analytics: Analytics, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """After any steps of calls, corrections, folding and sending, at every moment, of any question."""
    world = World(store, Random(seed))  # noqa: S311 no secret
    sender = Sender(store, analytics, world.chance)
    for bound in ("_FIRST", "_FEWEST", "_MOST"):
        monkeypatch.setattr(f"core.rollups.stride.{bound}", 4)
    monkeypatch.setattr("core.analytics._past.CALLS_AT_ONCE", 4)
    monkeypatch.setattr("core.analytics._shipping.ROWS_AT_ONCE", 9)
    for step in world.chance.choices(STEPS, k=6):
        step(world)
    sender.round() if world.one_of((True, False)) else sender.build()
    from_facts = 0
    for _ in range(6):
        for step in world.chance.choices(STEPS, k=3):
            step(world)
        world.one_of((World.fold, World.record))(world)
        world.one_of(SENDS)(sender) if world.chance.random() < 0.9 else sender.lose()
        scope = world.one_of((EVERYWHERE, TenantScope(frozenset({"acme", "nobody"}))))
        for query in (world.one_of(ASKED), drawn(world.chance)):
            try:
                calls, facts, is_from_facts = both(store, analytics, query, scope)
            except Invalid:
                continue
            assert calls == facts
            from_facts += is_from_facts
    world.fold()
    sender.round()
    assert from_facts
    assert analytics.progress().waiting == 0
    found = analytics.compare(SYSTEM)
    assert found is not None
    assert (found.ok, found.days > 0) == (True, True), found.sentence


def called(store: Store, **more: Any) -> None:
    """Record a call, folded at once."""
    row = builders.generation(DAY, **more)
    builders.save(store, row, builders.attempt(row, id=builders.new_id(DAY)))
    Folding(store).run()


def counted(store: Store, analytics: Analytics) -> float | None:
    """Return how many calls the store and what is on its way tell."""
    with reading(store, EVERYWHERE) as one:
        answer = answered(one, BY_TWO, NOW, lambda: analytics.look(one.connection))
    assert answer.from_facts
    return answer.total.whole.figures.calls


def test_what_comes_twice_counts_once_and_what_is_equal_twice(sqlite_store: Store, on_sqlite: Analytics) -> None:
    """Two batches of equal rows, each sent before and behind its acknowledgement again, merged or not."""
    on_sqlite.run()
    for _ in range(2):
        called(sqlite_store)
    now = on_sqlite.progress()
    with sqlite_store.transaction() as cursor:
        cursor.execute(f"SELECT {', '.join(COLUMNS)} FROM analytics_outbox")  # noqa: S608 our own words
        rows = list(iter(cursor.fetchone, None))
    alike = {tuple(zip(COLUMNS[1:], row[1:], strict=True)) for row in rows}
    assert len(rows) == 2 * len(alike) == now.waiting
    for send in (lambda: None, on_sqlite.run):
        on_sqlite._server.insert(now.table, COLUMNS, rows)
        assert counted(sqlite_store, on_sqlite) == 2
        send()
        assert counted(sqlite_store, on_sqlite) == 2
    on_sqlite._server.insert(now.table, COLUMNS, rows)
    assert counted(sqlite_store, on_sqlite) == 2
    on_sqlite._server.command(f"OPTIMIZE TABLE {now.table} FINAL")
    assert counted(sqlite_store, on_sqlite) == 2
    with sqlite_store.reading() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM analytics_outbox").scalar() == 0


def test_texts_of_any_kind_are_asked_for_as_they_are(sqlite_store: Store, on_sqlite: Analytics) -> None:
    """Quotes, slashes, controls and what looks like a parameter are no words of a statement."""
    names = ("it's", 'a "b"', "back\\slash", "tab\t", "line\n", ":since", "{since:String}", "%s", "é\u2028")
    for name in names:
        called(sqlite_store, route=name)
    on_sqlite.run()
    builders.save(sqlite_store, ModelListing(provider="openai", asked_at=DAY))
    listed = Query(window=WINDOW, measures=["attempts"], by=["route", "model"], q="-model:openai/nothing")
    calls, facts, _ = both(sqlite_store, on_sqlite, listed)
    assert calls == facts != "[]"
    for limit in (1, 4, len(names)):
        query = Query(window=WINDOW, measures=["calls", "p50"], by=["route", "outcome"], limit=limit)
        calls, facts, is_from_facts = both(sqlite_store, on_sqlite, query)
        assert (calls, is_from_facts) == (facts, True)


def test_any_number_of_calls_is_counted_and_who_is_silent_is_named(
    sqlite_store: Store, on_sqlite: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the store, and of what it does not hold yet, too many calls are refused; nothing secret is told."""
    monkeypatch.setattr("core.reports.query._answering.MOST_READ", 1)
    for _ in range(3):
        called(sqlite_store)
    with pytest.raises(Invalid, match="added up from 3 calls"):
        both(sqlite_store, on_sqlite, BY_TWO)
    on_sqlite.run()
    assert counted(sqlite_store, on_sqlite) == 3
    with sqlite_store.transaction() as cursor:
        cursor.execute("UPDATE analytics_state SET built_from = built_from + ?", [10**15 * 2])
    with (
        pytest.raises(Invalid, match=r"3 calls.* The analytics store reaches back to 2033-05-18 03:33 UTC so far\."),
        reading(sqlite_store, EVERYWHERE) as one,
    ):
        answered(one, BY_TWO, NOW, lambda: on_sqlite.look(one.connection))
    with sqlite_store.transaction() as cursor:
        cursor.execute("UPDATE analytics_state SET built_from = 0")

    def fail() -> Any:
        raise OSError(f"cannot reach clickhouse://proctor:{SECRET}@127.0.0.1")

    for server in (on_sqlite._server, on_sqlite._asked):
        monkeypatch.setattr(server, "_client", None)
        monkeypatch.setattr(server, "_connect", fail)
    with pytest.raises(Invalid) as told, reading(sqlite_store, EVERYWHERE) as one:
        answered(one, BY_TWO, NOW, lambda: on_sqlite.look(one.connection))
    assert "The analytics store does not answer (OSError)" in str(told.value)
    assert SECRET not in str(told.value)
    assert told.value.__cause__ is None
    for said in ("does not answer", "did not answer a moment ago"):
        with pytest.raises(Unavailable, match=said):
            on_sqlite.run()
    monkeypatch.undo()
    with reading(sqlite_store, EVERYWHERE) as one:  # few are counted without it
        assert not answered(one, BY_TWO, NOW, lambda: on_sqlite.look(one.connection)).from_facts


def test_what_is_too_much_or_is_gone_is_begun_anew(
    sqlite_store: Store, on_sqlite: Analytics, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outbox has an end; a store that lost something is told apart from one that agrees; either is built again."""
    called(sqlite_store)
    on_sqlite.run()
    monkeypatch.setattr("core.rollups.outbox.MOST_WAITING", 3)
    for _ in range(4):
        called(sqlite_store)
    now = on_sqlite.progress()
    assert (now.epoch, now.waiting, now.is_begun) == (2, 0, False)
    assert on_sqlite.compare(SYSTEM) is None
    on_sqlite.run()
    assert counted(sqlite_store, on_sqlite) == 5
    with sqlite_store.reading() as session:
        assert session.connection().exec_driver_sql("SELECT COUNT(*) FROM analytics_outbox").scalar() == 0
    found = on_sqlite.compare(SYSTEM)
    assert found is not None
    assert (found.ok, found.days) == (True, 1)
    table = on_sqlite.progress().table
    on_sqlite._server.command(f"TRUNCATE TABLE {table}")
    found = on_sqlite.compare(SYSTEM)
    assert found is not None
    assert "differs from the sums of calls on a day of 1: 2026-10-24: -10 facts" in found.sentence
    on_sqlite.rebuild(SYSTEM)
    on_sqlite._server.command(f"DROP TABLE {table}")
    on_sqlite.run()
    assert counted(sqlite_store, on_sqlite) == 5
    on_sqlite._server.command(f"DROP TABLE {on_sqlite.progress().table}")
    configure_logging("WARNING")  # whatever a test before has it say
    with capture_logs() as lines:
        on_sqlite.run()
    assert [(one["event"], one["reason"]) for one in lines] == [("analytics_begun_anew", "its table was gone")]
    assert counted(sqlite_store, on_sqlite) == 5
    tables = on_sqlite._server.rows("SELECT name FROM system.tables WHERE database = currentDatabase()", {})
    assert [name for [name] in tables] == [on_sqlite.progress().table]


def test_a_database_that_was_put_back_is_noticed(sqlite_store: Store, on_sqlite: Analytics) -> None:
    """The store has batches that this database never made: it is begun anew, as their numbers come again."""
    called(sqlite_store)
    on_sqlite.run()
    called(sqlite_store)
    on_sqlite.run()
    with sqlite_store.transaction() as cursor:  # as a backup has it
        cursor.execute("UPDATE analytics_state SET newest = newest - 1, shipped = shipped - 1")
    on_sqlite._shipping._looked_at = ""
    on_sqlite.run()
    assert counted(sqlite_store, on_sqlite) == 2
    assert on_sqlite.progress().why == "it had more than was ever sent from here"
