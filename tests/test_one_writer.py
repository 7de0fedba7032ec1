"""What hears a second writer of what happened is heard itself: each way to write past the journal fails a test."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

import pytest

from core.settings import ROOT
from core.store import Store
from tests import builders, one_writer
from tests.conftest import START

WAYS = {
    "text in pieces": """
def write(store):
    for table in ("attempt", "generation"):
        with store.transaction() as cursor:
            cursor.execute(f"DELETE FROM {table} WHERE id = 'nobody'")
""",
    "a table that is a variable": """
from core import tables
from sqlalchemy import update
def write(store):
    table = getattr(tables, "Attempt" + "Row")
    with store.writing() as session:
        session.connection().execute(update(table).values(n=2))
""",
    "an insert of a variable": """
from core import tables
def write(store):
    for table in (tables.Payload,):
        insert = store.insert(table)
        with store.transaction() as cursor:
            row = {"generation_id": "x", "n": 0, "asked": None, "answered": None, "expires_at": AT, "key_id": None}
            insert(cursor, [row])
""",
    "a row that was loaded": """
from core.tables import GenerationRow
def write(store):
    with store.writing() as session:
        session.get(GenerationRow, CALL).duration_ms = 2.0
""",
}
"""Modules that would be a second writer; no rule about their source finds them all."""


def written(source: str, path: str, store: Store) -> list[str]:
    """Let a module that stood at *path* write; return what was heard of it."""
    call = builders.generation(START)
    builders.save(store, call, builders.attempt(call))
    module: dict[str, Any] = {"AT": START, "CALL": call.id}
    exec(compile(source, str(ROOT / path), "exec"), module)  # noqa: S102 our own words
    cast("Callable[[Store], None]", module["write"])(store)
    heard, one_writer.strays[:] = list(one_writer.strays), []
    return heard


@pytest.mark.parametrize("way", WAYS)
def test_a_second_writer_is_heard_however_it_writes(way: str, sqlite_store: Store) -> None:
    """Text made of pieces, a class in a variable, an attribute of a loaded row: the driver sees the table."""
    heard = written(WAYS[way], "core/flags.py", sqlite_store)
    assert heard
    assert all(one.startswith("core/flags.py: ") for one in heard)


@pytest.mark.parametrize("path", ["core/journal.py", "tests/builders.py"])
@pytest.mark.parametrize("way", WAYS)
def test_the_journal_itself_and_tests_write(way: str, path: str, sqlite_store: Store) -> None:
    """The one module that may write is not heard, nor is a test that prepares a database."""
    assert not written(WAYS[way], path, sqlite_store)
