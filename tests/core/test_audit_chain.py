"""The audit trail as a chain: one line whoever writes, the same hashes from either database, and what is noticed."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import sqlalchemy

from core import audit
from core.audit import ChainFinding, Trail, exported_head, linked
from core.clock import DEMO_MARK, Clock, ManualClock, SystemClock
from core.demo._chance import DemoClock
from core.errors import Forbidden, Invalid, Unavailable
from core.principals import LOCAL_OPERATOR, Grant, Principal, Role, TenantScope
from core.store import Store
from tests.forks import Forked

ANN = Principal("ann", (Grant(Role.ADMIN),), door="the console")
Change = Callable[[sqlalchemy.Connection], object]


def decide(store: Store, clock: Clock, *subjects: str, **facts: Any) -> None:
    """Write one entry for each subject, in one transaction."""
    with store.writing() as session:
        for subject in subjects:
            said: dict[str, Any] = {"action": "flag.set", "kind": "flag", "summary": f"{subject} was set."} | facts
            audit.record(session, clock, by=ANN, subject=subject, **said)


def verified(store: Store, **how: Any) -> ChainFinding:
    """Return what is found of the chain."""
    return Trail(store, SystemClock()).verify(LOCAL_OPERATOR, **how)


def sql(text: str, **bound: Any) -> Change:
    """Return what runs one statement behind Proctor's back."""
    return lambda connection: connection.execute(sqlalchemy.text(text), bound)


def anew(connection: sqlalchemy.Connection, seq: int) -> str:
    """Compute the hash of one entry anew, as who knows how would."""
    rows = connection.execute(sqlalchemy.text("SELECT * FROM audit_entry ORDER BY seq")).mappings().all()
    made = linked(rows[seq - 2]["hash"] if seq > 1 else "", seq, dict(rows[seq - 1]))
    sql("UPDATE audit_entry SET hash = :hash WHERE seq = :seq", hash=made, seq=seq)(connection)
    return made


def forge(connection: sqlalchemy.Connection) -> None:
    """Change the third entry, and its hash with it."""
    sql("UPDATE audit_entry SET actor = 'bob' WHERE seq = 3")(connection)
    anew(connection, 3)


def insert(connection: sqlalchemy.Connection) -> None:
    """Put an entry between the second and the third; those after it get new numbers."""
    for seq in (5, 4, 3):
        sql("UPDATE audit_entry SET seq = :seq + 1 WHERE seq = :seq", seq=seq)(connection)
    sql(
        "INSERT INTO audit_entry (id, at, actor, door, action, kind, subject, summary, reason, seq, hash) "
        "VALUES ('new', 1, 'bob', '', 'flag.set', 'flag', 'x', '', '', 3, 'abc')"
    )(connection)
    sql("UPDATE audit_head SET seq = 6 WHERE name = 'newest'")(connection)


def stranger(connection: sqlalchemy.Connection) -> None:
    """Put what was decided elsewhere, with its true hash there, in the place of the third."""
    there = {"id": "x", "at": 1, "actor": "bob", "action": "flag.set", "kind": "flag", "subject": "y", "summary": "z"}
    theirs = dict(connection.execute(sqlalchemy.text("SELECT * FROM audit_entry WHERE seq = 3")).mappings().one())
    made = linked("0" * 64, 3, theirs | there)
    sql(
        "UPDATE audit_entry SET id = :id, at = :at, actor = :actor, action = :action, kind = :kind, "
        "subject = :subject, summary = :summary, hash = :hash WHERE seq = 3",
        **there,
        hash=made,
    )(connection)


def follow(connection: sqlalchemy.Connection) -> None:
    """Change the third entry, and make every hash from there on anew, but for the head's."""
    sql("UPDATE audit_entry SET actor = 'bob' WHERE seq = 3")(connection)
    for seq in (3, 4, 5):
        anew(connection, seq)


def swap(connection: sqlalchemy.Connection) -> None:
    """Let the second and the third entry change places, each with its hash."""
    for old, new in ((2, 99), (3, 2), (99, 3)):
        sql("UPDATE audit_entry SET seq = :new WHERE seq = :old", old=old, new=new)(connection)


def cut(connection: sqlalchemy.Connection) -> None:
    """Cut off the last two entries, and move the head back to what is then the newest."""
    sql("DELETE FROM audit_entry WHERE seq > 3")(connection)
    sql("UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_entry WHERE seq = 3) WHERE name = 'newest'")(
        connection
    )


def rewrite(connection: sqlalchemy.Connection) -> None:
    """Change the second entry, and make every hash after it anew, and the head."""
    sql("UPDATE audit_entry SET actor = 'bob' WHERE seq = 2")(connection)
    for seq in range(2, 6):
        made = anew(connection, seq)
    sql("UPDATE audit_head SET seq = 5, hash = :hash WHERE name = 'newest'", hash=made)(connection)


TAMPERED: dict[str, tuple[Change, int]] = {
    "a field was changed": (sql("UPDATE audit_entry SET subject = 'other' WHERE seq = 2"), 2),
    "the actor was changed": (sql("UPDATE audit_entry SET actor = 'bob' WHERE seq = 4"), 4),
    "the time was moved by a microsecond": (sql("UPDATE audit_entry SET at = at + 1 WHERE seq = 1"), 1),
    "an amount in what it was before": (sql("UPDATE audit_entry SET before = '{\"n\"\\:2}' WHERE seq = 5"), 5),
    "a number became a text": (sql('UPDATE audit_entry SET before = \'{"n"\\:"1"}\' WHERE seq = 5'), 5),
    "a number became another of its value": (sql("UPDATE audit_entry SET before = '{\"n\"\\:1.0}' WHERE seq = 5"), 5),
    "who did it in whose name was taken away": (sql("UPDATE audit_entry SET reason = '' WHERE seq = 1"), 1),
    "absent became null": (sql("UPDATE audit_entry SET after = 'null' WHERE seq = 3"), 3),
    "absent became empty": (sql("UPDATE audit_entry SET tenant_id = '' WHERE seq = 3"), 3),
    "a text moved into the field before it": (
        sql("UPDATE audit_entry SET summary = summary || 'w', reason = 'hy' WHERE seq = 3"),
        3,
    ),
    "an entry was removed": (sql("DELETE FROM audit_entry WHERE seq = 2"), 2),
    "the first was removed": (sql("DELETE FROM audit_entry WHERE seq = 1"), 1),
    "an entry was put between": (insert, 3),
    "two changed places": (swap, 2),
    "one was changed, and its hash with it": (forge, 4),
    "an entry of another deployment took its place": (stranger, 3),
    "from one on all was made anew, but for the head": (follow, 5),
    "the end was cut off": (sql("DELETE FROM audit_entry WHERE seq > 3"), 4),
    "the head was moved back": (
        sql("UPDATE audit_head SET seq = 3, hash = (SELECT hash FROM audit_entry WHERE seq = 3) WHERE name = 'newest'"),
        4,
    ),
    "the hash of the head was changed": (sql("UPDATE audit_head SET hash = 'abc' WHERE name = 'newest'"), 5),
    "the head was removed": (sql("DELETE FROM audit_head"), 5),
    "an entry was taken out of the chain": (sql("UPDATE audit_entry SET seq = NULL WHERE seq = 5"), 0),
}
"""What somebody did to a chain of five, and where it is found to begin."""
UNKEYED: dict[str, tuple[Change, int]] = {
    "the end was cut off, head and all": (cut, 4),
    "all was made anew": (rewrite, 5),
}
"""What a chain without a key cannot prove by itself, and where it is found by an older export."""


@pytest.fixture
def five(store: Store, clock: ManualClock) -> Store:
    """A chain of five entries; the third has neither before, after, tenant nor reason."""
    decide(store, clock, "one", before={"n": 1}, after={"n": 2}, tenant_id="t1", reason="a test")
    decide(store, clock, "two", "three")
    decide(store, clock, "four", after=[])
    decide(store, clock, "five", before={"n": 1}, after=None, reason="why")
    return store


@pytest.mark.parametrize(("change", "at"), TAMPERED.values(), ids=TAMPERED)
def test_the_first_break_is_named(five: Store, change: Change, at: int) -> None:
    """Whatever was done to the table behind Proctor's back, the entry is named at which it begins, in a sentence."""
    assert verified(five) == ChainFinding(verified(five).head, 5)
    with five.engine.begin() as connection:
        change(connection)

    found = verified(five)

    assert (found.ok, found.broken_at) == (False, at)
    assert found.sentence.endswith(".")
    assert "\n" not in found.sentence


@pytest.mark.parametrize(("change", "at"), UNKEYED.values(), ids=UNKEYED)
def test_an_older_export_shows_what_the_chain_alone_cannot(five: Store, change: Change, at: int) -> None:
    """Who may write everything can make a chain that follows; the head of an export made before tells."""
    lines = list(Trail(five, SystemClock()).export(LOCAL_OPERATOR))
    head = exported_head(lines)
    assert verified(five, against=head).ok
    decide(five, SystemClock(), "more")
    assert verified(five, against=head).ok
    with five.engine.begin() as connection:
        sql("DELETE FROM audit_entry WHERE seq = 6")(connection)
        change(connection)

    assert verified(five).ok
    found = verified(five, against=head)
    assert (found.ok, found.broken_at) == (False, at)


def test_new_entries_alone_are_looked_at(five: Store, clock: ManualClock) -> None:
    """A short run reads what is new since the last that found all in order, and holds that one's end against it."""
    verified(five)
    assert verified(five, whole=False).looked_at == 0
    decide(five, clock, "six", "seven")
    assert verified(five, whole=False).looked_at == 2
    with five.engine.begin() as connection:
        sql("UPDATE audit_entry SET hash = 'abc' WHERE seq = 7")(connection)
    assert verified(five, whole=False).broken_at == 7


def test_an_export_says_all_that_is_hashed(five: Store) -> None:
    """From its lines alone every hash can be made again; its head stands first and last, with the count."""
    first, *entries, last = [orjson.loads(line) for line in Trail(five, SystemClock()).export(LOCAL_OPERATOR)]
    assert first == last
    assert (first["entries"], first["seq"], first["hash"]) == (5, 5, entries[-1]["hash"])
    before = ""
    for entry in entries:
        at = datetime.fromisoformat(entry["at"])
        assert entry["at"].endswith("Z")
        said = entry | {"at": (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)}
        for name in ("before", "after"):
            said[name] = None if entry[name] is None else orjson.dumps(entry[name]).decode()
        assert linked(before, entry["seq"], said) == entry["hash"]
        before = entry["hash"]


@pytest.mark.parametrize("spoilt", [[], [b"{}\n"], [b"not json\n"], slice(0, -1), slice(1, None)])
def test_what_is_no_whole_export_is_refused(five: Store, spoilt: Any) -> None:
    """A file that was cut, or is another one, is refused in a sentence instead of being held against the chain."""
    lines = list(Trail(five, SystemClock()).export(LOCAL_OPERATOR))
    with pytest.raises(Invalid, match="no whole export"):
        exported_head(lines[spoilt] if isinstance(spoilt, slice) else spoilt)


VALUES: list[Any] = [
    {"limit": 1e-07, "n": 10.0, "big": 12345678901234567890},
    {"b": 1, "a": 2},
    {"x": " "},
    {"name": "Jose\u0301", "other": "José", "face": "😀"},
    {"deep": [[], {}, None, True, "\u2028"]},
    "",
    0,
    [],
]


def test_what_comes_back_has_the_hash_that_it_was_given(store: Store) -> None:
    """Numbers in any form, texts in any alphabet, the order of names, microseconds: all verify after a round trip."""
    clock = ManualClock(datetime(2026, 10, 25, 0, 30, 0, 123456, tzinfo=UTC))
    for value in VALUES:
        decide(store, clock, "Jose\u0301", before=value, after={"was": value}, reason=" ")
        clock.advance(0.000001)
    assert verified(store) == ChainFinding(verified(store).head, len(VALUES))


def test_the_hash_of_an_entry_stays() -> None:
    """Chains of today are followed by every release: what an entry's hash is made of does not change."""
    said = dict.fromkeys(("actor", "door", "action", "kind", "subject", "summary", "reason"), "é")
    said |= {"id": "a" * 32, "at": 1_790_000_000_000_001, "tenant_id": None, "before": None, "after": '{"n":1}'}
    first = linked("", 1, said)
    assert (first, linked(first, 2, said)) == (
        "89efaad50c9bdbdb588ec2d786e8576b8f583330c532d428e1bad89f875d34fe",
        "66881e59db4a9235897ed6a829dfeb2b5c38d03b538a2e095538fc62291c5194",
    )


def test_entries_of_one_transaction_stand_in_their_order(store: Store, clock: ManualClock) -> None:
    """Several decisions of one transaction follow each other; one that is taken back leaves no gap."""
    decide(store, clock, "a", "b", "c")

    def fail() -> None:
        with store.writing() as session:
            audit.record(session, clock, by=ANN, action="x.y", kind="x", subject="lost", summary="Lost.")
            session.flush()
            raise LookupError

    with pytest.raises(LookupError):
        fail()
    decide(store, clock, "d")
    with store.snapshot() as connection:
        rows = connection.exec_driver_sql("SELECT seq, subject FROM audit_entry ORDER BY seq").all()
    assert [tuple(row) for row in rows] == [(1, "a"), (2, "b"), (3, "c"), (4, "d")]
    assert verified(store).ok


def test_what_the_demo_world_decides_stands_beside_the_chain(store: Store) -> None:
    """Its entries go away with it, so they are no links; what bears another id and is no link is noticed."""
    decide(store, DemoClock(datetime(2026, 11, 1, tzinfo=UTC), "Ada"), "demo")
    decide(store, SystemClock(), "real")
    with store.snapshot() as connection:
        rows = connection.exec_driver_sql("SELECT subject, seq FROM audit_entry ORDER BY subject").all()
        ids = connection.exec_driver_sql("SELECT id FROM audit_entry WHERE seq IS NULL").scalars().all()
    assert [tuple(row) for row in rows] == [("demo", None), ("real", 1)]
    assert [one[12:20] for one in ids] == [DEMO_MARK]
    assert verified(store) == ChainFinding(verified(store).head, 1)


def test_without_a_head_nothing_is_decided(store: Store, clock: ManualClock) -> None:
    """Who removes the head stops the decisions, in a sentence, instead of beginning another chain."""
    with store.engine.begin() as connection:
        sql("DELETE FROM audit_head")(connection)
    with pytest.raises(Unavailable, match="lost its head"):
        decide(store, clock, "a")


def test_only_who_sees_all_tenants_sees_the_chain(five: Store) -> None:
    """The trail is of all tenants: an operator of one may neither verify nor export it."""
    of_one = Principal("ben", (Grant(Role.ADMIN, TenantScope(frozenset({"t1"}))),))
    trail = Trail(five, SystemClock())
    for ask in (trail.verify, trail.export):
        with pytest.raises(Forbidden):
            ask(of_one)


_WRITER = """
import sys, threading
from core import audit
from core.clock import SystemClock
from core.principals import Grant, SYSTEM
from core.store import Store
store, clock = Store(sys.argv[1]), SystemClock()
def write(many):
    for n in range(many):
        try:
            with store.writing() as session:
                for part in range(1 + n % 3):
                    audit.record(session, clock, by=SYSTEM, action="x.y", kind="x", subject=str(part), summary="")
                if n % 4 == 3:
                    session.flush()
                    raise LookupError
        except LookupError:
            pass
print("ready", flush=True)
sys.stdin.readline()
threads = [threading.Thread(target=write, args=(int(sys.argv[2]),)) for _ in range(8)]
for thread in threads: thread.start()
for thread in threads: thread.join()
store.close()
"""


def test_many_writers_make_one_chain(store: Store, database_url: str) -> None:
    """Two processes of eight threads, which take back now and then, and one that is killed as it writes: one line.

    Whoever verifies meanwhile finds it whole as well.
    """
    mine = 8
    with (
        Forked("-c", _WRITER, database_url, str(mine)) as first,
        Forked("-c", _WRITER, database_url, str(mine)) as second,
        Forked("-c", _WRITER, database_url, "100000") as killed,
    ):
        for process in (first, second, killed):
            assert process.stdout.readline() == "ready\n"
        for process in (first, second, killed):
            process.stdin.write("\n")
            process.stdin.flush()
        finder = threading.Event()
        found: list[ChainFinding] = []
        while not finder.wait(0.05) and len(found) < 5:
            found.append(verified(store))
        killed.kill()
        assert (first.wait(60), second.wait(60), killed.wait(10)) == (0, 0, -9)
    found.append(verified(store))
    assert all(one.ok for one in found), [one.sentence for one in found]
    with store.snapshot() as connection:
        count, last = connection.exec_driver_sql("SELECT COUNT(*), MAX(seq) FROM audit_entry").one()
        events = connection.exec_driver_sql("SELECT COUNT(*) FROM change_event").scalar_one()
    assert count == last == events >= 2 * 8 * 11


def test_an_export_is_read_from_a_file(five: Store, tmp_path: Path) -> None:
    """The head is found in the file as it was written."""
    path = tmp_path / "trail.jsonl"
    with path.open("wb") as out:
        out.writelines(Trail(five, SystemClock()).export(LOCAL_OPERATOR))
    with path.open("rb") as file:
        assert exported_head(file) == verified(five).head
