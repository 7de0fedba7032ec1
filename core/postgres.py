"""What the hot path asks of psycopg; loaded only where the database is a PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, cast

import psycopg


class Cursor(psycopg.Cursor[tuple[Any, ...]]):
    """A cursor that can send a statement now and have its result looked at later."""

    def send(self, sql: str, parameters: Mapping[str, Any], /) -> Callable[[], Any]:
        """Run one statement that returns rows, and return what tells the first of them."""
        cursor = self.connection.cursor()
        cursor.execute(cast("Any", sql), parameters)
        return cursor.fetchone
