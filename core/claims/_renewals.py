"""The leases that this process holds, and the one thread that says from time to time that it still lives."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from core.clock import Clock, micros
from core.errors import ProctorError
from core.store import Store
from core.telemetry import log

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
_RENEW = """
    UPDATE claim SET expires_at = :until
    WHERE kind = :kind AND key = :key AND holder = :holder AND result IS NULL
"""

Name = tuple[str, str, str]
"""Kind, key and holder."""


@dataclass(slots=True)
class _Holding:
    rounds: float
    """How often it may still be renewed."""
    is_due: bool = False
    """Whether a renewal is due, which it is from the thread's second look on."""


class Renewals:
    """The leases that this process renews.

    It goes by real time: a process dies in real time, whatever the clock of its calls says.
    """

    def __init__(self, store: Store, clock: Clock, lease: timedelta, renew_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._renew_seconds = renew_seconds
        self._sql = store.prepare(_RENEW)
        self._changed = threading.Condition()
        self._held: dict[Name, _Holding] = {}
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def hold(self, name: Name, most: timedelta | None) -> None:
        """Renew a lease from now on, for as long as *most*."""
        rounds = float("inf") if most is None else most.total_seconds() / self._renew_seconds
        with self._changed:
            self._held[name] = _Holding(rounds)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._live, name="leases", daemon=True)
                self._thread.start()
            elif len(self._held) == 1:
                self._changed.notify()

    def drop(self, name: Name) -> None:
        """Renew it no more."""
        with self._changed:
            self._held.pop(name, None)

    def close(self) -> None:
        """End the thread."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()

    def _live(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._held or self._is_closed)
                self._changed.wait_for(lambda: self._is_closed, self._renew_seconds)
                if self._is_closed:
                    return
                due = self._due()
            if due:
                self._renew(due)

    def _due(self) -> list[Name]:
        """Return what is to be renewed now, in one order for all processes, so that none waits for another in turn."""
        due = sorted(name for name, one in self._held.items() if one.is_due)
        for name, one in list(self._held.items()):
            one.is_due = True
            one.rounds -= 1
            if one.rounds <= 0:
                del self._held[name]
        return due

    def _renew(self, due: Sequence[Name]) -> None:
        until = micros(self._clock.now() + self._lease)
        rows = [{"kind": kind, "key": key, "holder": holder, "until": until} for kind, key, holder in due]
        try:
            with self._store.transaction() as cursor:
                cursor.executemany(self._sql, rows)
        except ProctorError as error:  # then another may do the same as well: it costs, and spoils nothing
            log().warning("lease_not_renewed", reason=error.message, leases=len(rows))
