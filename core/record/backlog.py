"""The backlog: generations that ended while the database did not take their record.

What was told is never lost. A record that cannot be written is kept in memory and tried again every few seconds; after
a moment, or when the process stops, it goes to a file beside the process as well. The file of a process that is gone is
taken in by the next one that looks: any on the same machine, or the next start. A record is written as it would have
been: with its charges, in one transaction, once.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import re
import threading
from collections.abc import Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

import orjson

from core.budgets import ReservationHandle, ReservationRecovered, Thresholds
from core.budgets.reservations import Reservations
from core.clock import Clock
from core.errors import Unavailable
from core.journal import LOST, JournalWriter
from core.record._rows import read_back
from core.record._telling import tell_thresholds
from core.store import Cursor, Duplicate, Store
from core.tables import AttemptRow, FieldError, GenerationRow, LedgerEntry, Payload
from core.telemetry import Metrics, log

IN_MEMORY_SECONDS = 3.0
"""For so long a record is kept in memory alone."""
_MOST_BYTES = 64_000_000
"""What is kept in memory at most; more goes to the file at once."""
_PREFIX = "backlog-"
_REFUSED = "refused.jsonl"
"""Where records go that the database answers and does not take, such as what is no record: nobody loops."""


class Backlog:
    """The records that wait, of this process; and those that processes which are gone have left in *folder*."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        journal: JournalWriter,
        reservations: Reservations,
        metrics: Metrics,
        *,
        folder: Path,
        owner: str,
    ) -> None:
        self._store = store
        self._clock = clock
        self._journal = journal
        self._reservations = reservations
        self._thresholds = Thresholds(store, clock)
        self._metrics = metrics
        self._folder = folder
        self._path = folder / f"{_PREFIX}{re.sub(r'[^A-Za-z0-9.-]', '-', owner)}.jsonl"
        self._file: BinaryIO | None = None
        """Open, and locked, from the first record in it on: who can lock it knows that its process is gone."""
        self._in_file = 0
        self._waiting: dict[int, tuple[float, bytes]] = {}
        """Since when, on the clock's monotonic time, and the record as JSON; by a number of its own, the oldest first.

        A record leaves by its number, when it is written or filed. One that is filed while it is being written is
        found to be on record later: at no time is it in neither place.
        """
        self._numbers = itertools.count()
        self._is_closed = False
        self._lock = threading.Lock()
        """Held for moments, by whoever touches what waits."""
        self._at_it = threading.Lock()
        """Held by whoever writes records to the database: one at a time."""
        self._recorded = store.prepare("SELECT error_code FROM generation WHERE id = :id")
        self._attempts = store.prepare(
            "SELECT id FROM attempt WHERE generation_id = :id AND (error_code IS NULL OR error_code <> :lost)"
        )
        self._held = store.prepare("SELECT holds FROM reservation WHERE generation_id = :id")
        metrics.backlog.set_function(self.__len__)

    def __len__(self) -> int:
        """How many records of this process wait."""
        return len(self._waiting) + self._in_file

    def keep(self, record: Mapping[str, Any]) -> None:
        """Keep *record*, made by :func:`document`, until the database takes it."""
        with self._lock:
            self._waiting[next(self._numbers)] = (self._clock.monotonic(), orjson.dumps(record))
            is_full = sum(len(body) for _, body in self._waiting.values()) > _MOST_BYTES
        if is_full or self._is_closed:
            self._spill(0.0)

    def write(self) -> int:
        """Write what waits, and what was left by processes that are gone; return how many records were written.

        Raises:
            Unavailable: the database does not take them yet; they are kept.

        """
        with self._at_it:
            try:
                return self._write_waiting() + self._write_own_file() + self._take_in()
            except Unavailable:
                self._spill(IN_MEMORY_SECONDS)
                raise

    def close(self) -> None:
        """Put what waits into the file, then try once more. What comes later still goes to the file at once."""
        self._is_closed = True
        self._spill(0.0)
        with suppress(Unavailable):
            self.write()
        self._spill(0.0)  # what came while the rest was written
        with self._lock:
            if self._file is not None:
                if not self._in_file:
                    self._path.unlink(missing_ok=True)
                self._file.close()
                self._file, self._in_file = None, 0  # whoever looks next finds it

    # ── Memory and files ──────────────────────────────────────────────────────────────────────────────────────────────

    def _write_waiting(self) -> int:
        written = 0
        while True:
            with self._lock:
                number, (_, body) = next(iter(self._waiting.items()), (-1, (0.0, b"")))
            if not body:
                return written
            self._write_one(body)
            with self._lock:
                self._waiting.pop(number, None)
            written += 1

    def _write_own_file(self) -> int:
        with self._lock:
            if self._file is None or not self._in_file:
                return 0
            count = self._in_file
        for body in _lines(self._path):
            self._write_one(body)
        with self._lock:
            if self._in_file > count:  # more came meanwhile; what is written is known as such the next time
                return count
            self._file.truncate(0)
            self._in_file = 0
        return count

    def _take_in(self) -> int:
        """Write what processes left that are gone. Their files go once all of it is written."""
        written = 0
        for path in sorted(self._folder.glob(f"{_PREFIX}*.jsonl")) if self._folder.is_dir() else ():
            if path == self._path:
                continue
            with _locked(path) as is_orphan:
                if is_orphan:
                    for body in _lines(path):
                        self._write_one(body)
                        written += 1
                    path.unlink()
        if written:
            log().info("backlog_taken_in", count=written)
        return written

    def _spill(self, older_than_seconds: float) -> None:
        """Move what has waited for so long into the file; where that cannot be written, it stays in memory."""
        until = self._clock.monotonic() - older_than_seconds
        with self._lock:
            due = {number: body for number, (since, body) in self._waiting.items() if since <= until}
            if not due:
                return
            try:
                self._append(b"".join(body + b"\n" for body in due.values()))
            except OSError as error:
                log().error("backlog_not_filed", count=len(due), folder=str(self._folder), error=error.strerror)
                return
            self._in_file += len(due)
            for number in due:
                del self._waiting[number]
        log().warning("backlog_filed", count=len(due), file=self._path.name)

    def _append(self, text: bytes) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self._path)
        end = os.fstat(self._file.fileno()).st_size
        try:
            left = memoryview(text)
            while left:
                left = left[self._file.write(left) :]
            os.fsync(self._file.fileno())
        except OSError:  # a disk that is full may have taken the half of it, in whose line the next would end
            with suppress(OSError):
                self._file.truncate(end)
            raise

    # ── One record ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_one(self, body: bytes) -> None:
        """Write one record; one that the database will never take is put aside, so that it keeps no other.

        Raises:
            Unavailable: the database does not answer.

        """
        generation_id = ""
        try:
            record = orjson.loads(body)
            generation_id = record["generation"]["id"]
            try:
                self._settle(record)
            except (Duplicate, ReservationRecovered):  # recovery was faster; what it wrote is there to be seen now
                self._settle(record)
        except Unavailable:
            raise
        except Exception as error:  # noqa: BLE001 whatever it is, it must not keep the others
            log().error("record_refused", generation_id=generation_id, error=type(error).__name__)
            with suppress(OSError), _opened(self._folder / _REFUSED) as refused:
                refused.write(body + b"\n")
        else:
            log().info("record_written_late", generation_id=generation_id)

    def _settle(self, record: dict[str, Any]) -> None:
        generation = read_back(GenerationRow, record["generation"])
        handle = _handle(record["reservation"])
        with self._store.transaction() as cursor:
            found = cursor.send(self._recorded, {"id": handle.generation_id})()
            if found is not None and found[0] != LOST:
                return  # the transaction that seemed to fail had been kept
            if record["policy"] is not None:
                name, text, tenant_id = record["policy"]
                self._journal.policy(cursor, name, tenant_id, text)
            known = self._known(cursor, handle)
            handle.pending = [entry for entry in handle.pending if entry["attempt_id"] not in known]
            for account_id in {*handle.held, *(entry["account_id"] for entry in handle.pending)}:
                handle.by_account[account_id] = self._thresholds.terms(cursor, account_id)
            transfer = self._reservations.settle(cursor, handle)
            attempts = [
                read_back(AttemptRow, row) | {"charges": handle.charged.get(row["id"], 0)}
                for row in record["attempts"]
                if row["id"] not in known
            ]
            news = {row["id"] for row in attempts}
            self._journal.attempts(cursor, attempts)
            field_errors = [read_back(FieldError, row) for row in record["field_errors"] if row["attempt_id"] in news]
            self._journal.field_errors(cursor, field_errors)
            numbers = {0, *(row["n"] for row in attempts)}
            self._journal.payloads(
                cursor, [read_back(Payload, row) for row in record["payloads"] if row["n"] in numbers]
            )
            self._journal.generation(cursor, generation)
            self._reservations.complete(cursor, handle, transfer)
        tell_thresholds(self._metrics, handle.events)

    def _known(self, cursor: Cursor, handle: ReservationHandle) -> set[str]:
        """Return the attempts that are on record as they ended; and take what is held as the database has it.

        A transaction that failed while it was being kept may have been kept all the same.
        """
        held = cursor.send(self._held, {"id": handle.generation_id})()
        if held is not None:
            handle.is_reserved, handle.held = True, orjson.loads(held[0])
        cursor.execute(self._attempts, {"id": handle.generation_id, "lost": LOST})
        known: set[str] = set()
        while (row := cursor.fetchone()) is not None:
            known.add(row[0])
        return known


def document(
    handle: ReservationHandle,
    *,
    generation: Mapping[str, Any],
    policy: tuple[str, str, str] | None,
    attempts: list[dict[str, Any]],
    field_errors: list[dict[str, Any]],
    payloads: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return a record as it is kept: rows that are still to be written, and the money that belongs to them.

    *policy* is its hash, its text and its tenant.
    """
    return {
        "generation": generation,
        "policy": policy,
        "attempts": attempts,
        "field_errors": field_errors,
        "payloads": payloads,
        "reservation": {
            "generation_id": handle.generation_id,
            "tenant_id": handle.tenant_id,
            "at": handle.at,
            "is_reserved": handle.is_reserved,
            "held": handle.held,
            "pending": handle.pending,
            "charged": handle.charged,
            "estimates": [[*key, nano_usd] for key, nano_usd in handle.estimates.items()],
            "recovered": sorted(handle.recovered),
        },
    }


def _handle(kept: dict[str, Any]) -> ReservationHandle:
    return ReservationHandle(
        terms=(),
        generation_id=kept["generation_id"],
        tenant_id=kept["tenant_id"],
        at=datetime.fromisoformat(kept["at"]),
        is_reserved=kept["is_reserved"],
        looks_first=True,
        held=kept["held"],
        pending=[read_back(LedgerEntry, entry) for entry in kept["pending"]],
        charged=kept["charged"],
        estimates={(attempt_id, account_id): nano_usd for attempt_id, account_id, nano_usd in kept["estimates"]},
        recovered=set(kept["recovered"]),
    )


def _opened(path: Path) -> BinaryIO:
    """Open a file to append to that nobody else may read, and lock it for as long as it is open."""
    while True:
        file = cast(
            "BinaryIO", os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600), "ab", buffering=0)
        )
        fcntl.flock(file, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                return file
        file.close()  # another process took it for an orphan's in the moment before it was locked


def _lines(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):  # else its process died while it wrote it, and recovery has what it knew
                yield line[:-1]


@contextmanager
def _locked(path: Path) -> Generator[bool]:
    """Lock a file that another process may hold; whether that worked."""
    try:
        file = path.open("rb")
    except OSError:
        yield False
        return
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
        else:
            yield path.exists()  # another may have taken it in meanwhile
