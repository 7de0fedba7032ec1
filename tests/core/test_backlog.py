"""What was told is never lost: records that the database does not take are written once it is back, to the cent."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from sqlmodel import select

from core.clock import ManualClock, SystemClock
from core.errors import Unavailable
from core.record.backlog import IN_MEMORY_SECONDS, Backlog
from core.store import Store
from core.tables import (
    AttemptRow,
    GenerationRow,
    LedgerEntry,
    Outcome,
    Payload,
    PolicySnapshot,
    Reservation,
    Row,
    Tenant,
)
from tests import backlog_process
from tests.conftest import START
from tests.corridor import program, question, rig
from tests.forks import Forked
from tests.tills import DEAD, Till, Walk
from tests.wayward_store import Way, WaywardStore, backlog_of
from tests.wire.server import WireServer

WAYS: list[Way] = ["at once", "undone", "kept"]


@pytest.fixture
def wayward(store: Store) -> WaywardStore:
    """The store of a process whose database can go away; once on each kind."""
    return WaywardStore(store)


@pytest.fixture
def till(wayward: WaywardStore, clock: ManualClock) -> Iterator[Till]:
    """That process, whose tenant may spend 1000."""
    till = Till(wayward, clock, 1000)
    yield till
    wayward.fails = ""
    if till.recorder.backlog is not None:
        till.recorder.backlog.close()


def comparable(row: Any) -> dict[str, Any]:
    """Return what of a row does not depend on which generation it is, or when."""
    told = row.model_dump()
    names = {"id", "generation_id", "attempt_id", "request_id", "duration_ms", "ended_at", "started_at", "at"}
    return {name: value for name, value in told.items() if name not in names}


@pytest.mark.parametrize("way", WAYS)
def test_it_is_written_as_it_would_have_been(way: Way, till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """The caller has his answer; once the database is back the rows and the money are those of any generation."""
    backlog = backlog_of(till, tmp_path)
    till.spend(30)
    walk = till.begin()
    first = walk.cover(100)
    walk.end(first, 30)
    wayward.fails = way
    walk.close()
    assert walk.record.generation is not None
    assert walk.record.generation.outcome is Outcome.VALID_FIRST_TRY
    if way != "kept":
        assert till.account() == (30, 100)
        with pytest.raises(Unavailable):
            backlog.write()
    assert len(backlog) == 1

    wayward.fails = ""
    assert backlog.write() == 1
    assert len(backlog) == backlog.write() == 0
    assert till.account() == (60, 0)
    assert till.is_sound()
    for table in (GenerationRow, AttemptRow, LedgerEntry):
        one, other = till.rows(table)[-2:] if table is not LedgerEntry else till.rows(table)
        assert comparable(one) == comparable(other)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("which", [0, 1])
def test_whichever_transaction_fails_the_rest_follows(
    which: int, way: Way, till: Till, wayward: WaywardStore, tmp_path: Path
) -> None:
    """A second call cannot be covered: what the first one cost is charged once, and nothing stays held."""
    backlog = backlog_of(till, tmp_path)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails, wayward.left = way, which
    if which == 0:
        with pytest.raises(Unavailable):
            walk.cover(200)
    else:
        walk.end(walk.cover(200), 40)
    wayward.fails = way
    walk.close()
    wayward.fails, wayward.left = "", 0
    backlog.write()
    assert till.account() == (30 if which == 0 else 70, 0)
    assert till.is_sound()
    assert [row.outcome for row in till.rows(GenerationRow)] == ["valid_first_try"]
    assert till.rows(Reservation) == []


def test_recovery_may_be_faster(till: Till, wayward: WaywardStore, tmp_path: Path, clock: ManualClock) -> None:
    """Another process took this one for dead meanwhile, and charged an estimate: the record corrects it."""
    backlog = backlog_of(till, tmp_path)
    till.recovery.heartbeat()
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    wayward.fails = ""
    clock.advance(DEAD)
    assert till.beside("two").recovery.run() == 1
    assert till.account() == (100, 0)
    assert [row.error_code for row in till.rows(GenerationRow)] == ["lost"]
    assert backlog.write() == 1
    assert till.account() == (30, 0)
    assert till.is_sound()
    [row] = till.rows(GenerationRow)
    assert (row.outcome, row.error_code, row.cost_nano_usd) == ("valid_first_try", None, 30)


def test_after_a_moment_it_goes_to_a_file(
    till: Till, wayward: WaywardStore, tmp_path: Path, clock: ManualClock
) -> None:
    """The file is nobody else's to read, and nobody else's to take in while its process lives; then it is."""
    folder = tmp_path / "made when it is needed"
    backlog = backlog_of(till, folder)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    with pytest.raises(Unavailable):
        backlog.write()
    assert not folder.exists(), "for a moment it is kept in memory alone"
    clock.advance(IN_MEMORY_SECONDS)
    with pytest.raises(Unavailable):
        backlog.write()
    [path] = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert len(backlog) == 1
    assert b"proctor_backlog_records 1.0" in till.metrics.text()

    other = till.beside("two")
    others = backlog_of(other, folder)
    wayward.fails = ""
    assert others.write() == 0
    assert path.exists()
    assert backlog.write() == 1
    assert path.read_bytes() == b""
    assert till.account() == (30, 0)
    assert till.is_sound()


def test_what_a_stop_leaves_the_next_start_takes_in(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """A process that stops while the database is away files what it has; the next one writes it, once."""
    backlog = backlog_of(till, tmp_path)
    walks: list[Walk] = []
    for cost in (1, 2, 3):
        walk = till.begin()
        walk.end(walk.cover(100), cost)
        walks.append(walk)
    wayward.fails = "at once"
    for walk in walks:
        walk.close()
    backlog.close()
    wayward.fails = ""
    next_one = backlog_of(till.beside("two"), tmp_path)
    assert next_one.write() == 3
    assert next_one.write() == 0
    assert list(tmp_path.glob("backlog-*")) == []
    assert till.account() == (6, 0)
    assert till.is_sound()


def test_a_stop_that_finds_the_database_leaves_nothing(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """What waits as a process stops is written, if it can be."""
    backlog = backlog_of(till, tmp_path)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    wayward.fails = ""
    backlog.close()
    assert till.account() == (30, 0)
    assert till.is_sound()


def test_one_that_is_never_taken_keeps_no_other(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """What another release wrote, or half a line, is put aside with all that it says; the rest is written."""
    backlog = backlog_of(till, tmp_path)
    (tmp_path / "backlog-of-another-release.jsonl").write_bytes(b'{"generation":{"id":"x"},"new":1}\nno JSON\n{"ha')
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    wayward.fails = ""
    backlog.write()
    assert till.account() == (30, 0)
    refused = (tmp_path / "refused.jsonl").read_bytes().splitlines()
    assert refused == [b'{"generation":{"id":"x"},"new":1}', b"no JSON"]
    assert list(tmp_path.glob("backlog-of*")) == []


@pytest.mark.parametrize("more", [0, 1])
def test_what_is_filed_while_it_is_written_takes_no_other_along(
    more: int, till: Till, wayward: WaywardStore, tmp_path: Path
) -> None:
    """The record that is being written goes to the file meanwhile, and a newer one comes: both are written, once."""
    backlog = backlog_of(till, tmp_path)
    walks = [till.begin() for _ in range(1 + more)]
    for walk in walks:
        walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walks[0].close()

    def files() -> None:
        backlog._spill(0.0)
        wayward.fails = "at once"
        for walk in walks[1:]:
            walk.close()
        wayward.fails = ""

    wayward.fails, wayward.meanwhile = "", files
    backlog.write()
    backlog.write()
    assert len(backlog) == 0
    assert till.account() == (30 * len(walks), 0)
    assert till.is_sound()
    assert len(till.rows(GenerationRow)) == len(walks)


def test_what_comes_after_the_end_goes_to_the_file(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """A call that ends after the backlog was closed is not lost: the next process takes it in."""
    backlog = backlog_of(till, tmp_path)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    backlog.close()
    wayward.fails = "at once"
    walk.close()
    [path] = tmp_path.glob("backlog-*.jsonl")
    (tmp_path / "backlog-of-the-dead.jsonl").write_bytes(path.read_bytes())
    wayward.fails = ""
    assert backlog_of(till.beside("two"), tmp_path).write() == 1
    assert till.account() == (30, 0)


def test_a_disk_that_is_full_spoils_no_line(
    till: Till, wayward: WaywardStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What could not be filed whole stays in memory, and the file ends with a whole line."""
    backlog = backlog_of(till, tmp_path)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()

    def full(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        backlog._spill(0.0)
    [path] = tmp_path.glob("backlog-*.jsonl")
    assert path.read_bytes() == b""
    assert len(backlog) == 1
    wayward.fails = ""
    backlog.write()
    assert till.account() == (30, 0)


def _before(rows: list[dict[str, Any]], table: type[Row]) -> None:
    """Make rows what a release wrote that did not know any column that has a default."""
    for row in rows:
        for name, column in table.model_fields.items():
            if not column.is_required() and name not in {"input_tokens", "output_tokens", "cost_nano_usd"}:
                row.pop(name, None)


def test_an_upgrade_loses_no_record(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """A file of a release that knew fewer columns is written all the same; those it did not know have their default."""
    backlog = backlog_of(till, tmp_path)
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    backlog.close()
    [path] = tmp_path.glob("backlog-*.jsonl")
    kept = orjson.loads(path.read_bytes())
    _before([kept["generation"]], GenerationRow)
    _before(kept["attempts"], AttemptRow)
    _before(kept["reservation"]["pending"], LedgerEntry)
    path.write_bytes(orjson.dumps(kept) + b"\n")
    wayward.fails = ""
    assert backlog_of(till.beside("two"), tmp_path).write() == 1
    assert not (tmp_path / "refused.jsonl").exists()
    assert till.account() == (30, 0)
    [row] = till.rows(GenerationRow)
    assert (row.cost_nano_usd, row.saved_nano_usd, row.started_at) == (30, 0, START)


def test_without_a_file_it_stays_in_memory(
    till: Till, wayward: WaywardStore, tmp_path: Path, clock: ManualClock
) -> None:
    """A folder that cannot be made loses nothing while the process lives."""
    (tmp_path / "file").write_text("in the way")
    backlog = backlog_of(till, tmp_path / "file" / "folder")
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    clock.advance(IN_MEMORY_SECONDS)
    with pytest.raises(Unavailable):
        backlog.write()
    wayward.fails = ""
    assert backlog.write() == 1
    assert till.account() == (30, 0)


def filed(till: Till, wayward: WaywardStore, backlog: Backlog) -> None:
    """Leave one record of a call that cost 30 in the backlog's file."""
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    backlog._spill(0.0)


def test_a_file_that_was_deleted_is_made_again(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """Who tidies the folder under a running process takes no record away: it is read all the same, and filed again."""
    backlog = backlog_of(till, tmp_path / "folder")
    filed(till, wayward, backlog)
    [path] = (tmp_path / "folder").iterdir()
    path.unlink()
    (tmp_path / "folder").rmdir()
    with pytest.raises(Unavailable):
        backlog.write()
    assert path.read_bytes().count(b"\n") == len(backlog) == 1
    path.unlink()
    wayward.fails = ""
    assert backlog.write() == 1
    assert till.account() == (30, 0)
    assert till.is_sound()


def test_what_is_in_the_way_is_told_and_keeps_no_other(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """A file that nobody can read is named, with what to do; all others are taken in, and a stop ends in order."""
    (tmp_path / "backlog-a.jsonl").mkdir()
    other = till.beside("two")
    left = backlog_of(other, tmp_path)
    filed(other, wayward, left)
    left.close()
    wayward.fails = ""
    backlog = backlog_of(till, tmp_path)
    with pytest.raises(Unavailable, match=r"backlog-a\.jsonl cannot be used: Is a directory\. Give Proctor's user"):
        backlog.write()
    assert till.account() == (30, 0)
    backlog.close()


def test_what_cannot_be_put_aside_is_not_thrown_away(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """A record that the database refuses stays where it is until there is room for it, and is in nobody's way."""
    (tmp_path / "refused.jsonl").mkdir()
    (tmp_path / "backlog-odd.jsonl").write_bytes(b"no record\n")
    backlog = backlog_of(till, tmp_path)
    backlog.keep({"generation": {"id": "x"}})
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    wayward.fails = ""
    with pytest.raises(Unavailable, match=r"refused\.jsonl cannot be used"):
        backlog.write()
    assert till.account() == (30, 0)
    assert len(backlog) == 1
    (tmp_path / "refused.jsonl").rmdir()
    backlog.write()
    assert len(backlog) == 0
    refused = (tmp_path / "refused.jsonl").read_bytes().splitlines()
    assert refused == [b'{"generation":{"id":"x"}}', b"no record"]


def test_memory_has_an_end(till: Till, wayward: WaywardStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where neither the database nor a file takes anything, what is kept is bounded, and the caller is told."""
    (tmp_path / "file").write_text("in the way")
    backlog = backlog_of(till, tmp_path / "file" / "folder")
    tries: list[int] = []
    monkeypatch.setattr(backlog, "_append", lambda text: tries.append(len(text)) or (tmp_path / "file" / "x").stat())
    size = len(orjson.dumps({"x": "x" * 1000}))
    monkeypatch.setattr("core.record.backlog._MOST_BYTES", 4 * size)
    for _ in range(8):
        backlog.keep({"x": "x" * 1000})
    with pytest.raises(Unavailable, match="cannot be written"):
        backlog.keep({"x": "x" * 1000})
    assert len(backlog) == 8
    assert len(tries) == 1, "a file that cannot be written is not tried for each"


def test_a_process_that_is_killed_leaves_its_file(database_url: str, tmp_path: Path) -> None:
    """Twenty records of a process that was killed: whoever looks next writes them all, before recovery estimates."""
    with Forked("-m", "tests.backlog_process", database_url, str(tmp_path)) as process:
        assert process.wait(60) == -9, "what went wrong stands above, on standard error"
    store = Store(database_url)
    till = Till(store, SystemClock(), owner="the next", tenant=next(iter(_tenants(store))))
    assert till.account() == (0, backlog_process.CALLS * 100)
    assert backlog_of(till, tmp_path).write() == backlog_process.CALLS
    assert till.account() == (backlog_process.CALLS * backlog_process.COST, 0)
    assert till.is_sound()
    store.close()


def _tenants(store: Store) -> list[Any]:
    with store.reading() as session:
        return list(session.exec(select(Tenant)))


def test_the_caller_gets_the_answer_that_was_paid(sqlite_url: str) -> None:
    """Through the whole corridor: the object is given, prompts and field errors follow when the database is back."""
    with WireServer() as wire, rig(wire, sqlite_url) as proctor:
        runtime = proctor.runtime
        tenant = proctor.tenant()
        recorder = runtime.generator._recorder
        wayward = recorder.store = WaywardStore(runtime.store)
        wayward.fails, wayward.left = "undone", 2  # two calls are covered, and what came of them is not taken
        generation = runtime.generator.generate(question("invalid-once"), program(tenant))
        assert generation.value is not None
        assert len(runtime.backlog) == 1
        assert runtime.backlog.write() == 1
        assert proctor.is_settled()
        written = proctor.written(generation.id)
        assert written.generation.outcome == generation.outcome.value
        assert len(written.attempts) == len(generation.attempts)
        assert written.field_errors
        assert {row.n for row in written.payloads} >= {0, 1}
        assert written.generation.trace == list(generation.trace)
        with runtime.store.reading() as session:
            assert session.get(PolicySnapshot, written.generation.policy_hash) is not None


def test_times_and_names_survive_the_file(till: Till, wayward: WaywardStore, tmp_path: Path) -> None:
    """What is filed reads back as the rows have it: times as times, everything else as it was."""
    backlog = backlog_of(till, tmp_path / "backlog")
    walk = till.begin()
    walk.end(walk.cover(100), 30)
    wayward.fails = "at once"
    walk.close()
    backlog._spill(0.0)
    [path] = (tmp_path / "backlog").iterdir()
    kept = orjson.loads(path.read_bytes())
    assert kept["generation"]["started_at"] == START.isoformat()
    wayward.fails = ""
    backlog.write()
    [row] = till.rows(GenerationRow)
    assert row.started_at == START
    assert till.rows(Payload) == []
