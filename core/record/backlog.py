"""The backlog: generations that ended while the database did not take their record.

What was told is never lost. A record that cannot be written is kept in memory and tried again every few seconds; after
a moment, or when the process stops, it goes to a file beside the process as well. The file of a process that is gone is
taken in by the next one that looks: any on the same machine, or the next start. A record is written as it would have
been: with its charges, in one transaction, once.
"""

from __future__ import annotations

import itertools
import os
import re
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO

import orjson

from core.budgets import ReservationHandle, ReservationRecovered, Thresholds
from core.budgets.reservations import Reservations
from core.clock import Clock, micros
from core.errors import Unavailable
from core.journal import LOST, CallOwner, JournalWriter
from core.record._files import add, opened, orphan, read_again, whole_lines
from core.record._rows import read_back
from core.record._telling import tell_thresholds
from core.sealed_texts import CannotOpen, opened_record, sealed_record
from core.store import Cursor, Duplicate, Store
from core.tables import AttemptRow, FieldError, FindingRow, GenerationRow, LedgerEntry, Payload
from core.telemetry import Metrics, log

IN_MEMORY_SECONDS = 3.0
"""For so long a record is kept in memory alone."""
_MOST_BYTES = 64_000_000
"""From so much on what is kept in memory goes to the file at once; where no file can be written, twice as much is."""
_AGAIN_SECONDS = 1.0
"""A file that could not be written is not tried again before, however many come."""
_PREFIX = "backlog-"
_TOO_LATE = """SELECT 1 FROM aged_out o WHERE o.tenant_id = :tenant_id AND o.raw_from > :at
AND NOT EXISTS (SELECT 1 FROM reservation r WHERE r.generation_id = :id)"""
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
        self._bytes = 0
        """How large the records are that wait in memory."""
        self._not_filed_at = float("-inf")
        self._is_closed = False
        self._lock = threading.Lock()
        """Held for moments, by whoever touches what waits."""
        self._at_it = threading.Lock()
        """Held by whoever writes records to the database: one at a time."""
        self._recorded = store.prepare("SELECT error_code FROM generation WHERE id = :id")
        self._attempts = store.prepare(
            "SELECT id FROM attempt WHERE generation_id = :id AND (error_code IS NULL OR error_code <> :lost)"
        )
        self._too_late = store.prepare(_TOO_LATE)
        self._held = store.prepare("SELECT holds FROM reservation WHERE generation_id = :id")
        metrics.backlog.set_function(self.__len__)

    def __len__(self) -> int:
        """How many records of this process wait."""
        return len(self._waiting) + self._in_file

    def keep(self, record: Mapping[str, Any]) -> None:
        """Keep *record*, made by :func:`document`, until the database takes it.

        Raises:
            Unavailable: neither memory nor a file has room for it.

        """
        body = sealed_record(self._store.own_keys, orjson.dumps(record))
        with self._lock:
            if self._bytes + len(body) > 2 * _MOST_BYTES:
                raise Unavailable(
                    "What came of this generation could not be recorded: the database does not take it, and the "
                    "backlog's folder cannot be written."
                )
            self._waiting[next(self._numbers)] = (now := self._clock.monotonic(), body)
            self._bytes += len(body)
            is_full = self._bytes > _MOST_BYTES and now - self._not_filed_at >= _AGAIN_SECONDS
        if is_full or self._is_closed:
            self._spill(0.0)

    def write(self) -> int:
        """Write what waits, and what was left by processes that are gone; return how many records were written.

        Raises:
            Unavailable: the database does not take them yet, or a file is in the way; they are kept.

        """
        with self._at_it:
            try:
                return self._write_waiting() + self._write_own_file() + self._take_in()
            except OSError as error:
                raise _unusable(error, self._folder) from error
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
        written, trouble = 0, None
        with self._lock:
            waiting = list(self._waiting.items())
        for number, (_, body) in waiting:
            try:
                self._write_one(body)
            except OSError as error:  # it is in nobody's way
                trouble = error
                continue
            with self._lock:
                self._bytes -= len(body) if self._waiting.pop(number, None) else 0
            written += 1
        if trouble is not None:
            raise trouble
        return written

    def _write_own_file(self) -> int:
        with self._lock:
            if self._file is None or not self._in_file:
                return 0
            file, count = self._file, self._in_file
        with read_again(file) as lines:
            for body in whole_lines(lines):
                self._write_one(body)
        with self._lock:
            if self._in_file > count:  # more came meanwhile; what is written is known as such the next time
                return count
            file.truncate(0)
            self._in_file = 0
        return count

    def _take_in(self) -> int:
        """Write what processes left that are gone. Their files go once all of it is written.

        Raises:
            OSError: one cannot be read or removed; the others are taken in.

        """
        written, trouble = 0, None
        for path in sorted(self._folder.glob(f"{_PREFIX}*.jsonl")) if self._folder.is_dir() else ():
            if path == self._path:
                continue
            try:
                with orphan(path) as left:
                    for body in whole_lines(left or ()):
                        self._write_one(body)
                        written += 1
                    if left is not None:
                        path.unlink()
            except OSError as error:
                trouble = error
        if written:
            log().info("backlog_taken_in", count=written)
        if trouble is not None:
            raise trouble
        return written

    def _spill(self, older_than_seconds: float) -> None:
        """Move what has waited for so long into the file; where that cannot be written, it stays in memory."""
        until = self._clock.monotonic() - older_than_seconds
        with self._lock:
            due = {number: body for number, (since, body) in self._waiting.items() if since <= until}
            if not due and not self._is_file_lost():
                return
            try:
                self._append(b"".join(body + b"\n" for body in due.values()))
            except OSError as error:
                self._not_filed_at = self._clock.monotonic()
                log().error("backlog_not_filed", count=len(due), folder=str(self._folder), error=error.strerror)
                return
            self._in_file += len(due)
            for number, body in due.items():
                del self._waiting[number]
                self._bytes -= len(body)
        log().warning("backlog_filed", count=len(due), file=self._path.name)

    def _is_file_lost(self) -> bool:
        """Whether records are in a file that was deleted or replaced: who looks next would not find them."""
        if self._file is None or not self._in_file:
            return False
        try:
            return not os.path.samestat(self._path.stat(), os.fstat(self._file.fileno()))
        except OSError:
            return True

    def _append(self, text: bytes) -> None:
        """Add *text*, whole lines, to the file, which is made where there is none, or where it was deleted."""
        lost = self._file if self._is_file_lost() else None
        if lost is not None:
            with read_again(lost) as lines:
                text = lines.read() + text
        if self._file is None or lost is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = opened(self._path)
        try:
            add(self._file, text)
        except OSError:
            self._file = lost or self._file
            raise
        if lost is not None:
            lost.close()

    # ── One record ────────────────────────────────────────────────────────────────────────────────────────────────────

    def _write_one(self, body: bytes) -> None:
        """Write one record; one that the database will never take is put aside, so that it keeps no other.

        Raises:
            Unavailable: the database does not answer.
            OSError: it is to be put aside and cannot be.

        """
        generation_id = ""
        try:
            record = opened_record(self._store.own_keys, body)
            generation_id = record["generation"]["id"]
            try:
                self._settle(record)
            except (Duplicate, ReservationRecovered):  # recovery was faster; what it wrote is there to be seen now
                self._settle(record)
        except Unavailable:
            raise
        except CannotOpen as error:  # whoever has the key writes it
            raise Unavailable(f"A record of the backlog stays where it is. {error}") from error
        except Exception as error:  # noqa: BLE001 whatever it is, it must not keep the others
            log().error("record_refused", generation_id=generation_id, error=type(error).__name__)
            self._folder.mkdir(parents=True, exist_ok=True)
            with opened(self._folder / _REFUSED) as refused:
                add(refused, body + b"\n")
        else:
            log().info("record_written_late", generation_id=generation_id)

    def _settle(self, record: dict[str, Any]) -> None:
        generation = read_back(GenerationRow, record["generation"])
        handle = _handle(record["reservation"])
        with self._store.transaction() as cursor:
            found = cursor.send(self._recorded, {"id": handle.generation_id})()
            if found is not None and found[0] != LOST:
                return  # the transaction that seemed to fail had been kept
            whose = {"id": handle.generation_id, "tenant_id": handle.tenant_id, "at": micros(handle.at)}
            if found is None and handle.is_reserved and cursor.send(self._too_late, whose)():
                return  # recovery had settled it, and what it wrote has aged out; its figures stay
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
            payloads = [row for row in record["payloads"] if row["n"] in numbers or record.get("all_payloads")]
            self._journal.payloads(cursor, [read_back(Payload, row) for row in payloads], _caller(generation))
            self._journal.generation(cursor, generation, is_late=True)
            findings = record.get("findings", ())  # which an older release left out
            self._journal.findings(cursor, [read_back(FindingRow, row) for row in findings])
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
    findings: list[dict[str, Any]],
    field_errors: list[dict[str, Any]],
    payloads: list[dict[str, Any]],
    all_payloads: bool = False,
) -> dict[str, Any]:
    """Return a record as it is kept: rows that are still to be written, and the money that belongs to them.

    *policy* is its hash, its text and its tenant; *all_payloads* says that none was written with an earlier attempt.
    """
    return {
        "generation": generation,
        "policy": policy,
        "attempts": attempts,
        "field_errors": field_errors,
        "findings": findings,
        "payloads": payloads,
        "all_payloads": all_payloads,
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


def _caller(generation: Mapping[str, Any]) -> CallOwner:
    return CallOwner(generation["tenant_id"], generation["user_hash"], generation["started_at"])


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


def _unusable(error: OSError, folder: Path) -> Unavailable:
    return Unavailable(
        f"The backlog's {error.filename or folder} cannot be used: {error.strerror}. Give Proctor's user the right to "
        "read and write there, and room on the disk."
    )
