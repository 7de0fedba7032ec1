"""Why a chore failed, in words that an operator can use and that hold nothing of anybody's."""

from __future__ import annotations

import re
import traceback
from pathlib import Path

from core.audit import ChainBroken
from core.database_faults import DatabaseFault, fault_of
from core.errors import ProctorError

_CORE = Path(__file__).parents[1]
_DATABASES = {"sqlite3", "psycopg", "sqlalchemy"}
_CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def reason(error: Exception) -> str:
    """Return one or two sentences: our own, what is wrong with the database, or which error it was and where.

    SQLite's messages name tables and conditions; PostgreSQL's may quote values, so of those only the kind is told.
    """
    if isinstance(error, ProctorError | ChainBroken):
        return str(error)
    cause = getattr(error, "orig", None) or error
    driver = type(cause).__module__.partition(".")[0]
    if driver in _DATABASES and (fault := fault_of(error)) not in (None, DatabaseFault.DOWN):
        return fault.sentence
    if driver == "sqlite3" and type(cause).__name__ == "OperationalError":
        return f"The database says: {cause}."
    if driver == "psycopg":
        kind = _CAPITAL.sub(" ", type(cause).__name__).lower()
        state = getattr(cause, "sqlstate", None)
        return f"The database says: {kind} ({state})." if state else "The database does not answer."
    return f"Proctor failed with {type(cause).__name__}{_place(error)}; report it."


def _place(error: Exception) -> str:
    """Return where in our own code it happened, as far down as that goes."""
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(_CORE):
            return f" in core/{path.relative_to(_CORE)}, line {frame.lineno}"
    return ""
