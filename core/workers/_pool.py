"""The workers of this process: few, started when one is first needed, each with one answer at a time."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import Any

from core.telemetry import log
from core.validation import Effort
from core.workers._order import Order, WorkerReply
from core.workers._worker import Worker, WorkerLost, WorkerSilent

MOST_WAITING_SECONDS = 120.0
"""How long an answer waits for a worker that has others to read."""
_TRIES = 2
"""So many workers may be lost over one answer: what ends two of them would end a third, or this process."""
_LOST = WorkerReply("lost")


class Workers:
    """All of them."""

    def __init__(self, most: int | None = None) -> None:
        """Start none yet; *most* may run at once, by default half as many as there are cores. None reads with 0."""
        self._most = max(1, _cores() // 2) if most is None else most
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._starting = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def pids(self) -> list[int]:
        """The numbers of those that run, as processes."""
        with self._changed:
            return [one.pid for one in self._all]

    @property
    def busy(self) -> int:
        """How many of them read now."""
        with self._changed:
            return len(self._all) - len(self._idle)

    def read(self, model: Any, order: Order, effort: Effort) -> WorkerReply | None:
        """Return what a worker finds in the texts of *order*; ``None`` where it is to be found out here.

        Who has to wait does so though the deadline passes: what came in time is paid for.
        """
        for _ in range(_TRIES):
            worker = self._taken()
            if not isinstance(worker, Worker):
                return worker
            try:
                reply = worker.read(model, order, effort)
            except WorkerSilent:
                self._lost(worker, "silent")
                return _LOST
            except WorkerLost:
                self._lost(worker, "ended")
                if not worker.is_ready:  # it cannot be started
                    return None
                continue
            except BaseException:  # as where the caller's thread is stopped: nobody knows what it still has to say
                self._lost(worker, "left")
                raise
            self._give_back(worker)
            return None if reply.found == "failed" else reply
        return _LOST

    def close(self) -> None:
        """End all of them; what they read is read here."""
        with self._changed:
            self._is_closed = True
            idle, busy = self._idle, self._all.difference(self._idle)
            self._idle, self._all = [], busy
            for one in busy:
                one.end()  # whoever waits for it puts it away
            self._changed.notify_all()
        for one in idle:
            one.close()

    def _taken(self) -> Worker | WorkerReply | None:
        """Return one that is free; else what is to be said without one."""
        with self._changed:
            if not self._changed.wait_for(self._is_free, MOST_WAITING_SECONDS):
                return _LOST
            if self._is_closed or not self._most:
                return None
            if self._idle:
                return self._idle.pop()
            self._starting += 1
        worker: Worker | None = None
        with suppress(OSError):
            worker = Worker()
        with self._changed:
            self._starting -= 1
            if worker is not None:
                self._all.add(worker)
                if self._is_closed:
                    worker.end()
        if worker is None:
            log().warning("worker_lost", reason="not started", exit_code=None)
        return worker

    def _is_free(self) -> bool:
        return self._is_closed or bool(self._idle) or not self._most or len(self._all) + self._starting < self._most

    def _give_back(self, worker: Worker) -> None:
        with self._changed:
            if not self._is_closed:
                self._idle.append(worker)
                self._changed.notify()
                return
            self._all.discard(worker)
        worker.close()

    def _lost(self, worker: Worker, reason: str) -> None:
        worker.close()
        with self._changed:
            self._all.discard(worker)
            self._changed.notify()
            is_closed = self._is_closed
        if not is_closed:
            log().warning("worker_lost", reason=reason, exit_code=worker.exit_code)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
