"""The demo world: a few tenants with thirty days of history, made by the real corridor on a manual clock.

``data/seed.toml`` says what is true in it. ``_history`` lets operators decide, ``_traffic`` lets tenants call, against
``_provider``, whose answers are scripted; everything else is the corridor's own doing, so every figure of the demo adds
up as a real one does. It is marked (``Tenant.is_demo``, ``Schema.is_demo``, route names that begin with ``demo-``) and
goes away without a trace of its own.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from sqlmodel import col, select

from core.clock import Clock, SystemClock
from core.demo._chance import DemoClock
from core.demo._claim import claimed
from core.demo._removal import MADE, REMOVED, remove, require_free_names
from core.demo._seed import seed
from core.errors import ProctorError
from core.principals import SYSTEM, Permission, Principal
from core.schemas import Schemas
from core.settings import Settings
from core.store import Store
from core.tables import AuditEntry, Tenant
from core.telemetry import log

_WORK_SECONDS = 0.010
_REST_SECONDS = 0.007
"""In the background every stretch of work is followed by a rest, so that pages and the API come first."""
_TELL_EVERY = 20
_STOP_SECONDS = 10.0

Phase = Literal["none", "making", "ready", "removing", "failed"]


@dataclass(frozen=True, slots=True)
class Status:
    """How the demo world stands."""

    phase: Phase
    fraction: float | None
    """How much of it is made; ``None`` where that is not known, or no question."""
    sentence: str


_NONE = Status("none", None, "There is no demo world. 'proctor demo' makes one.")
_READY = Status("ready", None, "The demo world is there. 'proctor demo --remove' takes it away.")
_REMOVING = Status("removing", None, "The demo world is being removed.")
_WAITING = Status(
    "making",
    None,
    "Another process makes the demo world, or was stopped while it did; 'proctor demo' waits for it, and finishes it.",
)


class Demo:
    """The demo world of one database."""

    def __init__(self, settings: Settings, store: Store, clock: Clock | None = None, *, scale: float = 1.0) -> None:
        """*clock* says when now is; *scale* is the share of the usual traffic that is made, incidents aside."""
        self._settings = settings
        self._store = store
        self._clock = clock or SystemClock()
        self._pace = SystemClock()
        self._scale = scale
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._status: Status | None = None
        """What this process is doing about it; ``None`` leaves the answer to the database."""

    @property
    def status(self) -> Status:
        """How it stands: what this process does, else what the database holds."""
        if self._status is not None:
            return self._status
        if not self.exists():
            return _NONE
        return _READY if self._is_whole() else _WAITING

    def exists(self) -> bool:
        """Whether there is any of it."""
        with self._store.reading() as session:
            return session.exec(select(Tenant.id).where(col(Tenant.is_demo)).limit(1)).first() is not None

    def start_in_background(self) -> None:
        """Make it on a first start: where there is no tenant at all and it was never removed, or it is half made.

        Returns at once. Of several processes that start together one makes it.
        """
        with self._lock:
            if self._thread is not None or not self._settings.demo or not self._is_wanted():
                return
            self._stopping.clear()
            self._status = Status("making", 0.0, "The demo world is about to be made.")
            self._thread = threading.Thread(target=self._make_quietly, name="demo-world", daemon=True)
            self._thread.start()

    def make(self, principal: Principal) -> None:
        """Make it, unless it is there; what a process left half made is cleared first. Returns when it is whole.

        Raises:
            Forbidden: without ``tenants.write`` over all tenants.
            Conflict: an operator's tenant, route or schema has a name that it needs; nothing was made.

        """
        principal.require_over(Permission.TENANTS_WRITE, None)
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()
        self._make(principal, rests=False, only_if_wanted=False)

    def remove(self, principal: Principal) -> Mapping[str, int]:
        """Remove it and everything of its tenants; return how many rows of each table went.

        Waits for another process that is making it.

        Raises:
            Forbidden: without ``tenants.write`` over all tenants.

        """
        principal.require_over(Permission.TENANTS_WRITE, None)
        self.stop()
        self._status = _REMOVING
        try:
            with claimed(self._store, threading.Event()):
                return remove(self._store, self._clock, principal)
        finally:
            self._status = None

    def stop(self) -> None:
        """End the making, if it is under way here; the next start begins it anew. Every row that is there is whole."""
        with self._lock:
            thread, self._thread = self._thread, None
            self._stopping.set()
        if thread is not None:
            thread.join(_STOP_SECONDS)

    # ── Making ────────────────────────────────────────────────────────────────────────────────────────────────────────

    def _make_quietly(self) -> None:
        try:
            self._make(SYSTEM, rests=True, only_if_wanted=True)
        except ProctorError as error:
            self._status = Status("failed", None, error.message)
        except Exception as error:  # noqa: BLE001 Proctor runs on without its demo
            log().warning("demo_failed", error=type(error).__name__)
            why = f"Making the demo world failed ({type(error).__name__}). 'proctor demo' tries it anew."
            self._status = Status("failed", None, why)

    def _make(self, principal: Principal, *, rests: bool, only_if_wanted: bool) -> None:
        if rests:
            self._status = _WAITING
        stopping = self._stopping if rests else threading.Event()
        with claimed(self._store, stopping) as is_our_turn:
            wanted = self._is_wanted() if only_if_wanted else not self._is_whole()
            if is_our_turn and wanted:
                self._status = Status("making", 0.0, "The demo world is about to be made.")
                try:
                    self._make_all(principal, stopping, rests=rests)
                except BaseException:
                    self._status = None
                    raise
        self._status = None

    def _make_all(self, principal: Principal, stopping: threading.Event, *, rests: bool) -> None:
        from core.demo._history import History  # noqa: PLC0415 these load an SDK, which a start need not wait for
        from core.demo._traffic import Traffic  # noqa: PLC0415

        if self.exists():
            remove(self._store, self._clock)  # half made, by a process that was stopped
        facts = seed()
        require_free_names(self._store, facts)
        Schemas(self._store, self._clock).load_samples(SYSTEM)
        history = History(self._store, self._settings, facts, self._clock.now())
        history.decide()
        traffic = Traffic(self._store, history, self._scale)
        expected, made, began = max(1.0, traffic.expected()), 0, self._pace.monotonic()
        for _ in traffic.play():
            made += 1
            if stopping.is_set():
                return
            if made % _TELL_EVERY == 0:
                sentence = f"Thirty days of calls are being made, the newest days first: {made:,} so far."
                self._status = Status("making", min(0.99, made / expected), sentence)
            if rests and self._pace.monotonic() - began > _WORK_SECONDS:
                stopping.wait(_REST_SECONDS)
                began = self._pace.monotonic()
        self._sign(principal, made)

    def _sign(self, principal: Principal, made: int) -> None:
        """Write down that it is whole."""
        now = self._clock.now()
        with self._store.writing() as session:
            session.add(
                AuditEntry(
                    id=DemoClock(now, "made").new_id(),
                    at=now,
                    actor=principal.name,
                    door=principal.door,
                    action=MADE,
                    kind="tenant",
                    subject="demo world",
                    summary=f"The demo world was made: {made:,} calls.",
                    after={"generations": made},
                )
            )

    # ── Looking ───────────────────────────────────────────────────────────────────────────────────────────────────────

    def _is_whole(self) -> bool:
        return self._has_entry(MADE)

    def _is_wanted(self) -> bool:
        """Whether a start is to make it."""
        if self.exists():
            return not self._is_whole()
        with self._store.reading() as session:
            is_first = session.exec(select(Tenant.id).limit(1)).first() is None
        return is_first and not self._has_entry(REMOVED)

    def _has_entry(self, action: str) -> bool:
        with self._store.reading() as session:
            return session.exec(select(AuditEntry.id).where(AuditEntry.action == action).limit(1)).first() is not None
