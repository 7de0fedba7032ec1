"""Asking the store beside one look at the database: what it had acknowledged at that moment, and no more.

What was on its way then stands in the outbox, and what was not folded among the deltas, both of the same look; the
three together are what the calls say.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from core.analytics._server import AnalyticsServer, TooSlow
from core.analytics._state import STATE, Progress
from core.errors import Unavailable

_NAMED = re.compile(r"(?<![:\w]):([a-z_]\w*)")


class StoreSilent(Exception):
    """The store did not answer; its message says why."""


@dataclass(frozen=True, slots=True)
class FactLook:
    """The facts of the store, as of one look at the database."""

    server: AnalyticsServer
    progress: Progress
    seconds: float
    """How long an answer may take; 0: as long as it takes."""

    @property
    def built_from(self) -> int:
        """Facts of calls that began before it are not there."""
        return self.progress.built_from

    @property
    def shipped(self) -> int:
        """The outbox has what is in later batches."""
        return self.progress.shipped

    @property
    def source(self) -> str:
        """What facts ``d`` are read from, with the condition that holds of those that count."""
        return f"{self.progress.table} AS d FINAL WHERE d.batch <= {self.shipped}"

    def rows(self, sql: str, bound: Mapping[str, Any]) -> Sequence[Sequence[Any]]:
        """Return the rows of a SELECT with ``:name`` parameters.

        Raises:
            StoreSilent: the store does not answer.
            TooSlow: it took longer than it may.

        """
        used: dict[str, Any] = {}

        def typed(found: re.Match[str]) -> str:
            used[found[1]] = bound[found[1]]
            return f"{{{found[1]}:{'Int64' if isinstance(used[found[1]], int) else 'String'}}}"

        try:
            return self.server.rows(_NAMED.sub(typed, sql), used, self.seconds)
        except TooSlow:
            raise
        except Unavailable as error:
            raise StoreSilent(error.message) from error


def look(server: AnalyticsServer, connection: Connection, seconds: float) -> FactLook | None:
    """Return what can be asked of the store; ``None`` as long as it knows of nothing."""
    now = Progress.of(connection.exec_driver_sql(STATE).one())
    return FactLook(server, now, seconds) if now.is_on and now.is_begun else None
