"""A table that holds millions of rows becomes one that is cut by months, while others write.

The table itself becomes the first partition, with its indexes. What takes long, to see that all its keys lie below a
bound ahead, keeps nobody waiting; the rest is a transaction of some milliseconds, which gives up soon where somebody
holds the table, so that nobody queues behind it, and is tried again. What was cut off goes on where it was.
"""

# ruff: noqa: S608 names of our own tables, and bounds of our own making

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from core.clock import LATEST, born, first_id
from core.errors import Conflict
from core.partitions._months import BEFORE, KEYS, OWN_KEYS, following, month

AHEAD = timedelta(days=7)
"""For so long at least keys lie below the bound of the first partition: until then all is done."""
_RESUMABLE = timedelta(days=1)
_CHECK = re.compile(r"< '([0-9a-f]+)'")
_KNOWN = """
SELECT pg_get_constraintdef(oid), convalidated FROM pg_constraint WHERE conrelid = to_regclass(%s) AND conname = %s
"""
_KEYS_OF = """
SELECT conname, pg_get_constraintdef(oid), conkey @> ARRAY[(
    SELECT attnum FROM pg_attribute WHERE attrelid = conrelid AND attname = %s)]
FROM pg_constraint WHERE conrelid = to_regclass(%s) AND contype IN ('p', 'u')
"""
_INDEXES_OF = """
SELECT c.relname, pg_get_indexdef(i.indexrelid) FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
WHERE i.indrelid = to_regclass(%s)
AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u'))
"""
_GRANTS = """
SELECT DISTINCT privilege_type, CASE WHEN grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
    is_grantable
FROM pg_class, aclexplode(relacl) WHERE oid = to_regclass(%s)
"""
_OWNER = "SELECT quote_ident(pg_get_userbyid(relowner)) FROM pg_class WHERE oid = to_regclass(%s)"
_BOUND_TO_IT = """
SELECT 'the view ' || v.relname FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
    JOIN pg_class v ON v.oid = r.ev_class WHERE d.refobjid = to_regclass(%(table)s) AND v.oid <> d.refobjid
UNION SELECT 'the trigger ' || tgname FROM pg_trigger WHERE tgrelid = to_regclass(%(table)s) AND NOT tgisinternal
UNION SELECT 'the policy ' || polname FROM pg_policy WHERE polrelid = to_regclass(%(table)s)
UNION SELECT 'the publication ' || p.pubname FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
    WHERE r.prrelid = to_regclass(%(table)s)
UNION SELECT 'the foreign key ' || conname FROM pg_constraint
    WHERE contype = 'f' AND to_regclass(%(table)s) IN (conrelid, confrelid)
ORDER BY 1 LIMIT 1
"""
"""What names the table itself, and would go on naming what becomes a partition of it."""


def check_name(table: str) -> str:
    """Return the name of the constraint that says for a while below which bound all keys of *table* lie."""
    return f"{table}_until"


class Bound(NamedTuple):
    """Below which all keys of a table lie."""

    value: str
    is_proven: bool


def bounded(connection: Any, table: str, now: datetime) -> Bound:
    """Say by a constraint that all keys of *table* lie below the beginning of a month ahead, and return that.

    What stands is not yet looked at, what is written from now on is. What an earlier try left is taken, if there is
    time enough.

    Raises:
        Conflict: a key is no time; or the table is bound to something that would not follow.

    """
    bound_to = connection.execute(_BOUND_TO_IT, {"table": table}).fetchone()
    if bound_to is not None:
        raise Conflict(
            f"The table {table} is used by {bound_to[0]}, which would go on seeing its first partition alone. "
            "Drop that, partition, and make it anew."
        )
    known = connection.execute(_KNOWN, [table, check_name(table)]).fetchone()
    if known is not None:
        said = _CHECK.search(known[0])
        if said and said[1] >= first_id(now + _RESUMABLE):
            return Bound(said[1], known[1])
        connection.execute(f"ALTER TABLE {table} DROP CONSTRAINT {check_name(table)}")
    key = KEYS[table]
    odd = connection.execute(f"SELECT {key} FROM {table} WHERE {key} >= %s LIMIT 1", [first_id(LATEST)]).fetchone()
    if odd is not None:
        raise Conflict(f"{table} has a row whose id says no time, {odd[0]!r}: no month is its own. Remove it first.")
    (last,) = connection.execute(f"SELECT MAX({key}) FROM {table}").fetchone()
    newest = max(now, (last and born(last)) or now)  # a clock may have been ahead
    value = first_id(following(month(newest + AHEAD)))
    connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {check_name(table)} CHECK ({key} < '{value}') NOT VALID")
    return Bound(value, is_proven=False)


def prove(connection: Any, table: str) -> None:
    """Look at every row of *table*, while others read and write."""
    connection.execute(f"ALTER TABLE {table} VALIDATE CONSTRAINT {check_name(table)}")


def switch(connection: Any, table: str, below: str) -> None:
    """Put a partitioned table in the place of *table*, which nobody else can use now, and which becomes its first part.

    All of it is names: no row is read, no index built, and what may be done with the table stays as it was.
    """
    first, key = f"{table}_{BEFORE}", KEYS[table]
    keys = connection.execute(_KEYS_OF, [key, table]).fetchall()
    indexes = connection.execute(_INDEXES_OF, [table]).fetchall()
    grants = connection.execute(_GRANTS, [table]).fetchall()
    (owner,) = connection.execute(_OWNER, [table]).fetchone()
    for name, *_ in keys:
        connection.execute(f"ALTER TABLE {table} RENAME CONSTRAINT {name} TO {name}_{BEFORE}")
    for name, _ in indexes:
        connection.execute(f"ALTER INDEX {name} RENAME TO {name}_{BEFORE}")
    connection.execute(f"ALTER TABLE {table} RENAME TO {first}")
    wholly = "INCLUDING ALL EXCLUDING INDEXES EXCLUDING CONSTRAINTS"
    connection.execute(f"CREATE TABLE {table} (LIKE {first} {wholly}) PARTITION BY RANGE ({key})")
    connection.execute(f"ALTER TABLE {table} OWNER TO {owner}")
    for name, definition, has_key in keys:
        if has_key:
            connection.execute(f"ALTER TABLE {table} ADD CONSTRAINT {name} {definition}")
    for _, definition in indexes:
        connection.execute(definition)
    connection.execute(f"ALTER TABLE {table} ATTACH PARTITION {first} FOR VALUES FROM (MINVALUE) TO ('{below}')")
    connection.execute(f"ALTER TABLE {first} DROP CONSTRAINT {check_name(table)}")
    for privilege, who, is_grantable in grants:
        more = " WITH GRANT OPTION" if is_grantable else ""
        connection.execute(f"GRANT {privilege} ON {table} TO {who}{more}")
    _require_whole(connection, table, first)


def _require_whole(connection: Any, table: str, first: str) -> None:
    """Hold the first partition against what is unique within it alone: it must have kept that."""
    own = {definition for _, definition, _ in connection.execute(_KEYS_OF, [KEYS[table], first]).fetchall()}
    if table in OWN_KEYS and f"PRIMARY KEY ({OWN_KEYS[table]})" not in own:
        raise Conflict(f"{first} has no primary key ({OWN_KEYS[table]}); nothing was changed.")
