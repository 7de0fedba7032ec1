"""The partitions of one table, as PostgreSQL's statements make, find and drop them."""

# ruff: noqa: S608 names of our own tables; no value of anybody's stands in a text

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from core.partitions._months import OWN_KEYS, Partition

ALONE = 7264003
"""The advisory lock of whoever changes which partitions there are."""
_PARTITIONS = """
SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass(%s) ORDER BY c.relname
"""
_IS_CUT = "SELECT relkind = 'p' FROM pg_class WHERE oid = to_regclass(%s)"
_UPPER = re.compile(r"TO \((?:'([^']*)'|MAXVALUE)\)")


def is_cut(connection: Any, table: str) -> bool:
    """Whether *table* is a partitioned one."""
    row = connection.execute(_IS_CUT, [table]).fetchone()
    return bool(row and row[0])


def partitions(connection: Any, table: str) -> Sequence[Partition]:
    """Return the partitions of *table*, by their names."""
    found: list[Partition] = []
    for name, told in connection.execute(_PARTITIONS, [table]):
        upper = _UPPER.search(told)
        found.append(Partition(name, upper[1] if upper else None))
    return found


def add(connection: Any, table: str, name: str, lower: str, upper: str | None) -> None:
    """Make an empty partition of *table*, for keys from *lower* on and less than *upper*.

    It is made apart and attached: so nobody who writes or reads waits for it.
    """
    connection.execute(f"CREATE TABLE {name} (LIKE {table} INCLUDING ALL)")
    if table in OWN_KEYS:
        connection.execute(f"ALTER TABLE {name} ADD PRIMARY KEY ({OWN_KEYS[table]})")
    until = "MAXVALUE" if upper is None else f"'{upper}'"
    connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {name} FOR VALUES FROM ('{lower}') TO ({until})")


def is_empty(connection: Any, name: str) -> bool:
    """Whether the partition *name* has no row, by a look that ends at the first."""
    return connection.execute(f"SELECT 1 FROM {name} LIMIT 1").fetchone() is None
