"""How much room the database takes, and how much there is left for it."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.store import Store

MOST_MEASURED = 1_000_000_000
"""An SQLite's tables are measured up to so many bytes: every page of the file is looked at, 2 s a gigabyte."""
_PAGES = "SELECT (SELECT page_count FROM pragma_page_count()) * (SELECT page_size FROM pragma_page_size())"
_SQLITE_TABLES = """
SELECT s.tbl_name, SUM(d.pgsize), SUM(CASE
    WHEN d.name = s.tbl_name AND (d.pagetype = 'leaf' OR s.sql LIKE '%WITHOUT ROWID%') THEN d.ncell ELSE 0 END)
FROM dbstat d JOIN sqlite_schema s ON s.name = d.name GROUP BY 1
"""
_POSTGRES_TABLES = """
SELECT COALESCE(whole.relname, c.relname), CAST(SUM(pg_total_relation_size(c.oid)) AS BIGINT),
    CAST(CASE WHEN COUNT(whole.oid) > 0 THEN SUM(GREATEST(c.reltuples, 0)) ELSE MIN(c.reltuples) END AS BIGINT)
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_inherits i ON i.inhrelid = c.oid LEFT JOIN pg_class whole ON whole.oid = i.inhparent
WHERE c.relkind = 'r' AND n.nspname = current_schema() GROUP BY 1
"""
"""Months count as the table that they are of."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreRoom:
    """How much there is of a database, in bytes."""

    used: int
    """What it takes on its disk, what lies free within it included."""
    free: int | None
    """What is left on that disk; ``None`` where that is not known here, as of a PostgreSQL's."""


class TableSize(NamedTuple):
    """How large a table is, with its indexes."""

    name: str
    byte_count: int
    rows: int | None
    """On PostgreSQL an estimate, ``None`` where it has none yet."""


def store_room(store: Store) -> StoreRoom:
    """Return how much room *store* takes and has, for some milliseconds at most."""
    if not store.is_sqlite:
        (used,) = store.read_one("SELECT pg_database_size(current_database())", {})
        return StoreRoom(used=int(used), free=None)
    (used,) = store.read_one(_PAGES, {})
    file, free = store.condition.file, None
    with suppress(OSError):
        free = None if file is None else shutil.disk_usage(file.path.parent).free
    return StoreRoom(used=int(used), free=free)


def table_sizes(connection: Any, room: StoreRoom, *, is_sqlite: bool) -> Sequence[TableSize]:
    """Return how large each table is; nothing of an SQLite that is too large to be measured."""
    if is_sqlite and room.used > MOST_MEASURED:
        return []
    rows = connection.exec_driver_sql(_SQLITE_TABLES if is_sqlite else _POSTGRES_TABLES)
    return [TableSize(name, int(size), None if count < 0 else int(count)) for name, size, count in rows]
