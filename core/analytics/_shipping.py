"""Sending what waits to the analytics store, in order, and forgetting it once the store has it.

Each row goes with the number of its batch and its place in it, by which the store keeps one of those that are alike: a
batch that is sent twice counts once, and two batches of equal rows count twice. Only what the store has acknowledged
moves ``shipped``; whoever reads leaves out what the store has beyond that.
"""

# ruff: noqa: S608 written here: no value ever stands in the text

from __future__ import annotations

from core.analytics._server import AnalyticsServer
from core.analytics._state import STATE, Progress
from core.clock import Clock, micros
from core.rollups.facts import HEADS
from core.rollups.outbox import BEGIN_ANEW, NOTHING
from core.rollups.sums import NAMES
from core.store import Store
from core.telemetry import log

ROWS_AT_ONCE = 20_000
"""Rows of one INSERT."""
_BATCHES_AT_ONCE = 50
"""Batches that are acknowledged at once, if they are small."""
_FORGOTTEN_AT_ONCE = 5_000
COLUMNS = ("batch", "place", *HEADS, *NAMES, "n")
_NULLABLE = {"slot", "ttft_slot"}
_TEXTS = {
    "tenant_id", "key_id", "route", "schema_name", "schema_version", "provider", "model", "outcome", "error_code",
}  # fmt: skip
_FEW = {"route", "schema_name", "schema_version", "provider", "model", "outcome", "error_code"}

_WAITING = (
    "SELECT o.batch, COUNT(*) FROM analytics_outbox o WHERE o.batch > :shipped "
    "GROUP BY o.batch ORDER BY o.batch LIMIT :most"
)
_ROWS = (
    f"SELECT {', '.join(COLUMNS)} FROM analytics_outbox WHERE (batch, place) > (:batch, :place) AND batch <= :last "
    "ORDER BY batch, place LIMIT :most"
)
_TAKEN = (
    "UPDATE analytics_state SET shipped = :last, waiting = waiting - :count WHERE epoch = :epoch AND shipped = :shipped"
)
_FORGET = (
    "DELETE FROM analytics_outbox WHERE (batch, place) IN (SELECT o.batch, o.place FROM analytics_outbox o "
    "WHERE o.batch <= (SELECT s.shipped FROM analytics_state s) ORDER BY o.batch, o.place LIMIT :most)"
)
_CAUGHT_UP = "UPDATE analytics_state SET caught_up_at = :now WHERE waiting = 0"
_BEGIN = (
    f"UPDATE analytics_state SET name = :name, epoch = epoch + 1, built_from = {micros(NOTHING)}, why = '', "
    "caught_up_at = :now WHERE name = ''"
)
_LOCK = "LOCK TABLE analytics_state IN SHARE ROW EXCLUSIVE MODE"
"""Of who begins on a PostgreSQL: a fold that found nothing on has locked no row, and would leave out what it takes."""
_STOP = "UPDATE analytics_state SET name = '', shipped = newest, waiting = 0 WHERE name <> ''"


def _type(column: str) -> str:
    if column in _TEXTS:
        return "LowCardinality(String)" if column in _FEW else "String"
    if column in _NULLABLE:
        return "Nullable(Int32)"
    return "Int8" if column in {"family", "n"} else "Int32" if column == "place" else "Int64"


def made(table: str) -> str:
    """Return the statement that makes the table. A time in it is microseconds since 1970, as everywhere here."""
    columns = ", ".join(f"{name} {_type(name)}" for name in COLUMNS)
    return (
        f"CREATE TABLE IF NOT EXISTS {table} ({columns}) ENGINE = ReplacingMergeTree "
        "PARTITION BY toYYYYMM(fromUnixTimestamp64Micro(at, 'UTC')) PRIMARY KEY (at, tenant_id) "
        "ORDER BY (at, tenant_id, batch, place)"
    )


class Shipping:
    """Sends what waits."""

    def __init__(self, store: Store, clock: Clock, server: AnalyticsServer) -> None:
        self._store = store
        self._clock = clock
        self._server = server
        self._state, self._waiting, self._rows = map(store.prepare, (STATE, _WAITING, _ROWS))
        self._taken, self._forget, self._caught_up = map(store.prepare, (_TAKEN, _FORGET, _CAUGHT_UP))
        self._begin, self._anew, self._stop = map(store.prepare, (_BEGIN, BEGIN_ANEW, _STOP))
        self._looked_at = ""
        """The table of which this process knows that the store has no more than was sent it."""

    def progress(self) -> Progress:
        """Return how far it has come."""
        return Progress.of(self._store.read_one(self._state, {}))

    def begin(self) -> Progress:
        """See to it that there is a table to send to; begin the store anew where it is not what was sent there.

        Raises:
            Unavailable: the store does not answer.

        """
        now = self.progress()
        if not now.is_on:
            self._server.rows("SELECT 1", {})  # what nobody could send is not put there
            with self._store.transaction() as cursor:
                if not self._store.is_sqlite:
                    cursor.execute(_LOCK)
                cursor.execute(self._begin, {"name": self._clock.new_id()[-12:], "now": micros(self._clock.now())})
            now = self.progress()
        if (wrong := self._wrong(now)) is not None:
            self.begin_anew(now, wrong)
            now = self.progress()
        if self._looked_at != now.table:
            self._drop(now)
        self._server.command(made(now.table))
        self._looked_at = now.table
        return now

    def _wrong(self, now: Progress) -> str | None:
        """Return why what the store has cannot be what was sent there; ``None`` where nothing says so."""
        known = self._server.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND name = {table:String}",
            {"table": now.table},
        )
        if not known:
            return "its table was gone" if now.is_begun else None
        if self._looked_at == now.table:
            return None
        [[newest]] = self._server.rows(f"SELECT max(batch) FROM {now.table}", {})
        return "it had more than was ever sent from here" if newest > now.newest else None

    def begin_anew(self, now: Progress, why: str) -> None:
        """Forget all that the store has: it is built again from the calls."""
        with self._store.transaction() as cursor:
            cursor.execute(self._anew, {"epoch": now.epoch, "why": why})
        if now.is_on:
            log().warning("analytics_begun_anew", reason=why)

    def _drop(self, now: Progress) -> None:
        """Drop what the store has of earlier times; where it knows of nothing yet, of this one too."""
        mine = f"proctor_{now.name}_facts_"
        found = self._server.rows(
            "SELECT name FROM system.tables WHERE database = currentDatabase() AND startsWith(name, {mine:String})",
            {"mine": mine},
        )
        for [name] in found:
            if name.removeprefix(mine).isdecimal() and (name != now.table or not now.is_begun):
                self._server.command(f"DROP TABLE IF EXISTS {name} SETTINGS max_table_size_to_drop = 0")

    def ship(self, now: Progress) -> bool:
        """Send some batches; return whether there were any."""
        found = self._store.read_all(self._waiting, {"shipped": now.shipped, "most": _BATCHES_AT_ONCE})
        if not found:
            return False
        last, count = found[0]
        for batch, rows in found[1:]:
            if count + rows > ROWS_AT_ONCE:
                break
            last, count = batch, count + rows
        batch, place = now.shipped, 2**31 - 1
        while rows := self._store.read_all(
            self._rows, {"batch": batch, "place": place, "last": last, "most": ROWS_AT_ONCE}
        ):
            self._server.insert(now.table, COLUMNS, rows)
            batch, place = rows[-1][:2]
        with self._store.transaction() as cursor:
            known = {"last": last, "count": count, "epoch": now.epoch, "shipped": now.shipped}
            cursor.execute(self._taken, known)
        self.forget()
        return True

    def forget(self) -> None:
        """Delete what the store has, or what was given up, some rows at a time."""
        count = _FORGOTTEN_AT_ONCE
        while count >= _FORGOTTEN_AT_ONCE:
            with self._store.transaction() as cursor:
                cursor.execute(self._forget, {"most": _FORGOTTEN_AT_ONCE})
                count = cursor.rowcount
            self._store.rest()

    def stop(self) -> bool:
        """Send nothing any more, and forget what waits; return whether anything was sent."""
        with self._store.transaction() as cursor:
            cursor.execute(self._stop, {})
            was_on = cursor.rowcount > 0
        self.forget()
        return was_on

    def caught_up(self) -> None:
        """Write down that nothing waits, if that is so."""
        with self._store.transaction() as cursor:
            cursor.execute(self._caught_up, {"now": micros(self._clock.now())})
