"""The questions that this process is answering, and that it still lives."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta

from core.answers._questions import Question
from core.clock import Clock, micros
from core.errors import ProctorError
from core.store import Store
from core.telemetry import log

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0


_RENEW = """
    UPDATE cached_answer SET expires_at = :until
    WHERE key = :key AND generation_id = :generation_id AND value IS NULL
"""


class Leases:
    """The questions that this process is answering, and the thread that says from time to time that it still does.

    It goes by real time: a process dies in real time, whatever the clock of its calls says.
    """

    def __init__(self, store: Store, clock: Clock, lease: timedelta, renew_seconds: float) -> None:
        self._store = store
        self._clock = clock
        self._lease = lease
        self._renew_seconds = renew_seconds
        self._sql = store.prepare(_RENEW)
        self._changed = threading.Condition()
        self._held: dict[str, tuple[Question, bool]] = {}
        """By generation; and whether a renewal is due, which it is from the thread's second look on."""
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def hold(self, asked: Question) -> None:
        """Renew the lease on a question from now on."""
        with self._changed:
            self._held[asked.generation_id] = (asked, False)
            if self._thread is None and not self._is_closed:
                self._thread = threading.Thread(target=self._live, name="answer-leases", daemon=True)
                self._thread.start()
            elif len(self._held) == 1:
                self._changed.notify()

    def drop(self, asked: Question) -> None:
        """Renew it no more."""
        with self._changed:
            self._held.pop(asked.generation_id, None)

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
                due = [asked for asked, is_due in self._held.values() if is_due]
                self._held = {name: (asked, True) for name, (asked, _) in self._held.items()}
            if due:
                self._renew(due)

    def _renew(self, due: Sequence[Question]) -> None:
        until = micros(self._clock.now() + self._lease)
        rows = [{"key": one.key, "generation_id": one.generation_id, "until": until} for one in due]
        try:
            with self._store.transaction() as cursor:
                cursor.executemany(self._sql, rows)
        except ProctorError as error:  # then another process may ask as well, which costs money and spoils nothing
            log().warning("lease_not_renewed", error=type(error).__name__)
