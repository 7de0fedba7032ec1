"""The workers of this process: few, started when one is first needed, each with one answer at a time."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from core.errors import Invalid
from core.json_texts import MOST_BYTES as MOST_GIVEN_BYTES
from core.json_texts import json_in
from core.shares import Room, Turns
from core.telemetry import Metrics, log
from core.validation import Effort
from core.workers._documents import MOST_DOCUMENT_BYTES, UnreadDocument
from core.workers._first_valid import MOST_BYTES
from core.workers._order import GivenDocument, GivenText, GivenTexts, Order, WorkerReply
from core.workers._worker import Worker, WorkerLost, WorkerSilent

MOST_WAITING_SECONDS = 120.0
"""How long an answer waits for a worker that has others to read."""
MOST_WAITING = 256
"""How many answers wait at once; of those of one tenant four times as many as it leaves free."""
_TRIES = 2
"""So many workers may be lost over one answer: what ends two of them would end a third, or this process."""
_LOST = WorkerReply("lost")
NOT_STARTED = (
    "No worker can be started, so what is heavy to read is read by the server itself, and its other callers wait for "
    "that. The log tells of it as worker_lost."
)


@dataclass(slots=True, eq=False)
class _Turn:
    """An answer that waits for a worker."""

    tenant: str
    came: threading.Event = field(default_factory=threading.Event)
    worker: Worker | None = None
    """What came; ``None`` if one may be started."""


@dataclass(frozen=True, slots=True)
class TenantWorkers:
    """The workers as a tenant's answers come to them."""

    workers: Workers
    tenant: str

    def read(self, model: Any, order: Order, effort: Effort) -> WorkerReply | None:
        """Return what a worker finds: see :meth:`Workers.read_for`."""
        return self.workers.read_for(self.tenant, model, order, effort)

    def json_in(self, text: str, what: str) -> Any:
        """Return the value of the JSON *text* that a person gave, read strictly; *what* it is begins a sentence.

        A long one is read by a worker: each name of it is looked at in Python, a tenth of a second for the longest.

        Raises:
            Invalid: as ``core.json_texts.json_in``; or no worker could read it.

        """
        if not MOST_BYTES < len(text) <= MOST_GIVEN_BYTES:
            return json_in(text, what)
        reply = self.workers.read_for(self.tenant, None, GivenText(text, what), Effort())
        if reply is None:
            return json_in(text, what)
        if reply.found == "lost":
            raise Invalid(f"{what} was not read: no worker was free, or the one that read it ended. Try a smaller one.")
        if reply.found == "invalid":
            raise Invalid(reply.problems[0])
        return json.loads(reply.text)

    def document_texts(
        self, content: bytes, *, pages: int, seconds: float, is_late: Callable[[], bool]
    ) -> Sequence[str]:
        """Return every text of a PDF, seen or not; a worker for documents reads it, once one is free within *seconds*.

        Raises:
            UnreadDocument: not all of it was read, before it *is_late*, within so many *pages*.

        """
        if len(content) > MOST_DOCUMENT_BYTES:
            raise UnreadDocument("too_large")
        readers, order = self.workers.for_documents, GivenDocument(content, pages)
        reply = readers and readers.read_for(self.tenant, None, order, Effort(is_late=is_late), waits=seconds, tries=1)
        if reply is None or reply.found in {"lost", "unjudged"}:
            raise UnreadDocument(reply.found if reply else "no_worker")
        if reply.found != "valid":
            raise UnreadDocument(reply.problems[0])
        return json.loads(reply.text)


class Workers:
    """All of them. Answers that wait are read in turn, tenant by tenant."""

    def __init__(
        self,
        most: int | None = None,
        metrics: Metrics | None = None,
        for_documents: Workers | None = None,
        *,
        reads: str = "answers",
        pipeline: str = "",
    ) -> None:
        """Start none yet; *most* may run at once, by default half as many as there are cores. None reads with 0.

        Others read *for_documents*: what is slow there, or means harm, keeps no answer waiting. What they *reads* is
        said in metrics; with a *pipeline* it is names of persons.
        """
        self._pipeline = pipeline
        self.for_documents = for_documents
        self._most = max(1, _cores() // 2) if most is None else most
        self._idle: list[Worker] = []
        self._all: set[Worker] = set()
        self._starting = 0
        self._is_closed = False
        self._lock = threading.Lock()
        self._turns: Turns[_Turn] = Turns()
        self._room = Room(MOST_WAITING)
        self.trouble = ""
        """Why none can be started; empty where one can, as far as was tried."""
        self._metrics, self._reads = metrics or Metrics(), reads
        self._metrics.workers_busy.labels(reads).set_function(lambda: self.busy)
        self._metrics.workers_waiting.labels(reads).set_function(lambda: self.waiting)

    def of(self, tenant: str) -> TenantWorkers:
        """Return them as the answers of *tenant* come to them; those of the console and of nobody have an empty one."""
        return TenantWorkers(self, tenant)

    @property
    def pids(self) -> list[int]:
        """The numbers of those that run, as processes."""
        with self._lock:
            return [one.pid for one in self._all]

    @property
    def busy(self) -> int:
        """How many of them read now."""
        with self._lock:
            return len(self._all) - len(self._idle)

    @property
    def is_ready(self) -> bool:
        """Whether one of them has ever been ready to read."""
        with self._lock:
            return any(one.is_ready for one in self._all)

    @property
    def waiting(self) -> int:
        """How many answers wait for one."""
        with self._lock:
            return len(self._turns)

    def read_for(
        self,
        tenant: str,
        model: Any,
        order: Order | GivenText | GivenDocument | GivenTexts,
        effort: Effort,
        *,
        waits: float | None = None,
        tries: int = _TRIES,
    ) -> WorkerReply | None:
        """Return what a worker finds in the texts of *order*; ``None`` where it is to be found out here.

        For whom is always said, since those who wait have their turn tenant by tenant.

        Who has to wait does so though the deadline passes: what came in time is paid for.
        """
        for _ in range(tries):
            worker = self._taken(tenant, MOST_WAITING_SECONDS if waits is None else waits)
            if not isinstance(worker, Worker):
                return worker
            try:
                reply = worker.read(model, order, effort)
            except WorkerSilent:
                self._lost(worker, "silent")
                return _LOST
            except WorkerLost:
                self._lost(worker, "ended")
                if not worker.is_ready:
                    self.trouble = NOT_STARTED
                    return None
                continue
            except BaseException:  # as where the caller's thread is stopped: nobody knows what it still has to say
                self._lost(worker, "left")
                raise
            self.trouble = ""
            self._give_back(worker)
            self._metrics.worker_seconds.labels(self._reads, reply.found).observe(reply.seconds)
            return None if reply.found == "failed" else reply
        return _LOST

    def close(self) -> None:
        """End all of them; what they read is read here."""
        if self.for_documents is not None:
            self.for_documents.close()
        with self._lock:
            self._is_closed = True
            idle, busy = self._idle, self._all.difference(self._idle)
            self._idle, self._all = [], busy
            for one in busy:
                one.end()  # whoever waits for it puts it away
            self._serve()
        for one in idle:
            one.close()

    def starts(self) -> bool:
        """Whether one can be started, found out by starting one; it is ended again."""
        worker: Worker | None = None
        try:
            worker = Worker()
            worker.wait_until_ready()
        except (OSError, WorkerLost, WorkerSilent):
            return False
        finally:
            if worker is not None:
                worker.close()
        return True

    def _taken(self, tenant: str, waits: float) -> Worker | WorkerReply | None:
        """Return one that is free; else what is to be said without one."""
        with self._lock:
            if self._is_closed or not self._most:
                return None
            if self._idle:
                return self._idle.pop()
            turn = None
            if self._has_room:
                self._starting += 1
            elif self._room.fits(tenant, 1):
                turn = _Turn(tenant)
                self._room.take(tenant, 1)
                self._turns.join(tenant, turn)
            else:
                return _LOST
        if turn is None:
            return self._started()
        if not self._has_come(turn, waits):
            return _LOST
        if turn.worker is not None:
            return turn.worker
        return None if self._is_closed else self._started()

    def _has_come(self, turn: _Turn, seconds: float) -> bool:
        """Wait until it is somebody's *turn*, so many *seconds* at most; whether it came."""
        is_over = False
        try:
            is_over = turn.came.wait(seconds)
        finally:
            with self._lock:
                if not is_over and not turn.came.is_set():
                    self._turns.leave(turn.tenant, turn)
                    self._room.give_back(turn.tenant, 1)
                elif not is_over:  # it came in the same moment
                    self._return(turn)
        return is_over

    def _return(self, turn: _Turn) -> None:
        """Give back what came to somebody who has left."""
        if turn.worker is None:
            self._starting -= not self._is_closed
        elif self._is_closed:
            turn.worker.end()
        else:
            self._idle.append(turn.worker)
        self._serve()

    @property
    def _has_room(self) -> bool:
        return len(self._all) + self._starting < self._most

    def _started(self) -> Worker | None:
        worker: Worker | None = None
        with suppress(OSError):
            worker = Worker(self._pipeline)
        with self._lock:
            self._starting -= 1
            if worker is not None:
                self._all.add(worker)
                if self._is_closed:
                    worker.end()
            else:
                self.trouble = NOT_STARTED
            self._serve()
        if worker is None:
            self._tell("not started", None)
        return worker

    def _serve(self) -> None:
        """Let those go on who wait, as long as there is something for them; the lock is held."""
        while len(self._turns) and (self._is_closed or self._idle or self._has_room):
            turn = self._turns.next()
            self._room.give_back(turn.tenant, 1)
            if not self._is_closed:
                turn.worker = self._idle.pop() if self._idle else None
                self._starting += turn.worker is None
            turn.came.set()

    def _give_back(self, worker: Worker) -> None:
        with self._lock:
            if not self._is_closed:
                self._idle.append(worker)
                self._serve()
                return
            self._all.discard(worker)
        worker.close()

    def _lost(self, worker: Worker, reason: str) -> None:
        worker.close()
        with self._lock:
            self._all.discard(worker)
            self._serve()
            is_closed = self._is_closed
        if not is_closed:
            self._tell(reason, worker.exit_code)

    def _tell(self, reason: str, exit_code: int | None) -> None:
        self._metrics.workers_lost.labels(self._reads, reason.replace(" ", "_")).inc()
        log().warning("worker_lost", reads=self._reads, reason=reason, exit_code=exit_code)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
