"""Every test has its own database, and asks it what others asked theirs: what SQLAlchemy compiles is kept for all.

It keeps it for each engine apart, as two dialects may differ by their options. Those of a store's engines are the same
in every test: engines that were made alike share one cache, in which their dialects count as one.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy
from sqlalchemy import Engine
from sqlalchemy.engine import Dialect
from sqlalchemy.util import LRUCache

KEPT = 5_000
"""Statements of each kind of engine: more than all tests of a worker make."""
_made = sqlalchemy.create_engine
_kinds: dict[tuple[Any, ...], tuple[type[Dialect], LRUCache[Any, Any]]] = {}


def watch() -> None:
    """Let every engine that is made from now on take part."""
    sqlalchemy.create_engine = _alike


def _alike(url: Any, **options: Any) -> Engine:
    engine = _made(url, **options)
    dialect: Any = engine.dialect
    kind = (type(dialect), dialect.paramstyle, options.get("isolation_level"))
    if kind not in _kinds:
        _kinds[kind] = (_one_of_a_kind(kind), LRUCache(KEPT))
    dialect.__class__, engine._compiled_cache = _kinds[kind]  # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]
    return engine


def _one_of_a_kind(kind: tuple[Any, ...]) -> type[Dialect]:
    """Return a class of dialects that are equal."""
    first: type[Dialect] = kind[0]

    def equal(self: object, other: object) -> bool:
        return type(self) is type(other)

    members = {"supports_statement_cache": True, "__eq__": equal, "__hash__": lambda _: hash(kind)}
    return type(first.__name__, (first,), members)
