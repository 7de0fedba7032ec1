"""The backlog whatever happens at the same time: nothing is lost, and nothing is written twice."""

from __future__ import annotations

import errno
import itertools
import os
import tempfile
from pathlib import Path
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from core.clock import ManualClock
from core.errors import Unavailable
from core.record.backlog import IN_MEMORY_SECONDS
from core.store import Store
from core.tables import GenerationRow, Reservation
from tests.conftest import START
from tests.tills import Till, Walk
from tests.wayward_store import Way, WaywardStore, backlog_of

_seeds = itertools.count(1)
WAYS = st.sampled_from(["", "", "at once", "undone", "kept"])
MEANWHILE = st.sampled_from(["nothing", "file", "keep", "file, keep", "keep, file", "file, keep, file"])


class Backlogs(RuleBasedStateMachine):
    """A process that keeps, files and writes records, at times at once; its database and its disk fail now and then."""

    store: Store

    def __init__(self) -> None:
        super().__init__()
        self.wayward = WaywardStore(self.store)
        self.clock = ManualClock(START, seed=next(_seeds))
        self.till = Till(self.wayward, self.clock, 10**9)
        self.folder = Path(tempfile.mkdtemp())
        self.owners = map(str, itertools.count())
        self.disk_is_full = False
        self.spent = 0
        self.ended = 0
        self.out: list[Walk] = []
        self.backlog = backlog_of(self.till, self.folder, owner=next(self.owners))

    def file(self) -> None:
        """Put what waits into the file."""

        def fsync(_file: int) -> None:
            if self.disk_is_full:
                raise OSError(errno.ENOSPC, "No space left on device")

        with patch.object(os, "fsync", fsync):
            self.backlog._spill(0.0)

    def keep(self) -> None:
        """End a call while the database does not answer."""
        if self.out:
            fails, left = self.wayward.fails, self.wayward.left
            self.wayward.fails, self.wayward.left = "at once", 0
            self.out.pop().close()
            self.wayward.fails, self.wayward.left = fails, left
            self.ended += 1

    @rule(cost=st.integers(1, 99))
    def begin(self, cost: int) -> None:
        """Begin a generation, whose call ends."""
        walk = self.till.begin()
        walk.end(walk.cover(100), cost)
        self.spent += cost
        self.out.append(walk)

    @rule()
    @precondition(lambda self: self.out)
    def end(self) -> None:
        """End it, without a record."""
        self.keep()

    @rule(seconds=st.sampled_from([1.0, IN_MEMORY_SECONDS]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(full=st.booleans())
    def disk(self, full: bool) -> None:  # noqa: FBT001
        """Let the disk be full, or have room again."""
        self.disk_is_full = full

    @rule()
    def fill(self) -> None:
        """File what waits, as when there is too much of it."""
        self.file()

    @rule(way=WAYS, left=st.integers(0, 2), meanwhile=MEANWHILE)
    def write(self, way: Way, left: int, meanwhile: str) -> None:
        """Write what waits, while other threads keep and file."""
        self.wayward.fails, self.wayward.left = way, left
        self.wayward.meanwhile = lambda: [getattr(self, one)() for one in meanwhile.split(", ") if one != "nothing"]
        try:
            self.backlog.write()
        except Unavailable:
            assert way
        finally:
            self.wayward.fails, self.wayward.left, self.wayward.meanwhile = "", 0, None

    @rule(way=WAYS)
    def restart(self, way: Way) -> None:
        """Stop the process, and start the next one."""
        self.wayward.fails, self.wayward.left = way, 0
        self.backlog.close()
        self.wayward.fails = ""
        self.backlog = backlog_of(self.till, self.folder, owner=next(self.owners))

    @invariant()
    def is_once(self) -> None:
        """No generation is on record twice, and none that has not ended."""
        assert len(self.till.rows(GenerationRow)) <= self.ended

    def teardown(self) -> None:
        """Once the database is back all of it is written, to the cent."""
        while self.out:
            self.keep()
        self.backlog.write()
        self.backlog.write()
        assert len(self.backlog) == 0
        assert len(self.till.rows(GenerationRow)) == self.ended
        assert self.till.rows(Reservation) == []
        assert self.till.account() == (self.spent, 0)
        assert self.till.is_sound()
        assert not (self.folder / "refused.jsonl").exists()
        self.backlog.close()
        assert list(self.folder.glob("backlog-*")) == []
        with self.store.transaction() as cursor:
            for table in ("stretch", "proven_balance", "ledger_entry", "account", "attempt", "generation"):
                cursor.execute(f"DELETE FROM {table}")  # noqa: S608 names written above


def test_nothing_is_lost_whatever_happens_at_once(sqlite_store: Store) -> None:
    """Records that are kept, filed and written in any order, with a database and a disk that fail, are there once."""

    class OnThis(Backlogs):
        store = sqlite_store

    run_state_machine_as_test(
        OnThis,
        settings=settings(
            max_examples=40, stateful_step_count=25, deadline=None, suppress_health_check=list(HealthCheck)
        ),
    )
