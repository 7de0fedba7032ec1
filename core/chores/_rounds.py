"""Doing the chores: a thread for each, a claim for those that one process does for all."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

from core.chores._chore import Chore, ChoreStatus
from core.chores._reasons import reason
from core.claims import CHORE, LEASE_SECONDS, Claims, Done, Held, Lease, Lost
from core.clock import Clock
from core.errors import Unavailable
from core.telemetry import Metrics, log

_RETRY = timedelta(seconds=30)
"""How long after a failure it is tried again, times the failures in a row; at the latest when it is due anyway."""
_LONGEST = timedelta(minutes=15)
"""For so long, or for its period if that is longer, other processes leave a chore to one that is still at it."""
_LOOK_AGAIN = timedelta(seconds=LEASE_SECONDS)
_JOIN_SECONDS = 0.2


class Chores:
    """The chores of this process, and how they stand."""

    def __init__(
        self, chores: Sequence[Chore], *, clock: Clock, claims: Claims, metrics: Metrics, stopping: threading.Event
    ) -> None:
        self._clock = clock
        self._claims = claims
        self._metrics = metrics
        self._stopping = stopping
        self._threads: list[threading.Thread] = []
        now = clock.now()
        self._known = {one.name: ChoreStatus(chore=one, seen_at=now) for one in chores}

    def start(self) -> None:
        """Begin to do them, each in a thread of its own, until the process stops."""
        for name, known in self._known.items():
            self._known[name] = replace(known, due_at=self._clock.now() + known.chore.first_after)
            self._metrics.chore_late.labels(name).set_function(lambda name=name: self._late_seconds(name))
            thread = threading.Thread(target=self._live, args=(known.chore,), name=f"chore {name}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def join(self) -> None:
        """Wait a moment for those that are being done, once the process stops."""
        for thread in self._threads:
            thread.join(_JOIN_SECONDS)

    def status(self) -> Sequence[ChoreStatus]:
        """Return how each stands now."""
        now = self._clock.now()
        return [replace(known, seen_at=now) for known in self._known.values()]

    def do(self, name: str) -> ChoreStatus:
        """Do one now, unless another process does it or has just done it; return how it stands then."""
        self._round(self._known[name].chore)
        return replace(self._known[name], seen_at=self._clock.now())

    # ── In the chore's own thread ─────────────────────────────────────────────────────────────────────────────────────

    def _live(self, chore: Chore) -> None:
        pause = chore.first_after
        while not self._clock.wait(self._stopping, pause.total_seconds()):
            try:
                pause = self._round(chore)
            except Exception as error:  # noqa: BLE001 telling what came of it may fail as well, and ends no thread
                pause = self._failed(chore, None, error)

    def _round(self, chore: Chore) -> timedelta:
        """Do it, if it is this process's turn; return how long until the next look. Nothing is raised."""
        began, lease = self._clock.now(), None
        try:
            if chore.one_process:
                found = self._claims.claim(CHORE, chore.name, most=max(_LONGEST, chore.every))
                if isinstance(found, Held | Lost):
                    self._known[chore.name] = replace(self._known[chore.name], running_since=found.since)
                    return min(_LOOK_AGAIN, chore.every)
                if isinstance(found, Done):
                    return self._done_by_another(chore, found, began)
                lease = found
            self._do(chore)
        except Exception as error:  # noqa: BLE001 whatever it is, it is told, and tried again
            return self._failed(chore, lease, error)
        known = self._known[chore.name]
        if known.failures:
            log().info("chore_recovered", chore=chore.name, failures=known.failures)
        ended = self._clock.now()
        next_at = max(began + chore.every, ended)
        self._succeeded(chore, ended, next_at)
        self._leave(lease, {"failures": 0, "reason": None}, next_at)
        return next_at - ended

    def _do(self, chore: Chore) -> None:
        began, result = self._clock.monotonic(), "failed"
        self._known[chore.name] = replace(self._known[chore.name], running_since=self._clock.now())
        try:
            chore.run()
            result = "done"
        finally:
            took = self._clock.monotonic() - began
            self._known[chore.name] = replace(self._known[chore.name], running_since=None, duration_seconds=took)
            if not self._stopping.is_set():  # what is being closed may fail
                self._metrics.chore_seconds.labels(chore.name).observe(took)
                self._metrics.chore_runs.labels(chore.name, result).inc()

    def _done_by_another(self, chore: Chore, found: Done, now: datetime) -> timedelta:
        """Take over what the process that did it left, whether it failed or not."""
        if found.result["failures"]:
            self._known[chore.name] = replace(self._known[chore.name], running_since=None, **found.result)
        else:
            self._succeeded(chore, found.since, found.until)
        return max(found.until - now, timedelta())

    def _succeeded(self, chore: Chore, at: datetime, next_at: datetime) -> None:
        self._known[chore.name] = replace(
            self._known[chore.name],
            last_success_at=at,
            due_at=next_at,
            running_since=None,
            failures=0,
            reason=None,
        )
        self._metrics.chore_success.labels(chore.name).set(at.timestamp())

    def _failed(self, chore: Chore, lease: Lease | None, error: Exception) -> timedelta:
        failures = self._known[chore.name].failures + 1
        pause = min(_RETRY * failures, chore.every)
        if self._stopping.is_set():  # what is being closed may fail
            return pause
        why = reason(error)
        self._known[chore.name] = replace(self._known[chore.name], failures=failures, reason=why)
        log().warning("chore_failed", chore=chore.name, failures=failures, reason=why, otherwise=chore.otherwise)
        self._leave(lease, {"failures": failures, "reason": why}, self._clock.now() + pause)
        return pause

    def _leave(self, lease: Lease | None, result: object, until: datetime) -> None:
        """Tell the other processes; where the database does not take it, one of them does it anew."""
        if lease is not None:
            with suppress(Unavailable):
                lease.finish(result, until)

    def _late_seconds(self, name: str) -> float:
        return replace(self._known[name], seen_at=self._clock.now()).late_by.total_seconds()
