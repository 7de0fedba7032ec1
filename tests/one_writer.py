"""Hears at the driver which module of the core writes what happened, however it words that, in every test.

SQLite asks before it compiles a statement whether it may touch a table: so what is written is known whether it came as
text, made of pieces, or as the change of a row that was loaded.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, event

from core.settings import ROOT

JOURNAL = frozenset({"generation", "attempt", "field_error", "finding", "payload", "ledger_entry", "policy_snapshot"})
"""The tables that only ``core/journal.py`` writes."""
_CORE = ROOT / "core"
_MACHINERY = {_CORE / "store.py", _CORE / "statements.py"}
"""What sends statements for others: who wrote stands behind it on the stack."""
_WRITERS = {_CORE / "journal.py"}
_REMOVAL = _CORE / "demo" / "_removal.py"
"""It sends the deletions that the journal has made for it."""
_VERBS = {sqlite3.SQLITE_INSERT: "INSERT", sqlite3.SQLITE_UPDATE: "UPDATE", sqlite3.SQLITE_DELETE: "DELETE"}

strays: list[str] = []
"""Who else wrote since somebody last looked."""


def watch() -> None:
    """Listen to every SQLite that is opened from now on."""
    event.listen(Engine, "connect", _listen)


def _listen(connection: Any, _record: Any) -> None:
    if isinstance(connection, sqlite3.Connection):
        connection.set_authorizer(_note)


def _note(action: int, table: str | None, *_: str | None) -> int:
    if action in _VERBS and table in JOURNAL:
        writer = _writer()
        deletes_for_it = writer == _REMOVAL and action == sqlite3.SQLITE_DELETE
        if writer is not None and writer not in _WRITERS and not deletes_for_it:
            strays.append(f"{writer.relative_to(ROOT)}: {_VERBS[action]} {table}")
    return sqlite3.SQLITE_OK


def _writer() -> Path | None:
    """Return the module of the core that is nearest to the driver; ``None`` where a test or a migration writes."""
    frame = sys._getframe(2)
    while frame is not None:
        path = Path(frame.f_code.co_filename)
        if path.is_relative_to(_CORE) and path not in _MACHINERY:
            return None if "migrations" in path.parts else path
        if path.is_relative_to(ROOT / "tests"):
            return None
        frame = frame.f_back
    return None
