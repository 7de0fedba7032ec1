"""Sealed texts: with a key nothing is kept in clear, what is sealed opens in its place alone, and keys are changed."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import update
from sqlmodel import col, select

from core import seals as room
from core.claims import ANSWER, CHORE, IDEMPOTENCY, Claims, Done, Lease
from core.clock import ManualClock
from core.errors import Misconfigured, Unavailable
from core.journal import CallOwner, JournalWriter
from core.own_keys import DeploymentKey, OwnKeys
from core.principals import LOCAL_OPERATOR
from core.record._rows import payload_row
from core.reports import Reports
from core.sealed_texts import CannotOpen, opened_text, sealed_text
from core.seals import Seals
from core.store import AT_ONCE, Store
from core.tables import Claim, GenerationRow, Payload
from tests import builders
from tests.conftest import START
from tests.corridor import OPENAI, rig
from tests.wire.server import WireServer

CANARY = "hummingbird"
OLD, NEW, OTHER = (DeploymentKey.of(bytes(range(start, start + 32))) for start in (0, 100, 200))


def ring(*keys: DeploymentKey) -> OwnKeys:
    """Return the keys of a deployment."""
    return OwnKeys(payload_keys=keys)


@pytest.fixture(scope="module")
def wire() -> Iterator[WireServer]:
    """The fake providers."""
    with WireServer() as server:
        yield server


# ── One text ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(text=st.text(), tenant=st.text(max_size=40), place=st.text(max_size=40))
def test_what_is_sealed_opens_again(text: str, tenant: str, place: str) -> None:
    """Any text, halves of letters too; another seal of the same is another text; whatever key came first since."""
    sealed = sealed_text(ring(OLD), tenant, place, text)

    assert sealed != sealed_text(ring(OLD), tenant, place, text)
    assert opened_text(ring(NEW, OLD), tenant, place, OLD.id, sealed) == text


@pytest.mark.parametrize(
    ("tenant", "place", "key", "sealed"),
    [
        ("other", "row 1", OLD, None),
        ("acme", "row 2", OLD, None),
        ("acme", "row 1", NEW, None),
        ("acme", "row 1", OTHER, None),
        ("acme", "row 1", OLD, "1.AAAA"),
        ("acme", "row 1", OLD, ""),
        ("acme", "row 1", OLD, "no base64"),
    ],
)
def test_it_opens_nowhere_else(tenant: str, place: str, key: DeploymentKey, sealed: str | None) -> None:
    """In another tenant, in another row, by another key, or changed: it is refused, and nothing of it is shown."""
    made = sealed_text(ring(OLD), "acme", "row 1", CANARY) if sealed is None else sealed

    with pytest.raises(CannotOpen) as refused:
        opened_text(ring(OLD, NEW), tenant, place, key.id, made)
    assert CANARY not in str(refused.value)
    assert key is not OTHER or OTHER.id in str(refused.value)


# ── Everything ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("scenario", ["ok", "invalid-once", "never-valid"])
def test_a_call_is_kept_sealed(scenario: str, wire: WireServer, database_url: str) -> None:
    """No row has a word of it, its page has all; without the key that says which is missing, and shows nothing."""
    with rig(wire, database_url, payload_keys=(OLD,)) as proctor:
        tenant = proctor.tenant()
        heard = proctor.ask(tenant, scenario, model=OPENAI)
        call_id = heard.generation.id
        rows = proctor.written(call_id).payloads
        told = proctor.runtime.reports.call(LOCAL_OPERATOR, call_id)
        assert rows
        assert {one.key_id for one in rows} == {OLD.id}
        assert all(str(part).startswith("1.") for one in rows for part in (one.asked, one.answered) if part)
        assert told.asked[0]["role"]
        assert (told.value is not None) is heard.generation.outcome.is_successful
        store = Store(database_url, own_keys=ring(NEW))
        shut = Reports(store, proctor.clock, dict).call(LOCAL_OPERATOR, call_id)
        assert (shut.asked, shut.value) == (None, None)
        assert OLD.id in shut.keeping
        store.close()


def test_a_file_has_nothing_in_clear(sqlite_template: Path, tmp_path: Path) -> None:
    """Neither the file nor its journal, of payloads, of answers to be given again, and of a record that waits."""
    path = tmp_path / "proctor.db"
    shutil.copy(sqlite_template, path)
    store, clock = Store(f"sqlite:///{path}", own_keys=ring(OLD)), ManualClock(START)
    written(store, clock, 3)

    raw = b"".join(one.read_bytes() for one in tmp_path.iterdir())

    assert OLD.id.encode() in raw
    assert CANARY.encode() not in raw
    store.close()


def written(store: Store, clock: ManualClock, count: int) -> list[str]:
    """Write calls with prompts, answers and what is to be given again; return their ids."""
    with store.reading() as session:
        is_new = not session.exec(select(GenerationRow.id)).first()
    if is_new:
        builders.save(store, builders.tenant("Acme", START))
    calls = [builders.generation(clock.now() + timedelta(seconds=place)) for place in range(count)]
    builders.save(store, calls)
    journal, claims = JournalWriter(store), Claims(store, clock)
    for one in calls:
        row = payload_row(one.id, 0, [{"role": "user", "content": CANARY}], CANARY, START + timedelta(days=3000))
        with store.transaction() as cursor:
            journal.payloads(cursor, [row], CallOwner("acme", None, one.started_at))
    for kind in (ANSWER, IDEMPOTENCY):
        lease = claims.claim(kind, f"{kind} of {calls[0].id}", tenant_id="acme", holder=calls[0].id)
        assert isinstance(lease, Lease)
        lease.finish({"body": CANARY}, clock.now() + timedelta(days=1))
    claims.close()
    return [one.id for one in calls]


def test_keys_are_changed_while_it_runs(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """From none to one, to another, with two processes at each step: all is read by both, and at last sealed by one.

    Whoever lacks a key that is still needed does not start, and is told which, and of how many rows.
    """
    clock = ManualClock(START + timedelta(days=1))
    steps = [ring(), ring(OLD), ring(OLD, NEW), ring(NEW, OLD)]
    stores = [Store(database_url, own_keys=keys) for keys in steps]
    ids: list[str] = []
    for store in stores:
        ids += written(store, clock, AT_ONCE + 1 if store is stores[0] else 2)
        clock.advance(600)

    def read(store: Store) -> set[object]:
        reports = Reports(store, clock, dict)
        return {str((call.asked, call.value)) for one in ids if (call := reports.call(LOCAL_OPERATOR, one))}

    def seals(store: Store) -> Seals:
        return Seals(store, JournalWriter(store))

    whole = {str(([{"role": "user", "content": CANARY}], CANARY))}
    assert read(stores[2]) == read(stores[3]) == whole
    last = Store(database_url, own_keys=ring(NEW))
    with pytest.raises(Misconfigured, match=f"8 rows .* key {OLD.id}"):
        seals(last).require_keys()
    assert seals(stores[3]).remaining() == {"": AT_ONCE + 1, OLD.id: 8}
    with monkeypatch.context() as patch:
        fewer = room._COUNT.replace(str(room.MOST_COUNTED + 1), "3")  # pyright: ignore[reportPrivateUsage]
        patch.setattr(room, "_COUNT", fewer)
        assert seals(stores[3]).remaining() == {"": 3, OLD.id: 6}, "it looks no further, in either table"

    assert seals(stores[3]).reseal() == AT_ONCE + 1 + 8

    assert seals(stores[3]).remaining() == {}
    assert read(last) == whole
    seals(last).require_keys()
    answer = Claims(last, clock).look(ANSWER, f"{ANSWER} of {ids[-2]}")
    assert isinstance(answer, Done)
    assert answer.result == {"body": CANARY}
    with pytest.raises(Misconfigured, match=NEW.id):
        seals(stores[0]).require_keys()
    with pytest.raises(Unavailable, match=NEW.id):
        seals(stores[0]).reseal()
    for store in (*stores, last):
        store.close()


def test_a_change_that_was_cut_goes_on(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its process died between two transactions: the next one does the rest, and nothing is sealed twice."""
    clock = ManualClock(START + timedelta(days=1))
    store = Store(database_url, own_keys=ring())
    written(store, clock, AT_ONCE + 1)
    keyed = Store(database_url, own_keys=ring(OLD))
    seals = Seals(keyed, JournalWriter(keyed))
    monkeypatch.setattr(Store, "rest", staticmethod(lambda: (_ for _ in ()).throw(KeyboardInterrupt)))
    with pytest.raises(KeyboardInterrupt):
        seals.reseal()
    monkeypatch.undo()
    assert seals.remaining() == {"": 1}

    assert seals.reseal() == 1
    assert seals.reseal() == 0
    with keyed.reading() as session:
        assert {one.key_id for one in session.exec(select(Payload))} == {OLD.id}
    store.close()
    keyed.close()


def test_what_somebody_changed_keeps_nothing_else_back(database_url: str) -> None:
    """Rows that changed places open in neither: that is told, they stay, and all others come under the newest key."""
    clock = ManualClock(START + timedelta(days=1))
    store = Store(database_url, own_keys=ring(OLD))
    ids = sorted(written(store, clock, 5))
    with store.reading() as session:
        texts = {one.generation_id: one.answered for one in session.exec(select(Payload))}
    with store.writing() as session:
        for one, other in ((ids[0], ids[1]), (ids[1], ids[0])):
            mine = col(Payload.generation_id) == one
            session.connection().execute(update(Payload).where(mine).values(answered=texts[other]))
    newer = Store(database_url, own_keys=ring(NEW, OLD))
    seals = Seals(newer, JournalWriter(newer))

    with pytest.raises(Unavailable, match="somebody changed it") as refused:
        seals.reseal()

    assert CANARY not in str(refused.value)
    assert seals.remaining() == {OLD.id: 2}
    shut = Reports(newer, clock, dict).call(LOCAL_OPERATOR, ids[0])
    assert (shut.asked, shut.value) == (None, None)
    store.close()
    newer.close()


def test_what_is_nobodys_answer_is_not_sealed(store: Store) -> None:
    """How a chore ended is read by whoever looks, whatever keys it has."""
    keyed, clock = Store(store.url.render_as_string(hide_password=False), own_keys=ring(OLD)), ManualClock(START)
    claims = Claims(keyed, clock)
    lease = claims.claim(CHORE, "retention")
    assert isinstance(lease, Lease)
    lease.finish({"failures": 0}, START + timedelta(days=1))

    with keyed.reading() as session:
        (row,) = session.exec(select(Claim)).all()
    assert (row.key_id, orjson.loads(row.result or "")) == (None, {"failures": 0})
    claims.close()
    keyed.close()
