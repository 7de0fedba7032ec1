"""What a database has to do for a question, as the database itself counts it.

SQLite tells how many steps its machine took: about one for each column that is looked at. PostgreSQL tells how many
rows its scans looked at, in whatever index or table, when each statement is run once more under EXPLAIN ANALYZE.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import event

from core.store import Store

_STEPS = 100
"""SQLite's steps are counted by so many: to count each would take longer than they do."""
_ASKS = ("SELECT", "WITH", "(")
"""How a statement begins that may be run once more."""
_EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) "
_NO_TABLE = {"Subquery Scan", "CTE Scan", "Function Scan", "Values Scan", "Result", "WorkTable Scan"}
_IN_HEAP = "Bitmap Index Scan"
"""Its rows are those of the heap scan above it."""


class DatabaseWork(Protocol):
    """Counts what one database does."""

    unit: str
    """What :meth:`read` counts, in words."""

    def read(self, ask: Callable[[], object]) -> int:
        """Ask once, and return how much of the database that read."""
        ...

    def cpu_seconds(self) -> float | None:
        """Return how long the database's own processes have worked for us; ``None`` where none can be seen."""
        ...


def database_work(store: Store) -> DatabaseWork:
    """Return who counts what *store* does."""
    return _SqliteWork(store) if store.is_sqlite else _PostgresWork(store)


def forget_connections(store: Store) -> None:
    """Close the connections that wait for the next question: with them goes what each had kept of the database."""
    store.engine.dispose()


class _SqliteWork:
    """Counts the steps of SQLite's machine; it runs in this process, whose time is its time."""

    unit = "steps of SQLite's machine"

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, ask: Callable[[], object]) -> int:
        """Ask over new connections that count."""
        counted = 0

        def step() -> None:
            nonlocal counted
            counted += _STEPS

        with _on_new_connections(self._store, lambda connection: connection.set_progress_handler(step, _STEPS)):
            ask()
        return counted

    def cpu_seconds(self) -> float | None:
        """Return nothing: there is no process beside this one."""
        return None


class _PostgresWork:
    """Runs each statement once more, as PostgreSQL explains it."""

    unit = "rows that PostgreSQL's scans looked at"

    def __init__(self, store: Store) -> None:
        self._store = store
        self._backends: set[int] = set()
        event.listen(store.engine, "connect", self._note_backend)

    def _note_backend(self, connection: Any, _record: Any) -> None:
        self._backends.add(connection.info.backend_pid)

    def read(self, ask: Callable[[], object]) -> int:
        """Ask, and add up what the plans of all statements say."""
        sent: list[tuple[str, Any]] = []

        def note(_connection: Any, _cursor: Any, sql: str, bound: Any, *_: Any) -> None:
            if sql.lstrip().upper().startswith(_ASKS):
                sent.append((sql, bound))

        event.listen(self._store.engine, "before_cursor_execute", note)
        try:
            ask()
        finally:
            event.remove(self._store.engine, "before_cursor_execute", note)
        with self._store.snapshot() as connection:
            found = [connection.exec_driver_sql(_EXPLAIN + sql, bound).scalar_one() for sql, bound in sent]
        return sum(scanned(one[0]["Plan"]) for one in found)

    def cpu_seconds(self) -> float | None:
        """Return the time of the backends that served us, where they run on this machine."""
        return None if not self._backends else _cpu_seconds(self._backends)


def scanned(plan: Mapping[str, Any]) -> int:
    """Return how many rows the scans of a plan looked at, those included that a condition then left out."""
    kind, below = plan["Node Type"], plan.get("Plans", ())
    rows = sum(scanned(one) for one in below)
    if kind.endswith("Scan") and kind != _IN_HEAP and kind not in _NO_TABLE:
        looked_at = ("Actual Rows", "Rows Removed by Filter", "Rows Removed by Index Recheck")
        rows += round(sum(plan.get(name, 0) for name in looked_at) * plan["Actual Loops"])
    return rows


def _cpu_seconds(pids: Sequence[int] | set[int]) -> float | None:
    """Return what processes used of the processor, those that are still there; ``None`` if none is seen."""
    used, seen = 0.0, False
    for pid in pids:
        try:
            name = Path(f"/proc/{pid}/cmdline").read_bytes()
            nanos = Path(f"/proc/{pid}/schedstat").read_text().split()[0]
        except OSError:
            continue
        if name.startswith(b"postgres"):  # elsewhere, this may be the number of anybody
            used, seen = used + int(nanos) / 1e9, True
    return used if seen else None


@contextmanager
def _on_new_connections(store: Store, prepare: Callable[[Any], object]) -> Generator[None]:
    """Open every connection of the block anew, and prepare it."""

    def opened(connection: Any, _record: Any) -> None:
        prepare(connection)

    forget_connections(store)
    event.listen(store.engine, "connect", opened)
    try:
        yield
    finally:
        event.remove(store.engine, "connect", opened)
        forget_connections(store)
